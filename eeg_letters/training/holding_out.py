"""Which rows are held out of a fit, to estimate how a model does on rows that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_letters.training.dataset import Dataset

MOST_GROUPS = 5


@dataclass(frozen=True)
class Fold:
    """One fit of an estimate.

    Attributes
    ----------
    fitted : ndarray of int64, shape (n_fitted,)
        Rows to fit to, ascending; one that counts more is there more than once.
    held_out : ndarray of int64, shape (n_held_out,)
        Rows to predict, ascending.
    """

    fitted: NDArray[np.int64]
    held_out: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """The fits of an estimate.

    Attributes
    ----------
    by_recording : bool
        Whether whole recordings are held out; otherwise it is the second half of each class's rows
        in each recording.
    folds : tuple of Fold
        Empty where there are too few rows.
    """

    by_recording: bool
    folds: tuple[Fold, ...]


def make_plan(training: Dataset, weight: int) -> Plan:
    """Plan an estimate; of two or more recordings, each is held out once.

    Recordings are held out in at most `MOST_GROUPS` groups, but for rows of classes that no other
    recording has. Where there are rows of the session to
    come, the estimate is made as they will be used: as many rows of each class of what is held out
    are fitted to, with their weight.

    Parameters
    ----------
    training : Dataset
        What will be fitted to.
    weight : int
        How often a row of the session to come counts.
    """
    recordings = np.arange(len(training.earlier))
    groups = recordings % min(MOST_GROUPS, len(recordings))
    folds = tuple(
        _hold_out(training, np.flatnonzero(groups == group), weight) for group in np.unique(groups)
    )
    if len(folds) > 1 and all(_is_enough(training, fold) for fold in folds):
        return Plan(True, folds)
    blocks = _hold_out_blocks(training)
    return Plan(False, (blocks,) if _is_enough(training, blocks) else ())


def everything(training: Dataset, weight: int) -> NDArray[np.int64]:
    """All rows, those of the session to come as often as they count, shape (n,)."""
    return np.repeat(np.arange(len(training)), np.where(training.are_adapting, weight, 1))


def _hold_out(training: Dataset, recordings: NDArray[np.int64], weight: int) -> Fold:
    held_out = np.isin(training.places, recordings)
    fitted = ~held_out & ~training.are_adapting
    counts = fitted.astype(np.int64)
    if training.n_adapting:
        of_classes = np.bincount(training.labels[training.are_adapting])
        some = held_out & training.first_rows(of_classes)
        counts[some] = weight
        held_out &= ~some
    # A class that is in no other recording cannot be told: its rows would count as mistakes.
    held_out &= np.isin(training.labels, training.labels[counts > 0])
    return Fold(np.repeat(np.arange(len(training)), counts), np.flatnonzero(held_out))


def _hold_out_blocks(training: Dataset) -> Fold:
    first, others = training.first_rows(), ~training.are_adapting
    return Fold(np.flatnonzero(first & others), np.flatnonzero(~first & others))


def _is_enough(training: Dataset, fold: Fold) -> bool:
    classes = len(np.unique(training.labels[fold.fitted]))
    return bool(len(fold.held_out)) and 1 < classes < len(fold.fitted)
