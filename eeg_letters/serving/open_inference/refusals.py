"""How a request of the protocol is refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from eeg_letters.errors import Problem


def refused(detail: str) -> Problem:
    """Of whatever is wrong with a request: 400."""
    return Problem(HTTPStatus.BAD_REQUEST, detail)


def written(value: Any) -> str:
    """A value as JSON, the beginning of a long one."""
    text = dumps(value).decode()
    return text if len(text) <= 40 else text[:40] + "…"


def dumps(value: Any) -> bytes:
    """A value as JSON.

    Raises
    ------
    Problem
        400, when it is nested too deeply.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise refused("The body is nested too deeply.") from None
