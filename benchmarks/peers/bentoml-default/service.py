"""A BentoML service as its documentation writes one, with every default left alone."""

from __future__ import annotations

from typing import Any

import bentoml
from common import TITLES, Models
from fastapi import FastAPI

app = FastAPI()


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
        return self.models.prediction(line)

    @bentoml.api
    def predict(self, rows: list[list[float]]) -> dict[str, Any]:
        """Labels and probabilities of rows by both models."""
        return {"predictions": self.models.predict(rows)}
