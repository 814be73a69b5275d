"""What all peers share, so that none wins by doing less: models, stored rows, answers.

Every ``serve.py`` is a script in an environment of its own, with this folder on its path; nothing
of the project is installed there, scikit-learn opens the stored pipelines.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np

HOST = "127.0.0.1"
PORT = int(os.environ["BENCH_PORT"])
ROWS_FILE = Path(os.environ["BENCH_ROWS"])
TITLES = {"eeg-lda": "LDA", "eeg-mlp": "Neural Network"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def model_file(name: str) -> Path:
    """File of the latest pipeline of that name in the BentoML model store."""
    entries = Path(os.environ["BENTOML_HOME"]) / "models" / name
    return entries / (entries / "latest").read_text().strip() / "saved_model.pkl"


def load_pipeline(name: str) -> Any:
    """Open a pipeline with scikit-learn.

    It was fitted to named columns. Without the names it takes plain arrays, as a service would be
    written for speed, and gives no warning about them on each request.
    """
    pipeline = joblib.load(model_file(name))
    for step in pipeline:
        del step.feature_names_in_
    return pipeline


def load_pipelines() -> dict[str, Any]:
    """Both pipelines by the title that answers give them."""
    return {title: load_pipeline(name) for name, title in TITLES.items()}


def load_rows() -> dict[int, np.ndarray]:
    """Stored rows by line number, each as an array of one row."""
    document = json.loads(ROWS_FILE.read_bytes())
    return {int(line): np.array([[*row.values()][2:]], float) for line, row in document.items()}


class Models:
    """Both models and the stored rows, read once."""

    def __init__(self, pipelines: dict[str, Any] | None = None) -> None:
        self._pipelines = pipelines or load_pipelines()
        self._rows = load_rows()

    def row(self, line: int) -> list[float]:
        """The features of a stored row."""
        values: list[float] = self._rows[line][0].tolist()
        return values

    def prediction(self, line: int) -> dict[str, int]:
        """Label that each model gives a stored row."""
        row = self._rows[line]
        return {
            f"prediction {title}": int(pipeline.predict(row)[0])
            for title, pipeline in self._pipelines.items()
        }

    def predict(self, rows: list[list[float]]) -> list[dict[str, dict[str, Any]]]:
        """Label, letter and probabilities that each model gives each row."""
        array = np.asarray(rows, float)
        answers: list[dict[str, dict[str, Any]]] = [{} for _ in rows]
        for title, pipeline in self._pipelines.items():
            probabilities = pipeline.predict_proba(array)
            labels = pipeline.classes_[probabilities.argmax(axis=1)].tolist()
            for answer, label, row in zip(answers, labels, probabilities.tolist(), strict=True):
                answer[title] = {"label": label, "letter": LETTERS[label], "probabilities": row}
        return answers
