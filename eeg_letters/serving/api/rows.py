"""Parsing and validation of rows that a client sends."""

from __future__ import annotations

import json
import re
import sys
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
import orjson
import simdjson

from eeg_letters.errors import Problem
from eeg_letters.schema import Features, getter
from eeg_letters.scoring.scorer import Floats
from eeg_letters.settings import Settings

# About 70 rows, a few milliseconds of work.
PART_BYTES = 64 * 1024
# As much work where rows are short or classes many, in rows and in probabilities.
PART_ROWS = 128
PART_CELLS = 8 * 1024

_OPENING = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"rows"[ \t\r\n]*:[ \t\r\n]*\[')
_CUT = re.compile(rb"[\]}][ \t\r\n]*,")
_CLOSING = re.compile(rb"\][ \t\r\n]*\}[ \t\r\n]*\Z")


@dataclass(frozen=True)
class RowLimit:
    """The most rows of one request, by their number or by the size of their answer.

    Attributes
    ----------
    rows : int
        How many.
    detail : str
        What a client is told that sends more.
    part : int
        The most that are answered before other requests have their turn.
    """

    rows: int
    detail: str
    part: int = sys.maxsize

    def check(self, rows: int) -> None:
        """Make sure that there are no more rows.

        Raises
        ------
        Problem
            413.
        """
        if rows > self.rows:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self.detail)

    def parts(self, parsed: Iterable[Floats]) -> Iterator[Floats]:
        """The same rows, no more than `part` at a time."""
        for rows in parsed:
            if len(rows) <= self.part:
                yield rows
            else:
                yield from (rows[i : i + self.part] for i in range(0, len(rows), self.part))


