"""The OpenAPI description of the routes of our own, and of probes, metrics and documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from eeg_letters import __version__
from eeg_letters.errors import Problem
from eeg_letters.models import MODELS
from eeg_letters.schema import COLUMNS, FEATURES, LETTERS

_PREDICTIONS = "Predictions"
_SERVICE = "Service"
_EXAMPLE_LINE = 232
EXAMPLE_LABEL = 3
EXAMPLE_ROW = [round(0.5 + 0.01 * number, 2) for number in range(len(FEATURES))]
EXAMPLE_PROBABILITIES = [0.75 if label == EXAMPLE_LABEL else 0.01 for label in range(len(LETTERS))]


def paths() -> dict[str, Any]:
    """What the document has under ``paths``."""
    by_line = [
        {
            "name": "line",
            "in": "path",
            "required": True,
            "description": f"The row's number in the column {COLUMNS[0]}.",
            "schema": {"type": "integer", "format": "int64"},
            "example": _EXAMPLE_LINE,
        }
    ]
    line_body = _json_body({"$ref": "#/components/schemas/Line"}, {"line": _EXAMPLE_LINE})
    row, prediction, score = (
        _answer(description, name, example)
        for description, name, example in (
            (
                "The row as the recording has it",
                "StoredRow",
                dict(zip(COLUMNS, _stored(), strict=True)),
            ),
            ("One label a model; 0 is A", "Prediction", _by_model("prediction", EXAMPLE_LABEL)),
            (
                "Share of the stored rows labelled rightly, by model",
                "Score",
                _by_model("Score", 0.7),
            ),
        )
    )
    return {
        "/line/{line}": _both("line", "A stored row", row, [400, 404], by_line),
        "/prediction/{line}": _both(
            "prediction",
            "Predictions of both models for a stored row",
            prediction,
            [400, 404],
            by_line,
        ),
        "/score": _both("score", "Accuracy over all stored rows", score, []),
        "/predict": {
            "post": _operation(
                "predict",
                "Predictions of both models for rows of your own",
                _answer(
                    "For each row, the prediction of each model", "Predictions", _predictions()
                ),
                [400, 408, 413, 415, 422],
                body=_json_body({"$ref": "#/components/schemas/Rows"}, {"rows": [EXAMPLE_ROW]}),
            )
        },
        "/models": {
            "get": _operation(
                "models",
                "Both models, with the metadata that training stored",
                _answer("One object a model", "Models", _models()),
                [],
            )
        },
        "/predictions": {
            "get": _operation(
                "predictions",
                "Predictions of both models for every stored row, by column",
                _answer(
                    "Line numbers, true labels, and labels by model, in the same order",
                    "StoredPredictions",
                    _stored_predictions(),
                ),
                [],
            )
        },
        "/line": {
            "post": _operation(
                "lineByBody",
                "A stored row, as BentoML's client asks for it",
                row,
                [400, 404, 408, 413, 415, 422],
                body=line_body,
            )
        },
        "/prediction": {
            "post": _operation(
                "predictionByBody",
                "Predictions of both models for a stored row, as BentoML's client asks for it",
                prediction,
                [400, 404, 408, 413, 415, 422],
                body=line_body,
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


def _both(
    operation: str,
    summary: str,
    answer: dict[str, Any],
    problems: list[int],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        **({"parameters": parameters} if parameters else {}),
        "get": _operation(operation, summary, answer, problems),
        "post": _operation(f"{operation}ByPost", summary, answer, problems),
    }


def _operation(
    operation: str,
    summary: str,
    answer: dict[str, Any],
    problems: list[int],
    body: dict[str, Any] | None = None,
    internal: bool = False,
    tag: str = _PREDICTIONS,
) -> dict[str, Any]:
    if not internal:
        problems = [*problems, 431, 503]
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        **({"requestBody": body} if body else {}),
        "responses": {
            "200": answer,
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in problems},
        },
    }


def _json_body(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _answer(description: str, schema: str, example: Any) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"description": description, "content": {"application/json": content}}


def _get(operation: str, summary: str, content_type: str, internal: bool = False) -> dict[str, Any]:
    schema = {"type": "object" if content_type == "application/json" else "string"}
    answer = {"description": summary, "content": {content_type: {"schema": schema}}}
    return {"get": _operation(operation, summary, answer, [], internal=internal, tag=_SERVICE)}


def _index() -> dict[str, Any]:
    summary = "A page to look at rows and predictions; without Accept: text/html, a list of routes"
    item = _get("index", summary, "text/html")
    schema = {"$ref": "#/components/schemas/Index"}
    item["get"]["responses"]["200"]["content"]["application/json"] = {"schema": schema}
    return item


def _stored() -> list[str]:
    return [str(_EXAMPLE_LINE), str(EXAMPLE_LABEL), *map(str, EXAMPLE_ROW)]


def _by_model(prefix: str, value: float) -> dict[str, float]:
    return {f"{prefix} {model.title}": value for model in MODELS}


def _predictions() -> dict[str, Any]:
    answer = {
        "label": EXAMPLE_LABEL,
        "letter": LETTERS[EXAMPLE_LABEL],
        "probabilities": EXAMPLE_PROBABILITIES,
    }
    return {"predictions": [{model.title: answer for model in MODELS}]}


def _models() -> list[dict[str, Any]]:
    recording = {"sha256": "0123456789abcdef" * 4, "rows": 1300}
    return [
        {
            "name": model.name,
            "title": model.title,
            "version": "0123456789abcdef",
            "accuracy": {"test": 0.7, "blocked": 0.75},
            "calibration_error": {"test": 0.13, "blocked": 0.02},
            "classes": list(range(len(LETTERS))),
            "feature_names": list(FEATURES),
            "preprocessing": "log1p",
            "temperature": 1.5,
            "training": recording,
            "test": recording,
            "versions": {"eeg-letters": __version__},
        }
        for model in MODELS
    ]


def _stored_predictions() -> dict[str, Any]:
    return {
        "lines": [_EXAMPLE_LINE],
        "truth": [EXAMPLE_LABEL],
        "labels": {model.title: [EXAMPLE_LABEL] for model in MODELS},
    }


def exactly(properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with all of these members and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schemas() -> dict[str, Any]:
    """What the document has under ``components/schemas``."""
    number = {"type": "number", "minimum": 0}
    string = {"type": "string"}
    label = {"type": "integer", "minimum": 0, "maximum": len(LETTERS) - 1}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    answer = exactly(
        {
            "label": label,
            "letter": {"type": "string", "enum": list(LETTERS)},
            "probabilities": {
                "description": "By letter, A first.",
                "type": "array",
                "items": share,
                "minItems": len(LETTERS),
                "maxItems": len(LETTERS),
            },
        }
    )
    row_list = {
        "description": f"Band powers in the order {FEATURES[0]} … {FEATURES[-1]}.",
        "type": "array",
        "items": number,
        "minItems": len(FEATURES),
        "maxItems": len(FEATURES),
    }
    labels = {"type": "array", "items": label}
    recording = exactly({"sha256": string, "rows": {"type": "integer", "minimum": 0}})
    stored_model = {
        "type": "object",
        "properties": {
            "name": {
                **string,
                "description": "Name in the model store.",
                "enum": [model.name for model in MODELS],
            },
            "title": {
                **string,
                "description": "Name in other answers.",
                "enum": [model.title for model in MODELS],
            },
            "version": {**string, "description": "Digest of all that is stored of the model."},
            "accuracy": {
                "description": "test: over the test recording of training. blocked: first half of"
                " each letter's rows of the training recording predicts the second half.",
                "type": "object",
                "properties": {"test": share, "blocked": share},
            },
            "calibration_error": {
                "description": "Expected calibration error, over the same rows.",
                "type": "object",
                "properties": {"test": share, "blocked": share},
            },
            "classes": {**labels, "description": "Labels that it was trained on."},
            "feature_names": {
                "description": "What the numbers of a row are, in order.",
                "type": "array",
                "items": string,
            },
            "preprocessing": {**string, "description": "What is done to a row first."},
            "temperature": {**number, "description": "What logits are divided by."},
            "training": {**recording, "description": "What it was trained on."},
            "test": {**recording, "description": "What training tested it on."},
            "versions": {
                "description": "Versions of the libraries that trained it.",
                "type": "object",
                "additionalProperties": string,
            },
        },
        "required": ["name", "title", "version"],
        "additionalProperties": False,
    }
    by_model = {model.title: {"$ref": "#/components/schemas/Answer"} for model in MODELS}
    return {
        "Line": exactly({"line": {"type": "integer", "format": "int64"}}),
        "StoredRow": exactly({name: {"type": ["string", "number"]} for name in COLUMNS}),
        "Prediction": exactly({f"prediction {model.title}": label for model in MODELS}),
        "Score": exactly({f"Score {model.title}": share for model in MODELS}),
        "Row": {"oneOf": [row_list, exactly(dict.fromkeys(FEATURES, number))]},
        "Rows": exactly({"rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}}),
        "Answer": answer,
        "Predictions": exactly({"predictions": {"type": "array", "items": exactly(by_model)}}),
        "Index": exactly(
            {
                "name": string,
                "version": string,
                "documents": exactly({"reference": string, "openapi": string}),
                "routes": {
                    "description": "By path, as in this document.",
                    "type": "object",
                    "additionalProperties": exactly(
                        {"methods": {"type": "array", "items": string}, "description": string}
                    ),
                },
            }
        ),
        "Models": {"type": "array", "items": stored_model},
        "StoredPredictions": exactly(
            {
                "lines": {
                    "description": "Line numbers, as the recording orders them.",
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0},
                },
                "truth": labels,
                "labels": exactly({model.title: labels for model in MODELS}),
            }
        ),
        "Problem": exactly(
            {
                "type": {"type": "string", "format": "uri-reference"},
                "title": string,
                "status": {"type": "integer"},
                "detail": string,
            }
        ),
    }


def responses() -> dict[str, Any]:
    """What the document has under ``components/responses``."""
    descriptions = {
        400: "The path or the body cannot be parsed",
        404: "No stored row has that line number",
        408: "The body did not arrive in time",
        413: "The body is too large, or has too many rows",
        415: "The body is not declared as application/json, or is compressed",
        422: "The body is JSON, but not what is asked for; the detail names row and feature",
        431: "The path and the headers are too large, or the headers too many",
        503: "Too many requests are being answered; try again after Retry-After seconds",
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {
            "description": description,
            "content": {
                "application/problem+json": {
                    "schema": schema,
                    "example": Problem(HTTPStatus(status), description).body(),
                }
            },
        }
        for status, description in descriptions.items()
    }
