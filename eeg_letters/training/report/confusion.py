"""Confusion matrices, and what stands in their stead where there are too many classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from eeg_letters.labels import Labels
from eeg_letters.models import Model
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.evaluation import Evaluation
from eeg_letters.training.report.drawing import (
    BACK,
    COLOURS,
    EDGE,
    ON_MIDDLE,
    STYLE,
    TEXT,
    panel,
    svg,
)
from eeg_letters.training.report.naming import printable, shorten_all, width

# More classes have cells too small for numbers.
NUMBERED = 40
# More classes have rows too small to be read.
MOST_DRAWN = 100
WORST = 20

_SIDE = 440.0
# Sizes in pixels: of a cell with a number, of all cells without.
_WIDEST_CELL = 44.0
_LARGEST_SIDE = 900.0
_LONGEST_NAME = 16
# Widest of a narrow character, by the size of the font.
_CHARACTER = 0.62
# Shades of cells without numbers.
_SHADES = 12


@dataclass(frozen=True)
class Confusion:
    """A wrong label of a class.

    Attributes
    ----------
    truth, label : str
        Names of the class and of the label.
    rows : int
        Rows of the class that have the label.
    share : float
        Their share of all rows of the class.
    """

    truth: str
    label: str
    rows: int
    share: float


def worst_confusions(evaluation: Evaluation, names: Sequence[str]) -> list[Confusion]:
    """The most frequent wrong labels, at most `WORST`.

    Parameters
    ----------
    evaluation : Evaluation
        A model on rows.
    names : sequence of str
        Of each class.
    """
    counts = evaluation.confusion()
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    # Stable, so that equals are in the order of the classes.
    order = np.argsort(-counts, axis=None, kind="stable")[:WORST]
    places = np.column_stack(np.unravel_index(order, counts.shape)).tolist()
    return [
        Confusion(
            names[truth],
            names[label],
            int(counts[truth, label]),
            float(counts[truth, label] / totals[truth]),
        )
        for truth, label in places
        if counts[truth, label]
    ]


@mpl.rc_context(STYLE)
def confusion_matrix(model: Model, evaluation: Evaluation, labels: Labels) -> str:
    """Confusion matrix: rows by class and label, in cells with numbers up to `NUMBERED` classes.

    Parameters
    ----------
    model : Model
        Which model.
    evaluation : Evaluation
        It on rows.
    labels : Labels
        The classes, at most `MOST_DRAWN`.
    """
    names = [printable(name) for name in labels.names]
    shown = shorten_all(names, _LONGEST_NAME)
    cell, font = _sizes(labels)
    # Names along the top are turned where they are wider than a cell.
    longest = max(map(width, shown)) * _CHARACTER * font
    turned = longest > cell and not labels.are_letters
    left = 36.0 if labels.are_letters else 28 + longest
    top = 42.0 if labels.are_letters else 34 + (longest if turned else font)
    side = cell * len(names)
    figure, axes = panel(side + left + 4, side + top + 4, left=left, bottom=4, top=top, right=4)
    counts = evaluation.confusion()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(names) > NUMBERED:
        _shade(axes, model, shares)
    else:
        _fill(axes, model, counts, shares)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    titles = {}
    for axis, which in ((axes.xaxis, "label"), (axes.yaxis, "class")):
        axis.set_ticks(range(len(names)), shown)
        axis.set_ticks(np.arange(-0.5, len(names)), minor=True)
        for place, text in enumerate(axis.get_ticklabels()):
            if shown[place] != names[place]:
                titles[f"{which}-{place}"] = names[place]
                text.set_gid(f"{which}-{place}")
    axes.grid(which="minor", color=EDGE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labeltop=True, labelbottom=False)
    if not labels.are_letters:
        axes.tick_params(labelsize=font)
    if turned:
        axes.tick_params(axis="x", labelrotation=90)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("label given", labelpad=8)
    axes.set_ylabel("letter thought of" if labels.are_letters else "class of the row")
    axes.spines[:].set_visible(False)
    right = int(evaluation.right.sum())
    return svg(
        figure,
        f"Confusion matrix of {model.title}: {right} of {len(evaluation.truth)} rows are on"
        " the diagonal",
        titles,
    )


def _sizes(labels: Labels) -> tuple[float, float]:
    """Side of a cell and size of the names, in pixels."""
    count = len(labels.names)
    if labels.are_letters:
        return _SIDE / count, 10.0
    if count > NUMBERED:
        cell = min(_SIDE / 26, _LARGEST_SIDE / count)
    else:
        cell = max(min(_WIDEST_CELL, _SIDE / count), _SIDE / 26)
    return cell, min(10.0, 0.85 * cell)


def _fill(axes: Axes, model: Model, counts: NDArray[np.int64], shares: Floats) -> None:
    # A cell's colour is its share of its class's rows; alpha makes it fit either theme.
    for (truth, label), share in np.ndenumerate(shares):
        if share:
            axes.add_patch(
                Rectangle(
                    (label - 0.5, truth - 0.5),
                    1,
                    1,
                    facecolor=COLOURS[model],
                    alpha=_alpha(float(share)),
                    linewidth=0,
                )
            )
            axes.text(
                label,
                truth,
                str(counts[truth, label]),
                ha="center",
                va="center",
                fontsize=9,
                color=TEXT if share < 0.6 else ON_MIDDLE if share < 0.75 else BACK,
            )


def _shade(axes: Axes, model: Model, shares: Floats) -> None:
    # One path for each shade: thousands of elements would make the page large and slow.
    shades = np.ceil(shares * _SHADES).astype(int)
    for shade in np.unique(shades[shades > 0]).tolist():
        cells = [
            Path.unit_rectangle().transformed(
                mpl.transforms.Affine2D().translate(label - 0.5, truth - 0.5)
            )
            for truth, label in np.argwhere(shades == shade).tolist()
        ]
        axes.add_patch(
            PathPatch(
                Path.make_compound_path(*cells),
                facecolor=COLOURS[model],
                alpha=_alpha(shade / _SHADES),
                linewidth=0,
            )
        )


def _alpha(share: float) -> float:
    return 0.06 + 0.94 * share
