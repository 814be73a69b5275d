"""The OpenAPI description of the routes of recordings."""

from __future__ import annotations

from typing import Any

from eeg_letters.schema import Schema
from eeg_letters.serving.api.openapi import Example, by_model, stored_predictions
from eeg_letters.serving.api.operations import (
    BY_LINE,
    EXAMPLE_LINE,
    LINE_BODY,
    PREDICTIONS,
    answer,
    both,
    operation,
    problem_responses,
)
from eeg_letters.serving.api.schemas import exactly, schemas
from eeg_letters.serving.routing import Described
from eeg_letters.settings import RECORDING_NAME, RECORDING_NAMES

_RECORDINGS = "Recordings"
_BY_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": f"The recording's name: {RECORDING_NAMES}.",
    "schema": {"type": "string", "pattern": f"^{RECORDING_NAME.pattern}$"},
    "example": "session-2",
}
_AFTER = {
    "name": "after",
    "in": "query",
    "description": "The line that comes before the first of the answer: `next` of the answer"
    " before.",
    "schema": {"type": "integer", "format": "int64"},
}
# Of a body that names a line.
_OF_A_BODY = [400, 404, 408, 413, 415, 422]


def describe(schema: Schema, are_rows_stored: bool) -> Described:
    """What the OpenAPI document has of recordings.

    Parameters
    ----------
    schema : Schema
        What the models take and answer.
    are_rows_stored : bool
        Whether routes without a name mean a recording in the database.
    """
    example = Example(schema)
    listed = answer("Each recording", "Recordings", [_listed(example)])
    paths = {
        "/recordings": {
            "get": operation(
                "recordings", "Recordings in the database", listed, [], tag=_RECORDINGS
            )
        },
        **_paths(example, is_named=True),
        **(_paths(example, is_named=False) if are_rows_stored else {}),
    }
    return Described(paths, _schemas(schema), _responses())


def _paths(example: Example, is_named: bool) -> dict[str, Any]:
    # Of recordings by name; of the one that is meant without, under the names that its operations
    # have anyway.
    prefix, tag = ("/recordings/{name}", _RECORDINGS) if is_named else ("", PREDICTIONS)
    of_all = [_BY_NAME] if is_named else []
    shared = {"parameters": of_all} if is_named else {}

    def name(operation: str) -> str:
        return f"recording{operation[0].upper()}{operation[1:]}" if is_named else operation

    row = answer(
        "The row as the recording has it",
        "RecordingRow",
        {"Line": str(EXAMPLE_LINE), "# Letter": "4", "Cz/theta": "0.249"},
    )
    prediction = answer("One label a model", "Prediction", by_model("prediction", example.label))
    score = answer("Share of the rows labelled rightly, by model", "Score", by_model("Score", 0.7))
    predictions = answer(
        "Line numbers, true labels, and labels by model, in the same order; `next` where more"
        " rows follow",
        "RecordingPredictions",
        {**stored_predictions(example), "next": EXAMPLE_LINE},
    )
    return {
        f"{prefix}/line/{{line}}": both(
            name("line"), "A row of a recording", row, [400, 404], [*of_all, BY_LINE], tag
        ),
        f"{prefix}/prediction/{{line}}": both(
            name("prediction"),
            "Predictions of both models for a row of a recording",
            prediction,
            [400, 404, 409],
            [*of_all, BY_LINE],
            tag,
        ),
        f"{prefix}/score": both(
            name("score"), "Accuracy over a recording", score, [404, 409], of_all, tag
        ),
        f"{prefix}/predictions": {
            **shared,
            "get": operation(
                name("predictions"),
                "Predictions of both models for the rows of a recording, by column",
                predictions,
                [404, 409, 422],
                tag=tag,
                parameters=[_AFTER],
            ),
        },
        f"{prefix}/line": {
            **shared,
            "post": operation(
                name("lineByBody"),
                "A row of a recording, as BentoML's client asks for it",
                row,
                _OF_A_BODY,
                body=LINE_BODY,
                tag=tag,
            ),
        },
        f"{prefix}/prediction": {
            **shared,
            "post": operation(
                name("predictionByBody"),
                "Predictions of both models for a row of a recording, as BentoML's client asks for"
                " it",
                prediction,
                [*_OF_A_BODY, 409],
                body=LINE_BODY,
                tag=tag,
            ),
        },
    }


def _listed(example: Example) -> dict[str, Any]:
    return {
        "name": _BY_NAME["example"],
        "rows": 1300,
        "classes": list(example.schema.labels.names),
        "sha256": "0123456789abcdef" * 4,
        "imported_at": "2026-01-31T12:00:00.000000Z",
    }


def _schemas(schema: Schema) -> dict[str, Any]:
    string = {"type": "string"}
    predictions = schemas(schema, ())["StoredPredictions"]
    return {
        "Recordings": {
            "type": "array",
            "items": exactly(
                {
                    "name": string,
                    "rows": {"type": "integer", "minimum": 0},
                    "classes": {
                        "description": "Names of those that its schema has.",
                        "type": "array",
                        "items": string,
                    },
                    "sha256": {**string, "description": "Checksum of the file."},
                    "imported_at": {"type": "string", "format": "date-time"},
                }
            ),
        },
        "RecordingRow": {
            "description": "By column, as the file has it.",
            "type": "object",
        },
        "RecordingPredictions": {
            **predictions,
            "properties": {
                **predictions["properties"],
                "next": {
                    "description": "The last of the lines, where more follow: `after` of the next"
                    " request.",
                    "type": "integer",
                },
            },
        },
    }


def _responses() -> dict[str, Any]:
    return problem_responses(
        {
            404: "There is no such recording, no stored row has that line number, or there are no"
            " stored rows",
            409: "The recording does not fit the models; the detail names the column or the class",
            503: "The database does not answer, a score is not worked out yet, or requests hold"
            " too much memory; try again after Retry-After seconds",
        }
    )
