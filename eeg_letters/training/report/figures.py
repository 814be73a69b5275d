"""Figures of the report, as SVG to stand inside an HTML page that gives them their colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy.interpolate import RBFInterpolator

from eeg_letters.models import LDA, MLP, Model
from eeg_letters.montage import flat_positions, on_sphere, positions
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.evaluation import Calibration, Evaluation
from eeg_letters.training.report.experiments import LearningPoint

# Stand-ins for colours of the page's theme, by the CSS variables that they become.
_THEME = {
    "#010101": "text",
    "#020202": "quiet",
    "#030303": "edge",
    "#040404": "lda",
    "#050505": "mlp",
    "#060606": "back",
    "#070707": "on-middle",
}
TEXT, QUIET, EDGE, _LDA, _MLP, BACK, ON_MIDDLE = _THEME
COLOURS = {LDA: _LDA, MLP: _MLP}

# Colours of scalp maps fade to nothing at zero, so that the ground is neutral in either theme. Red
# and blue are of the same lightness: as far from zero, as strong a colour.
_ABOVE, _BELOW = to_rgb("#cf4456"), to_rgb("#2f7fc4")

_FONT_SIZE = 11
_RIM = 1.04  # A little beyond the equator, on which two pairs of electrodes lie.
_GRID = 160
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": _FONT_SIZE,
    "text.color": TEXT,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": TEXT,
    "axes.labelsize": _FONT_SIZE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@mpl.rc_context(_STYLE)
def distribution(band: str, training: Floats, test: Floats, limits: tuple[float, float]) -> str:
    """Histograms of one band's powers in both recordings.

    Parameters
    ----------
    band : str
        Its name.
    training, test : ndarray of float64, shape (n_values,)
        Decimal logarithms of the powers.
    limits : tuple of float
        Least and greatest logarithm to show.
    """
    figure, axes = _panel(180, 130, left=8, bottom=38, top=8)
    edges = np.linspace(*limits, 61)
    styles: list[tuple[Floats, dict[str, Any]]] = [
        (training, {"fill": True, "facecolor": QUIET, "alpha": 0.4, "linewidth": 0}),
        (test, {"edgecolor": TEXT, "linewidth": 1.4}),
    ]
    for values, options in styles:
        density, _ = np.histogram(values, edges, density=True)
        axes.stairs(density, 10**edges, **options)
    axes.set_xscale("log")
    axes.set_xlim(10 ** limits[0], 10 ** limits[1])
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(LogLocator(10, numticks=4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda power, _: f"{power:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("band power (µV²)")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return _svg(figure, f"Distribution of {band} power in both recordings")


def scalp_maps(
    electrodes: Sequence[str], values: Floats, names: Sequence[str], limit: float, what: str
) -> list[str]:
    """Heads from above, nose up, with values interpolated between the electrodes.

    Parameters
    ----------
    values : ndarray of float64, shape (32, n_maps)
        One for each of the electrodes.
    names : sequence of str
        What each map is of.
    limit : float
        The value of the strongest colour; below zero likewise.
    what : str
        What the values are.
    """
    fields = interpolate(electrodes, values)
    return [
        _scalp_map(electrodes, fields[..., place], limit, f"Scalp map, {name}: {what}")
        for place, name in enumerate(names)
    ]


def interpolate(electrodes: Sequence[str], values: Floats) -> Floats:
    """Values of the electrodes, shape (32, n_maps), on a square around the flat head.

    Returns
    -------
    ndarray of float64, shape (n, n, n_maps)
        From the back to the front, then from left to right.
    """
    across = np.linspace(-_RIM, _RIM, _GRID)
    grid = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    # Biharmonic splines between the electrodes on the round head, for the flat one is stretched at
    # its rim. They hardly overshoot.
    splines = RBFInterpolator(positions(electrodes), values, kernel="linear")
    fields = splines(on_sphere(grid)).reshape(_GRID, _GRID, -1)
    # Beyond the outermost electrodes nothing was measured, so nothing there may stand out.
    within: Floats = np.clip(fields, values.min(axis=0), values.max(axis=0))
    return within


@mpl.rc_context(_STYLE)
def _scalp_map(electrodes: Sequence[str], field: Floats, limit: float, label: str) -> str:
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
    return _svg(figure, label)


@mpl.rc_context(_STYLE)
def electrode_key(electrodes: Sequence[str]) -> str:
    """A head with the names of the electrodes."""
    figure, axes = _head(300)
    _outline(axes)
    for name, (right, front) in zip(electrodes, flat_positions(electrodes), strict=True):
        axes.plot(right, front, ".", color=QUIET, markersize=4)
        if abs(right) < 0.9:
            axes.text(right, front - 0.1, name, ha="center", va="center", fontsize=9.5)
        else:  # Below these is the rim.
            side = "left" if right < 0 else "right"
            axes.text(0.95 * right, front, name, ha=side, va="center", fontsize=9.5)
    return _svg(figure, "Places and names of the 32 electrodes, seen from above, nose up")


@mpl.rc_context(_STYLE)
def colour_bar(limit: float, label: str) -> str:
    """Colour bar of the scalp maps."""
    figure, axes = _panel(280, 46, left=20, right=20, bottom=34, top=2)
    gradient = np.linspace(-limit, limit, 256)[np.newaxis]
    axes.imshow(
        _paint(gradient, limit),
        aspect="auto",
        extent=(-limit, limit, 0, 1),
        interpolation="none",
    )
    axes.set_yticks([])
    axes.set_xticks([-limit, 0, limit])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    axes.spines[:].set(color=EDGE, visible=True)
    axes.set_xlabel(label)
    return _svg(figure, f"Colour bar: {label}, from {_signed(-limit)} to {_signed(limit)}")


@mpl.rc_context(_STYLE)
def confusion(model: Model, evaluation: Evaluation, names: Sequence[str]) -> str:
    """Confusion matrix: rows by letter and label."""
    counts = evaluation.confusion()
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _panel(480, 480, left=36, bottom=4, top=42, right=4)
    # A cell's colour is its share of its letter's rows; alpha makes it fit either theme.
    for (letter, label), share in np.ndenumerate(counts / totals):
        if share:
            axes.add_patch(
                Rectangle(
                    (label - 0.5, letter - 0.5),
                    1,
                    1,
                    facecolor=COLOURS[model],
                    alpha=0.06 + 0.94 * float(share),
                    linewidth=0,
                )
            )
            axes.text(
                label,
                letter,
                str(counts[letter, label]),
                ha="center",
                va="center",
                fontsize=9,
                color=TEXT if share < 0.6 else ON_MIDDLE if share < 0.75 else BACK,
            )
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(names)), names)
        axis.set_ticks(np.arange(-0.5, len(names)), minor=True)
    axes.grid(which="minor", color=EDGE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("label given", labelpad=8)
    axes.set_ylabel("letter thought of")
    axes.spines[:].set_visible(False)
    right = int(evaluation.right.sum())
    return _svg(
        figure,
        f"Confusion matrix of {model.title}: {right} of {len(evaluation.truth)} rows are on"
        " the diagonal",
    )


@mpl.rc_context(_STYLE)
def reliability(model: Model, before: Calibration, after: Calibration) -> str:
    """Reliability diagram: accuracy by confidence, before and after temperature scaling."""
    figure, axes = _panel(320, 280, left=58, bottom=40, top=8, right=20)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, dashes=(4, 3))
    most = max(before.rows.max(), after.rows.max())
    for found, colour, filled, label in (
        (before, QUIET, False, "before"),
        (after, COLOURS[model], True, "after"),
    ):
        axes.plot(found.confidence, found.accuracy, color=colour, linewidth=1, alpha=0.5)
        axes.scatter(
            found.confidence,
            found.accuracy,
            s=8 + 110 * found.rows / most,
            facecolor=colour if filled else BACK,
            edgecolor=colour,
            linewidth=1.2,
            label=label,
            zorder=3,
            clip_on=False,
        )
    _percent(axes.xaxis)
    _percent(axes.yaxis)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="probability of the label",
        ylabel="share of labels right",
    )
    return _svg(
        figure,
        f"Reliability diagram of {model.title}: expected calibration error"
        f" {before.error:.3f} before, {after.error:.3f} after temperature scaling",
    )


@mpl.rc_context(_STYLE)
def confidence_counts(model: Model, before: Calibration, after: Calibration) -> str:
    """How many rows have a label of each probability, before and after temperature scaling."""
    figure, axes = _panel(320, 110, left=58, bottom=40, top=8, right=20)
    axes.plot(before.confidence, before.rows, color=QUIET, linewidth=1.2)
    axes.plot(after.confidence, after.rows, color=COLOURS[model], linewidth=1.6)
    axes.set(xlim=(0, 1), xlabel="probability of the label", ylabel="rows")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    _percent(axes.xaxis)
    return _svg(figure, f"Rows by the probability of their label, {model.title}")


@mpl.rc_context(_STYLE)
def learning_curve(model: Model, points: Sequence[LearningPoint], chance: float) -> str:
    """Learning curve: accuracy by the rows of each letter that a model was fitted to."""
    colour = COLOURS[model]
    figure, axes = _panel(320, 240, left=58, bottom=40, top=8, right=20)
    held_out = [point for point in points if point.held_out]
    axes.plot(
        [point.rows_per_letter for point in held_out],
        [point.held_out.accuracy for point in held_out if point.held_out],
        "o-",
        color=colour,
        markerfacecolor=BACK,
        markersize=5,
        linewidth=1.2,
        dashes=(4, 2),
    )
    sizes = [point.rows_per_letter for point in points]
    intervals = [point.test.interval for point in points]
    axes.fill_between(
        sizes,
        [interval.low for interval in intervals],
        [interval.high for interval in intervals],
        color=colour,
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(
        sizes,
        [point.test.accuracy for point in points],
        "o-",
        color=colour,
        markersize=5,
        linewidth=1.8,
    )
    axes.axhline(chance, color=QUIET, linewidth=0.8, dashes=(1, 2))
    axes.set(xlim=(0, None), ylim=(0, 1.02), xlabel="rows of each letter", ylabel="accuracy")
    axes.set_xticks([0, *sizes])
    _percent(axes.yaxis)
    return _svg(figure, f"Learning curve of {model.title}")


@mpl.rc_context(_STYLE)
def estimates(
    groups: Sequence[tuple[str, Mapping[Model, Evaluation | None]]], chance: float
) -> str:
    """Accuracies of both models by several ways to estimate them, with their intervals."""
    height = 62 * len(groups) + 48
    figure, axes = _panel(360, height, left=16, bottom=40, top=4, right=24)
    for place, (name, by_model) in enumerate(groups):
        axes.text(chance + 0.02, place - 0.33, name, va="center", fontsize=_FONT_SIZE)
        for offset, (model, found) in zip((-0.05, 0.2), by_model.items(), strict=True):
            if found is None:
                continue
            interval = found.interval
            colour = COLOURS[model]
            axes.plot(
                [interval.low, interval.high],
                [place + offset] * 2,
                color=colour,
                linewidth=3,
                alpha=0.35,
                solid_capstyle="butt",
            )
            axes.plot(found.accuracy, place + offset, "o", color=colour, markersize=6)
    axes.axvline(chance, color=QUIET, linewidth=0.8, dashes=(1, 2))
    axes.set(xlim=(0, 1.01), ylim=(len(groups) - 0.5, -0.55), xlabel="accuracy")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _percent(axes.xaxis)
    return _svg(figure, "Accuracies of both models, by each way to estimate them")


def _panel(
    width: float, height: float, *, left: float, bottom: float, top: float, right: float = 8
) -> tuple[Figure, Axes]:
    """A figure with one set of axes; sizes in CSS pixels."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure, figure.add_axes(box)


