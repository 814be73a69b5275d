"""The OpenAPI description of streams: of the upgrade, and of the messages after it."""

from __future__ import annotations

from typing import Any

from eeg_letters.models import MODELS
from eeg_letters.schema import Schema
from eeg_letters.serving.api.openapi import Example
from eeg_letters.serving.api.operations import PREDICTIONS, problem_responses
from eeg_letters.serving.api.schemas import exactly, label_schema
from eeg_letters.serving.keeping import SESSION
from eeg_letters.serving.live.messages import ID, MOST_ID
from eeg_letters.serving.live.parameters import (
    ALL,
    LIKELIEST,
    MOST_ROWS,
    Parameters,
    most_window,
)
from eeg_letters.serving.live.route import PATH
from eeg_letters.serving.live.scored import LIKELIEST as MOST_LIKELIEST
from eeg_letters.serving.routing import Described

_STRING = {"type": "string"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_PROBLEMS = {
    400: "The WebSocket's handshake is wrong",
    403: "A page of another origin asks, which EEG_CORS_ORIGINS does not name",
    421: "The request is for a host that EEG_ALLOWED_HOSTS does not name",
    422: "A parameter is not what is asked for; the detail names it",
    426: "The request does not ask for a WebSocket",
    503: "As many streams are open as may be; try again after Retry-After seconds",
}
_DESCRIPTION = """\
The connection goes on as a WebSocket (RFC 6455), without compression and without a subprotocol. A
text message has one JSON document. Each row that the client sends (`StreamRow`) gets one answer
(`StreamAnswer`), in the same order; one that cannot be answered gets a `StreamRefusal`, and the
stream goes on. Nothing else is sent.

Messages of EMOTIV's Cortex are understood as they are: the answer to a subscription of `pow` sets
the order of the columns, and `{"pow": [...], "sid": "...", "time": 1559903137.1741}` is a row. All
others of its messages get no answer.

The service closes with 1002 after an error of the protocol, 1003 after a binary message, 1007 after
one that is not UTF-8, 1009 after one that is too large, 1011 where the client is silent or does not
read, and 1012 where the service ends: the reason is `last` and the id of the last row that was
answered, as JSON. The client connects again, and sends those that have no answer.
"""


def describe(schema: Schema) -> Described:
    """What the OpenAPI document has of streams.

    Parameters
    ----------
    schema : Schema
        What rows and answers have.
    """
    return Described(
        {PATH: {"get": _operation(schema)}},
        _schemas(schema),
        {_response(status): each for status, each in problem_responses(_PROBLEMS).items()},
    )


def _operation(schema: Schema) -> dict[str, Any]:
    default = Parameters()

    def rows(most: int, default: int) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": most, "default": default}

    return {
        "operationId": "live",
        "summary": "A WebSocket: rows in, the predictions of both models for each out",
        "description": _DESCRIPTION,
        "tags": [PREDICTIONS],
        "parameters": [
            _query(
                "window",
                "Rows of the running decision.",
                rows(most_window(len(schema.labels.values)), default.window),
            ),
            _query(
                "threshold",
                "How probable a running decision must be to become stable.",
                {**_SHARE, "default": default.threshold},
            ),
            _query("hold", "For how many rows.", rows(MOST_ROWS, default.hold)),
            _query(
                "probabilities",
                f"Of each model: those of the {MOST_LIKELIEST} likeliest classes, or all.",
                {**_STRING, "enum": [LIKELIEST, ALL], "default": default.probabilities},
            ),
            _query(
                "session",
                "Whose rows they are, as `X-Session-ID` elsewhere.",
                {**_STRING, "pattern": f"^{SESSION.pattern.decode()}$"},
            ),
        ],
        "responses": {
            "101": {"description": "The connection is a WebSocket from here on"},
            **{
                str(status): {"$ref": f"#/components/responses/{_response(status)}"}
                for status in _PROBLEMS
            },
            "431": {"$ref": "#/components/responses/431"},
        },
    }


def _schemas(schema: Schema) -> dict[str, Any]:
    labels = schema.labels
    example = Example(schema)
    spelled: list[dict[str, Any]] = [label_schema(schema)]
    if labels.are_letters:
        spelled.append({**_STRING, "enum": list(labels.names)})
    named = {
        "label": label_schema(schema),
        **({"letter": {**_STRING, "enum": list(labels.names)}} if labels.are_letters else {}),
    }
    likely = {
        "type": "array",
        "items": exactly({**named, "probability": _SHARE}),
        "minItems": 1,
        "maxItems": MOST_LIKELIEST,
    }
    answered = exactly(named)
    answered["properties"] |= {
        "likeliest": {**likely, "description": "Likeliest first."},
        "probabilities": {
            "description": "In place of `likeliest` where all are asked for, in the order of"
            " `class_names` of `/models`.",
            "type": "array",
            "items": _SHARE,
        },
    }
    identity = {
        "id": {
            "description": "The client's; without one the row's number in the stream, from 0.",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_ID - 1},
                {**_STRING, "pattern": f"^{ID.pattern}$"},
            ],
        }
    }
    time = {
        "time": {
            "type": "number",
            "description": "The sender's, in seconds since 1970-01-01; it is given back.",
        }
    }
    decision = exactly(
        {
            **named,
            "probability": {
                **_SHARE,
                "description": "As if rows were independent, which those of one second are not.",
            },
            "rows": {"type": "integer", "minimum": 1, "description": "How many rows it is of."},
            "stable": {
                "type": "boolean",
                "description": "Whether it has been the same, with `threshold`, for `hold` rows.",
            },
        }
    )
    row = {
        "type": "object",
        "properties": {
            "row": {"$ref": "#/components/schemas/Row"},
            **identity,
            **time,
            "label": {"description": "What it truly was: feedback.", "anyOf": spelled},
        },
        "required": ["row"],
        "additionalProperties": False,
        "examples": [{"row": example.row, "id": 17}],
    }
    by_model = {model.title: {"$ref": "#/components/schemas/StreamPrediction"} for model in MODELS}
    answer = exactly({**identity, **by_model, "decision": decision})
    answer["properties"] |= {
        **time,
        "familiar": {
            "type": "boolean",
            "description": "Whether the row was like those of the training; missing where the"
            " models cannot tell.",
        },
    }
    answer["examples"] = [_answer(example)]
    refusal = exactly({**identity, "error": {"$ref": "#/components/schemas/Problem"}})
    return {
        "StreamRow": row,
        "StreamPrediction": answered,
        "StreamAnswer": answer,
        "StreamRefusal": refusal,
    }


def _answer(example: Example) -> dict[str, Any]:
    labels, place = example.schema.labels, example.place
    letter = {"letter": labels.names[place]} if labels.are_letters else {}
    label = {"label": example.label, **letter}
    of_each = {**label, "likeliest": [{**label, "probability": example.probabilities[place]}]}
    return {
        "id": 17,
        **{model.title: of_each for model in MODELS},
        "familiar": True,
        "decision": {**label, "probability": 0.97, "rows": 8, "stable": True},
    }


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _response(status: int | str) -> str:
    return f"Stream{status}"
