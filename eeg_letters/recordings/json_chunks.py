"""Tables in JSON lines, and rows that are made into such."""

from __future__ import annotations

import json
import mmap
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import orjson

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.recordings.chunks import (
    MOST_CHUNK_ROWS,
    SLOT_BYTES,
    Chunk,
    Parsed,
    Table,
    reject_bad,
    rejection,
)
from eeg_letters.recordings.columns import (
    Columns,
    find_columns,
    find_line_column,
    known_by,
    row_numbers,
)
from eeg_letters.recordings.documents import KeyedRow, orientation
from eeg_letters.recordings.sources import Source
from eeg_letters.recordings.text import TextTable
from eeg_letters.recordings.values import MOST_WHOLE_NUMBER, as_whole_number, check_unique
from eeg_letters.schema import LINE_COLUMN, Schema, getter


def open_json(source: Source, schema: Schema, keep: Sequence[str], fast: bool = True) -> Table:
    """Read the first row of JSON lines, which names the columns, or a whole document.

    Parameters and errors are those of `eeg_letters.recordings.csv_chunks.open_csv`.
    """
    begun = b""
    number = 0
    while line := source.file.readline(SLOT_BYTES):
        number += 1
        begun += line
        if line.strip() or len(begun) >= SLOT_BYTES:
            break
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    # One line alone may be a whole document: rows or columns within one object.
    if isinstance(row, dict) and (_is_flat(row) or source.file.peek(1).strip()):
        columns = find_columns(f"{source.name}, line {number}", list(row), schema, keep)
        return TextTable(source, columns, partial(_parse_slot, fast), 0, begun)
    return _open_document(source, begun + source.file.read(), schema, keep)


