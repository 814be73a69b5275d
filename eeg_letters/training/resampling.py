"""Resampling: how sure a share of rows is, where rows resemble each other.

Neighbouring rows are nearly copies, and mistakes come by class: rows that are taken for independent
of each other make an interval too narrow and a p-value too small. Units of rows, drawn or exchanged
as one, stand in their stead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

# Band powers this many rows apart are nearly uncorrelated: data/README.md.
BLOCK_ROWS = 10
# Fewer classes are too few to draw among.
FEWEST_CLASSES = 10
# With so many units or more a bootstrap of them is right.
_FEW_UNITS = 20
_RESAMPLES = 10_000
_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Units:
    """Which rows are drawn, or exchanged, together.

    Attributes
    ----------
    of_rows : ndarray of int64, shape (n_rows,)
        Index of the unit of each row.
    groups : ndarray of int64, shape (n_units,)
        A unit stands for others of its group only.
    """

    of_rows: NDArray[np.int64]
    groups: NDArray[np.int64]


def blocks(places: NDArray[np.int64]) -> Units:
    """Units of at most `BLOCK_ROWS` rows in a row, of one recording."""
    rows = np.arange(len(places))
    changes = np.diff(places, prepend=-1) != 0
    run_starts = np.maximum.accumulate(np.where(changes, rows, 0))
    starts = (rows - run_starts) % BLOCK_ROWS == 0
    return Units(np.cumsum(starts) - 1, np.zeros(int(starts.sum()), np.int64))


def classes(truth: NDArray[np.int64], places: NDArray[np.int64]) -> Units | None:
    """Units of all rows of a class in a recording; None below `FEWEST_CLASSES` classes."""
    if len(np.unique(truth)) < FEWEST_CLASSES:
        return None
    pairs, of_rows = np.unique(np.column_stack((places, truth)), axis=0, return_inverse=True)
    return Units(of_rows.reshape(-1), pairs[:, 0])


def interval_of_mean(values: NDArray[np.int64], units: Units, least: int = 0) -> Interval:
    """Interval of the mean of whole numbers, one of each row, by a bootstrap of units.

    Parameters
    ----------
    values : ndarray of int64, shape (n_rows,)
        From `least` to 1.
    units : Units
        What is drawn together. One unit alone says nothing.
    least : int
        The least value that there may be.
    """
    sums, sizes = np.bincount(units.of_rows, values), np.bincount(units.of_rows)
    drawn = np.zeros((_RESAMPLES, 2))
    rng = np.random.default_rng(0)
    for group in np.unique(units.groups):
        # Units alike in sum and size need not be told apart: there are few kinds of them.
        kinds, counts = np.unique(
            np.column_stack((sums, sizes))[units.groups == group], axis=0, return_counts=True
        )
        n_units = int(counts.sum())
        # In batches: where kinds are many, all at once would not fit into memory.
        for start in range(0, _RESAMPLES, _RESAMPLES_AT_ONCE):
            times = rng.multinomial(n_units, counts / n_units, _RESAMPLES_AT_ONCE)
            drawn[start : start + _RESAMPLES_AT_ONCE] += times @ kinds
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975]).tolist()
    n_free = len(sums) - len(np.unique(units.groups))
    if n_free < _FEW_UNITS:
        found = _widened(Interval(low, high), values, n_free, least)
        low, high = found.low, found.high
    # Where all values are the same, so are all draws: then it is as of as many throws of a coin.
    rest = 1 - 0.025 ** (1 / len(sums))
    if (sums == sizes).all():
        low = 1 - rest
    elif not values.any():
        low, high = max(least, -rest), rest
    return Interval(low, high)


def _widened(interval: Interval, values: NDArray[np.int64], n_free: int, least: int) -> Interval:
    # Of few units the draws differ less than the units do; Student's distribution makes up for it.
    # Those at hand may be alike by lot: no less than if all rows were independent.
    if n_free == 0:
        return Interval(least, 1)
    mean, normal = values.mean(), norm.ppf(0.975)
    factor = t.ppf(0.975, n_free) / normal * np.sqrt((n_free + 1) / n_free)
    of_rows = normal * values.std() / np.sqrt(len(values))
    below = max(factor * (mean - interval.low), of_rows)
    above = max(factor * (interval.high - mean), of_rows)
    return Interval(float(max(least, mean - below)), float(min(1, mean + above)))


def widest_interval(
    values: NDArray[np.int64],
    truth: NDArray[np.int64],
    places: NDArray[np.int64],
    least: int = 0,
) -> Interval:
    """Interval of the mean of whole numbers: the wider of those by blocks and by classes."""
    by_blocks, whole = interval_of_mean(values, blocks(places), least), classes(truth, places)
    return by_blocks if whole is None else wider(by_blocks, interval_of_mean(values, whole, least))


def exchange_p_value(differences: NDArray[np.int64], units: Units) -> float:
    """Permutation test, two-sided, that two models are equally good.

    If they are, the answers of both to the rows of a unit may be exchanged: its difference may have
    the other sign. The p-value is the share of all ways to exchange that make the sum of the
    differences at least as large as it is. It is exact: the characteristic function of the sum is a
    product of cosines, whose Fourier transform is the share of each sum.

    Parameters
    ----------
    differences : ndarray of int64, shape (n_rows,)
        1 where the first model alone is right, -1 where the second is, otherwise 0.
    units : Units
        What is exchanged.
    """
    sums = np.bincount(units.of_rows, differences).astype(np.int64)
    sizes, counts = np.unique(np.abs(sums), return_counts=True)
    largest = int(sizes @ counts)
    n_sums = 2 * largest + 1
    frequencies = 2 * np.pi * np.arange(n_sums) / n_sums
    spectrum = np.ones(n_sums)
    for size, count in zip(sizes, counts, strict=True):
        spectrum *= np.cos(frequencies * size) ** count
    shares = np.fft.fft(spectrum).real / n_sums
    # The second half are the negative sums, from the least one on.
    reached = np.abs(np.fft.ifftshift(np.arange(-largest, largest + 1)))
    return float(np.clip(shares[reached >= abs(sums.sum())].sum(), 0, 1))


def wider(one: Interval, other: Interval | None) -> Interval:
    """The wider of two intervals."""
    if other is None or one.high - one.low >= other.high - other.low:
        return one
    return other
