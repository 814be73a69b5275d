"""JSON bodies as rows, in every orientation that pandas writes, in parts where they are large."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.columns import Columns, find_columns, known_by, row_numbers
from eeg_letters.recordings.documents import (
    SPLIT,
    Orient,
    check_column,
    orient_of,
    orientation,
    split_columns,
)
from eeg_letters.scales import all_stand_for_powers
from eeg_letters.schema import Schema
from eeg_letters.serving.api.facts import Facts, Part, printable, told, turn, unreadable
from eeg_letters.serving.api.large import PART_BYTES, LargeRows
from eeg_letters.serving.api.limits import RowLimit, check_columns
from eeg_letters.serving.api.members import Members
from eeg_letters.serving.api.names import check_names
from eeg_letters.serving.api.refusals import other_member, refused
from eeg_letters.serving.api.rows import RowParser

_WHERE = "The body"
# About a millisecond of work.
_PART_ROWS = 64
_NESTED = frozenset((list, dict))


class Oriented:
    """The rows of a JSON body.

    Parameters
    ----------
    body : bytes
        ``{"rows": [...]}``, or any other that `eeg_letters.recordings.documents` knows.
    schema : Schema
        Whose features are its columns.
    parser : RowParser
        Of the same features.
    limit : RowLimit
        The most rows that are taken.
    facts : Facts, optional
        What is told of lines and labels; without, they are not looked at.

    Attributes
    ----------
    notes : list of str
        What was found out, in words, of anything but ``{"rows": [...]}``.
    """

    def __init__(
        self,
        body: bytes,
        schema: Schema,
        parser: RowParser,
        limit: RowLimit,
        facts: Facts | None = None,
    ) -> None:
        self.notes: list[str] = []
        self._body = body
        self._schema = schema
        self._parser = parser
        self._limit = limit
        self._facts = facts
        self._is_column = known_by(schema)
        self._features = frozenset(name.casefold() for name in schema.features.names)

    def parts(self) -> Iterator[Part]:
        """The rows, in order.

        Raises
        ------
        Problem
            400 when the body is not JSON; 413; 422, naming the first bad row and its column.
        """
        body = self._body
        if len(body) <= PART_BYTES:
            return self._small()
        start = body[:PART_BYTES].lstrip()[:1]
        if start == b"[":
            self._note(Orient.RECORDS)
            return self._large_rows(LargeRows(body, is_list=True))
        return self._large() if start == b"{" else self._large_rows(LargeRows(body))

    def rows(self) -> Iterator[Part]:
        """The same, where the body is or should be ``{"rows": [...]}``."""
        if len(self._body) > PART_BYTES:
            yield from self._large_rows(LargeRows(self._body))
            return
        (rows,) = self._parser.parse(self._body, self._limit)
        yield Part(rows, self._facts_of(orjson.loads(self._body)["rows"]) if self._facts else None)

    def _small(self) -> Iterator[Part]:
        document = self._parser.load(self._body)
        is_rows = isinstance(document, dict) and (
            not document or ("rows" in document and not self._is_column("rows"))
        )
        if is_rows or not isinstance(document, dict | list):
            yield from self.rows()
            return
        try:
            found = orientation(_WHERE, document, self._is_column)
            keyed = list(found.rows)
        except RecordingError as error:
            raise unreadable(error) from None
        yield turn(self._parser.width)
        check_names(self._body)
        self._note(found.orient)
        self._limit.check(len(keyed))
        rows = [row for _, row in keyed]
        place = _placing([key for key, _ in keyed])
        if found.columns is None:
            yield self._part(rows, 0, place, self._body)
            return
        yield turn(self._parser.width)
        reader = self._table(found.columns)
        yield turn(self._parser.width)
        for start in range(0, len(rows), _PART_ROWS):
            yield reader.part(rows[start : start + _PART_ROWS], start, place)

    def _large_rows(self, large: LargeRows) -> Iterator[Part]:
        number = 0
        for rows in self._parser.parse_large(large, self._limit):
            facts = None if self._facts is None else self._facts_of(large.load(number), number)
            number += len(rows)
            yield Part(rows, facts)

    def _large(self) -> Iterator[Part]:
        members = Members(self._body)
        chunks = iter(members)
        first = next(chunks, {})
        if "rows" in first and not self._is_column("rows"):
            yield from self.rows()
            return
        others = self._without_rows(first, chunks)
        try:
            if first.keys() <= SPLIT and not any(map(self._is_column, first)):
                self._note(Orient.SPLIT)
                yield from self._split(members, others)
                return
            orient = orient_of(_WHERE, first, self._is_column)
            self._note(orient)
            if orient is Orient.COLUMNS:
                yield from self._by_column(others)
            elif orient is Orient.INDEX:
                yield from self._by_index(members, others)
            else:
                yield from self._single(others)
        except RecordingError as error:
            raise unreadable(error) from None

    def _without_rows(
        self, first: dict[str, Any], chunks: Iterator[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        # "rows" is the only member that there may be.
        chunk: dict[str, Any] | None = first
        while chunk is not None:
            if "rows" in chunk and not self._is_column("rows"):
                other = next((name for name in (*first, *chunk) if name != "rows"), "rows")
                raise other_member(other, "rows")
            yield chunk
            chunk = next(chunks, None)

    def _by_index(self, members: Members, chunks: Iterable[dict[str, Any]]) -> Iterator[Part]:
        number = 0
        for chunk in chunks:
            keys, rows = list(chunk), list(chunk.values())
            part = self._part(rows, number, _placing(keys, number), members.text)
            number += len(rows)
            self._limit.check(number)
            yield part

    def _single(self, chunks: Iterable[dict[str, Any]]) -> Iterator[Part]:
        row: dict[str, Any] = {}
        for chunk in chunks:
            row |= chunk
            check_columns(len(row), len(self._schema.features))
            yield turn(self._parser.width)
        yield self._part([row], 0, _placing([None]), b"true")

    def _split(self, members: Members, chunks: Iterable[dict[str, Any]]) -> Iterator[Part]:
        names: list[Any] | None = None
        reader: _Table | None = None
        number = 0
        for chunk in chunks:
            if other := next((name for name in chunk if name not in SPLIT), None):
                raise other_member(other, "data")
            if isinstance(chunk.get("columns"), list):
                names = chunk["columns"]
                columns = split_columns(_WHERE, names)
                reader = None if columns is None else self._table(columns)
            if "data" not in chunk:
                yield turn(self._parser.width)
                continue
            if names is None or not isinstance(chunk["data"], list):
                raise refused('There must be "columns", and after them "data", which is a list.')
            part = self._split_part(reader, len(names), chunk["data"], number, members.text)
            number += len(part.rows)
            self._limit.check(number)
            yield part
        if names is None:
            raise refused('There is no member "columns".')

    def _split_part(
        self, reader: _Table | None, width: int, rows: list[Any], number: int, text: bytes
    ) -> Part:
        for place, row in enumerate(rows, number):
            if not isinstance(row, list):
                raise refused(f"Row {place} is no list of values.")
            if len(row) != width:
                raise refused(f"Row {place} has {len(row)} values for {width} columns.")
        place_of = "Row {}".format
        if reader is None:
            return self._part(rows, number, place_of, text)
        return reader.part(rows, number, place_of)

    def _by_column(self, chunks: Iterable[dict[str, Any]]) -> Iterator[Part]:
        names: list[str] = []
        kept: dict[str, Sequence[Any]] = {}
        keys: Sequence[str] | range = range(0)
        for chunk in chunks:
            for name, values in chunk.items():
                if not isinstance(values, dict | list):
                    raise refused(f"Column {name!r} is a single value, and others have rows.")
                if not names:
                    keys = range(len(values)) if isinstance(values, list) else tuple(values)
                    self._limit.check(len(keys))
                elif isinstance(values, list) != isinstance(keys, range):
                    raise refused(f"Of columns {names[0]!r} and {name!r} one is a list.")
                else:
                    check_column(_WHERE, name, values, names[0], keys)
                names.append(name)
                if self._is_column(name.strip()):
                    ordered = values if isinstance(values, list) else [values[k] for k in keys]
                    kept[name] = ordered if self._is_other(name) else _compact(ordered)
            check_columns(len(names), len(self._schema.features))
            yield turn(self._parser.width)
        reader = self._table(names)
        columns = [kept.get(name, ()) for name in names]
        place = _placing(keys)
        for start in range(0, len(keys), _PART_ROWS):
            yield reader.part_of_columns(columns, start, min(start + _PART_ROWS, len(keys)), place)

    def _part(self, rows: list[Any], first: int, place: Callable[[int], str], text: bytes) -> Part:
        parser = self._parser.placed(place, "feature")
        found = parser.to_array(rows, first)
        if b"true" in text or b"false" in text:
            parser.no_booleans(rows, first)
        return Part(found, self._facts_of(rows, first, place) if self._facts else None)

    def _facts_of(
        self, rows: Sequence[Any], first: int = 0, place: Callable[[int], str] = "Row {}".format
    ) -> list[dict[str, Any]]:
        assert self._facts is not None  # noqa: S101
        return self._facts.of_rows(rows, map(place, range(first, first + len(rows))))

    def _table(self, names: Sequence[str]) -> _Table:
        check_columns(len(names), len(self._schema.features))
        try:
            columns = find_columns(_WHERE, names, self._schema)
        except RecordingError as error:
            raise unreadable(error) from None
        self.notes += told(columns)
        return _Table(columns, self._facts)

    def _note(self, orient: Orient) -> None:
        self.notes.append(f"orientation {orient.value}")

    def _is_other(self, name: str) -> bool:
        return name.strip().casefold() not in self._features


class _Table:
    # Rows of a table whose columns are named once for all.
    def __init__(self, columns: Columns, facts: Facts | None) -> None:
        self._columns = columns if facts is not None else replace(columns, line=None, label=None)
        self._features = replace(columns, line=None, label=None)
        self._facts = facts
        self._places = [columns.names.index(name) for name in columns.features]
        # Of a single place, itemgetter would give no list of values.
        self._pick: Callable[[Sequence[Any]], Sequence[Any]] = (
            itemgetter(*self._places) if len(self._places) > 1 else self._only
        )

    def _only(self, row: Sequence[Any]) -> Sequence[Any]:
        return (row[self._places[0]],)

    def part(
        self, rows: Sequence[list[Any] | dict[str, Any]], first: int, place: Callable[[int], str]
    ) -> Part:
        """Rows with a value for each column, in their order."""
        lists = [list(row.values()) if isinstance(row, dict) else row for row in rows]
        values = array("d")
        for number, row in enumerate(lists, first):
            picked = list(self._pick(row))
            kinds = set(map(type, row))
            if kinds & _NESTED:
                raise refused(f"{place(number)}: {self._nested(row)} is no single value.")
            if bool in kinds:
                self._slow(row, place(number))
            try:
                values.fromlist(picked)
            except (TypeError, OverflowError):
                values.fromlist(self._slow(row, place(number)))
        found = np.frombuffer(values).reshape(-1, len(self._places))
        if not np.isfinite(found).all() or not all_stand_for_powers(found, self._columns.scale):
            for number, row in enumerate(lists, first):
                self._slow(row, place(number))
        return Part(found, self._facts_of(lists, first, place))

    def part_of_columns(
        self,
        columns: Sequence[Sequence[Any]],
        start: int,
        stop: int,
        place: Callable[[int], str],
    ) -> Part:
        """The same of columns; those that are not used may be empty."""
        picked = [columns[number] for number in self._places]
        if self._facts is None and all(isinstance(column, array) for column in picked):
            found = np.array([column[start:stop] for column in picked]).T
            if np.isfinite(found).all() and all_stand_for_powers(found, self._columns.scale):
                return Part(np.ascontiguousarray(found))
        rows = [
            [column[number] if len(column) else None for column in columns]
            for number in range(start, stop)
        ]
        return self.part(rows, start, place)

    def _nested(self, row: Sequence[Any]) -> str:
        return next(
            f"{'a list' if isinstance(value, list) else 'an object'} in the column {name}"
            for name, value in zip(self._columns.names, row, strict=True)
            if isinstance(value, list | dict)
        )

    def _slow(self, row: Sequence[Any], place: str) -> list[float]:
        try:
            values, _, _ = row_numbers(self._named(row), self._features, 0)
        except RecordingError as error:
            raise refused(f"{place}{printable(str(error))}.") from None
        return values

    def _named(self, row: Sequence[Any]) -> Mapping[str, Any]:
        return dict(zip(self._columns.names, row, strict=True))

    def _facts_of(
        self, rows: Sequence[Sequence[Any]], first: int, place: Callable[[int], str]
    ) -> list[dict[str, Any]] | None:
        if self._facts is None:
            return None
        line, label = self._columns.line, self._columns.label
        try:
            return [
                self._facts.of(place(number), self._named(row), line, label)
                for number, row in enumerate(rows, first)
            ]
        except RecordingError as error:
            raise unreadable(error) from None


def _compact(values: list[Any]) -> Sequence[Any]:
    # Numbers take a third of the memory so; what is something else stays as it is.
    if set(map(type, values)) <= {int, float}:
        return array("d", values)
    return values


def _placing(keys: Sequence[str | None] | range, first: int = 0) -> Callable[[int], str]:
    def place(number: int) -> str:
        key = keys[number - first]
        return f"Row {number if key is None else str(key)[:40]}"

    return place
