"""A BentoML service with whatever BentoML's configuration has for speed, and coroutines.

GET goes by a route outside the class: one inside it costs a thread's hop on each request.
"""

from __future__ import annotations

from typing import Any

import bentoml
from common import Models
from fastapi import FastAPI

app = FastAPI()
models = Models()


@app.get("/prediction/{line}")
async def prediction(line: int) -> dict[str, int]:
    """Label of a stored row by both models."""
    return models.prediction(line)


@bentoml.service(
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(app, path="/")
class Letters:
    """Both models through scikit-learn."""

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> dict[str, Any]:
        """Labels and probabilities of rows by both models."""
        return {"predictions": models.predict(rows)}
