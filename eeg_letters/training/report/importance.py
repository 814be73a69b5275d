"""Permutation importance: how much worse a model does when features are shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import PREPROCESSING, Floats, Scorer
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation, evaluate, evaluate_logits

# How often each feature is shuffled, where that does not take too long.
SHUFFLES = 5
# Multiplications for one model: half a minute or so on one core.
_MOST_WORK = 4e11
# As much work as a logarithm or an exponential function takes.
_WORK_OF_FUNCTION = 100
# Fewer rows would say nothing.
_LEAST_ROWS = 100

Group = NDArray[np.int64]


@dataclass(frozen=True)
class Importance:
    """Permutation importance of features, and of groups of them shuffled together.

    Each number is by how much the log loss grows, in bits a row, on average.

    Attributes
    ----------
    features : ndarray of float64, shape (n_features,)
        Of each feature.
    electrodes : ndarray of float64, shape (n_electrodes,)
        Of all bands of an electrode together; empty where features are no band powers.
    bands : ndarray of float64, shape (n_bands,)
        Of all electrodes in a band together; likewise.
    band_accuracies : ndarray of float64, shape (n_bands,)
        Accuracy that is left when a band is shuffled.
    whole : Evaluation
        With nothing shuffled, of the same rows.
    known : int
        Rows of the test recording whose classes the model knows; the others are left out.
    turns : int
        How often each group was shuffled.
    """

    features: Floats
    electrodes: Floats
    bands: Floats
    band_accuracies: Floats
    whole: Evaluation
    known: int
    turns: int

    @property
    def rows(self) -> int:
        """How many rows were labelled."""
        return len(self.whole.truth)


@dataclass(frozen=True)
class Shuffling:
    """A model and the rows among which features are shuffled.

    Attributes
    ----------
    scorer : Scorer
        The model.
    values : ndarray of float64, shape (n_rows, n_features)
        The rows.
    truth : ndarray of int64, shape (n_rows,)
        Index of each row's class in the schema's labels.
    n_labels : int
        How many labels the schema has.
    known : int
        How many rows there are to draw from.
    turns : int
        How often each group of features is shuffled.
    """

    scorer: Scorer
    values: Floats
    truth: NDArray[np.int64]
    n_labels: int
    known: int
    turns: int

    def score(self, groups: Sequence[Group]) -> Floats:
        """Log loss and accuracy with each group of features shuffled, shape (n_groups, 2)."""
        rng = np.random.default_rng(0)
        orders = [rng.permutation(len(self.truth)) for _ in range(self.turns)]
        logits = self._of_whole_rows if self.scorer.preprocessing == "l2" else self._of_changes
        found = np.empty((len(groups), self.turns, 2))
        for place, group in enumerate(groups):
            for turn, shuffled in enumerate(logits(group, orders)):
                evaluation = evaluate_logits(
                    shuffled, self.scorer.classes, self.truth, self.n_labels
                )
                found[place, turn] = evaluation.log_loss, evaluation.accuracy
        means: Floats = found.mean(axis=1)
        return means

    def _of_whole_rows(self, group: Group, orders: Sequence[NDArray[np.int64]]) -> Iterator[Floats]:
        shuffled = self.values.copy()
        for order in orders:
            shuffled[:, group] = self.values[np.ix_(order, group)]
            yield self.scorer.logits(shuffled)

    def _of_changes(self, group: Group, orders: Sequence[NDArray[np.int64]]) -> Iterator[Floats]:
        # Where each feature is prepared by itself, the others' part in the first layer stays, which
        # is nearly all of the work.
        weights, biases = self.scorer.weights, self.scorer.biases
        own = self._inputs[:, group]
        for order in orders:
            signal = (own[order] - own) @ weights[0][group]
            signal += self._first_layer
            for weight, bias in zip(weights[1:], biases[1:], strict=True):
                signal = np.maximum(signal, 0, out=signal) @ weight
                signal += bias
            yield signal

    @cached_property
    def _inputs(self) -> Floats:
        return PREPROCESSING[self.scorer.preprocessing](self.values, self.scorer.factor)

    @cached_property
    def _first_layer(self) -> Floats:
        layer: Floats = self._inputs @ self.scorer.weights[0] + self.scorer.biases[0]
        return layer


def plan_shuffling(scorer: Scorer, test: Dataset) -> Shuffling:
    """The rows of a recording to shuffle features among.

    All rows `SHUFFLES` times where that does not take too long; else fewer times, and if once
    takes too long, fewer rows, drawn by lot. The model knows the class of at least one row.
    """
    known = np.flatnonzero(np.isin(test.labels, scorer.classes))
    functions = len(test.schema.features) + len(scorer.classes)
    work = sum(weight.size for weight in scorer.weights) + _WORK_OF_FUNCTION * functions
    most = int(_MOST_WORK / (work * len(feature_groups(test.schema.features))))
    turns = min(max(most // len(known), 1), SHUFFLES)
    rows = min(max(most, _LEAST_ROWS), len(known))
    drawn = np.sort(np.random.default_rng(0).permutation(known)[:rows])
    return Shuffling(
        scorer,
        test.features[drawn],
        test.labels[drawn],
        len(test.schema.labels.values),
        len(known),
        turns,
    )


def feature_groups(features: Features) -> list[Group]:
    """What is shuffled together: each feature, each electrode's, and each band's."""
    grid = features.grid
    together = [*grid, *grid.T] if features.are_powers else []
    return [*np.arange(len(features))[:, np.newaxis], *(group[group >= 0] for group in together)]


def make_importance(shuffling: Shuffling, features: Features, scores: Floats) -> Importance:
    """Importance of features from what `Shuffling.score` found of all `feature_groups`."""
    whole = evaluate(shuffling.scorer, shuffling.values, shuffling.truth, shuffling.n_labels)
    rise = scores[:, 0] - whole.log_loss
    bands = len(features) + len(features.electrode_names)
    if not features.are_powers:
        bands = len(features)
    return Importance(
        rise[: len(features)],
        rise[len(features) : bands],
        rise[bands:],
        scores[bands:, 1],
        whole,
        shuffling.known,
        shuffling.turns,
    )
