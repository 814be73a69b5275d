"""Tables of text, CSV and JSON lines, cut at line breaks."""

from __future__ import annotations

import csv
import io
import mmap
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import Any

import numpy as np
import orjson
from arro3.core import Array, DataType, Field, RecordBatch
from arro3.core import Schema as ArrowSchema
from arro3.io import read_csv
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.recordings.chunks import (
    FLOAT,
    SLOT_BYTES,
    Chunk,
    Columns,
    Parsed,
    Rejected,
    Table,
    as_classes,
    as_floats,
    as_lines,
    find_columns,
    reject_bad,
    rejection,
    row_numbers,
)
from eeg_letters.recordings.values import MOST_WHOLE_NUMBER
from eeg_letters.schema import LINE_COLUMN, Schema, getter


def open_csv(where: str, file: io.BufferedReader, schema: Schema, keep: Sequence[str]) -> Table:
    """Read the first line of a CSV file, which names the columns.

    Parameters
    ----------
    where : str
        The file's name, for messages.
    file : io.BufferedReader
        Read from where it stands.
    schema : Schema
        What the table is read by.
    keep : sequence of str
        Names of columns to carry through.

    Raises
    ------
    RecordingError
        When the line cannot be read, or lacks a column.
    UserError
        When a column is to be kept that is read anyway.
    """
    header = file.readline(SLOT_BYTES)
    if b"\0" in header:
        raise RecordingError(f"{where}, line 1: a NUL byte in the line")
    try:
        names = next(csv.reader([header.decode("utf-8-sig")], strict=True), [])
    except UnicodeDecodeError:
        raise RecordingError(f"{where}, line 1: not UTF-8 text") from None
    except csv.Error as error:
        raise RecordingError(f"{where}, line 1: not CSV: {error}") from None
    if not names:
        raise RecordingError(f"{where}: the file is empty")
    columns = find_columns(f"{where}, line 1", names, schema, keep)
    return _TextTable(where, file, columns, _parse_csv, 1, b"")


def open_json_lines(
    where: str, file: io.BufferedReader, schema: Schema, keep: Sequence[str]
) -> Table:
    """Read the first row of a file of JSON lines, which names the columns.

    Parameters and errors are those of `open_csv`.
    """
    line = file.readline(SLOT_BYTES)
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict) or any(isinstance(value, dict) for value in row.values()):
        raise RecordingError(
            f"{where}, line 1: not JSON lines, which have one row, a JSON object, on each line"
        )
    columns = find_columns(f"{where}, line 1", list(row), schema, keep)
    return _TextTable(where, file, columns, _parse_json_lines, 0, line)


class _TextTable:
    def __init__(
        self,
        where: str,
        file: io.BufferedReader,
        columns: Columns,
        parse: Callable[[mmap.mmap, Chunk], Parsed],
        first_place: int,
        begun: bytes,
    ) -> None:
        self.where = f"{where}, line"
        self.columns = columns
        self.first_place = first_place
        self.name = where
        self._file = file
        self._parse = parse
        self._begun = begun
        self._read = len(begun)

    def kept_fields(self) -> list[Field]:
        return [Field(name, DataType.string()) for name in self.columns.keep]

    def take_kept(self, parsed: Parsed) -> list[Array]:
        return [Array(values, DataType.string()) for values in parsed.kept]

    def bytes_read(self) -> int:
        return self._read

    def chunks(self, slots: Sequence[mmap.mmap]) -> Iterator[Chunk]:
        begun, place = self._begun, self.first_place
        for index, slot in cycle(enumerate(slots)):
            slot[: len(begun)] = begun
            length = len(begun)
            with memoryview(slot) as view:
                while length < SLOT_BYTES and (count := self._file.readinto(view[length:])):
                    length += count
                    self._read += count
            if length == 0:
                return
            cut = length if length < SLOT_BYTES else slot.rfind(b"\n") + 1
            if cut == 0:
                raise RecordingError(f"{self.name}, line {place + 1}: longer than any row can be")
            lines = slot[:cut].count(b"\n") + (slot[cut - 1] != 0x0A)
            begun = slot[cut:length]
            yield Chunk(self._parse, self.columns, index, cut, lines)
            place += lines
            if length < SLOT_BYTES:
                return


def _parse_csv(slot: mmap.mmap, chunk: Chunk) -> Parsed:
    return _parse_csv_lines(slot[: chunk.length], chunk.columns, 0)