def _is_flat(row: dict[str, Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in row.values())


def _open_document(source: Source, content: bytes, schema: Schema, keep: Sequence[str]) -> Table:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RecordingError(
            f"{source.name}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    check_names(source.name, content)
    found = orientation(source.name, document, known_by(schema))
    rows = _by_column(source.name, found.rows, schema.features.names)
    return RowsTable(source, rows, schema, keep, f"{source.name}, row", -1)


def _by_column(
    name: str, rows: Iterable[KeyedRow], features: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for number, (key, row) in enumerate(rows):
        if isinstance(row, list):
            if len(row) != len(features):
                raise RecordingError(
                    f"{name}, row {number}: {len(row)} values; a row has {len(features)}"
                )
            row = dict(zip(features, row, strict=True))
        if not isinstance(row, dict):
            raise RecordingError(f"{name}, row {number}: neither a list nor an object of values")
        line = None if key is None else as_whole_number(key)
        if line is not None and not _has_line(row):
            row = {LINE_COLUMN: line, **row}
        yield row


def _has_line(row: dict[str, Any]) -> bool:
    return LINE_COLUMN in row or find_line_column([name.strip() for name in row]) is not None


class RowsTable(TextTable):
    """A table of rows by column, all of which are in memory.

    Parameters
    ----------
    source : Source
        Where they are from.
    rows : iterable of dict or None
        None stands where there is no row, so that places are right.
    schema, keep
        As for `open_json`.
    where : str
        What messages call a row, before its number.
    first_place : int
        Number of the first row, less 1.

    Raises
    ------
    RecordingError
        When there are no rows, or the first lacks a column.
    """

    def __init__(
        self,
        source: Source,
        rows: Iterable[dict[str, Any] | None],
        schema: Schema,
        keep: Sequence[str],
        where: str,
        first_place: int,
    ) -> None:
        self._rows = list(rows)
        first = next((row for row in self._rows if row is not None), None)
        if first is None:
            raise RecordingError(f"{source.name}: there are no rows")
        columns = find_columns(source.name, list(first), schema, keep)
        super().__init__(source, columns, partial(_parse_slot, True), first_place, b"")
        self.where = where

    def chunks(self, slots: Sequence[mmap.mmap]) -> Iterator[Chunk]:
        """Chunks of rows as lines of JSON, as many as fit into a slot."""
        for (index, slot), lines in zip(cycle(enumerate(slots)), self._parts(), strict=False):
            text = b"\n".join(lines)
            slot[: len(text)] = text
            yield Chunk(self._parse, self.columns, index, len(text), len(lines))

    def _parts(self) -> Iterator[list[bytes]]:
        lines: list[bytes] = []
        size = done = 0
        for row in self._rows:
            line = b"" if row is None else orjson.dumps(row, default=str)
            if len(line) >= SLOT_BYTES:
                number = self.first_place + done + len(lines) + 1
                raise RecordingError(f"{self.where} {number}: longer than any row can be")
            if len(lines) == MOST_CHUNK_ROWS or size + len(line) >= SLOT_BYTES:
                yield lines
                done += len(lines)
                lines, size = [], 0
            lines.append(line)
            size += len(line) + 1
        yield lines


def _parse_slot(fast: bool, slot: mmap.mmap, chunk: Chunk) -> Parsed:
    return parse_lines(slot[: chunk.length], chunk.columns, fast)


def parse_lines(text: bytes, columns: Columns, fast: bool = True) -> Parsed:
    """The rows of some lines.

    Parameters
    ----------
    text : bytes
        Whole lines.
    columns : Columns
        The table's.
    fast : bool
        Whether rows of numbers alone are read without a look at each value.
    """
    lines = text.split(b"\n")
    in_order, label = getter(columns.features), columns.label
    # array takes true for 1.
    careful = not fast or b"true" in text or b"false" in text
    features, line_numbers, classes = array("d"), array("q"), array("q")
    places, rejected = [], []
    kept: list[list[str | None]] = [[] for _ in columns.keep]

    for place, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = _json_row(line, columns)
            try:
                if careful:
                    raise TypeError
                given = 0 if label is None else columns.schema.labels.index(row[label])
                number = place if columns.line is None else row[columns.line]
                if type(number) is not int or not 0 <= number <= MOST_WHOLE_NUMBER:
                    raise TypeError
                features.fromlist(list(in_order(row)))
            except (KeyError, TypeError, OverflowError, SchemaError):
                values, number, given = row_numbers(row, columns, place)
                features.fromlist(values)
        except RecordingError as error:
            rejected.append(rejection(place, error, line.decode(errors="replace")))
            continue
        line_numbers.append(number)
        classes.append(given)
        places.append(place)
        for column, name in zip(kept, columns.keep, strict=True):
            column.append(_as_text(row.get(name)))
    parsed = Parsed(
        np.frombuffer(features).reshape(-1, len(columns.features)).T,
        np.frombuffer(line_numbers, np.int64),
        np.frombuffer(classes, np.int64),
        np.array(places, np.int64),
        kept,
        rejected,
    )
    return reject_bad(parsed, columns, _Lines(lines, columns))


@dataclass(frozen=True)
class _Lines:
    # The rows of a chunk of JSON lines.
    lines: list[bytes]
    columns: Columns

    def values(self, place: int) -> dict[str, Any]:
        return _json_row(self.lines[place], self.columns)

    def content(self, place: int) -> str:
        return self.lines[place].decode(errors="replace")


def _json_row(line: bytes, columns: Columns) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RecordingError(f", not JSON: {error.msg}") from None
    if not isinstance(row, dict):
        raise RecordingError(", not a JSON object")
    # A dict hides a duplicate name. Of names and values without a colon there is one for each.
    if line.count(b":") != len(row):
        check_names("", line)
    if columns.features[0] in row:
        return row
    return {name.strip(): value for name, value in row.items()}


def check_names(where: str, text: bytes) -> None:
    """Make sure that no object of a JSON text has a duplicate name.

    Raises
    ------
    RecordingError
        When one has; names it.
    """

    def check(pairs: list[tuple[str, Any]]) -> None:
        check_unique(where, [name for name, _ in pairs], "column")

    json.loads(text, object_pairs_hook=check)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
