"""Times, as the database has them and as a user writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from eeg_letters.errors import UserError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(rf"(\d{{1,6}})([{''.join(_UNITS)}])")


def parse_duration(text: str) -> int:
    """Microseconds that a text such as 30d, 12h, 90m or 5s stands for.

    Raises
    ------
    UserError
        When it stands for none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is no duration such as 30d, 12h or 90m")
    return int(match[1]) * _UNITS[match[2]] * 1_000_000


def parse_when(text: str, now: int) -> int:
    """The time that a text stands for, in microseconds since 1970-01-01 in UTC.

    Parameters
    ----------
    text : str
        A date or a time of ISO 8601, in UTC unless it says otherwise, or a duration ago.
    now : int
        The time that a duration is counted back from, in the same unit.

    Raises
    ------
    UserError
        When it stands for none.
    """
    if _DURATION.fullmatch(text):
        return now - parse_duration(text)
    try:
        when = datetime.fromisoformat(text)
        return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise UserError(
            f"{text!r} is no time such as 2026-07-01, 2026-07-01T12:30:00Z or 30d (30 days ago)"
        ) from None


def to_iso(at: int) -> str:
    """A time of the database as ISO 8601 in UTC, to the microsecond."""
    when = _EPOCH + at * _MICROSECOND
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
