"""The report of a training: one HTML file with its figures, and a model card beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.evaluation import BLOCK_ROWS, CONFIDENCE_BINS
from eeg_letters.training.report import figures
from eeg_letters.training.report.costs import MANY_ROWS
from eeg_letters.training.report.experiments import FOLDS, SHUFFLES
from eeg_letters.training.report.findings import Findings, file_name
from eeg_letters.training.report.rendering import render

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
    features, labels = findings.training.schema.features, findings.training.schema.labels
    return {
        "found": findings,
        "file_name": file_name,
        "bands": features.band_names,
        "electrodes": features.electrode_names,
        "folds": FOLDS,
        "shuffles": SHUFFLES,
        "block_rows": BLOCK_ROWS,
        "bins": CONFIDENCE_BINS,
        "many_rows": MANY_ROWS,
        "letters": {
            model.model: {score.place: score for score in model.test.by_class()}
            for model in findings.trained
        },
        "names": labels.names,
    }


def _draw(findings: Findings) -> dict[str, Any]:
    """Figures by name, or by name and model; as SVG elements."""
    shift, experiments = findings.shift, findings.experiments
    features, labels = findings.training.schema.features, findings.training.schema.labels
    models = [trained.model for trained in findings.trained]
    doublings = shift.doublings()
    strongest = _limit(doublings)
    everything = np.concatenate([shift.training.ravel(), shift.test.ravel()])
    # The few most extreme values would squeeze the others.
    least, most = (float(limit) for limit in np.quantile(everything, [0.001, 0.999]))
    limits = least - 0.1, most + 0.1
    drawn: dict[str, Any] = {
        "key": figures.electrode_key(features.placed),
        "distributions": [
            figures.distribution(band, shift.training[..., place], shift.test[..., place], limits)
            for place, band in enumerate(features.band_names)
        ],
        "shift": figures.scalp_maps(
            features.electrode_names,
            doublings,
            features.band_names,
            strongest,
            "change of the median power",
        ),
        "shift_bar": figures.colour_bar(strongest, "doublings of the median, test by training"),
        "estimates": figures.estimates(
            [
                ("shuffled folds", {model: experiments.shuffled.get(model) for model in models}),
                ("held-out blocks", {model.model: model.estimate for model in findings.trained}),
                ("test recording", {model.model: model.test for model in findings.trained}),
            ],
            findings.chance,
        ),
        "confusion": {},
        "reliability": {},
        "counts": {},
        "learning": {
            model: figures.learning_curve(model, points, findings.chance)
            for model, points in experiments.learning.items()
        },
        "importance": {},
    }
    for trained in findings.trained:
        model = trained.model
        before, after = trained.uncalibrated_test.calibration(), trained.test.calibration()
        drawn["confusion"][model] = figures.confusion(model, trained.test, labels.names)
        drawn["reliability"][model] = figures.reliability(model, before, after)
        drawn["counts"][model] = figures.confidence_counts(model, before, after)
    for model, importance in experiments.importance.items():
        cells, electrodes = _limit(importance.cells), _limit(importance.electrodes)
        what = f"what {model.title} leans on"
        drawn["importance"][model] = {
            "maps": [
                *figures.scalp_maps(
                    features.electrode_names,
                    importance.cells,
                    features.band_names,
                    cells,
                    what,
                ),
                *figures.scalp_maps(
                    features.electrode_names,
                    importance.electrodes[:, np.newaxis],
                    ["all bands"],
                    electrodes,
                    what,
                ),
            ],
            "cells_bar": figures.colour_bar(cells, "one band: bits a row"),
            "electrodes_bar": figures.colour_bar(electrodes, "all bands: bits a row"),
        }
    return drawn


def _limit(values: Floats) -> float:
    # Zero would leave a colour bar without an extent.
    return max(float(np.abs(values).max()), 1e-6)
