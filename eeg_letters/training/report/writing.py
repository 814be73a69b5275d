"""The report of a training: one HTML file with its figures, and a model card beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError
from eeg_letters.labels import listed
from eeg_letters.models import Model
from eeg_letters.schema import Features
from eeg_letters.training.clock import WITHIN
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import CONFIDENCE_BINS, ClassScore
from eeg_letters.training.holding_out import MOST_GROUPS
from eeg_letters.training.report import figures
from eeg_letters.training.report.confusion import (
    MOST_DRAWN,
    NUMBERED,
    confusion_matrix,
    worst_confusions,
)
from eeg_letters.training.report.costs import MANY_ROWS
from eeg_letters.training.report.experiments import FOLDS
from eeg_letters.training.report.findings import Findings, file_name
from eeg_letters.training.report.importance import Importance
from eeg_letters.training.report.rendering import render
from eeg_letters.training.report.scalp import colour_bar, electrode_key
from eeg_letters.training.report.shift import Shift
from eeg_letters.training.report.spread import (
    MOST_BARS,
    most_important,
    spread_out,
    strongest,
)
from eeg_letters.training.resampling import BLOCK_ROWS

# Of more classes only the worst scores are in sight.
MOST_SCORES = 50
WORST_SCORES = 25

REPORT_FILE = "report.html"
CARD_FILE = "model-card.md"


def write_report(directory: Path, findings: Findings) -> Path:
    """Write report and model card into a folder of `directory` that is named for the training.

    Returns
    -------
    pathlib.Path
        The HTML file.

    Raises
    ------
    OutputError
        When they cannot be written; each file is whole then, or is not there.
    """
    folder = directory / findings.tag
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None
    for name, text in ((CARD_FILE, render_card(findings)), (REPORT_FILE, render_html(findings))):
        with atomic_write(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return folder / REPORT_FILE


def render_html(findings: Findings) -> str:
    """The report as one self-contained HTML file."""
    return render("report.html", drawn=_draw(findings), **_facts(findings))


def render_card(findings: Findings) -> str:
    """The model card as Markdown."""
    return render("model-card.md", **_facts(findings))


def _facts(findings: Findings) -> dict[str, Any]:
    schema = findings.training.schema
    return {
        "found": findings,
        "file_name": file_name,
        "files": files,
        "features": schema.features,
        "described": schema.features.describe(),
        "noun": schema.labels.noun,
        "nouns": schema.labels.plural,
        "kind": "letters" if schema.labels.are_letters else "classes",
        "names": findings.names,
        "folds": FOLDS,
        "block_rows": BLOCK_ROWS,
        "within": WITHIN,
        "most_groups": MOST_GROUPS,
        "bins": CONFIDENCE_BINS,
        "many_rows": MANY_ROWS,
        "numbered": NUMBERED,
        "scores": _scores(findings),
        "worst_scores": WORST_SCORES,
        "most_scores": MOST_SCORES,
    }


def files(dataset: Dataset) -> str:
    """Names of the files of some recordings, fit to be shown."""
    return listed([file_name(recording) for recording in dataset.recordings])


def _scores(findings: Findings) -> list[tuple[int, int, list[ClassScore | None]]]:
    """Of each class: its place, its rows, and its score by each model."""
    by_model = [
        {score.place: score for score in model.test.by_class()} for model in findings.trained
    ]
    return [
        (
            place,
            next(scores[place].rows for scores in by_model if place in scores),
            [scores.get(place) for scores in by_model],
        )
        for place in sorted(set().union(*by_model))
    ]


def _draw(findings: Findings) -> dict[str, Any]:
    """Figures by name, or by name and model; as SVG elements."""
    experiments, labels = findings.experiments, findings.training.schema.labels
    models = [trained.model for trained in findings.trained]
    drawn: dict[str, Any] = {
        "estimates": figures.estimates(
            [
                (
                    "shuffled folds",
                    findings.guess_training,
                    {model: experiments.shuffled.get(model) for model in models},
                ),
                (
                    f"held-out {findings.held_out}",
                    findings.guess_held_out,
                    {model.model: model.estimate for model in findings.trained},
                ),
                ("test", findings.guess, {model.model: model.test for model in findings.trained}),
            ],
        ),
        "confusion": {},
        "reliability": {},
        "counts": {},
        "learning": {
            model: figures.learning_curve(model, points, findings.guess, labels.noun)
            for model, points in experiments.learning.items()
        },
        "importance": {
            model: _draw_importance(model, importance, findings.shift.features)
            for model, importance in experiments.importance.items()
        },
        **_draw_shift(findings.shift),
        "strangeness": findings.strangeness and figures.strangeness(findings.strangeness),
    }
    for trained in findings.trained:
        model = trained.model
        before, after = trained.uncalibrated_test.calibration(), trained.test.calibration()
        if len(labels.names) <= MOST_DRAWN:
            drawn["confusion"][model] = confusion_matrix(model, trained.test, labels)
        else:
            drawn["confusion"][model] = worst_confusions(trained.test, labels.names)
        drawn["reliability"][model] = figures.reliability(model, before, after)
        drawn["counts"][model] = figures.confidence_counts(model, before, after)
    return drawn


def _draw_shift(shift: Shift) -> dict[str, Any]:
    features = shift.features
    if not features.are_powers:
        return {"shifted": shift.of_features()[:MOST_BARS]}
    # The few most extreme values would squeeze the others.
    everything = np.concatenate([shift.training.ravel(), shift.test.ravel()])
    least, most = (float(limit) for limit in np.quantile(everything, [0.001, 0.999]))
    limits = least - 0.1, most + 0.1
    doublings = shift.doublings()
    limit = strongest(doublings)
    spread = spread_out(features, doublings, features.band_names, limit, "change of the median")
    return {
        "distributions": [
            (band, figures.distribution(band, *shift.of_band(place), limits))
            for place, band in enumerate(features.band_names)
        ],
        "shift": spread,
        "shift_bar": colour_bar(limit, "doublings of the median, test by training"),
        "key": electrode_key(features.placed) if spread.maps else "",
    }


def _draw_importance(model: Model, importance: Importance, features: Features) -> dict[str, Any]:
    what = f"what {model.title} leans on"
    if not features.are_powers:
        return {"bars": most_important(features, importance.features)}
    cells, electrodes = importance.features, importance.electrodes[:, np.newaxis]
    of_cell, of_electrode = strongest(cells), strongest(electrodes)
    return {
        "cells": spread_out(features, features.on_grid(cells), features.band_names, of_cell, what),
        "electrodes": spread_out(features, electrodes, ["all bands"], of_electrode, what),
        "cells_bar": colour_bar(of_cell, "one band: bits a row"),
        "electrodes_bar": colour_bar(of_electrode, "all bands: bits a row"),
    }
