"""Scalp maps: heads from above, with values interpolated between the electrodes."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter
from scipy.interpolate import RBFInterpolator

from eeg_letters.montage import flat_positions, on_sphere, positions
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.report.drawing import EDGE, QUIET, STYLE, TEXT, panel, signed, svg

# Colours of scalp maps fade to nothing at zero, so that the ground is neutral in either theme. Red
# and blue are of the same lightness: as far from zero, as strong a colour.
_ABOVE, _BELOW = to_rgb("#cf4456"), to_rgb("#2f7fc4")

_RIM = 1.04  # A little beyond the equator, on which two pairs of electrodes lie.
_GRID = 160
_FEWEST = 4
_CROWD = 40
# Of the spreads of electrodes along and across the line that fits them best.
_FLATTEST = 0.1


def mappable(electrodes: Sequence[str]) -> bool:
    """Whether a map can be drawn of the values of electrodes, whose places are known.

    It takes four places, not all in one line: from fewer, nearly the whole map would be guessed.
    """
    flat = np.unique(np.round(flat_positions(electrodes), 6), axis=0)
    if len(flat) < _FEWEST:
        return False
    spread = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
    return bool(spread[1] > _FLATTEST * spread[0])


def scalp_map(electrodes: Sequence[str], values: Floats, limit: float, label: str) -> str:
    """A head from above, nose up, with values interpolated between the electrodes.

    Parameters
    ----------
    electrodes : sequence of str
        n names, passed by `mappable`.
    values : ndarray of float64, shape (n,)
        One for each electrode.
    limit : float
        The value of the strongest colour; below zero likewise.
    label : str
        What is shown, in words.
    """
    return _draw_map(electrodes, interpolate(electrodes, values), limit, label)


def interpolate(electrodes: Sequence[str], values: Floats) -> Floats:
    """Values of electrodes, shape (n,), on a square around the flat head.

    Returns
    -------
    ndarray of float64, shape (n_grid, n_grid)
        From the back to the front, then from left to right.
    """
    across = np.linspace(-_RIM, _RIM, _GRID)
    grid = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    # An electrode and another one by an older name of its place are one point.
    _, first, place = np.unique(
        np.round(positions(electrodes), 6), axis=0, return_index=True, return_inverse=True
    )
    means = np.bincount(place, values) / np.bincount(place)
    points = positions([electrodes[index] for index in first])
    # Biharmonic splines between the electrodes on the round head, for the flat one is stretched at
    # its rim. They hardly overshoot.
    splines = RBFInterpolator(points, means, kernel="linear")
    field = splines(on_sphere(grid)).reshape(_GRID, _GRID)
    # Beyond the outermost electrodes nothing was measured, so nothing there may stand out.
    within: Floats = np.clip(field, values.min(), values.max())
    return within


@mpl.rc_context(STYLE)
def _draw_map(electrodes: Sequence[str], field: Floats, limit: float, label: str) -> str:
    figure, axes = _head(150)
    image = axes.imshow(
        _paint(field, limit),
        origin="lower",
        extent=(-_RIM, _RIM, -_RIM, _RIM),
        interpolation="none",
    )
    image.set_clip_path(Circle((0, 0), _RIM, transform=axes.transData))
    _outline(axes)
    axes.plot(*flat_positions(electrodes).T, ".", color=TEXT, markersize=2.2, alpha=0.7)
    return svg(figure, label)


@mpl.rc_context(STYLE)
def electrode_key(electrodes: Sequence[str]) -> str:
    """A head with the names of electrodes."""
    # Larger for many, whose names would run into each other.
    size = 300 if len(electrodes) <= _CROWD else 480 if len(electrodes) <= 2 * _CROWD else 800
    below, font = 30 / size, 9.5 if len(electrodes) <= _CROWD else 8.5
    figure, axes = _head(size)
    _outline(axes)
    for name, (right, front) in zip(electrodes, flat_positions(electrodes), strict=True):
        axes.plot(right, front, ".", color=QUIET, markersize=4)
        if abs(right) < 0.9:
            axes.text(right, front - below, name, ha="center", va="center", fontsize=font)
        else:  # Below these is the rim.
            side = "left" if right < 0 else "right"
            axes.text(0.95 * right, front, name, ha=side, va="center", fontsize=font)
    return svg(
        figure,
        f"Places and names of the {len(electrodes)} electrodes, seen from above, nose up",
    )


@mpl.rc_context(STYLE)
def colour_bar(limit: float, label: str) -> str:
    """Colour bar of the scalp maps."""
    figure, axes = panel(280, 46, left=20, right=20, bottom=34, top=2)
    gradient = np.linspace(-limit, limit, 256)[np.newaxis]
    axes.imshow(
        _paint(gradient, limit),
        aspect="auto",
        extent=(-limit, limit, 0, 1),
        interpolation="none",
    )
    axes.set_yticks([])
    axes.set_xticks([-limit, 0, limit])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
    axes.spines[:].set(color=EDGE, visible=True)
    axes.set_xlabel(label)
    return svg(figure, f"Colour bar: {label}, from {signed(-limit)} to {signed(limit)}")


def _head(size: float) -> tuple[Figure, Axes]:
    figure, axes = panel(size, size, left=0, right=0, bottom=0, top=0)
    axes.set(xlim=(-1.2, 1.2), ylim=(-1.15, 1.25), aspect="equal")
    axes.set_axis_off()
    return figure, axes


def _outline(axes: Axes) -> None:
    turn = np.linspace(-np.pi / 2, np.pi / 2, 25)
    ear, height = _RIM - 0.01 + 0.1 * np.cos(turn), 0.22 * np.sin(turn)
    nose: tuple[Sequence[float], Sequence[float]] = (-0.16, 0, 0.16), (1.03, 1.22, 1.03)
    for right, front in (nose, (ear, height), (-ear, height)):
        axes.plot(right, front, color=QUIET, linewidth=1.2, solid_joinstyle="round")
    axes.add_patch(Circle((0, 0), _RIM, fill=False, edgecolor=QUIET, linewidth=1.2))


def _paint(values: Floats, limit: float) -> Floats:
    """Colours of values, shape (…, 4), from none at zero to the strongest at `limit`."""
    strength = np.clip(np.abs(values) / limit, 0, 1)
    colours: Floats = np.where(values[..., np.newaxis] < 0, _BELOW, _ABOVE)
    return np.concatenate([colours, strength[..., np.newaxis]], axis=-1)
