"""Evaluation: what a model predicts for rows whose letters are known, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest

from eeg_letters.schema import LETTERS
from eeg_letters.scoring.scorer import Floats, Scorer

# Band powers this many rows apart are nearly uncorrelated: data/README.md.
BLOCK_ROWS = 10
# Letters before and after that count as recorded near a letter.
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
    """Predicted probabilities of rows, and their true letters.

    Attributes
    ----------
    letters : ndarray of int64, shape (n_rows,)
        The letters thought of, 0 is A.
    probabilities : ndarray of float64, shape (n_rows, 26)
        Of each letter; zero for those that the model was not trained on.
    """

    letters: NDArray[np.int64]
    probabilities: Floats

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The most probable letter of each row, shape (n_rows,)."""
        labels: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return labels

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each row's label is its letter, shape (n_rows,)."""
        right: NDArray[np.bool_] = self.labels == self.letters
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
        the interval too narrow. Blocks of `BLOCK_ROWS` rows of a letter are drawn instead.
        """
        right, sizes = _by_block(self.letters, self.right)
        rng = np.random.default_rng(0)
        # In batches: for a long recording, all at once would not fit into memory.
        shares = np.empty((_RESAMPLES // _RESAMPLES_AT_ONCE, _RESAMPLES_AT_ONCE))
        for some in shares:
            drawn = rng.integers(len(sizes), size=(len(some), len(sizes)))
            some[:] = right[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        low, high = np.quantile(shares, [0.025, 0.975])
        return Interval(float(low), float(high))

    def confusion(self) -> NDArray[np.int64]:
        """Rows by letter (down) and label (across), shape (26, 26)."""
        counts = np.zeros((len(LETTERS), len(LETTERS)), np.int64)
        np.add.at(counts, (self.letters, self.labels), 1)
        return counts

    def by_letter(self) -> list[LetterScore]:
        """Scores of each letter that was thought of, or predicted."""
        counts = self.confusion()
        found = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        return [_score_letter(counts, int(letter)) for letter in found]

    @property
    def log_loss(self) -> float:
        """Mean of -log2 of the probability of the true letter, in bits."""
        given = self.probabilities[np.arange(len(self.letters)), self.letters]
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
class LetterScore:
    """Scores of one letter.

    Attributes
    ----------
    letter : int
        0 is A.
    rows : int
        Rows on which it was thought of.
    recall : float or None
        Share of its rows that are labelled with it; None where it has none.
    precision : float or None
        Share of the rows labelled with it that are its own; None where there are none.
    f1 : float
        Harmonic mean of recall and precision: twice the rows labelled rightly by the rows of the
        letter and those of the label together.
    mistake : int or None
        The letter that most of its other rows are labelled with, the first of equals.
    mistaken : int
        How many rows that is.
    """

    letter: int
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
    """Of the misclassified rows, how many get a letter recorded near their own.

    Attributes
    ----------
    rows : int
        How many are labelled wrongly.
    share : float
        Share of them whose label is at most `NEAR` letters from theirs in the order of recording.
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
    scorer: Scorer, band_powers: Floats, letters: NDArray[np.int64], temperature: float = 1.0
) -> Evaluation:
    """Evaluate a scorer on rows.

    Parameters
    ----------
    scorer : Scorer
        The model.
    band_powers : ndarray of float64, shape (n_rows, 160)
        Finite band powers, none negative.
    letters : ndarray of int64, shape (n_rows,)
        The letters thought of.
    temperature : float
        What the scorer's logits are divided by first.
    """
    probabilities = np.zeros((len(letters), len(LETTERS)))
    probabilities[:, scorer.classes] = softmax(scorer.logits(band_powers) / temperature, axis=1)
    return Evaluation(letters, probabilities)


def nearby_mistakes(evaluation: Evaluation, order: Sequence[int]) -> Nearby | None:
    """Whether mistakes fall on letters that were recorded shortly before or after the true one.

    Parameters
    ----------
    evaluation : Evaluation
        A model on rows.
    order : sequence of int
        Letters in the order in which they were recorded.

    Returns
    -------
    Nearby or None
        None where no row of these letters is labelled wrongly, or all letters are near.
    """
    place = np.full(len(LETTERS), -1)
    place[list(order)] = np.arange(len(order))
    wrong = ~evaluation.right & (place[evaluation.letters] >= 0) & (place[evaluation.labels] >= 0)
    if not wrong.any() or len(order) <= 2 * NEAR + 1:
        return None
    own = place[evaluation.letters[wrong]]
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


def _score_letter(counts: NDArray[np.int64], letter: int) -> LetterScore:
    right, rows = int(counts[letter, letter]), int(counts[letter].sum())
    labelled = int(counts[:, letter].sum())
    others = counts[letter].copy()
    others[letter] = 0
    mistake = int(others.argmax())
    return LetterScore(
        letter,
        rows,
        right / rows if rows else None,
        right / labelled if labelled else None,
        2 * right / (rows + labelled),
        mistake if others[mistake] else None,
        int(others[mistake]),
    )


def _by_block(
    letters: NDArray[np.int64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Correct rows, and all rows, in each run of at most `BLOCK_ROWS` rows of a letter."""
    starts: list[int] = []
    for row, letter in enumerate(letters):
        if not starts or letter != letters[starts[-1]] or row - starts[-1] == BLOCK_ROWS:
            starts.append(row)
    sizes = np.diff([*starts, len(letters)])
    return np.add.reduceat(right.astype(np.int64), starts), sizes
