"""A BentoML service as its documentation writes one, with every default left alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
from common import TITLES, Models
from fastapi import FastAPI

app = FastAPI()
MONITOR = "BENCH_MONITOR" in os.environ
# Its default is a folder beside this file.
OPTIONS = {"log_path": str(Path(os.environ["TMPDIR"], "monitoring"))}


def keep(row: list[float], labels: dict[str, int]) -> None:
    """Write a row and its labels by BentoML's own monitor."""
    with bentoml.monitor("letters", monitor_options=OPTIONS) as monitor:
        monitor.log(row, "row", "feature", "numerical_sequence")
        for title, label in labels.items():
            monitor.log(label, title, "prediction", "categorical")


@bentoml.service
@bentoml.asgi_app(app, path="/")
class Letters:
    """Both models through scikit-learn."""

    def __init__(self) -> None:
        pipelines = {
            title: bentoml.sklearn.load_model(f"{name}:latest") for name, title in TITLES.items()
        }
        for pipeline in pipelines.values():
            del pipeline[0].feature_names_in_  # As common.load_pipeline does.
        self.models = Models(pipelines)

    @app.get("/prediction/{line}")
    def prediction(self, line: int) -> dict[str, int]:
        """Label of a stored row by both models."""
        labels = self.models.prediction(line)
        if MONITOR:
            keep(self.models.row(line), labels)
        return labels

    @bentoml.api
    def predict(self, rows: list[list[float]]) -> dict[str, Any]:
        """Labels and probabilities of rows by both models."""
        predictions = self.models.predict(rows)
        if MONITOR:
            for row, answer in zip(rows, predictions, strict=True):
                keep(row, {title: of["label"] for title, of in answer.items()})
        return {"predictions": predictions}
