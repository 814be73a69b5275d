"""Parts that the OpenAPI descriptions of several rooms are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from eeg_letters.errors import Problem
from eeg_letters.schema import LINE_COLUMN

PREDICTIONS = "Predictions"
EXAMPLE_LINE = 232
# A parameter of the path.
BY_LINE = {
    "name": "line",
    "in": "path",
    "required": True,
    "description": f"The row's number in the column {LINE_COLUMN}.",
    "schema": {"type": "integer", "format": "int64"},
    "example": EXAMPLE_LINE,
}


def both(
    name: str,
    summary: str,
    answer: dict[str, Any],
    problems: Sequence[int],
    parameters: Sequence[dict[str, Any]] = (),
    tag: str = PREDICTIONS,
) -> dict[str, Any]:
    """The operations of a path that GET and POST ask for alike.

    Parameters are those of `operation`; those of the query or the path are of both.
    """
    return {
        **({"parameters": [*parameters]} if parameters else {}),
        "get": operation(name, summary, answer, problems, tag=tag),
        "post": operation(f"{name}ByPost", summary, answer, problems, tag=tag),
    }


def operation(
    name: str,
    summary: str,
    answer: dict[str, Any],
    problems: Sequence[int],
    body: dict[str, Any] | None = None,
    internal: bool = False,
    tag: str = PREDICTIONS,
    parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """An operation of a path.

    Parameters
    ----------
    name : str
        Its identifier, which no other operation has.
    summary : str
        What it does.
    answer : dict
        The answer of status 200: `answer`.
    problems : sequence of int
        Other statuses that it may have, besides those that any may.
    body : dict, optional
        What it takes: `json_body`.
    internal : bool
        Whether it is a probe or metrics, which are answered whatever there is to do.
    tag : str
        What it is listed under.
    parameters : sequence of dict
        Of the path or the query.
    """
    if not internal:
        problems = [*problems, 431, 503]
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        **({"parameters": [*parameters]} if parameters else {}),
        **({"requestBody": body} if body else {}),
        "responses": {
            "200": answer,
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in problems},
        },
    }


def json_body(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """A body of JSON of a schema, with an example."""
    return {
        "required": True,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


LINE_BODY = json_body({"$ref": "#/components/schemas/Line"}, {"line": EXAMPLE_LINE})


def answer(description: str, schema: str, example: Any) -> dict[str, Any]:
    """An answer of JSON of a named schema, with an example."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"description": description, "content": {"application/json": content}}


def problem_responses(descriptions: Mapping[int, str]) -> dict[str, Any]:
    """Problem documents by status, as the document has them under ``components/responses``."""
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
