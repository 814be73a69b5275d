"""Tables in CSV, in any of its dialects."""

from __future__ import annotations

import io
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain

import numpy as np
from arro3.core import DataType, Field, RecordBatch
from arro3.core import Schema as ArrowSchema
from arro3.io import read_csv
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.labels import LabelKind
from eeg_letters.recordings.chunks import (
    FLOAT,
    Chunk,
    Parsed,
    Table,
    as_classes,
    as_floats,
    as_lines,
    joined,
    no_rows,
    reject_bad,
    rejection,
    shifted,
)
from eeg_letters.recordings.columns import Columns, find_columns, known_by, row_numbers
from eeg_letters.recordings.dialects import HEAD_BYTES, Dialect, find_dialect
from eeg_letters.recordings.exports import ExportReader, ExportStream, find_export
from eeg_letters.recordings.lines import LineReader
from eeg_letters.recordings.sources import Source
from eeg_letters.recordings.text import TextTable
from eeg_letters.schema import Schema

# Fewer rows are read one by one, more are bisected to find a bad one.
_FEW_ROWS = 4


def open_csv(source: Source, schema: Schema, keep: Sequence[str], fast: bool = True) -> Table:
    """Read the beginning of a CSV file, which tells its dialect and its columns.

    Parameters
    ----------
    source : Source
        Read from where it stands.
    schema : Schema
        What the table is read by.
    keep : sequence of str
        Names of columns to carry through.
    fast : bool
        Whether chunks are read by the Arrow library where it can read them; otherwise every line is
        read by itself, with the same result.

    Raises
    ------
    RecordingError
        When there is no header, it lacks a column, or two readings are possible.
    UserError
        When a column is to be kept that is read anyway.
    """
    head = source.file.read(HEAD_BYTES)
    is_whole = len(head) < HEAD_BYTES
    text = head.decode(errors="replace")
    dialect = find_dialect(source.name, text, is_whole, known_by(schema))
    where = f"{source.name}, line {dialect.header_line}"
    if any("\0" in name for name in dialect.names):
        raise RecordingError(f"{where}: a NUL byte in the line")
    export = find_export(where, dialect, schema.label_column)
    columns = _find_columns(where, dialect, export, schema, keep)
    begun = b"".join(head.split(b"\n", dialect.header_line)[dialect.header_line :])
    notes = dialect.notes
    if export is not None:
        # With the rest of the line that the beginning ends in.
        head_lines = (begun + source.file.readline()).removesuffix(b"\n").split(b"\n")
        stream = ExportStream(
            map(export.converter(), chain(head_lines, map(_without_end, source.file)))
        )
        source, begun = replace(source, file=io.BufferedReader(stream)), b""
        notes = (*notes, *export.notes)
    reader = LineReader(dialect, columns)
    return TextTable(
        source, columns, partial(_parse_slot, reader, fast), dialect.header_line, begun, notes
    )


def _find_columns(
    where: str, dialect: Dialect, export: ExportReader | None, schema: Schema, keep: Sequence[str]
) -> Columns:
    try:
        names = dialect.names if export is None else export.names
        columns = find_columns(where, names, schema, keep)
    except RecordingError:
        if "\ufffd" in "".join(dialect.names):
            raise RecordingError(f"{where}: not UTF-8 text") from None
        raise
    return columns if export is None else export.known(columns)


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n")


def _parse_slot(reader: LineReader, fast: bool, slot: mmap.mmap, chunk: Chunk) -> Parsed:
    return parse_lines(slot[: chunk.length], reader, fast)


