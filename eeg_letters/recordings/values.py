"""Checks of column names and values; each error says where."""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eeg_letters.errors import RecordingError
from eeg_letters.schema import LETTER_COLUMN, LETTERS


def check_unique(where: str, names: Sequence[str], what: str) -> None:
    """Make sure that there is no duplicate among names.

    Raises
    ------
    RecordingError
        When there is one; names it.
    """
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise RecordingError(f"{where}, {what} {_printable(name)}: duplicate {what}")


def _printable(name: str) -> str:
    return name if name.isprintable() else repr(name)


def band_power(where: str, row: Mapping[str, Any], column: str) -> float:
    """Value of a row's feature, checked.

    Raises
    ------
    RecordingError
        When it is not a finite number from 0 on.
    """
    power = finite_number(where, row, column)
    if power < 0:
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(row[column])} is negative; a band power is"
            " 0 or more"
        )
    return power


def letter_number(where: str, row: Mapping[str, Any]) -> int:
    """Value of a row's `LETTER_COLUMN`, checked.

    Raises
    ------
    RecordingError
        When it is not a whole number from 0 to 25.
    """
    letter = whole_number(where, row, LETTER_COLUMN)
    if letter >= len(LETTERS):
        raise RecordingError(
            f"{where}, column {LETTER_COLUMN}: {letter} is not a letter"
            f" (0 is A, {len(LETTERS) - 1} is Z)"
        )
    return letter


def whole_number(where: str, row: Mapping[str, Any], column: str) -> int:
    """Value of a row's column, checked.

    Raises
    ------
    RecordingError
        When it is not a whole number from 0 on.
    """
    number = finite_number(where, row, column)
    if not number.is_integer() or number < 0:
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(row[column])} is not a whole number"
        )
    return int(number)


def finite_number(where: str, row: Mapping[str, Any], column: str) -> float:
    """Value of a row's column, checked; a number may be written as text.

    Raises
    ------
    RecordingError
        When it is missing, or not a finite number.
    """
    value = row[column]
    try:
        # float() would take True for 1 and "1_0" for 10.
        if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        if value is None or (isinstance(value, str) and not value.strip()):
            raise RecordingError(f"{where}, column {column}: the value is missing") from None
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(value)} is not a number"
        ) from None
    if not math.isfinite(number):
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(value)} is not a finite number"
        )
    return number
