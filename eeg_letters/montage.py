"""Electrode positions: the international 10-05 system on a spherical head.

Computed from the definition of the system: Oostenveld and Praamstra, "The five percent electrode
system for high-resolution EEG and ERP measurements", Clinical Neurophysiology 112, 2001; names and
conventions as in eeg-positions (github.com/sappelhoff/eeg_positions, equator Nz-T10-Iz-T9), which
rounds to 4 decimals at each of its steps and so differs by up to 0.0001. The head has radius 1, and
its equator runs through nasion, inion and the points before the ears.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import atan2, cos, hypot, pi, sin

import numpy as np
from numpy.typing import NDArray

# From nasion over the vertex to inion in twentieths of the way: one step is 9 degrees.
_ROWS = "N NFp Fp AFp AF AFF F FFC FC FCC C CCP CP CPP P PPO PO POO O OI I".split()
_STEP = pi / 20
# Eighths of the way from the midline down to two steps above the equator.
_COLUMNS = "1h 1 3h 3 5h 5 7h 7".split()
# Names that are not the system's: those of the older 10-20 system, and the mastoids.
_ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8", "M1": "TP9", "M2": "TP10"}

_Place = tuple[float, float, float]


def canonical_name(electrode: str) -> str | None:
    """The 10-05 system's spelling of an electrode's name: ``Cz`` for ``" cz"``.

    Parameters
    ----------
    electrode : str
        A name in any case, with or without blanks around it.

    Returns
    -------
    str or None
        None if no electrode has the name. Another name for a place of the system (``T3``, ``T4``,
        ``T5``, ``T6``, ``M1``, ``M2``) stays that name.
    """
    found = _system().get(_key(electrode))
    return found and found[0]


def modern_name(electrode: str) -> str:
    """The system's own name for a place that has another one: ``T7`` for ``T3``."""
    return _ALIASES.get(electrode, electrode)


def positions(electrodes: Sequence[str]) -> NDArray[np.float64]:
    """Unit vectors from the head's centre to electrodes.

    Parameters
    ----------
    electrodes : sequence of str
        n names, as `canonical_name` knows them.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        To the right, to the front and up, in radii of the head.

    Raises
    ------
    KeyError
        If a name is not in the system.
    """
    system = _system()
    places = [system[_key(electrode)][1] for electrode in electrodes]
    return np.array(places, dtype=np.float64).reshape(-1, 3)


def flat_positions(electrodes: Sequence[str]) -> NDArray[np.float64]:
    """Positions of electrodes projected to a plane, from above.

    The azimuthal equidistant projection: distances from the vertex are true, and the circle of
    radius 1 is the equator.

    Parameters
    ----------
    electrodes : sequence of str
        n names, as `canonical_name` knows them.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        To the right and to the front, in quarters of the head's circumference.

    Raises
    ------
    KeyError
        If a name is not in the system.
    """
    sphere = positions(electrodes)
    across = np.hypot(sphere[:, 0], sphere[:, 1])
    angles = np.arctan2(across, sphere[:, 2])
    stretch = np.divide(angles, across, out=np.zeros_like(angles), where=across > 0)
    flat: NDArray[np.float64] = sphere[:, :2] * (stretch / (np.pi / 2))[:, np.newaxis]
    return flat


def on_sphere(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse projection: points of the plane, shape (n, 2), as unit vectors, shape (n, 3)."""
    radii = np.hypot(flat[:, 0], flat[:, 1])
    angles = radii * (np.pi / 2)
    shrink = np.divide(np.sin(angles), radii, out=np.zeros_like(radii), where=radii > 0)
    return np.column_stack([flat * shrink[:, np.newaxis], np.cos(angles)])


def _key(electrode: str) -> str:
    return electrode.strip().lower()


@cache
def _system() -> dict[str, tuple[str, _Place]]:
    """Canonical names and places of all electrodes, by `_key` of the name."""
    places: dict[str, _Place] = {}
    for step, row in enumerate(_ROWS):
        places[f"{row}z"] = 0.0, cos(step * _STEP), sin(step * _STEP)
        for column, (right, front, up) in _left(step):
            # Below the temples, what is C near the midline is T. Odd numbers are left, and each
            # even one is the mirror image of the odd one before it.
            letters = row.replace("C", "T") if column[0] in "79" else row
            places[f"{letters}{column}"] = right, front, up
            places[f"{letters}{int(column[0]) + 1}{column[1:]}"] = -right, front, up
    places |= {alias: places[electrode] for alias, electrode in _ALIASES.items()}
    return {_key(name): (name, place) for name, place in places.items()}


def _left(step: int) -> Iterator[tuple[str, _Place]]:
    """Columns and places of the electrodes left of the midline, in the row at `step`."""
    if step < 3 or step > 17:  # The row is the end of a circle parallel to the equator.
        for column, away in (("1h", 1), ("1", 2)):
            yield column, _on_circle(min(step, 20 - step), away if step < 3 else 20 - away)
        return
    yield "9", _on_circle(0, step)
    yield "9h", _on_circle(1, step)
    # An arc from the midline to the end on the left: as one over the midline to the end on the
    # right is its mirror image, it starts at right angles to the midline, and the chord turns away
    # from this direction by half of the arc's angle.
    right, front, up = _on_circle(2, step)
    to_front, to_up = front - cos(step * _STEP), up - sin(step * _STEP)
    drop = hypot(to_front, to_up)
    angle = 2 * atan2(drop, -right)
    radius = -right / sin(angle)
    for eighth, column in enumerate(_COLUMNS, 1):
        share = radius * (1 - cos(angle * eighth / 8)) / drop
        yield (
            column,
            (
                -radius * sin(angle * eighth / 8),
                cos(step * _STEP) + share * to_front,
                sin(step * _STEP) + share * to_up,
            ),
        )


def _on_circle(elevation: int, azimuth: int) -> _Place:
    """The place so many steps above the equator, and so many from the front to the left."""
    across = cos(elevation * _STEP)
    return (
        -across * sin(azimuth * _STEP),
        across * cos(azimuth * _STEP),
        sin(elevation * _STEP),
    )
