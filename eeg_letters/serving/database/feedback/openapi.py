"""The OpenAPI description of the log, of feedback, of the accuracy, and of deleting a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eeg_letters.database.truths import MOST_GROUPS
from eeg_letters.models import MODELS
from eeg_letters.schema import Schema
from eeg_letters.serving.api.openapi import Example
from eeg_letters.serving.api.operations import answer, json_body, problem_responses
from eeg_letters.serving.api.schemas import exactly, label_schema
from eeg_letters.serving.database.feedback.accuracy import BY
from eeg_letters.serving.database.feedback.log import DEFAULT_ENTRIES, REQUEST_ID
from eeg_letters.serving.database.feedback.parameters import CURSOR, MOST_ENTRIES, ROWS, cursor
from eeg_letters.serving.database.feedback.tokens import Scope
from eeg_letters.serving.keeping import SESSION
from eeg_letters.serving.routing import Described

_TAG = "Feedback"
_BEARER = "bearer"
EXAMPLE_REQUEST = "0123456789abcdef0123456789abcdef"
EXAMPLE_SESSION = "session-1"
_EXAMPLE_TIME = "2026-01-31T12:00:00.000000Z"
_VERSION = "0123456789abcdef"
_STRING = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_INTERVAL = {"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2}
_SINCE = {
    "name": "since",
    "in": "query",
    "description": "Of predictions not older: a date, or a date and a time, in UTC unless it says"
    " otherwise.",
    "schema": {"anyOf": [{"type": "string", "format": kind} for kind in ("date-time", "date")]},
}
_OFF = " Off, with 404, unless EEG_TOKENS_FILE or EEG_OPEN_FEEDBACK=true turns it on."

_PROBLEMS = {
    400: "The body, or the header Authorization, cannot be parsed",
    401: "A token is needed, or it is not known; WWW-Authenticate says which",
    403: "The token is for something else",
    404: "Nothing of that name was kept, or the route is off",
    408: "The body did not arrive in time",
    413: "The body is too large, or has too many rows",
    415: "The body is of another media type, or not compressed with gzip or deflate",
    422: "A parameter or a member is not what is asked for; the detail names it",
    503: "The database does not answer, or too many ask it; try again after Retry-After seconds",
}


def describe(schema: Schema, needs_token: bool) -> Described:
    """What the OpenAPI document has of this room.

    Parameters
    ----------
    schema : Schema
        Of what is served; what was kept may have other classes.
    needs_token : bool
        Whether a bearer token is asked for.
    """
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "description": f"A token of the file that EEG_TOKENS_FILE names, for {', '.join(Scope)}.",
    }
    return Described(
        _paths(Example(schema), needs_token),
        _schemas(schema),
        {_response(status): each for status, each in problem_responses(_PROBLEMS).items()},
        {_BEARER: scheme} if needs_token else {},
    )


def _paths(example: Example, needs_token: bool) -> dict[str, Any]:
    labels = example.schema.labels
    spelled = dict.fromkeys((*map(str, labels.values), *labels.names))

    def secured(scope: Scope) -> dict[str, Any]:
        return {"security": [{_BEARER: [scope]}]} if needs_token else {}

    log = _operation(
        "log",
        "What was answered, newest first",
        answer(
            "Entries, and the parameter `after` that gives those that follow",
            "Log",
            {"entries": [_entry(example)], "next": cursor(1024)},
        ),
        [422],
    )
    log |= secured(Scope.LOG)
    log["description"] = f"Each row is an entry.{_OFF}"
    log["parameters"] = [
        _SINCE,
        _query("session", "Of a session.", {**_STRING, "pattern": _whole(SESSION.pattern)}),
        _query(
            "label",
            f"Those that a model gave this label{', or letter' if labels.are_letters else ''}."
            " One of earlier models is found as well.",
            {**_STRING, "enum": list(spelled)},
        ),
        _query("familiar", "Whether rows were like those of the training.", {"type": "boolean"}),
        *_pages(DEFAULT_ENTRIES),
    ]
    of_request = _operation(
        "requestLog",
        "All that was kept of a request id, oldest first",
        answer(
            "Entries with all probabilities and, where they are known, values",
            "Log",
            {"entries": [_entry(example, True)], "next": None},
        ),
        [404, 422],
    )
    of_request |= secured(Scope.LOG)
    of_request["description"] = (
        "A request id that several requests had has the entries of all of them, which their times"
        f" tell apart.{_OFF}"
    )
    row = {"type": "integer", "minimum": 0, "maximum": ROWS[-1]}
    of_request["parameters"] = [
        _query("row", "Only that row of the request.", row),
        _query(
            "time",
            "Only of the request that was answered then, as its entries have it.",
            {**_STRING, "format": "date-time"},
        ),
        *_pages(MOST_ENTRIES),
    ]
    item = {"$ref": "#/components/schemas/Feedback"}
    feedback = _operation(
        "feedback",
        "What predictions turned out to be",
        answer("All of it is written", "FeedbackAccepted", {"accepted": 1}),
        [404, 408, 413, 415, 422],
        "202",
    )
    feedback |= secured(Scope.FEEDBACK)
    feedback["description"] = (
        "All or nothing. The same again changes nothing; another label takes the place of the one"
        f" before, which is kept.{_OFF}"
    )
    feedback["requestBody"] = json_body(
        {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]},
        {"request_id": EXAMPLE_REQUEST, "row": 0, "label": example.label},
    )
    accuracy = _operation(
        "accuracy",
        "How often models were right, by feedback",
        answer("By the model's title", "Accuracy", _accuracy()),
        [422],
    )
    accuracy["description"] = "By session it needs what the log needs, since it names sessions."
    if needs_token:
        accuracy["security"] = [{}, {_BEARER: [Scope.LOG]}]
    accuracy["parameters"] = [
        _SINCE,
        _query("by", "What groups are of.", {**_STRING, "enum": list(BY), "default": "version"}),
    ]
    delete = _operation(
        "deleteSession",
        "Delete what was kept of a session",
        answer("How many rows that were", "DeletedSession", {"deleted_rows": 12}),
        [404, 422],
    )
    delete |= secured(Scope.DELETE)
    delete["description"] = f"A session of which nothing was kept has 0 rows.{_OFF}"
    session = _path("session", "As `X-Session-ID` named it.", SESSION.pattern, EXAMPLE_SESSION)
    request_id = _path(
        "request_id",
        "As the answer's header `X-Request-ID` had it.",
        REQUEST_ID.pattern,
        EXAMPLE_REQUEST,
    )
    return {
        "/predictions/log": {"get": log},
        "/predictions/log/{request_id}": {"parameters": [request_id], "get": of_request},
        "/feedback": {"post": feedback},
        "/accuracy": {"get": accuracy},
        "/sessions/{session}": {"parameters": [session], "delete": delete},
    }


def _schemas(schema: Schema) -> dict[str, Any]:
    labels = schema.labels
    # Of any model that ever answered here.
    label: dict[str, Any] = {
        "description": "As the models of that time had it.",
        "type": ["integer", "string"],
    }
    named: dict[str, Any] = {
        "type": "object",
        "properties": {"label": label, "letter": _STRING},
        "required": ["label"],
        "additionalProperties": False,
    }
    kept = {
        **named,
        "properties": {
            "version": {**_STRING, "description": "Of the model."},
            **named["properties"],
            "probability": {**_SHARE, "description": "Of that label."},
            "probabilities": {
                "description": "Of one request alone: of all labels that the model knew.",
                "type": "array",
                "items": _SHARE,
            },
        },
        "required": ["version", "label"],
    }
    by_model = {model.title: {"$ref": "#/components/schemas/KeptAnswer"} for model in MODELS}
    entry = exactly(
        {
            "request_id": _STRING,
            "row": {**_COUNT, "description": "Its place in the request."},
            "time": {**_STRING, "format": "date-time"},
            "route": {**_STRING, "description": "Template of the path."},
        }
    )
    entry["properties"] |= {
        "session": {**_STRING, "description": "As `X-Session-ID` named it."},
        "recording": {**_STRING, "description": "Of a stored row: SHA-256 of its recording."},
        "line": {"type": "integer", "description": "Of a stored row: its line."},
        **by_model,
        "familiar": {
            "description": "Whether the row was like those of the training; missing where that was"
            " not known.",
            "type": "boolean",
        },
        "truth": {**named, "description": "What it turned out to be, where there is feedback."},
        "values": {
            "description": "Of one request alone: the features by name, where they are known.",
            "type": "object",
            "additionalProperties": {"type": "number"},
        },
    }
    share = {"rows": _COUNT, "accuracy": _SHARE, "interval": _INTERVAL}
    group = {
        "type": "object",
        "properties": {
            "version": {"type": ["string", "null"]},
            "session": {
                "description": "Null for rows that are of none.",
                "type": ["string", "null"],
            },
            **named["properties"],
            **share,
        },
        "required": list(share),
        "additionalProperties": False,
    }
    accuracy = {
        "type": "object",
        "properties": {
            "rows": {**_COUNT, "description": "Rows with feedback."},
            "accuracy": _SHARE,
            "interval": {
                **_INTERVAL,
                "description": "Of the accuracy, 95 %: Wilson's, which takes rows for independent.",
            },
            "groups": {
                "description": f"The {MOST_GROUPS} with most rows.",
                "type": "array",
                "items": group,
            },
            "more_groups": {**_COUNT, "description": "How many others there are."},
        },
        "required": ["rows", "groups", "more_groups"],
        "additionalProperties": False,
    }
    spelled = [label_schema(schema)]
    if labels.are_letters:
        spelled.append({**_STRING, "enum": list(labels.names)})
    feedback = exactly(
        {
            "request_id": {**_STRING, "pattern": _whole(REQUEST_ID.pattern)},
            "label": {
                "description": "The true label"
                f"{', by number or as a letter' if labels.are_letters else ''}.",
                "anyOf": spelled,
            },
        }
    )
    feedback["properties"] |= {
        "row": {**_COUNT, "description": "May be missing where the request had one row."},
        "time": {
            **_STRING,
            "format": "date-time",
            "description": "As the log has it: which of several requests of one id; without it, the"
            " newest. Where another replica answered that one, it may not be in the database yet,"
            " and the one before takes its place.",
        },
    }
    return {
        "KeptAnswer": kept,
        "Log": exactly(
            {
                "entries": {"type": "array", "items": entry},
                "next": {
                    "description": "The parameter `after` of the entries that follow, if any do.",
                    "type": ["string", "null"],
                },
            }
        ),
        "Feedback": feedback,
        "FeedbackAccepted": exactly({"accepted": _COUNT}),
        "Accuracy": exactly(
            {
                "by": {**_STRING, "enum": list(BY)},
                "models": exactly({model.title: accuracy for model in MODELS}),
            }
        ),
        "DeletedSession": exactly({"deleted_rows": _COUNT}),
    }


def _entry(example: Example, with_all: bool = False) -> dict[str, Any]:
    labels, features = example.schema.labels, example.schema.features
    letter = {"letter": labels.names[example.place]} if labels.are_letters else {}
    label = {"label": example.label, **letter}
    probabilities = example.probabilities
    given: dict[str, Any] = {
        "version": _VERSION,
        **label,
        "probability": probabilities[example.place],
    }
    if with_all:
        given["probabilities"] = probabilities
    entry: dict[str, Any] = {
        "request_id": EXAMPLE_REQUEST,
        "row": 0,
        "time": _EXAMPLE_TIME,
        "route": "/predict",
        "session": EXAMPLE_SESSION,
        **{model.title: given for model in MODELS},
        "familiar": True,
        "truth": label,
    }
    if with_all:
        entry["values"] = dict(zip(features.names, example.row, strict=True))
    return entry


def _accuracy() -> dict[str, Any]:
    share = {"rows": 100, "accuracy": 0.7, "interval": [0.604, 0.781]}
    of_each = {**share, "groups": [{"version": _VERSION, **share}], "more_groups": 0}
    return {"by": "version", "models": {model.title: of_each for model in MODELS}}


def _operation(
    operation: str,
    summary: str,
    answered: dict[str, Any],
    problems: Sequence[int],
    status: str = "200",
) -> dict[str, Any]:
    of_all = (400, 401, 403, 503)
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [_TAG],
        "responses": {
            status: answered,
            **{
                str(each): {"$ref": f"#/components/responses/{_response(each)}"}
                for each in sorted({*of_all, 404, *problems})
            },
            "431": {"$ref": "#/components/responses/431"},
        },
    }


def _response(status: int | str) -> str:
    return f"Kept{status}"


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _pages(default: int) -> list[dict[str, Any]]:
    most = {"type": "integer", "minimum": 1, "maximum": MOST_ENTRIES, "default": default}
    return [
        _query("limit", "The most entries.", most),
        _query(
            "after",
            "`next` of the answer before: those that follow it.",
            {**_STRING, "pattern": _whole(CURSOR.pattern)},
        ),
    ]


def _path(name: str, description: str, pattern: str | bytes, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {**_STRING, "pattern": _whole(pattern)},
        "example": example,
    }


def _whole(pattern: str | bytes) -> str:
    text = pattern.decode() if isinstance(pattern, bytes) else pattern
    return f"^{text}$"
