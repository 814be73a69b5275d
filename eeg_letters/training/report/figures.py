"""Charts of the report: distributions, calibration, learning curves, estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from eeg_letters.models import Model
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.evaluation import Calibration, Evaluation
from eeg_letters.training.report.drawing import (
    BACK,
    COLOURS,
    FONT_SIZE,
    QUIET,
    STYLE,
    TEXT,
    panel,
    percent,
    svg,
)
from eeg_letters.training.report.experiments import LearningPoint
from eeg_letters.training.report.strangeness import Strangeness

_DOTTED: dict[str, Any] = {"dashes": (1, 2)}


@mpl.rc_context(STYLE)
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
    figure, axes = panel(180, 130, left=8, bottom=38, top=8)
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
    axes.set_xlabel("band power")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return svg(figure, f"Distribution of {band} power in both recordings")


@mpl.rc_context(STYLE)
def reliability(model: Model, before: Calibration, after: Calibration) -> str:
    """Reliability diagram: accuracy by confidence, before and after temperature scaling."""
    figure, axes = panel(320, 280, left=58, bottom=40, top=8, right=20)
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
    percent(axes.xaxis)
    percent(axes.yaxis)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="probability of the label",
        ylabel="share of labels right",
    )
    return svg(
        figure,
        f"Reliability diagram of {model.title}: expected calibration error"
        f" {before.error:.3f} before, {after.error:.3f} after temperature scaling",
    )


@mpl.rc_context(STYLE)
def confidence_counts(model: Model, before: Calibration, after: Calibration) -> str:
    """How many rows have a label of each probability, before and after temperature scaling."""
    figure, axes = panel(320, 110, left=58, bottom=40, top=8, right=20)
    axes.plot(before.confidence, before.rows, color=QUIET, linewidth=1.2)
    axes.plot(after.confidence, after.rows, color=COLOURS[model], linewidth=1.6)
    axes.set(xlim=(0, 1), xlabel="probability of the label", ylabel="rows")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    percent(axes.xaxis)
    return svg(figure, f"Rows by the probability of their label, {model.title}")


@mpl.rc_context(STYLE)
def learning_curve(model: Model, points: Sequence[LearningPoint], chance: float, noun: str) -> str:
    """Learning curve: accuracy by the rows of each class, called `noun`, that it was fitted to."""
    colour = COLOURS[model]
    figure, axes = panel(320, 240, left=58, bottom=40, top=8, right=20)
    held_out = [point for point in points if point.held_out]
    axes.plot(
        [point.rows_per_class for point in held_out],
        [point.held_out.accuracy for point in held_out if point.held_out],
        "o-",
        color=colour,
        markerfacecolor=BACK,
        markersize=5,
        linewidth=1.2,
        dashes=(4, 2),
    )
    sizes = [point.rows_per_class for point in points]
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
    axes.axhline(chance, color=QUIET, linewidth=0.8, **_DOTTED)
    if held_out and held_out[-1].held_out:
        axes.axhline(held_out[-1].held_out.commonest, color=colour, linewidth=0.8, **_DOTTED)
    axes.set(xlim=(0, None), ylim=(0, 1.02), xlabel=f"rows of each {noun}", ylabel="accuracy")
    # Long numbers would run into each other.
    axes.set_xticks([0, *(sizes if sizes[-1] < 1000 else sizes[-2:])])
    percent(axes.yaxis)
    return svg(figure, f"Learning curve of {model.title}")


@mpl.rc_context(STYLE)
def strangeness(found: Strangeness) -> str:
    """Distances of held-out rows of the training and of test rows, and the limit."""
    figure, axes = panel(360, 160, left=16, bottom=40, top=8, right=16)
    # The few furthest would squeeze the others.
    most = max(2 * found.limit, float(np.quantile(found.test, 0.99)))
    edges = np.linspace(0, most, 61)
    styles: list[tuple[Floats, dict[str, Any]]] = [
        (found.held_out, {"fill": True, "facecolor": QUIET, "alpha": 0.4, "linewidth": 0}),
        (found.test, {"edgecolor": TEXT, "linewidth": 1.4}),
    ]
    for values, options in styles:
        counts, _ = np.histogram(np.minimum(values, most), edges)
        axes.stairs(counts / len(values), edges, **options)
    axes.axvline(found.limit, color=QUIET, linewidth=1, **_DOTTED)
    axes.set(xlim=(0, most), xlabel="distance to the nearest class")
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return svg(figure, "Distances of rows to the nearest class, held out of the training and test")


@mpl.rc_context(STYLE)
def estimates(groups: Sequence[tuple[str, float, Mapping[Model, Evaluation | None]]]) -> str:
    """Accuracies of both models by several ways to estimate them, with their intervals.

    Each way has the accuracy of guessing for its rows.
    """
    height = 62 * len(groups) + 48
    figure, axes = panel(360, height, left=16, bottom=40, top=4, right=24)
    for place, (name, chance, by_model) in enumerate(groups):
        axes.plot([chance] * 2, [place - 0.5, place + 0.5], color=QUIET, linewidth=0.8, **_DOTTED)
        axes.text(chance + 0.02, place - 0.33, name, va="center", fontsize=FONT_SIZE)
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
    axes.set(xlim=(0, 1.01), ylim=(len(groups) - 0.5, -0.55), xlabel="accuracy")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    percent(axes.xaxis)
    return svg(figure, "Accuracies of both models, by each way to estimate them")
