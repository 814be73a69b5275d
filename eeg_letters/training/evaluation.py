"""Evaluation: what a model predicts for rows whose classes are known, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest

from eeg_letters.scoring.scorer import Floats, Scorer

# Band powers this many rows apart are nearly uncorrelated: data/README.md.
BLOCK_ROWS = 10
# Classes before and after that count as recorded near a class.
NEAR = 2
CONFIDENCE_BINS = 15
_RESAMPLES = 10_000
_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """Predicted probabilities of rows, and their true classes.

    Attributes
    ----------
    truth : ndarray of int64, shape (n_rows,)
        Index of each row's class in the schema's labels.
    probabilities : ndarray of float64, shape (n_rows, n_labels)
        Of each of the schema's labels; zero for those that the model was not trained on.
    """

    truth: NDArray[np.int64]
    probabilities: Floats
    places: NDArray[np.int64] | None = None

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
    def interval(self) -> Interval:
        """Interval of the accuracy, by a bootstrap of blocks.

        Neighbouring rows are nearly copies of each other, so that rows drawn one by one would make
        the interval too narrow. Blocks of `BLOCK_ROWS` rows of a class are drawn instead.
        """
        right, sizes = _by_block(self.truth, self.right)
        rng = np.random.default_rng(0)
        # In batches: for a long recording, all at once would not fit into memory.
        shares = np.empty((_RESAMPLES // _RESAMPLES_AT_ONCE, _RESAMPLES_AT_ONCE))
        for some in shares:
            drawn = rng.integers(len(sizes), size=(len(some), len(sizes)))
            some[:] = right[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        low, high = np.quantile(shares, [0.025, 0.975])
        return Interval(float(low), float(high))

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
    p_value : float
        McNemar's exact test that both models are equally good.
    """

    both: int
    first_alone: int
    second_alone: int
    neither: int
    p_value: float


def evaluate(
    scorer: Scorer,
    features: Floats,
    truth: NDArray[np.int64],
    n_labels: int,
    temperature: float = 1.0,
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
    """
    logits = scorer.logits(features) / temperature
    return evaluate_logits(logits, scorer.classes, truth, n_labels, places)


def evaluate_logits(
    logits: Floats,
    classes: NDArray[np.int64],
    truth: NDArray[np.int64],
    n_labels: int,
    places: NDArray[np.int64] | None = None,
) -> Evaluation:
    """Evaluate what `Scorer.logits` gave for rows; the other arguments are as of `evaluate`."""
    probabilities = np.zeros((len(truth), n_labels))
    probabilities[:, classes] = softmax(logits, axis=1)
    return Evaluation(truth, probabilities, places)


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
    counts = [
        int((a & b).sum())
        for a in (first.right, ~first.right)
        for b in (second.right, ~second.right)
    ]
    both, first_alone, second_alone, neither = counts
    differ = first_alone + second_alone
    p_value = float(binomtest(first_alone, differ).pvalue) if differ else 1.0
    return Agreement(both, first_alone, second_alone, neither, p_value)


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


def _by_block(
    truth: NDArray[np.int64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Correct rows, and all rows, in each run of at most `BLOCK_ROWS` rows of a class."""
    starts: list[int] = []
    for row, place in enumerate(truth):
        if not starts or place != truth[starts[-1]] or row - starts[-1] == BLOCK_ROWS:
            starts.append(row)
    sizes = np.diff([*starts, len(truth)])
    return np.add.reduceat(right.astype(np.int64), starts), sizes
