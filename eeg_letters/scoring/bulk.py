"""Scoring of many rows at a time, for batch prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_letters.scoring.scorer import Floats, Scorer, log1p_of, total_norm

# The widest layer of this many rows, 1 MB, stays in a core's cache.
_BLOCK_ROWS = 256
# Squared norms between which no intermediate result overflows or vanishes; the first is divided by
# the square of the factor.
_LEAST, _LEAST_SQUARE, _MOST = 1e-20, 1e-280, 1e300


@dataclass(frozen=True)
class Scores:
    """What a model predicts for many rows.

    Attributes
    ----------
    labels : ndarray of int64, shape (n_rows,)
        Index of the most probable class in the schema's labels.
    top : ndarray of float64, shape (n_rows,)
        Its probability.
    probabilities : ndarray of float64, shape (n_labels, n_rows), or None
        Probability of each of the schema's labels, zero where the model was not trained on it;
        None where they were not asked for.
    """

    labels: NDArray[np.int64]
    top: Floats
    probabilities: Floats | None


class BulkScorer:
    """A scorer's layers, each with its bias as one more row of weights.

    A layer with ReLU gives twice as much for twice the input. So a row that is to have unit length
    is not divided by its norm: the norm goes through all layers as one more input, instead of the 1
    that a bias is multiplied by, and the output is divided by it. For a batch this saves
    a sixth of the time; docs/decisions/0006-arrow-tables.md has the figures.

    Parameters
    ----------
    scorer : Scorer
        It gives the same answers, up to rounding in the last digits.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        *inner, last = (
            np.vstack([weight, bias])
            for weight, bias in zip(scorer.weights, scorer.biases, strict=True)
        )
        self._layers = [np.hstack([layer, np.eye(len(layer))[:, -1:]]) for layer in inner]
        self._last = np.ascontiguousarray(last.T)

    def logits(self, rows: Floats) -> Floats:
        """Logits of rows.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features + 1)
            What its preprocessing makes of features, and what a bias is multiplied by.

        Returns
        -------
        ndarray of float64, shape (n_classes, n_rows)
        """
        signal = rows
        for layer in self._layers:
            signal = signal.dot(layer)
            np.maximum(signal, 0, out=signal)
        logits: Floats = self._last.dot(signal.T)
        logits /= rows[:, -1]
        return logits


def score(
    scorers: Sequence[BulkScorer], features: Floats, n_labels: int, all_probabilities: bool
) -> list[Scores]:
    """Score rows by each of several models.

    Parameters
    ----------
    scorers : sequence of BulkScorer
        The models.
    features : ndarray of float64, shape (n_features, n_rows)
        Finite, a row of the array for each of the schema's features.
    n_labels : int
        How many labels the schema has.
    all_probabilities : bool
        Also give the probabilities of all labels.

    Returns
    -------
    list of Scores
        In the order of `scorers`.
    """
    n_rows = features.shape[1]
    scores = [
        Scores(
            np.empty(n_rows, np.int64),
            np.empty(n_rows),
            np.zeros((n_labels, n_rows)) if all_probabilities else None,
        )
        for _ in scorers
    ]
    keys = {(bulk.scorer.preprocessing, bulk.scorer.factor) for bulk in scorers}
    for start in range(0, n_rows, _BLOCK_ROWS):
        block = slice(start, min(start + _BLOCK_ROWS, n_rows))
        rows = features[:, block].T
        inputs = {key: _INPUTS[key[0]](rows, key[1]) for key in keys}
        norms = {
            key: math.inf if of_rows is None else total_norm(of_rows.T) / of_rows[:, -1].min()
            for key, of_rows in inputs.items()
        }
        for bulk, into in zip(scorers, scores, strict=True):
            scorer = bulk.scorer
            key = scorer.preprocessing, scorer.factor
            of_rows = inputs[key]
            logits = scorer.logits(rows).T if of_rows is None else bulk.logits(of_rows)
            logits -= logits.max(axis=0)
            into.labels[block] = scorer.choose(rows, norms[key], logits.T)
            exponentials = np.exp(logits, out=logits)
            sums = exponentials.sum(axis=0)
            # The exponential of the largest is 1.
            into.top[block] = 1 / sums
            if into.probabilities is not None:
                into.probabilities[scorer.classes, block] = exponentials / sums
    return scores


def _l2_inputs(powers: Floats, factor: float) -> Floats | None:
    squares = np.einsum("ij,ij->i", powers, powers)
    least = max(_LEAST / factor / factor, _LEAST_SQUARE)
    if not ((squares > least) & (squares < _MOST)).all():
        return None
    inputs = _empty_inputs(powers)
    inputs[:, :-1] = powers
    np.sqrt(squares, out=inputs[:, -1])
    return inputs


def _log1p_inputs(powers: Floats, factor: float) -> Floats:
    inputs = _empty_inputs(powers)
    inputs[:, :-1] = log1p_of(powers, factor)
    inputs[:, -1] = 1
    return inputs


def _standardise_inputs(values: Floats, _: float) -> Floats:
    inputs = _empty_inputs(values)
    inputs[:, :-1] = values
    inputs[:, -1] = 1
    return inputs


def _empty_inputs(values: Floats) -> Floats:
    # A column at a time, as the values are.
    return np.empty((len(values), values.shape[1] + 1), order="F")


# What goes into the first layer, by preprocessing: features with one more input, or None where
# only the scorer itself can tell.
_INPUTS: dict[str, Callable[[Floats, float], Floats | None]] = {
    "l2": _l2_inputs,
    "log1p": _log1p_inputs,
    "standardise": _standardise_inputs,
}
