"""Parsing and validation of rows that a client sends."""

from __future__ import annotations

import math
import re
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from typing import Any

import numpy as np
import orjson
import simdjson

from eeg_letters.errors import Problem
from eeg_letters.recordings.values import as_number
from eeg_letters.scales import Scale, all_stand_for_powers
from eeg_letters.schema import Features, getter
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.large import PART_BYTES, LargeRows
from eeg_letters.serving.api.limits import RowLimit
from eeg_letters.serving.api.names import OTHER_COLUMNS, check_names
from eeg_letters.serving.api.refusals import not_json, other_member, quoted, refused


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
        raise _fault(error) from None
    return _only_member(document, name)


# What simdjson raises of what is no JSON, or has no such lists.
_NO_LISTS = (ValueError, TypeError, KeyError, AttributeError, RuntimeError)


class RowParser:
    """Parses rows of one schema.

    Parameters
    ----------
    features : Features
        What a row has.
    others : collection of str
        What a row by name may have besides, and is not used: `other_columns`.
    scale : Scale or None
        What band powers are given as.
    """

    def __init__(
        self,
        features: Features,
        others: Collection[str] = OTHER_COLUMNS,
        scale: Scale | None = Scale.POWER,
    ) -> None:
        self.width = len(features)
        self.names = features.names
        self._known = frozenset(features.names)
        self._scale = scale if features.are_powers else None
        self._in_order = getter(features.names)
        self._colons = self.width + sum(name.count(":") for name in features.names)
        # A row may have names in other case, as its recording spells them.
        self._by_folded = {name.casefold(): name for name in reversed(features.names)}
        others_folded = [name.casefold() for name in others]
        # Of other columns only line number and label are known in any case.
        usual = {name.casefold() for name in OTHER_COLUMNS}.intersection(others_folded)
        self._ignored = {n for n in (*others, *usual) if n.casefold() not in self._by_folded}
        self._place: Callable[[int], str] = "Row {}".format
        self._noun = "feature"

    def placed(self, place: Callable[[int], str], noun: str = "column") -> RowParser:
        """The same parser, whose messages call rows and features something else.

        Parameters
        ----------
        place : callable
            What the row of a number is called.
        noun : str
            What a feature is called.
        """
        other = copy(self)
        other._place, other._noun = place, noun
        return other

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
        if len(body) <= PART_BYTES:
            rows = self.parse_lists(body, True)
            if rows is None:
                rows = self.convert(_only_member(self.load(body), "rows"), body, 0, 1)
            else:
                self.check(rows, 0)
            limit.check(len(rows))
            yield rows
            return
        yield from self.parse_large(LargeRows(body), limit)

    def parse_large(self, parts: LargeRows, limit: RowLimit) -> Iterator[Floats]:
        """The rows of a large body; all is as of `parse`."""
        number = 0
        for part in parts:
            rows = self.parse_lists(part)
            if rows is None:
                loaded = parts.load(number)
                if not loaded and number > 0:
                    raise not_json("no row after a comma")
                rows = self.convert(loaded, parts.text, number)
            else:
                self.check(rows, number)
            number += len(rows)
            limit.check(number)
            yield rows

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
        except _NO_LISTS:
            return None
        # The buffer would hide a list within a row.
        if widths != {self.width} or part.count(b"[") != len(document) + 1:
            return None
        return values.reshape(-1, self.width)

    def parse_alone(self, text: bytes) -> tuple[Any, Floats] | None:
        """The row of an object, where it is a list of numbers and nothing is wrong with it.

        Parameters
        ----------
        text : bytes
            JSON: an object, with the member ``row`` among others.

        Returns
        -------
        csimdjson.Object and ndarray of float64, shape (1, n_features), or None
            The object and the row; None for whatever is anything else, or wrong.
        """
        # The buffer would hide a list within the row.
        if text.startswith(BOM_UTF8) or text.count(b"[") != 1:
            return None
        try:
            document: Any = simdjson.Parser().parse(text)
            row = np.frombuffer(document["row"].as_buffer(of_type="d"))
        except _NO_LISTS:
            return None
        if len(row) != self.width or not self.stand_for_powers(row):
            return None
        return document, row.reshape(1, -1)

    def to_array(self, rows: Any, first: int = 0) -> Floats:
        """Rows as lists of numbers in the order of the features, or as dicts by feature name.

        Parameters
        ----------
        rows : list of list of float or dict of str to float or str
            As parsed from JSON; anything else is refused. In a dict, a number may be text, and the
            other columns are ignored.
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
            raise refused('"rows" must be a list of rows.')
        values = array("d")
        for number, row in enumerate(rows, first):
            ordered = self._ordered(number, row)
            if len(ordered) != self.width:
                raise refused(
                    f"{self._place(number)} has {len(ordered)} values; a row has {self.width}"
                    f" ({self.names[0]} … {self.names[-1]})."
                )
            try:
                values.fromlist(ordered)
            except TypeError:
                if row is ordered:
                    self.only_numbers(ordered, number * self.width)
                values.fromlist(self._from_text(ordered, number * self.width))
        array_ = np.frombuffer(values).reshape(-1, self.width)
        self.check(array_, first)
        return array_

    def check(self, rows: Floats, first: int) -> None:
        """Make sure that all values stand for band powers, where features are such.

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
        scale = self._scale
        if scale is None or all_stand_for_powers(rows, scale):
            return
        is_power = scale is Scale.POWER
        bad = rows < 0 if is_power else ~np.isfinite(scale.to_power(rows))
        row, feature = np.argwhere(bad)[0]
        why = "negative; a band power is 0 or more" if is_power else "too large for a band power"
        raise refused(
            f"{self.position((first + int(row)) * self.width + int(feature))}:"
            f" {rows[row, feature]} is {why}."
        )

    def stand_for_powers(self, rows: Floats) -> bool:
        """Whether `check` would let rows pass."""
        return all_stand_for_powers(rows, self._scale)

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
                raise refused(f"{self.position(index)}: {quoted(value)} is not a number.")

    def position(self, index: int) -> str:
        """Row and feature of a value, by its index in all rows laid end to end."""
        row, feature = divmod(index, self.width)
        return f"{self._place(row)}, {self._noun} {self.names[feature]}"

    def convert(self, rows: Any, text: bytes, first: int, colons: int = 0) -> Floats:
        """Rows as `to_array` takes them, with all that can be seen in their text alone.

        Parameters
        ----------
        rows : object
            As parsed from the text.
        text : bytes
            JSON.
        first : int
            Number of the first row, for messages.
        colons : int
            How many the text has besides those of the rows.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features)

        Raises
        ------
        Problem
            422, naming the first bad row and its feature.
        """
        parsed = self.to_array(rows, first)
        # array takes true for 1, and a dict hides a duplicate name: neither is worth a look at each
        # value, since only a text with these bytes can have them.
        if b"true" in text or b"false" in text:
            self.no_booleans(rows, first)
        colons += sum(self._count_colons(row) for row in rows if isinstance(row, dict))
        # A colon may be escaped.
        if text.count(b":") != colons or b"\\" in text:
            check_names(text)
        return parsed

    def load(self, body: bytes) -> Any:
        """The document that a body is.

        Raises
        ------
        Problem
            400 when it is not JSON.
        """
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _fault(error, self._culprit(body, error)) from None

    def _culprit(self, body: bytes, error: orjson.JSONDecodeError) -> str:
        # Many JSON writers write NaN and Infinity, which JSON does not have: say which value it
        # was.
        if not body.isascii() or not re.match(rb"-?(NaN|Infinity|\d)", body[error.pos :]):
            return ""
        before = body[: error.pos]
        if (start := before.rfind(b"[")) > before.rfind(b"{"):
            row, value = before.count(b"[") - 2, before.count(b",", start)
            feature = self.names[value] if value < self.width else ""
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
            raise refused(
                f"{self._place(number)} is neither a list of numbers nor an object of them."
            )
        try:
            ordered = list(self._in_order(row))
        except KeyError as error:
            if any(self._spelled(name) != name for name in row):
                return self._ordered(number, self._spell(number, row))
            raise refused(f"{self._place(number)} has no {self._noun} {error.args[0]}.") from None
        if len(row) != self.width:
            self._check_others(number, row)
        return ordered

    def _spell(self, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
        spelled = {self._spelled(name): value for name, value in row.items()}
        if len(spelled) != len(row):
            raise refused(
                f"{self._place(number)} has a {self._noun} twice, in upper and in lower case."
            )
        return spelled

    def _spelled(self, name: str) -> str:
        return name if name in self._known else self._by_folded.get(name.casefold(), name)

    def _check_others(self, number: int, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name in self._known:
                continue
            if name not in self._ignored and name.casefold() not in self._ignored:
                raise refused(f"{self._place(number)}: there is no {self._noun} {quoted(name)}.")
            if isinstance(value, list | dict):
                raise refused(
                    f"{self._place(number)}, column {name}: {quoted(value)} is no single value."
                )

    def _from_text(self, values: list[Any], first: int) -> list[float]:
        # A recording has its numbers as text, and so have its rows as they are answered.
        numbers = []
        for index, value in enumerate(values, first):
            number = as_number(value)
            if number is None:
                raise refused(f"{self.position(index)}: {quoted(value)} is not a number.")
            if not math.isfinite(number):
                raise refused(f"{self.position(index)}: {quoted(value)} is not a finite number.")
            numbers.append(number)
        return numbers

    def no_booleans(self, rows: list[Any], first: int) -> None:
        """Make sure that no feature is true or false; parameters are those of `to_array`."""
        for number, row in enumerate(rows, first):
            for index, value in enumerate(self._ordered(number, row), number * self.width):
                if isinstance(value, bool):
                    raise refused(f"{self.position(index)}: {quoted(value)} is not a number.")

    def _count_colons(self, row: Mapping[str, Any]) -> int:
        if len(row) == self.width:
            return self._colons
        others = [(name, value) for name, value in row.items() if name not in self._known]
        texts = [text for pair in others for text in pair if isinstance(text, str)]
        return self._colons + len(others) + sum(text.count(":") for text in texts)


def _only_member(document: Any, name: str) -> Any:
    if not isinstance(document, dict):
        raise refused("The body must be a JSON object.")
    if name not in document:
        raise refused(f'The member "{name}" is missing.')
    for other in document:
        if other != name:
            raise other_member(other, name)
    return document[name]


def _fault(error: orjson.JSONDecodeError, culprit: str = "") -> Problem:
    return not_json(f"line {error.lineno}, column {error.colno}{culprit}: {error.msg}")
