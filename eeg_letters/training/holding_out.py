"""Which rows are held out of a fit, to estimate how a model does on rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_letters.training.dataset import Dataset

MOST_GROUPS = 5
# A model fitted to a smaller part of the rows says little of one that is fitted to all.
_LEAST_SHARE = 0.25


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
    kept : dict of int to str
        By the place of each earlier recording that is not held out whole, why not; empty where
        there is one recording.
    """

    by_recording: bool
    folds: tuple[Fold, ...]
    kept: Mapping[int, str]


def make_plan(training: Dataset, weight: int) -> Plan:
    """Plan an estimate; of two or more recordings, each that can be is held out once.

    Recordings are held out in at most `MOST_GROUPS` groups, but for rows of classes that no other
    recording has. A group can be held out where others have rows of its classes, and what is fitted
    to has more rows than classes, two classes or more, and a quarter of all rows. If no group can
    be, or all that can be have no more rows than classes, halves of each class's rows are held out.
    Where there are rows of the session to come, the estimate is made as they will be used: as many
    rows of each class of what is held out are fitted to, with their weight.

    Parameters
    ----------
    training : Dataset
        What will be fitted to.
    weight : int
        How often a row of the session to come counts.
    """
    recordings = np.arange(len(training.earlier))
    groups = recordings % min(MOST_GROUPS, len(recordings))
    folds: list[Fold] = []
    kept: dict[int, str] = {}
    for group in np.unique(groups) if len(recordings) > 1 else ():
        places = np.flatnonzero(groups == group)
        fold = _hold_out(training, places, weight)
        if reason := _why_not(training, fold, places):
            kept |= dict.fromkeys(places.tolist(), reason)
        else:
            folds.append(fold)
    held_out = np.concatenate([fold.held_out for fold in folds]) if folds else np.array([], int)
    if len(held_out) > len(np.unique(training.labels[held_out])):
        return Plan(True, tuple(folds), dict(sorted(kept.items())))
    if len(recordings) > 1:
        few = "too few of its rows could be held out"
        kept = {place: kept.get(place, few) for place in recordings.tolist()}
    blocks = _hold_out_blocks(training)
    return Plan(False, (blocks,) if _is_enough(training, blocks) else (), kept)


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


def _why_not(training: Dataset, fold: Fold, recordings: NDArray[np.int64]) -> str:
    fitted = np.unique(fold.fitted)
    others = fitted[~np.isin(training.places[fitted], recordings)]
    own = np.isin(training.places, recordings)
    known = np.isin(training.labels[own], training.labels[fitted])
    if known.any() and not len(fold.held_out):
        return "as many of its rows as there are of the session to come are all that it has"
    if not known.any():
        return f"no other has its {training.schema.labels.plural}"
    if not _is_enough(training, fold):
        return "the others are too little to fit a model to"
    if len(others) < _LEAST_SHARE * np.count_nonzero(~training.are_adapting):
        return "the others have less than a quarter of the rows"
    return ""


def _is_enough(training: Dataset, fold: Fold) -> bool:
    classes = len(np.unique(training.labels[fold.fitted]))
    # By rows, not by how often they count: weights that are compared have the same folds.
    return bool(len(fold.held_out)) and 1 < classes < len(np.unique(fold.fitted))