def parse_lines(text: bytes, reader: LineReader, fast: bool = True, first: int = 0) -> Parsed:
    """The rows of some lines.

    Parameters
    ----------
    text : bytes
        Whole lines.
    reader : LineReader
        Reads one; asked about each where a faster way finds something wrong.
    fast : bool
        Whether there is a faster way at all.
    first : int
        Place of the first line.
    """
    rows = _Lines(text, reader)
    columns = reader.columns
    count = text.count(b"\n") + (not text.endswith(b"\n"))
    batch = _read_csv(text, reader, count) if fast else None
    # Usually no line is empty and none is bad: then the lines need not be split.
    if batch is not None and batch.num_rows == count:
        places = np.arange(count)
    else:
        places = np.array([i for i, line in enumerate(rows.lines) if line.strip()], np.int64)
    if not len(places):
        return no_rows(columns)
    if batch is not None and batch.num_rows == len(places):
        parsed = _of_batch(batch, columns, places, first)
        return shifted(reject_bad(parsed, columns, rows), first)
    if fast and len(places) > _FEW_ROWS:
        middle = int(places[len(places) // 2])
        halves = b"\n".join(rows.lines[:middle]), b"\n".join(rows.lines[middle:])
        return joined(
            parse_lines(halves[0], reader, fast, first),
            parse_lines(halves[1], reader, fast, first + middle),
        )
    return shifted(_one_by_one(rows, places.tolist(), columns, first), first)


def _one_by_one(rows: _Lines, places: Sequence[int], columns: Columns, first: int) -> Parsed:
    good: list[tuple[int, tuple[list[float], int, int], list[str | None]]] = []
    rejected = []
    for place in places:
        try:
            cells = rows.values(place)
            if cells is None:
                continue
            values = row_numbers(cells, columns, place + first)
            good.append((place, values, [cells[name] or None for name in columns.keep]))
        except RecordingError as error:
            rejected.append(rejection(place, error, rows.content(place)))
    if not good:
        return no_rows(columns, rejected)
    good_places, values_by_row, kept_rows = zip(*good, strict=True)
    features, lines, classes = zip(*values_by_row, strict=True)
    return Parsed(
        np.array(features).T,
        np.array(lines, np.int64),
        np.array(classes, np.int64),
        np.array(good_places),
        [list(column) for column in zip(*kept_rows, strict=True)],
        rejected,
    )


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
    line = columns.line
    return Parsed(
        features,
        places + first if line is None else as_lines(batch.column(of(line)))[0],
        classes,
        places,
        [list(batch.column(of(name)).to_pylist()) for name in columns.keep],
        [],
    )


@dataclass(frozen=True)
class _Lines:
    # The rows of a chunk of CSV.
    text: bytes
    reader: LineReader

    @cached_property
    def lines(self) -> list[bytes]:
        return self.text.split(b"\n")

    def values(self, place: int) -> dict[str, str] | None:
        return self.reader.row(self.lines[place])

    def content(self, place: int) -> str:
        return self.lines[place].rstrip(b"\r").decode(errors="replace")


def _read_csv(text: bytes, reader: LineReader, most_rows: int) -> RecordBatch | None:
    points = _with_points(text, reader)
    # At a NUL byte the library would abort the process. It closes a quote at the end of a text,
    # takes a line break within one, and ends a row at a carriage return alone.
    if points is None or b"\0" in points or _has_open_quote(points) or _has_lone_return(points):
        return None
    try:
        return next(
            read_csv(
                io.BytesIO(points),
                _csv_schema(reader.columns),
                has_header=False,
                batch_size=most_rows,
                delimiter=reader.dialect.separator,
            ),
            None,
        )
    except Exception:  # noqa: BLE001 the library raises no class of its own
        return None


def _has_open_quote(text: bytes) -> bool:
    return b'"' in text and any(line.count(b'"') % 2 for line in text.split(b"\n"))


def _has_lone_return(text: bytes) -> bool:
    return b"\r" in text and text.count(b"\r") != text.count(b"\r\n")


def _with_points(text: bytes, reader: LineReader) -> bytes | None:
    # The text with decimal points; None where a comma may stand for something else.
    if not reader.dialect.decimal_comma:
        return text
    columns = reader.columns
    has_text = columns.keep or (
        columns.label is not None and columns.schema.labels.kind is LabelKind.TEXT
    )
    if has_text or reader.dialect.separator == "," or b"." in text or b'"' in text:
        return None
    return text.replace(b",", b".")


def _csv_schema(columns: Columns) -> ArrowSchema:
    numeric = frozenset(columns.features)
    return ArrowSchema(
        [Field(name, FLOAT if name in numeric else DataType.string()) for name in columns.names]
    )
