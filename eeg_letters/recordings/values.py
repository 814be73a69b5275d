"""Checks of column names and values; each error says where."""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.labels import Labels
from eeg_letters.scales import Scale

# A whole number has 64 bits; a float tells whole numbers apart up to the second.
MOST_WHOLE_NUMBER = 2**63 - 1
_MOST_EXACT_FLOAT = 2**53


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


def feature_value(where: str, row: Mapping[str, Any], column: str, scale: Scale | None) -> float:
    """Value of a row's feature as it is written, checked by its scale; None for no band power.

    Raises
    ------
    RecordingError
        When it is not a finite number, or stands for no band power: it is below 0, or the logarithm
        of one that is too large.
    """
    value = finite_number(where, row, column)
    if scale is Scale.POWER and value < 0:
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(row[column])} is negative; a band power is"
            " 0 or more (train.py --scale takes logarithms)"
        )
    if scale is not None and not math.isfinite(scale.to_power(value)):
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(row[column])} is too large for {scale} of a"
            " band power"
        )
    return value


def class_index(where: str, row: Mapping[str, Any], column: str, labels: Labels) -> int:
    """Index of the class that a row's label stands for.

    Raises
    ------
    RecordingError
        When it stands for none.
    """
    try:
        return labels.index(row[column])
    except SchemaError as error:
        _check_text(where, row, column)
        raise RecordingError(f"{where}, column {column}: {error}") from None


def _check_text(where: str, row: Mapping[str, Any], column: str) -> None:
    # What is no UTF-8 was replaced as the file was read.
    if isinstance(row[column], str) and "\ufffd" in row[column]:
        raise RecordingError(f"{where}, column {column}: not UTF-8 text")


def whole_number(where: str, row: Mapping[str, Any], column: str) -> int:
    """Value of a row's column, exactly as it is written, checked.

    Raises
    ------
    RecordingError
        When it is not a whole number from 0 to `MOST_WHOLE_NUMBER`, or a float so large that it may
        have been another number once.
    """
    number = as_whole_number(row[column])
    if number is not None:
        return number
    if finite_number(where, row, column) >= _MOST_EXACT_FLOAT:
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(row[column])} is too large for a whole number"
        )
    raise RecordingError(
        f"{where}, column {column}: {reprlib.repr(row[column])} is not a whole number"
    )


def as_whole_number(value: Any) -> int | None:
    """A value as a whole number, such as `whole_number` takes; None where it is none."""
    if as_number(value) is None:
        return None
    if isinstance(value, float):
        exact = value.is_integer() and value < _MOST_EXACT_FLOAT
        return int(value) if exact and value >= 0 else None
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    # Compared first: a short text can stand for an integer of a million digits.
    if not number.is_finite() or not 0 <= number <= MOST_WHOLE_NUMBER:
        return None
    return int(number) if number == int(number) else None


def finite_number(where: str, row: Mapping[str, Any], column: str) -> float:
    """Value of a row's column, checked; a number may be written as text.

    Raises
    ------
    RecordingError
        When it is missing, or not a finite number.
    """
    value = row[column]
    number = as_number(value)
    if number is None:
        if value is None or (isinstance(value, str) and not value.strip()):
            raise RecordingError(f"{where}, column {column}: the value is missing")
        _check_text(where, row, column)
        raise RecordingError(f"{where}, column {column}: {reprlib.repr(value)} is not a number")
    if not math.isfinite(number):
        raise RecordingError(
            f"{where}, column {column}: {reprlib.repr(value)} is not a finite number"
        )
    return number


def as_number(value: Any) -> float | None:
    """A value as a number, which may be written as text; None where it is none."""
    # float() would take True for 1 and "1_0" for 10.
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
