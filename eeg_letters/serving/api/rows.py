"""Parsing and validation of rows that a client sends."""

from __future__ import annotations

import re
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import simdjson

from eeg_letters.errors import Problem
from eeg_letters.schema import FEATURES
from eeg_letters.scoring.scorer import Floats

# About 70 rows, a few milliseconds of work.
PART_BYTES = 64 * 1024

_OPENING = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"rows"[ \t\r\n]*:[ \t\r\n]*\[')
_CUT = re.compile(rb"[\]}][ \t\r\n]*,")
_CLOSING = re.compile(rb"\][ \t\r\n]*\}[ \t\r\n]*\Z")
_in_order = itemgetter(*FEATURES)


def parse_member(body: bytes, name: str) -> Any:
    """The only member of the JSON object that a request's body must be.

    Raises
    ------
    Problem
        400 when the body is not JSON; 422 when it is not an object, or the member is missing or not
        alone.
    """
    document = _parse_object(body)
    if name not in document:
        raise _refused(f'The member "{name}" is missing.')
    for other in document:
        if other != name:
            raise _refused(f'There is no member {_quoted(other)}; the only one is "{name}".')
    return document[name]


def parse_rows(body: bytes, max_rows: int) -> Iterator[Floats]:
    """The rows of a ``/predict`` request, some at a time where the body is large.

    Parameters
    ----------
    body : bytes
        ``{"rows": [...]}``, with rows as `to_array` takes them.
    max_rows : int
        The most rows that are taken.

    Yields
    ------
    ndarray of float64, shape (n_rows, 160)
        Finite band powers, none negative, in the order of the body.

    Raises
    ------
    Problem
        400, 413 or 422, naming the first bad row and its feature.
    """
    number = 0
    for part in _parts(body):
        parsed = parse_lists(part, part is body)
        parsed = _parse_any(body, part, number) if parsed is None else not_negative(parsed, number)
        number += len(parsed)
        if number > max_rows:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"There are more than {max_rows} rows; send them in several requests.",
            )
        yield parsed


def _parse_object(body: bytes) -> dict[str, Any]:
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


def _parts(body: bytes) -> Iterator[bytes]:
    # To parse a large body at once would keep all other requests waiting, and be slower by half
    # for want of warm memory. So it is cut between rows; each part is a list of its own.
    if len(body) <= PART_BYTES:
        yield body
        return
    opening = _OPENING.match(body, 0, PART_BYTES)
    closing = _CLOSING.search(body[-PART_BYTES:])
    if opening is None or closing is None:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f'A body of more than {PART_BYTES} bytes must be {{"rows": [ … ]}} and nothing else.',
        )
    yield from cut(body, opening.end(), len(body) - len(closing[0]), _CUT)


def cut(body: bytes, start: int, end: int, between: re.Pattern[bytes]) -> Iterator[bytes]:
    """The inside of a long list as shorter lists, of `PART_BYTES` or little more.

    Parameters
    ----------
    body : bytes
        What the list stands in.
    start, end : int
        Where its inside begins and ends.
    between : re.Pattern
        What may be cut: the last byte of an item and all to the end of the comma.

    Raises
    ------
    Problem
        422, when there is nothing to cut for as long again.
    """
    while end - start > PART_BYTES:
        found = between.search(body, start + PART_BYTES, min(start + 2 * PART_BYTES, end))
        if found is None and end - start > 2 * PART_BYTES:
            raise _refused(f"A row after byte {start} is longer than any row can be.")
        if found is None:
            break
        yield b"[%b]" % body[start : found.start() + 1]
        start = found.end()
    yield b"[%b]" % body[start:end]


