"""Values over the scalp: as maps, or where there can be none, as a table of bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.report.drawing import signed
from eeg_letters.training.report.scalp import mappable, scalp_map

# Rows of a table of single features.
MOST_BARS = 20


@dataclass(frozen=True)
class Bar:
    """A value as a bar.

    Attributes
    ----------
    text : str
        The value.
    share : float
        Of the longest bar, from 0 to 1.
    below : bool
        Whether it is below zero.
    """

    text: str
    share: float
    below: bool


@dataclass(frozen=True)
class Spread:
    """Values of electrodes, of one or more kinds.

    Attributes
    ----------
    maps : list of (str, str)
        Name and SVG element of a map of each kind; empty where one cannot be drawn.
    columns : list of str
        Names of the kinds.
    rows : list of (str, list of Bar or None)
        What is not on a map: of each such electrode its name and its value of each kind, None
        where it has none.
    """

    maps: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[str, list[Bar | None]]]


def strongest(values: Floats) -> float:
    """The largest absolute value, which sets the scale of colours and bars."""
    # Zero would leave a scale without an extent.
    return max(float(np.nanmax(np.abs(values))), 1e-6)


def spread_out(
    features: Features, values: Floats, names: Sequence[str], limit: float, what: str
) -> Spread:
    """Maps of values, where every kind has enough electrodes with a place.

    Parameters
    ----------
    features : Features
        Band powers.
    values : ndarray of float64, shape (n_electrodes, n_kinds)
        NaN where an electrode has none.
    names : sequence of str
        Of each kind.
    limit : float
        The value of the strongest colour, or the longest bar; below zero likewise.
    what : str
        What the values are.
    """
    placed = np.isin(features.electrode_names, features.placed)
    maps: list[tuple[str, str]] = []
    shown = np.zeros(values.shape, bool)
    for place, name in enumerate(names):
        some = placed & ~np.isnan(values[:, place])
        electrodes = [features.electrode_names[index] for index in np.flatnonzero(some)]
        if not mappable(electrodes):
            maps = []
            shown[:] = False
            break
        label = f"Scalp map, {name}: {what}"
        maps.append((name, scalp_map(electrodes, values[some, place], limit, label)))
        shown[some, place] = True
    rest = (~shown & ~np.isnan(values)).any(axis=1)
    rows = [
        (features.electrode_names[index], [_bar(value, limit) for value in values[index]])
        for index in np.flatnonzero(rest)
    ]
    return Spread(maps, list(names), rows)


def most_important(features: Features, values: Floats) -> list[tuple[str, Bar | None]]:
    """The features of the largest values, at most `MOST_BARS`, as bars."""
    limit = strongest(values)
    order = np.argsort(-np.abs(values), kind="stable")[:MOST_BARS]
    return [(features.names[place], _bar(values[place], limit)) for place in order]


def _bar(value: float, limit: float) -> Bar | None:
    if np.isnan(value):
        return None
    return Bar(signed(float(value)), min(abs(float(value)) / limit, 1), value < 0)
