"""Rows that a client sends: from JSON to an array, or a problem that names row and feature."""

from __future__ import annotations

import re
from array import array
from http import HTTPStatus
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

from eeg_letters.errors import Problem
from eeg_letters.recordings import FEATURES
from eeg_letters.scorer import Floats

_in_order = itemgetter(*FEATURES)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a request's body must be.

    Raises
    ------
    Problem
        400 when the body is not JSON, 422 when it is not an object.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"The body is not JSON: line {error.lineno}, column {error.colno}"
            f"{_culprit(body, error)}: {error.msg}.",
        ) from None
    if not isinstance(document, dict):
        raise _refused("The body must be a JSON object.")
    return document


def parse_member(body: bytes, name: str) -> Any:
    """The only member of the JSON object that a request's body must be.

    Raises
    ------
    Problem
        As `parse_object`, and 422 when the member is missing, stands twice or is not alone.
    """
    document = parse_object(body)
    if name not in document:
        raise _refused(f'The member "{name}" is missing.')
    for other in document:
        if other != name:
            raise _refused(f'There is no member {_quoted(other)}; the only one is "{name}".')
    return document[name]


def parse_rows(body: bytes) -> Floats:
    """The rows of a ``/predict`` request.

    Parameters
    ----------
    body : bytes
        ``{"rows": [...]}``, with rows as `to_array` takes them.

    Returns
    -------
    ndarray of float64, shape (n_rows, 160)
        Finite band powers.

    Raises
    ------
    Problem
        400 or 422, naming the first bad row and its feature.
    """
    rows = parse_member(body, "rows")
    parsed = to_array(rows)
    # array takes true for 1, and an object hides a name that stands twice: neither is worth a look
    # at each value, since only a body with these bytes can have them.
    if b"true" in body or b"false" in body:
        raise _first_bad(rows)
    if body.count(b":") != 1 + len(FEATURES) * sum(isinstance(row, dict) for row in rows):
        raise _refused("A name stands twice in an object.")
    return parsed


def to_array(rows: Any) -> Floats:
    """Rows as lists of 160 numbers in the order of `FEATURES`, or as dicts of them by feature name.

    Parameters
    ----------
    rows : list of list of float or dict of str to float
        As parsed from JSON; anything else is refused.

    Returns
    -------
    ndarray of float64, shape (n_rows, 160)

    Raises
    ------
    Problem
        422, naming the first bad row and its feature.
    """
    if not isinstance(rows, list):
        raise _refused('"rows" must be a list of rows.')
    values = array("d")
    for number, row in enumerate(rows):
        ordered = _ordered(number, row)
        if len(ordered) != len(FEATURES):
            raise _refused(
                f"Row {number} has {len(ordered)} values; a row has {len(FEATURES)}"
                f" ({FEATURES[0]} … {FEATURES[-1]})."
            )
        try:
            values.fromlist(ordered)
        except TypeError:
            raise _first_bad(rows) from None
    return np.frombuffer(values).reshape(-1, len(FEATURES))


def _culprit(body: bytes, error: orjson.JSONDecodeError) -> str:
    # Many JSON writers write NaN and Infinity, which JSON does not have: say which value it was.
    if not body.isascii() or not re.match(rb"-?(NaN|Infinity|\d)", body[error.pos :]):
        return ""
    before = body[: error.pos]
    if (start := before.rfind(b"[")) > before.rfind(b"{"):
        row, value = before.count(b"[") - 2, before.count(b",", start)
        feature = FEATURES[value] if value < len(FEATURES) else ""
    else:
        row, feature = (
            before.count(b"{") - 2,
            before.rpartition(b'"')[0].rpartition(b'"')[2].decode(),
        )
    return f" (row {row}, feature {feature})" if row >= 0 and feature in FEATURES else ""


def _ordered(number: int, row: Any) -> list[Any]:
    if isinstance(row, list):
        return row
    if not isinstance(row, dict):
        raise _refused(f"Row {number} is neither a list of numbers nor an object of them.")
    try:
        ordered = list(_in_order(row))
    except KeyError as error:
        raise _refused(f"Row {number} has no feature {error.args[0]}.") from None
    if len(row) != len(FEATURES):
        extra = next(name for name in row if name not in FEATURES)
        raise _refused(f"Row {number}: there is no feature {_quoted(extra)}.")
    return ordered


def _first_bad(rows: list[Any]) -> Problem:
    for number, row in enumerate(rows):
        for name, value in zip(FEATURES, _ordered(number, row), strict=True):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return _refused(f"Row {number}, feature {name}: {_quoted(value)} is not a number.")
    return _refused("A row has something other than numbers.")


def _quoted(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else text[:40] + "…"


def _refused(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
