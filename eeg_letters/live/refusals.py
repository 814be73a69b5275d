"""What a service says when it takes no stream, and when to ask it again."""

from __future__ import annotations

import random

import orjson
from websockets.exceptions import InvalidStatus

# Of what may pass: too early, too many, a gateway whose service starts again.
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
# Closes that the same rows would only bring about again.
_FINAL_CLOSES = frozenset((1002, 1003, 1007, 1008, 1009, 1010))

_FIRST_SECONDS = 0.25
_LAST_SECONDS = 4.0


def may_pass(status: int) -> bool:
    """Whether a service that answers with a status may take a stream later."""
    return status in _PASSING


def is_final(close_code: int) -> bool:
    """Whether a service that closed a stream with a code would do so again."""
    return close_code in _FINAL_CLOSES


class Waits:
    """Seconds to wait before each try: at random, so that clients do not all come back at once."""

    def __init__(self) -> None:
        self._longest = _FIRST_SECONDS

    def __next__(self) -> float:
        longest = self._longest
        self._longest = min(2 * longest, _LAST_SECONDS)
        return random.uniform(longest / 2, longest)  # noqa: S311 nothing secret


def asked_delay(refusal: InvalidStatus) -> float:
    """Seconds that a refusal asks to wait; 0 where it does not."""
    asked = refusal.response.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdecimal() else 0.0


def reason(status: int, body: bytes | bytearray | None) -> str:
    """What a refusal says, of a problem document its detail."""
    try:
        problem = orjson.loads(body or b"")
        detail = problem.get("detail") or problem["title"]
    except (orjson.JSONDecodeError, AttributeError, KeyError):
        detail = None
    return f"{status}, {detail}" if detail else f"status {status}"