def _head(size: float) -> tuple[Figure, Axes]:
    figure, axes = _panel(size, size, left=0, right=0, bottom=0, top=0)
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


def _percent(axis: Axis) -> None:
    axis.set_ticks(np.linspace(0, 1, 6))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))


def _paint(values: Floats, limit: float) -> Floats:
    """Colours of values, shape (…, 4), from none at zero to the strongest at `limit`."""
    strength = np.clip(np.abs(values) / limit, 0, 1)
    colours: Floats = np.where(values[..., np.newaxis] < 0, _BELOW, _ABOVE)
    return np.concatenate([colours, strength[..., np.newaxis]], axis=-1)


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def _svg(figure: Figure, label: str) -> str:
    """The figure as an element, its colours left to the page."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": label}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Rules of a style element would hold for the whole page.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    used = set(re.findall(r"#([\w.-]+)[\")]", text))
    text = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", text)
    text = re.sub(r"(?:font-family|font-weight|font-style): [^;\"]+; ?", "", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    for stand_in, variable in _THEME.items():
        text = text.replace(stand_in, f"var(--{variable})")
    width, height = (72 * inches for inches in figure.get_size_inches())
    head = (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}"'
        f' style="max-width: {1.3 * width:.0f}px"'
    )
    return re.sub(r"<svg[^>]*", head, text, count=1)
