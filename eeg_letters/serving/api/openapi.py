"""The OpenAPI description of the routes of our own, and of probes, metrics and documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eeg_letters import __version__
from eeg_letters.labels import LETTER_COLUMN
from eeg_letters.models import MODELS
from eeg_letters.schema import LINE_COLUMN, Schema
from eeg_letters.serving.api.media import JSON_LINES, TABLES
from eeg_letters.serving.api.operations import (
    BY_LINE,
    EXAMPLE_LINE,
    LINE_BODY,
    answer,
    both,
    json_body,
    operation,
    problem_responses,
)

_SERVICE = "Service"
_TABLE = (
    "A header and a row in each line. Separators, decimal commas, comments, encoding and line ends"
    " are found out; other columns are ignored."
)
_VALUES = {
    "name": "values",
    "in": "query",
    "description": "Whether predictions also have the row's values, and its line number and label"
    " where the rows have them.",
    "schema": {"type": "boolean", "default": False},
}
_READ_AS = {
    "description": "How a table or a document was read, where there was something to find out:"
    " encoding, separator, decimal commas, orientation, the label column, ignored columns.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True)
class Example:
    """A row of a schema, and an answer to it.

    Attributes
    ----------
    schema : Schema
        What rows and answers have.
    """

    schema: Schema

    @property
    def row(self) -> list[float]:
        """The features."""
        return [round(0.5 + 0.01 * number, 2) for number in range(len(self.schema.features))]

    @cached_property
    def place(self) -> int:
        """Index of the likeliest class."""
        return min(3, len(self.schema.labels.values) - 1)

    @property
    def label(self) -> int | str:
        """The likeliest label."""
        return self.schema.labels.values[self.place]

    @property
    def probabilities(self) -> list[float]:
        """Of each class."""
        n_labels = len(self.schema.labels.values)
        rest = round(0.25 / (n_labels - 1), 5)
        return [0.75 if place == self.place else rest for place in range(n_labels)]


def paths(schema: Schema, columns: Sequence[str]) -> dict[str, Any]:
    """What the document has under ``paths``.

    Parameters
    ----------
    schema : Schema
        What rows and answers have.
    columns : sequence of str
        Columns of the stored rows; empty where they are not known.
    """
    example = Example(schema)
    row, prediction, score = (
        answer(description, name, example)
        for description, name, example in (
            (
                "The row as the recording has it",
                "StoredRow",
                _stored(example, columns),
            ),
            (
                f"One label a model{'; 0 is A' if schema.labels.are_letters else ''}",
                "Prediction",
                by_model("prediction", example.label),
            ),
            (
                "Share of the stored rows labelled rightly, by model",
                "Score",
                by_model("Score", 0.7),
            ),
        )
    )
    return {
        "/line/{line}": both("line", "A stored row", row, [400, 404], [BY_LINE]),
        "/prediction/{line}": both(
            "prediction",
            "Predictions of both models for a stored row",
            prediction,
            [400, 404],
            [BY_LINE],
        ),
        "/score": both("score", "Accuracy over all stored rows", score, [404]),
        "/predict": {
            "post": operation(
                "predict",
                "Predictions of both models for rows of your own",
                {
                    **answer(
                        "For each row, the prediction of each model",
                        "Predictions",
                        _predictions(example),
                    ),
                    "headers": {"Read-As": _READ_AS},
                },
                [400, 408, 413, 415, 422],
                body=_rows_body(example),
                parameters=[_VALUES],
            )
        },
        "/models": {
            "get": operation(
                "models",
                "Both models, with the metadata that training stored",
                answer("One object a model", "Models", _models(example)),
                [],
            )
        },
        "/predictions": {
            "get": operation(
                "predictions",
                "Predictions of both models for every stored row, by column",
                answer(
                    "Line numbers, true labels, and labels by model, in the same order",
                    "StoredPredictions",
                    stored_predictions(example),
                ),
                [],
            )
        },
        "/line": {
            "post": operation(
                "lineByBody",
                "A stored row, as BentoML's client asks for it",
                row,
                [400, 404, 408, 413, 415, 422],
                body=LINE_BODY,
            )
        },
        "/prediction": {
            "post": operation(
                "predictionByBody",
                "Predictions of both models for a stored row, as BentoML's client asks for it",
                prediction,
                [400, 404, 408, 413, 415, 422],
                body=LINE_BODY,
            )
        },
        "/": _index(),
        "/docs": _get("docs", "This document in a browser, to try the routes", "text/html"),
        "/livez": _get("livez", "200 while the process lives", "text/plain", internal=True),
        "/readyz": _get("readyz", "200 once it can answer", "text/plain", internal=True),
        "/metrics": _get("metrics", "Metrics for Prometheus", "text/plain", internal=True),
        "/docs.json": _get("openapi", "This document", "application/json"),
        "/schema.json": _get("schema", "What BentoML's own client asks for", "application/json"),
    }


def _rows_body(example: Example) -> dict[str, Any]:
    names, row = example.schema.features.names, [str(value) for value in example.row]
    table = f"{','.join(names)}\n{','.join(row)}\n"
    line = f"{json.dumps(dict(zip(names, example.row, strict=True)))}\n"
    rows = [{"$ref": f"#/components/schemas/{name}"} for name in ("Rows", "RowList")]
    body = json_body({"anyOf": rows}, {"rows": [example.row]})
    text = {
        **dict.fromkeys(TABLES, (_TABLE, table)),
        **dict.fromkeys(JSON_LINES, ("A row in each line: an object, or a list.", line)),
    }
    body["content"] |= {
        kind.decode(): {
            "schema": {"type": "string", "description": description},
            "example": shown if kind != b"text/tab-separated-values" else shown.replace(",", "\t"),
        }
        for kind, (description, shown) in text.items()
    }
    return body


def _get(name: str, summary: str, content_type: str, internal: bool = False) -> dict[str, Any]:
    schema = {"type": "object" if content_type == "application/json" else "string"}
    of_any = {"description": summary, "content": {content_type: {"schema": schema}}}
    return {"get": operation(name, summary, of_any, [], internal=internal, tag=_SERVICE)}


def _index() -> dict[str, Any]:
    summary = "A page to look at rows and predictions; without Accept: text/html, a list of routes"
    item = _get("index", summary, "text/html")
    schema = {"$ref": "#/components/schemas/Index"}
    item["get"]["responses"]["200"]["content"]["application/json"] = {"schema": schema}
    return item


def _stored(example: Example, columns: Sequence[str]) -> dict[str, str]:
    row = {LINE_COLUMN: str(EXAMPLE_LINE), LETTER_COLUMN: str(example.label)}
    row |= dict(zip(example.schema.features.names, map(str, example.row), strict=True))
    return {name: row.get(name, "…") for name in columns or row}


def by_model(prefix: str, value: float | str) -> dict[str, float | str]:
    """An example of what each model says of a stored row, or of all."""
    return {f"{prefix} {model.title}": value for model in MODELS}


def _predictions(example: Example) -> dict[str, Any]:
    labels = example.schema.labels
    answer = {
        "label": example.label,
        **({"letter": labels.names[example.place]} if labels.are_letters else {}),
        "probabilities": example.probabilities,
    }
    by_model = {model.title: answer for model in MODELS}
    return {"predictions": [{**by_model, "familiar": True}]}


def _models(example: Example) -> list[dict[str, Any]]:
    features, labels = example.schema.features, example.schema.labels
    recording = {"sha256": "0123456789abcdef" * 4, "rows": 1300}
    return [
        {
            "name": model.name,
            "title": model.title,
            "version": "0123456789abcdef",
            "accuracy": {"test": 0.7, "blocked": 0.75},
            "interval": {"test": [0.6, 0.8], "blocked": [0.7, 0.8]},
            "commonest_class": {"test": 0.04, "blocked": 0.04},
            "better_than_guessing": {"test": True, "blocked": True},
            "balanced_accuracy": {"test": 0.7, "blocked": 0.75},
            "macro_f1": {"test": 0.69, "blocked": 0.74},
            "calibration_error": {"test": 0.13, "blocked": 0.02},
            "clock": {"accuracy": 0.05, "tells_the_class": False},
            "classes": list(labels.values),
            "class_names": list(labels.names),
            "labels": labels.kind.value,
            "feature_names": list(features.names),
            "electrodes": list(features.electrodes),
            "bands": list(features.bands),
            "scale": "power" if features.are_powers else None,
            "preprocessing": "log1p" if features.are_powers else "standardise",
            "temperature": 1.5,
            "training": recording,
            "test": recording,
            "versions": {"eeg-letters": __version__},
        }
        for model in MODELS
    ]


def stored_predictions(example: Example) -> dict[str, Any]:
    """An example of predictions of stored rows by column."""
    return {
        "lines": [EXAMPLE_LINE],
        "truth": [example.label],
        "labels": {model.title: [example.label] for model in MODELS},
    }


def responses() -> dict[str, Any]:
    """What the document has under ``components/responses``."""
    descriptions = {
        400: "The path or the body cannot be parsed",
        404: "No stored row has that line number, or there are no stored rows",
        408: "The body did not arrive in time",
        413: "The body is too large, or has too many rows, or its answer would be too large",
        415: "The body is of another media type, or not compressed with gzip or deflate",
        422: "The body can be parsed, but is not what is asked for; the detail names the row",
        431: "The path and the headers are too large, or the headers too many",
        503: "Requests hold too much memory already; try again after Retry-After seconds",
    }
    return problem_responses(descriptions)
