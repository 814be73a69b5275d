"""Tables in Parquet and in Feather, which is also called Arrow IPC."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import IO, Any, cast

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader
from arro3.io import read_ipc, read_parquet
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.arrow_file import ArrowFile
from eeg_letters.recordings.chunks import (
    MOST_CHUNK_ROWS,
    SLOT_BYTES,
    Chunk,
    Parsed,
    Table,
    as_classes,
    as_floats,
    as_lines,
    reject_bad,
)
from eeg_letters.recordings.columns import Columns, find_columns
from eeg_letters.recordings.sources import arrow_format
from eeg_letters.schema import Schema


@contextmanager
def open_arrow(where: str, path: str, schema: Schema, keep: Sequence[str]) -> Iterator[Table]:
    """Open a Parquet or Feather file to read it by a schema.

    Parameters
    ----------
    where : str
        What messages call it.
    path : str
        A regular file, for it is not read from front to back.
    schema : Schema
        What the table is read by.
    keep : sequence of str
        Names of columns to carry through.

    Yields
    ------
    Table

    Raises
    ------
    RecordingError
        When the file cannot be read, or lacks a column, or has one of another type.
    UserError
        When a column is to be kept that is read anyway.
    """
    with ArrowFile(path) as file:
        yield _ArrowTable(where, file, schema, keep)


def read_batches(where: str, file: IO[bytes], most_rows: int) -> RecordBatchReader:
    """Rows of a Parquet or Feather file.

    Parameters
    ----------
    where : str
        What messages call it.
    file : file object
        The file, from its beginning.
    most_rows : int
        Of a batch of Parquet; in Feather batches are as they were written.

    Raises
    ------
    RecordingError
        When it is damaged.
    """
    start = file.read(8)
    file.seek(0)
    kind = arrow_format(start)
    if start.startswith(b"FEA1"):
        raise RecordingError(f"{where}: Feather of version 1, which is out of use; write it anew")
    with as_error(f"{where}: not {kind}, or truncated"):
        if kind == "Feather":
            return read_ipc(file)
        return read_parquet(file, batch_size=most_rows)


class _ArrowTable:
    notes: tuple[str, ...] = ()

    def __init__(self, where: str, file: ArrowFile, schema: Schema, keep: Sequence[str]) -> None:
        self.where = f"{where}, row"
        self.first_place = -1  # Rows are counted from 0, lines from 1.
        self.name = where
        self._file = file
        self._most_rows = _chunk_rows(schema)
        columns = self._without_unused(schema, keep)
        self._reader = read_batches(where, cast(IO[bytes], file), self._most_rows)
        fields = self._reader.schema
        self.columns = columns or find_columns(where, fields.names, schema, keep)
        self._index = {name.strip(): index for index, name in enumerate(fields.names)}
        self._fields = {name: fields.field(index) for name, index in self._index.items()}
        for name in (*self.columns.features, self.columns.line):
            if name is not None and not DataType.is_numeric(self._fields[name].type):
                raise RecordingError(f"{where}, column {name}: the values are not of a number type")
        label = self.columns.label
        if label is not None and DataType.is_nested(self._fields[label].type):
            raise RecordingError(
                f"{where}, column {label}: the values are neither numbers nor text"
            )
        self._kept: list[list[Array]] = []

    def _without_unused(self, schema: Schema, keep: Sequence[str]) -> Columns | None:
        start = self._file.read(8)
        self._file.seek(0)
        if arrow_format(start) != "Parquet":
            return None
        try:
            footer = self._file.footer()
        except ValueError:
            raise RecordingError(f"{self.name}: not Parquet, or truncated") from None
        columns = find_columns(self.name, footer.names, schema, keep)
        if columns.ignored:
            unused = frozenset(columns.ignored)
            self._file.leave_out(footer, lambda name: name.strip() not in unused)
        return columns

    def kept_fields(self) -> list[Field]:
        return [Field(name, self._fields[name].type) for name in self.columns.keep]

    def take_kept(self, parsed: Parsed) -> list[Array]:
        columns = self._kept.pop(0)
        if parsed.rejected:
            places = Array.from_numpy(parsed.places.astype(np.uint32))
            columns = [column.take(places) for column in columns]
        return columns

    def bytes_read(self) -> int:
        return self._file.bytes_read()

    def chunks(self, slots: Sequence[mmap.mmap]) -> Iterator[Chunk]:
        for (index, into), batch in zip(cycle(enumerate(slots)), self._batches(), strict=False):
            n_rows = batch.num_rows
            no_lines = self._fill(into, batch)
            self._kept.append([batch.column(self._index[name]) for name in self.columns.keep])
            label = self.columns.label
            labels = None if label is None else list(batch.column(self._index[label]).to_pylist())
            # Its memory is warm for the next one.
            del batch
            yield Chunk(_parse_numbers, self.columns, index, n_rows, n_rows, labels, no_lines)

    def _fill(self, slot: mmap.mmap, batch: RecordBatch) -> dict[int, Any]:
        features, lines = _numbers_in(slot, batch.num_rows, self.columns)
        for row, name in enumerate(self.columns.features):
            features[row] = as_floats(batch.column(self._index[name]), self._fields[name].type)
        if self.columns.line is None:
            lines[:] = np.arange(batch.num_rows)
            return {}
        lines[:], no_lines = as_lines(batch.column(self._index[self.columns.line]))
        return no_lines

    def _batches(self) -> Iterator[RecordBatch]:
        while (batch := self._next()) is not None:
            n_rows = batch.num_rows
            for first in range(0, n_rows, self._most_rows):
                yield batch.slice(first, min(self._most_rows, n_rows - first))
            del batch

    def _next(self) -> RecordBatch | None:
        with as_error(f"{self.name}: damaged, cannot be read"):
            return next(self._reader, None)


@contextmanager
def as_error(sentence: str) -> Iterator[None]:
    """Raise a RecordingError of that sentence for whatever the library finds wrong."""
    # The library raises no class of its own. On damage it panics, which writes to standard error
    # and may show what the file holds.
    standard_error = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        detail = f": {error}" if isinstance(error, Exception) else ""
        raise RecordingError(f"{sentence}{detail}") from None
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)


def _chunk_rows(schema: Schema) -> int:
    # As many as a slot holds.
    return max(1, min(MOST_CHUNK_ROWS, SLOT_BYTES // (8 * (len(schema.features) + 2))))


def _numbers_in(
    slot: mmap.mmap, n_rows: int, columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    # Features, and the line numbers after them.
    features = np.frombuffer(slot, np.float64, len(columns.features) * n_rows)
    lines = np.frombuffer(slot, np.int64, n_rows, features.nbytes)
    return features.reshape(len(columns.features), n_rows), lines


def _parse_numbers(slot: mmap.mmap, chunk: Chunk) -> Parsed:
    columns = chunk.columns
    features, lines = _numbers_in(slot, chunk.length, columns)
    classes = np.zeros(chunk.length, np.int64)
    if chunk.labels is not None:
        classes[:] = as_classes(chunk.labels, columns.schema)
    parsed = Parsed(features, lines, classes, np.arange(chunk.length), [], [])
    return reject_bad(parsed, columns, _Numbers(features, lines, chunk))


@dataclass(frozen=True)
class _Numbers:
    # The rows of a chunk.
    features: NDArray[np.float64]
    lines: NDArray[np.int64]
    chunk: Chunk

    def values(self, place: int) -> dict[str, Any]:
        # In a table NaN stands for a missing value.
        columns, labels = self.chunk.columns, self.chunk.labels
        row: dict[str, Any] = {
            name: None if np.isnan(value) else value
            for name, value in zip(columns.features, self.features[:, place].tolist(), strict=True)
        }
        if columns.line is not None:
            row[columns.line] = self.chunk.no_lines.get(place, int(self.lines[place]))
        if columns.label is not None and labels is not None:
            row[columns.label] = labels[place]
        return row

    content = values
