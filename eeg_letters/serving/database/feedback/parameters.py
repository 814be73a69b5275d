"""What a query asks for, and times as text."""

from __future__ import annotations

import re

from eeg_letters.database.times import parse_when
from eeg_letters.errors import UserError
from eeg_letters.serving.api.refusals import quoted, refused

MOST_ENTRIES = 1000
# Rows in a request are counted by 32 bits in the database.
ROWS = range(2**31)
# A cursor: the number of a prediction.
CURSOR = re.compile(r"[0-7][0-9a-f]{15}")
# A plus that was not escaped has become a blank.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:([Zz])|([-+ ])(\d\d:\d\d))?)?",
    re.ASCII,
)


def since_of(parameters: dict[str, str]) -> int | None:
    """The parameter ``since`` in microseconds since 1970-01-01.

    Raises
    ------
    Problem
        422.
    """
    return _when(parameters, "since")


def time_of(parameters: dict[str, str]) -> int | None:
    """The parameter ``time``, of when a request was answered; otherwise as `since_of`."""
    return _when(parameters, "time")


def _when(parameters: dict[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    at = parse_time(text)
    if at is None:
        raise refused(
            f"{name} is {quoted(text)}; it must be a date, or a date and a time, as ISO 8601 has"
            " them, such as 2026-01-31T12:00:00Z."
        )
    return at


def limit_of(parameters: dict[str, str], default: int) -> int:
    """The parameter ``limit``.

    Raises
    ------
    Problem
        422.
    """
    text = parameters.get("limit", str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text) or int(text) > MOST_ENTRIES:
        raise refused(
            f"limit is {quoted(text)}; it must be a whole number from 1 to {MOST_ENTRIES}."
        )
    return int(text)


def after_of(parameters: dict[str, str]) -> int | None:
    """The parameter ``after`` as the number of a prediction.

    Raises
    ------
    Problem
        422.
    """
    text = parameters.get("after")
    if text is None:
        return None
    if not CURSOR.fullmatch(text):
        raise refused(f'after is {quoted(text)}; it must be what an answer has as "next".')
    return int(text, 16)


def row_of(parameters: dict[str, str]) -> int | None:
    """The parameter ``row``: which of a request's rows.

    Raises
    ------
    Problem
        422.
    """
    text = parameters.get("row")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) not in ROWS:
        raise refused(f"row is {quoted(text)}; it must be the number of a row, from 0.")
    return int(text)


def cursor(number: int) -> str:
    """What `after_of` takes for the number of a prediction."""
    return f"{number:016x}"


def parse_time(text: str) -> int | None:
    """A time in microseconds since 1970-01-01; None where the text is none.

    Parameters
    ----------
    text : str
        ISO 8601: a date, and maybe a time and its distance from UTC, which else it is in.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    date, time, _, sign, offset = match.groups()
    plus = f"{sign.replace(' ', '+')}{offset}" if sign else "+00:00"
    try:
        return parse_when(f"{date}T{time or '00:00'}{plus}", 0)
    except UserError:
        return None
