"""How a body is refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from eeg_letters.errors import Problem


def refused(detail: str) -> Problem:
    """Of JSON that is not what is asked for: 422."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def not_json(detail: str) -> Problem:
    """Of what is no JSON: 400."""
    return Problem(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {detail}.")


def other_member(other: str, name: str) -> Problem:
    """Of an object that has another member than the one it may have, or that one twice: 422."""
    if other == name:
        return refused(f"An object has the duplicate name {quoted(name)}.")
    return refused(f'There is no member {quoted(other)}; the only one is "{name}".')


def quoted(value: Any) -> str:
    """A value as JSON, the beginning of a long one; of a list or object only what it is."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else text[:40] + "…"