def parse_lists(part: bytes, is_body: bool = False) -> Floats | None:
    """Rows that are lists of 160 numbers each, and nothing else.

    simdjson writes the numbers of lists into one buffer, three times as fast as numbers are made
    one by one. It cannot say what is wrong.

    Parameters
    ----------
    part : bytes
        A list of rows.
    is_body : bool
        It is the only member, ``rows``, of an object.

    Returns
    -------
    ndarray of float64, shape (n_rows, 160), or None
        None for whatever is anything else, or wrong.
    """
    if part.startswith(BOM_UTF8):  # simdjson would pass over it.
        return None
    try:
        document: Any = simdjson.Parser().parse(part)
        if is_body:
            if len(document) != 1:
                return None
            document = document["rows"]
        values = np.frombuffer(document.as_buffer(of_type="d"))
        widths = {len(row) for row in document}
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        return None
    # The buffer would hide a list within a row.
    if widths != {len(FEATURES)} or part.count(b"[") != len(document) + 1:
        return None
    return values.reshape(-1, len(FEATURES))


def _parse_any(body: bytes, part: bytes, number: int) -> Floats:
    rows = parse_member(part, "rows") if part is body else _parse_part(body, part, number)
    if not rows and number > 0:
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON: no row after a comma.")
    parsed = to_array(rows, number)
    # array takes true for 1, and a dict hides a duplicate name: neither is worth a look at each
    # value, since only a body with these bytes can have them.
    if b"true" in part or b"false" in part:
        _check_each(rows, number)
        raise _refused("A row has something other than numbers.")
    names = len(FEATURES) * sum(isinstance(row, dict) for row in rows)
    if part.count(b":") != names + (part is body):
        raise _refused("An object has a duplicate name.")
    return parsed


def _parse_part(body: bytes, part: bytes, number: int) -> Any:
    try:
        return orjson.loads(part)
    except orjson.JSONDecodeError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"The body of {len(body)} bytes is not JSON, in row {number} or one of the next"
            f" {part.count(b']') + part.count(b'}')}: {error.msg}.",
        ) from None


def to_array(rows: Any, first: int = 0) -> Floats:
    """Rows as lists of 160 numbers in the order of `FEATURES`, or as dicts of them by feature name.

    Parameters
    ----------
    rows : list of list of float or dict of str to float
        As parsed from JSON; anything else is refused.
    first : int
        Number of the first row, for messages.

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
    for number, row in enumerate(rows, first):
        ordered = _ordered(number, row)
        if len(ordered) != len(FEATURES):
            raise _refused(
                f"Row {number} has {len(ordered)} values; a row has {len(FEATURES)}"
                f" ({FEATURES[0]} … {FEATURES[-1]})."
            )
        try:
            values.fromlist(ordered)
        except TypeError:
            only_numbers(ordered, number * len(FEATURES))
            raise
    return not_negative(np.frombuffer(values).reshape(-1, len(FEATURES)), first)


def not_negative(rows: Floats, first: int) -> Floats:
    """The same rows, none of whose band powers is negative.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, 160)
        Finite numbers.
    first : int
        Number of the first row, for messages.

    Raises
    ------
    Problem
        422, naming the first bad row and its feature.
    """
    if rows.size and np.minimum.reduce(rows, axis=None) < 0:
        row, feature = np.argwhere(rows < 0)[0]
        raise _refused(
            f"Row {first + row}, feature {FEATURES[feature]}: {rows[row, feature]} is negative;"
            " a band power is 0 or more."
        )
    return rows


def only_numbers(values: Iterable[Any], first: int) -> None:
    """Make sure that values are numbers; JSON's true and false are none.

    Parameters
    ----------
    values : iterable of object
        Row after row, as parsed from JSON.
    first : int
        How many values of earlier rows there were, for messages.

    Raises
    ------
    Problem
        422, naming row and feature of the first that is no number.
    """
    for index, value in enumerate(values, first):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refused(f"{position(index)}: {_quoted(value)} is not a number.")


def position(index: int) -> str:
    """Row and feature of a value, by its index in all rows laid end to end."""
    row, feature = divmod(index, len(FEATURES))
    return f"Row {row}, feature {FEATURES[feature]}"


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


def _check_each(rows: list[Any], first: int) -> None:
    for number, row in enumerate(rows, first):
        only_numbers(_ordered(number, row), number * len(FEATURES))


def _quoted(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else text[:40] + "…"


def _refused(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
