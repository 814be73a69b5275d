"""Evaluation: what a model predicts for rows whose classes are known, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.training.resampling import (
    Interval,
    blocks,
    classes,
    exchange_p_value,
    interval_of_mean,
    wider,
    widest_interval,
)

# Classes before and after that count as recorded near a class.
NEAR = 1
CONFIDENCE_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """Predicted probabilities of rows, and their true classes.

    Attributes
    ----------
    truth : ndarray of int64, shape (n_rows,)
        Index of each row's class in the schema's labels.
    probabilities : ndarray of float64, shape (n_rows, n_labels)
        Of each of the schema's labels; zero for those that the model was not trained on.
    places : ndarray of int64, shape (n_rows,)
        Index of the recording that each row is of; by default all are of one.
    """

    truth: NDArray[np.int64]
    probabilities: Floats
    places: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if not self.places.size:
            object.__setattr__(self, "places", np.zeros_like(self.truth))

    def of_recording(self, place: int) -> Evaluation:
        """The rows of one recording."""
        rows = self.places == place
        return Evaluation(self.truth[rows], self.probabilities[rows], self.places[rows])

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The most probable class of each row, shape (n_rows,)."""
        labels: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return labels

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each row's label is its class, shape (n_rows,)."""
        right: NDArray[np.bool_] = self.labels == self.truth
        return right

    @property
    def confidence(self) -> Floats:
        """Probability of each row's label, shape (n_rows,)."""
        confidence: Floats = self.probabilities.max(axis=1)
        return confidence

    @property
    def accuracy(self) -> float:
        """Share of the rows that are labelled correctly."""
        return float(self.right.mean())

    @cached_property
    def by_blocks(self) -> Interval:
        """Interval of the accuracy, by a bootstrap of blocks of rows."""
        return interval_of_mean(self.right.astype(np.int64), blocks(self.places))

    @cached_property
    def by_classes(self) -> Interval | None:
        """Interval of the accuracy, by a bootstrap of whole classes within each recording.

        None where there are too few classes to draw among.
        """
        units = classes(self.truth, self.places)
        return None if units is None else interval_of_mean(self.right.astype(np.int64), units)

    @property
    def interval(self) -> Interval:
        """Interval of the accuracy: the wider of `by_blocks` and `by_classes`."""
        return wider(self.by_blocks, self.by_classes)

    @cached_property
    def commonest_class(self) -> int:
        """The class that most rows are of, the first of equals."""
        return int(np.bincount(self.truth).argmax())

    @property
    def commonest(self) -> float:
        """Share of the rows of the commonest class: the accuracy of always guessing it."""
        return float((self.truth == self.commonest_class).mean())

    @property
    def beats_guessing(self) -> bool:
        """Whether the whole interval of the accuracy is above that of guessing."""
        return self.interval.low > self.commonest

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that rows have."""
        recalls = [score.recall for score in self.by_class() if score.recall is not None]
        return float(np.mean(recalls))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that rows have, or are labelled with."""
        return float(np.mean([score.f1 for score in self.by_class()]))

    def confusion(self) -> NDArray[np.int64]:
        """Rows by class (down) and label (across), shape (n_labels, n_labels)."""
        n_labels = self.probabilities.shape[1]
        counts = np.zeros((n_labels, n_labels), np.int64)
        np.add.at(counts, (self.truth, self.labels), 1)
        return counts

    def by_class(self) -> list[ClassScore]:
        """Scores of each class that rows have, or are labelled with."""
        counts = self.confusion()
        found = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        return [_score_class(counts, int(place)) for place in found]

    @property
    def log_loss(self) -> float:
        """Mean of -log2 of the probability of the true class, in bits."""
        given = self.probabilities[np.arange(len(self.truth)), self.truth]
        return float(-np.log2(np.maximum(given, np.finfo(np.float64).eps)).mean())

    def calibration(self) -> Calibration:
        """Accuracy by confidence, in bins of equal width."""
        bins = np.minimum((self.confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
        rows = np.bincount(bins, minlength=CONFIDENCE_BINS)
        used = rows > 0
        return Calibration(
            rows[used],
            np.bincount(bins, self.confidence, CONFIDENCE_BINS)[used] / rows[used],
            np.bincount(bins, self.right, CONFIDENCE_BINS)[used] / rows[used],
        )


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class.

    Attributes
    ----------
    place : int
        Its index in the schema's labels.
    rows : int
        Rows that are of it.
    recall : float or None
        Share of its rows that are labelled with it; None where it has none.
    precision : float or None
        Share of the rows labelled with it that are its own; None where there are none.
    f1 : float
        Harmonic mean of recall and precision: twice the rows labelled rightly by the rows of the
        class and those of the label together.
    mistake : int or None
        The class that most of its other rows are labelled with, the first of equals.
    mistaken : int
        How many rows that is.
    """

    place: int
    rows: int
    recall: float | None
    precision: float | None
    f1: float
    mistake: int | None
    mistaken: int


@dataclass(frozen=True)
class Calibration:
    """Rows by the probability of their label, in `CONFIDENCE_BINS` bins of equal width.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_bins,)
        How many rows are in each bin; empty bins are left out.
    confidence : ndarray of float64, shape (n_bins,)
        Mean probability of their labels.
    accuracy : ndarray of float64, shape (n_bins,)
        Share of them that is labelled rightly.
    """

    rows: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap between confidence and accuracy of a row's bin."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((gaps * self.rows).sum() / self.rows.sum())


@dataclass(frozen=True)
class Nearby:
    """Of the misclassified rows, how many get a class recorded near their own.

    Attributes
    ----------
    rows : int
        How many are labelled wrongly.
    share : float
        Share of them whose label is at most `NEAR` classes from theirs in the order of recording.
    by_chance : float
        The same if wrong labels were drawn by lot.
    """

    rows: int
    share: float
    by_chance: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of two models on the same rows.

    Attributes
    ----------
    both, first_alone, second_alone, neither : int
        Rows that both label rightly, only one of them, none.
    difference : Interval
        Of the accuracy of the first less that of the second: the wider of those by blocks of rows
        and by whole classes.
    p_blocks : float
        Permutation test that both models are equally good, which exchanges their answers to blocks
        of rows.
    p_classes : float or None
        The same of whole classes within recordings; None where there are too few of them.
    """

    both: int
    first_alone: int
    second_alone: int
    neither: int
    difference: Interval
    p_blocks: float
    p_classes: float | None

    @property
    def p_value(self) -> float:
        """The larger of both p-values."""
        return max(self.p_blocks, self.p_classes or 0.0)


def evaluate(
    scorer: Scorer,
    features: Floats,
    truth: NDArray[np.int64],
    n_labels: int,
    temperature: float = 1.0,
    *,
    places: NDArray[np.int64] | None = None,
) -> Evaluation:
    """Evaluate a scorer on rows.

    Parameters
    ----------
    scorer : Scorer
        The model.
    features : ndarray of float64, shape (n_rows, n_features)
        Finite; no band power is negative.
    truth : ndarray of int64, shape (n_rows,)
        Index of each row's class in the schema's labels.
    n_labels : int
        How many labels the schema has.
    temperature : float
        What the scorer's logits are divided by first.
    places : ndarray of int64, shape (n_rows,), optional
        Index of the recording that each row is of; by default all are of one.
    """
    logits = scorer.logits(features) / temperature
    return evaluate_logits(logits, scorer.classes, truth, n_labels, places=places)


def evaluate_logits(
    logits: Floats,
    known: NDArray[np.int64],
    truth: NDArray[np.int64],
    n_labels: int,
    *,
    places: NDArray[np.int64] | None = None,
) -> Evaluation:
    """Evaluate what `Scorer.logits` gave for rows of the `known` classes, the scorer's own.

    The other arguments are as of `evaluate`.
    """
    probabilities = np.zeros((len(truth), n_labels))
    probabilities[:, known] = softmax(logits, axis=1)
    return Evaluation(truth, probabilities, np.zeros_like(truth) if places is None else places)


def recorded_order(labels: NDArray[np.int64]) -> list[int]:
    """Classes in the order in which a recording has them; empty where one comes more than once."""
    runs: list[int] = labels[np.flatnonzero(np.diff(labels, prepend=-1))].tolist()
    return runs if len(runs) == len(set(runs)) else []


def nearby_mistakes(evaluation: Evaluation, order: Sequence[int]) -> Nearby | None:
    """Whether mistakes fall on classes that were recorded shortly before or after the true one.

    Parameters
    ----------
    evaluation : Evaluation
        A model on rows.
    order : sequence of int
        Classes in the order in which they were recorded.

    Returns
    -------
    Nearby or None
        None where no row of these classes is labelled wrongly, or all classes are near.
    """
    place = np.full(evaluation.probabilities.shape[1], -1)
    place[list(order)] = np.arange(len(order))
    wrong = ~evaluation.right & (place[evaluation.truth] >= 0) & (place[evaluation.labels] >= 0)
    if not wrong.any() or len(order) <= 2 * NEAR + 1:
        return None
    own = place[evaluation.truth[wrong]]
    near = np.abs(own - place[evaluation.labels[wrong]]) <= NEAR
    others = np.minimum(own, NEAR) + np.minimum(len(order) - 1 - own, NEAR)
    return Nearby(len(near), float(near.mean()), float(others.mean() / (len(order) - 1)))


def compare(first: Evaluation, second: Evaluation) -> Agreement:
    """Compare two models on the same rows."""
    both, first_alone, second_alone, neither = (
        int((a & b).sum())
        for a in (first.right, ~first.right)
        for b in (second.right, ~second.right)
    )
    differences = first.right.astype(np.int64) - second.right
    whole = classes(first.truth, first.places)
    return Agreement(
        both,
        first_alone,
        second_alone,
        neither,
        widest_interval(differences, first.truth, first.places, least=-1),
        exchange_p_value(differences, blocks(first.places)),
        None if whole is None else exchange_p_value(differences, whole),
    )


def _score_class(counts: NDArray[np.int64], place: int) -> ClassScore:
    right, rows = int(counts[place, place]), int(counts[place].sum())
    labelled = int(counts[:, place].sum())
    others = counts[place].copy()
    others[place] = 0
    mistake = int(others.argmax())
    return ClassScore(
        place,
        rows,
        right / rows if rows else None,
        right / labelled if labelled else None,
        2 * right / (rows + labelled),
        mistake if others[mistake] else None,
        int(others[mistake]),
    )
