"""The running decision of a stream: what its last rows say together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eeg_letters.scoring.scorer import Floats


class Decision(NamedTuple):
    """What the last rows of a stream are decided to be.

    Attributes
    ----------
    place : int
        Index of the class in the labels of the models.
    probability : float
        As if the rows were independent, which rows of one second are not: too sure.
    rows : int
        How many rows it is of.
    is_stable : bool
        Whether it has been the same, and probable enough, for as many rows as were asked for.
    """

    place: int
    probability: float
    rows: int
    is_stable: bool


class RunningDecision:
    """Sums logarithms of all models' probabilities over the last rows.

    Parameters
    ----------
    n_labels : int
        Classes that models tell apart.
    window : int
        Over how many rows, at most.
    threshold : float
        How probable a decision must be to become stable.
    hold : int
        For how many rows.
    """

    def __init__(self, n_labels: int, window: int, threshold: float, hold: int) -> None:
        # float32: each stream has one, and nothing is decided by the digits that are lost.
        self._logarithms = np.zeros((window, n_labels), np.float32)
        # Sums by products, which take less than half the time for so few numbers.
        self._over_rows = np.ones(window, np.float32)
        self._over_labels = np.ones(n_labels, np.float32)
        self._threshold = threshold
        self._hold = hold
        self._rows = 0
        self._place = -1
        self._held = 0

    def add(self, logarithms: Floats) -> Decision:
        """The decision, with one more row.

        Parameters
        ----------
        logarithms : ndarray of float64, shape (n_labels,)
            Sum of the logarithms of the probabilities that models give the row.
        """
        window = len(self._logarithms)
        self._logarithms[self._rows % window] = logarithms
        self._rows += 1
        summed = self._over_rows.dot(self._logarithms)
        place = int(summed.argmax())
        summed -= summed[place]
        probability = 1 / float(np.exp(summed, out=summed).dot(self._over_labels))
        if probability < self._threshold:
            self._held = 0
        else:
            self._held = self._held + 1 if place == self._place else 1
        self._place = place
        return Decision(place, probability, min(self._rows, window), self._held >= self._hold)