def _parse_csv_lines(text: bytes, columns: Columns, first: int) -> Parsed:
    count = text.count(b"\n") + (not text.endswith(b"\n"))
    batch = _read_csv(text, columns, count)
    source = _CsvLines(text, columns)
    # Usually no line is empty and none is bad: then the lines need not be split.
    if batch is not None and batch.num_rows == count:
        places = np.arange(count)
    else:
        places = np.array([i for i, line in enumerate(source.lines) if line.strip()], np.int64)
    if not len(places):
        return _no_rows(columns)
    if batch is not None and batch.num_rows == len(places):
        parsed = _of_batch(batch, columns, places, first)
        return _shifted(reject_bad(parsed, columns, source), first)
    if len(places) > 4:
        # Some value is not a number: bisect to find the row.
        middle = int(places[len(places) // 2])
        halves = b"\n".join(source.lines[:middle]), b"\n".join(source.lines[middle:])
        return _joined(
            _parse_csv_lines(halves[0], columns, first),
            _parse_csv_lines(halves[1], columns, first + middle),
        )
    good: list[tuple[int, tuple[list[float], int, int], list[str | None]]] = []
    rejected = []
    for place in places.tolist():
        try:
            cells = source.values(place)
            values = row_numbers(cells, columns, place + first)
            good.append((place, values, [cells[name] or None for name in columns.keep]))
        except RecordingError as error:
            rejected.append(rejection(place, error, source.content(place)))
    if not good:
        return _shifted(_no_rows(columns, rejected), first)
    good_places, values_by_row, kept_rows = zip(*good, strict=True)
    features, lines, classes = zip(*values_by_row, strict=True)
    parsed = Parsed(
        np.array(features).T,
        np.array(lines, np.int64),
        np.array(classes, np.int64),
        np.array(good_places),
        [list(column) for column in zip(*kept_rows, strict=True)],
        rejected,
    )
    return _shifted(parsed, first)


def _of_batch(
    batch: RecordBatch, columns: Columns, places: NDArray[np.int64], first: int
) -> Parsed:
    of = columns.names.index
    features = np.empty((len(columns.features), len(places)))
    for index, name in enumerate(columns.features):
        features[index] = as_floats(batch.column(of(name)), FLOAT)
    classes = np.zeros(len(places), np.int64)
    if columns.label is not None:
        classes[:] = as_classes(batch.column(of(columns.label)).to_pylist(), columns.schema)
    return Parsed(
        features,
        as_lines(batch.column(of(LINE_COLUMN)))[0] if columns.has_lines else places + first,
        classes,
        places,
        [list(batch.column(of(name)).to_pylist()) for name in columns.keep],
        [],
    )


@dataclass(frozen=True)
class _CsvLines:
    # The Source of a chunk of CSV.
    text: bytes
    columns: Columns

    @cached_property
    def lines(self) -> list[bytes]:
        return self.text.split(b"\n")

    def values(self, place: int) -> dict[str, str]:
        return _csv_row(self.lines[place], self.columns.names)

    def content(self, place: int) -> str:
        return self.lines[place].rstrip(b"\r").decode(errors="replace")


def _read_csv(text: bytes, columns: Columns, most_rows: int) -> RecordBatch | None:
    if b"\0" in text:
        return None  # The library would abort the process.
    try:
        return next(
            read_csv(
                io.BytesIO(text), _csv_schema(columns), has_header=False, batch_size=most_rows
            ),
            None,
        )
    except Exception:  # noqa: BLE001 the library raises no class of its own
        return None


def _csv_schema(columns: Columns) -> ArrowSchema:
    numeric = frozenset(columns.features)
    return ArrowSchema(
        [Field(name, FLOAT if name in numeric else DataType.string()) for name in columns.names]
    )


def _csv_row(line: bytes, names: Sequence[str]) -> dict[str, str]:
    if b"\0" in line:
        raise RecordingError(", a NUL byte in the line")
    try:
        (cells,) = csv.reader([line.decode()], strict=True)
    except UnicodeDecodeError:
        raise RecordingError(", not UTF-8 text") from None
    except csv.Error as error:
        raise RecordingError(f", not CSV: {error}") from None
    if len(cells) < len(names):
        raise RecordingError(
            f", column {names[len(cells)]}: the line ends after {len(cells)} of {len(names)} values"
        )
    if len(cells) > len(names):
        raise RecordingError(f", {len(cells)} values for {len(names)} columns")
    return dict(zip(names, cells, strict=True))


def _parse_json_lines(slot: mmap.mmap, chunk: Chunk) -> Parsed:
    text, columns = slot[: chunk.length], chunk.columns
    lines = text.split(b"\n")
    in_order, label = getter(columns.features), columns.label
    # array takes true for 1.
    careful = b"true" in text or b"false" in text
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
                number = row[LINE_COLUMN] if columns.has_lines else place
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
    return reject_bad(parsed, columns, _JsonLines(lines, columns))


@dataclass(frozen=True)
class _JsonLines:
    # The Source of a chunk of JSON lines.
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
    if columns.features[0] in row:
        return row
    return {name.strip(): value for name, value in row.items()}


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _no_rows(columns: Columns, rejected: list[Rejected] | None = None) -> Parsed:
    none = np.empty(0, np.int64)
    return Parsed(
        np.empty((len(columns.features), 0)),
        none,
        none,
        none,
        [[] for _ in columns.keep],
        rejected or [],
    )


def _shifted(parsed: Parsed, first: int) -> Parsed:
    if first == 0:
        return parsed
    return Parsed(
        parsed.features,
        parsed.lines,
        parsed.classes,
        parsed.places + first,
        parsed.kept,
        [Rejected(row.place + first, row.reason, row.content) for row in parsed.rejected],
    )


def _joined(one: Parsed, other: Parsed) -> Parsed:
    return Parsed(
        np.hstack([one.features, other.features]),
        np.concatenate([one.lines, other.lines]),
        np.concatenate([one.classes, other.classes]),
        np.concatenate([one.places, other.places]),
        [[*first, *second] for first, second in zip(one.kept, other.kept, strict=True)],
        [*one.rejected, *other.rejected],
    )