def row_limit(settings: Settings, n_labels: int, n_models: int) -> RowLimit:
    """The limit of a route that answers with all probabilities of some models."""
    by_cells = settings.max_cells // (n_labels * n_models)
    part = min(PART_ROWS, max(1, PART_CELLS // (n_labels * n_models)))
    if by_cells >= settings.max_rows:
        most = settings.max_rows
        detail = f"There are more than {most} rows; send them in several requests."
        return RowLimit(most, detail, part)
    return RowLimit(
        by_cells,
        f"There are more than {by_cells} rows: an answer has at most {settings.max_cells}"
        f" probabilities, and a row has {n_labels * n_models} ({n_labels} classes by {n_models}"
        f" {'model' if n_models == 1 else 'models'}); send them in several requests.",
        part,
    )


def parse_member(body: bytes, name: str) -> Any:
    """The only member of the JSON object that a request's body must be.

    Raises
    ------
    Problem
        400 when the body is not JSON; 422 when it is not an object, or the member is missing or not
        alone.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(error) from None
    return _only_member(document, name)


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


class RowParser:
    """Parses rows of one schema.

    Parameters
    ----------
    features : Features
        What a row has.
    """

    def __init__(self, features: Features) -> None:
        self.width = len(features)
        self._names = features.names
        self._known = frozenset(features.names)
        self._are_powers = features.are_powers
        self._in_order = getter(features.names)
        self._colons = self.width + sum(name.count(":") for name in features.names)
        # A body is cut between rows by what stands there, which a name might have as well.
        self._can_be_cut = not any(map(_CUT.search, map(str.encode, features.names)))

    def parse(self, body: bytes, limit: RowLimit) -> Iterator[Floats]:
        """The rows of a ``/predict`` request, some at a time where the body is large.

        Parameters
        ----------
        body : bytes
            ``{"rows": [...]}``, with rows as `to_array` takes them.
        limit : RowLimit
            The most rows that are taken.

        Yields
        ------
        ndarray of float64, shape (n_rows, n_features)
            Finite, in the order of the body; no band power is negative.

        Raises
        ------
        Problem
            400, 413 or 422, naming the first bad row and its feature.
        """
        number = 0
        for part in self._parts(body):
            parsed = self.parse_lists(part, part is body)
            if parsed is None:
                parsed = self._parse_any(body, part, number)
            else:
                self.check(parsed, number)
            number += len(parsed)
            limit.check(number)
            yield parsed

    def parse_lists(self, part: bytes, is_body: bool = False) -> Floats | None:
        """Rows that are lists of as many numbers as there are features, and nothing else.

        simdjson writes the numbers of lists into one buffer, three times as fast as numbers are
        made one by one. It cannot say what is wrong.

        Parameters
        ----------
        part : bytes
            A list of rows.
        is_body : bool
            It is the only member, ``rows``, of an object.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features), or None
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
        if widths != {self.width} or part.count(b"[") != len(document) + 1:
            return None
        return values.reshape(-1, self.width)

    def to_array(self, rows: Any, first: int = 0) -> Floats:
        """Rows as lists of numbers in the order of the features, or as dicts by feature name.

        Parameters
        ----------
        rows : list of list of float or dict of str to float
            As parsed from JSON; anything else is refused.
        first : int
            Number of the first row, for messages.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features)

        Raises
        ------
        Problem
            422, naming the first bad row and its feature.
        """
        if not isinstance(rows, list):
            raise _refused('"rows" must be a list of rows.')
        values = array("d")
        for number, row in enumerate(rows, first):
            ordered = self._ordered(number, row)
            if len(ordered) != self.width:
                raise _refused(
                    f"Row {number} has {len(ordered)} values; a row has {self.width}"
                    f" ({self._names[0]} … {self._names[-1]})."
                )
            try:
                values.fromlist(ordered)
            except TypeError:
                self.only_numbers(ordered, number * self.width)
                raise
        array_ = np.frombuffer(values).reshape(-1, self.width)
        self.check(array_, first)
        return array_

    def check(self, rows: Floats, first: int) -> None:
        """Make sure that no band power is negative.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            Finite numbers.
        first : int
            Number of the first row, for messages.

        Raises
        ------
        Problem
            422, naming the first bad row and its feature.
        """
        if self._are_powers and rows.size and np.minimum.reduce(rows, axis=None) < 0:
            row, feature = np.argwhere(rows < 0)[0]
            raise _refused(
                f"Row {first + row}, feature {self._names[feature]}: {rows[row, feature]} is"
                " negative; a band power is 0 or more."
            )

    def only_numbers(self, values: Iterable[Any], first: int) -> None:
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
                raise _refused(f"{self.position(index)}: {_quoted(value)} is not a number.")

    def position(self, index: int) -> str:
        """Row and feature of a value, by its index in all rows laid end to end."""
        row, feature = divmod(index, self.width)
        return f"Row {row}, feature {self._names[feature]}"

    def _parts(self, body: bytes) -> Iterator[bytes]:
        # To parse a large body at once would keep all other requests waiting, and be slower by half
        # for want of warm memory. So it is cut between rows; each part is a list of its own.
        if len(body) <= PART_BYTES or not self._can_be_cut:
            yield body
            return
        opening = _OPENING.match(body, 0, PART_BYTES)
        closing = _CLOSING.search(body[-PART_BYTES:])
        if opening is None or closing is None:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"A body of more than {PART_BYTES} bytes must be"
                ' {"rows": [ … ]} and nothing else.',
            )
        yield from cut(body, opening.end(), len(body) - len(closing[0]), _CUT)

    def _parse_any(self, body: bytes, part: bytes, number: int) -> Floats:
        if part is body:
            rows = _only_member(self._parse_body(body), "rows")
        else:
            rows = _parse_part(body, part, number)
        if not rows and number > 0:
            raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON: no row after a comma.")
        parsed = self.to_array(rows, number)
        # array takes true for 1, and a dict hides a duplicate name: neither is worth a look at each
        # value, since only a body with these bytes can have them.
        if b"true" in part or b"false" in part:
            self._check_each(rows, number)
        colons = self._colons * sum(isinstance(row, dict) for row in rows)
        if part.count(b":") != colons + (part is body):
            _check_names(part)
        return parsed

    def _parse_body(self, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _not_json(error, self._culprit(body, error)) from None

    def _culprit(self, body: bytes, error: orjson.JSONDecodeError) -> str:
        # Many JSON writers write NaN and Infinity, which JSON does not have: say which value it
        # was.
        if not body.isascii() or not re.match(rb"-?(NaN|Infinity|\d)", body[error.pos :]):
            return ""
        before = body[: error.pos]
        if (start := before.rfind(b"[")) > before.rfind(b"{"):
            row, value = before.count(b"[") - 2, before.count(b",", start)
            feature = self._names[value] if value < self.width else ""
        else:
            row, feature = (
                before.count(b"{") - 2,
                before.rpartition(b'"')[0].rpartition(b'"')[2].decode(),
            )
        return f" (row {row}, feature {feature})" if row >= 0 and feature in self._known else ""

    def _ordered(self, number: int, row: Any) -> list[Any]:
        if isinstance(row, list):
            return row
        if not isinstance(row, dict):
            raise _refused(f"Row {number} is neither a list of numbers nor an object of them.")
        try:
            ordered = list(self._in_order(row))
        except KeyError as error:
            raise _refused(f"Row {number} has no feature {error.args[0]}.") from None
        if len(row) != self.width:
            extra = next(name for name in row if name not in self._known)
            raise _refused(f"Row {number}: there is no feature {_quoted(extra)}.")
        return ordered

    def _check_each(self, rows: list[Any], first: int) -> None:
        for number, row in enumerate(rows, first):
            self.only_numbers(self._ordered(number, row), number * self.width)


def _only_member(document: Any, name: str) -> Any:
    if not isinstance(document, dict):
        raise _refused("The body must be a JSON object.")
    if name not in document:
        raise _refused(f'The member "{name}" is missing.')
    for other in document:
        if other != name:
            raise _refused(f'There is no member {_quoted(other)}; the only one is "{name}".')
    return document[name]


def _parse_part(body: bytes, part: bytes, number: int) -> Any:
    try:
        return orjson.loads(part)
    except orjson.JSONDecodeError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"The body of {len(body)} bytes is not JSON, in row {number} or one of the next"
            f" {part.count(b']') + part.count(b'}')}: {error.msg}.",
        ) from None


def _check_names(part: bytes) -> None:
    # A colon of a name may be escaped, so each object is looked at.
    def check(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            raise _refused("An object has a duplicate name.")

    json.loads(part, object_pairs_hook=check)


def _not_json(error: orjson.JSONDecodeError, culprit: str = "") -> Problem:
    return Problem(
        HTTPStatus.BAD_REQUEST,
        f"The body is not JSON: line {error.lineno}, column {error.colno}{culprit}: {error.msg}.",
    )


def _quoted(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else text[:40] + "…"


def _refused(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
