"""Tables in Parquet."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch
from arro3.io import read_parquet
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.chunks import (
    MOST_CHUNK_ROWS,
    SLOT_BYTES,
    Chunk,
    Columns,
    Parsed,
    Table,
    as_classes,
    as_floats,
    find_columns,
    reject_bad,
)
from eeg_letters.schema import LINE_COLUMN, Schema

# A file's first and last bytes.
MAGIC = b"PAR1"


def open_parquet(path: str, schema: Schema, keep: Sequence[str]) -> Table:
    """Open a Parquet file to read it by a schema; columns in `keep` are carried through.

    Raises
    ------
    RecordingError
        When the file cannot be read, or lacks a column, or has one of another type.
    UserError
        When a column is to be kept that is read anyway.
    """
    return _ParquetTable(path, schema, keep)


class _ParquetTable:
    def __init__(self, path: str, schema: Schema, keep: Sequence[str]) -> None:
        self.where = f"{path}, row"
        self.first_place = -1  # Rows are counted from 0, lines from 1.
        self._path = path
        self._file = _CountedFile(path)
        damaged = RecordingError(f"{path}: not Parquet, or truncated")
        # Without a footer the library panics, and writes to standard error.
        if not _has_footer(Path(path)):
            raise damaged
        try:
            self._reader = read_parquet(cast(IO[bytes], self._file), batch_size=_chunk_rows(schema))
        except BaseException as error:
            # It also panics on a damaged footer.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise damaged from None
        fields = self._reader.schema
        self.columns = find_columns(path, fields.names, schema, keep)
        self._index = {name: index for index, name in enumerate(self.columns.names)}
        self._fields = {name: fields.field(index) for name, index in self._index.items()}
        for name in self.columns.numeric:
            if name in self._fields and not DataType.is_numeric(self._fields[name].type):
                raise RecordingError(f"{path}, column {name}: the values are not of a number type")
        label = self.columns.label
        if label is not None and DataType.is_nested(self._fields[label].type):
            raise RecordingError(f"{path}, column {label}: the values are neither numbers nor text")
        self._kept: list[list[Array]] = []

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
        slot = cycle(enumerate(slots))
        while (batch := self._next()) is not None:
            index, into = next(slot)
            n_rows = batch.num_rows
            self._fill(_numbers_in(into, n_rows, self.columns), batch)
            self._kept.append([batch.column(self._index[name]) for name in self.columns.keep])
            label = self.columns.label
            labels = None if label is None else list(batch.column(self._index[label]).to_pylist())
            # Its memory is warm for the next one.
            del batch
            yield Chunk(_parse_numbers, self.columns, index, n_rows, n_rows, labels)

    def _fill(self, numbers: NDArray[np.float64], batch: RecordBatch) -> None:
        lines = (LINE_COLUMN,) if self.columns.has_lines else ()
        for row, name in enumerate((*self.columns.features, *lines)):
            column = batch.column(self._index[name])
            numbers[row] = as_floats(column, self._fields[name].type)
        if not lines:
            self.columns.line_of(numbers)[:] = np.arange(batch.num_rows)

    def _next(self) -> RecordBatch | None:
        try:
            return next(self._reader, None)
        except Exception as error:  # noqa: BLE001 the library raises no class of its own
            raise RecordingError(f"{self._path}: cannot be read: {error}") from None


def _has_footer(path: Path) -> bool:
    # A file is MAGIC, columns, the footer, its length in four bytes, MAGIC.
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < 2 * len(MAGIC) + 4:
            return False
        file.seek(size - len(MAGIC) - 4)
        length, magic = int.from_bytes(file.read(4), "little"), file.read()
    return magic == MAGIC and 0 < length <= size - 2 * len(MAGIC) - 4


def _chunk_rows(schema: Schema) -> int:
    # As many as a slot holds.
    return max(1, min(MOST_CHUNK_ROWS, SLOT_BYTES // (8 * (len(schema.features) + 2))))


def _numbers_in(slot: mmap.mmap, n_rows: int, columns: Columns) -> NDArray[np.float64]:
    numbers = np.frombuffer(slot, np.float64, columns.width * n_rows)
    return numbers.reshape(columns.width, n_rows)


class _CountedFile(io.RawIOBase):
    # Parquet is read column by column, not from front to back, and parts of it more than once:
    # progress is the share of `_PARTS` equal parts of the file that were read.
    _PARTS = 10_000

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115
        self._size = Path(path).stat().st_size
        self._seen = bytearray(self._PARTS)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        self._seen[self._file.tell() * (self._PARTS - 1) // self._size] = 1
        return self._file.read(size)

    def bytes_read(self) -> int:
        return sum(self._seen) * self._size // self._PARTS


def _parse_numbers(slot: mmap.mmap, chunk: Chunk) -> Parsed:
    columns = chunk.columns
    numbers = _numbers_in(slot, chunk.length, columns)
    classes = columns.class_of(numbers)
    classes[:] = 0 if chunk.labels is None else as_classes(chunk.labels, columns.schema)
    parsed = Parsed(numbers, np.arange(chunk.length), [], [])
    return reject_bad(parsed, columns, _Numbers(numbers, chunk))


@dataclass(frozen=True)
class _Numbers:
    # The Source of a chunk of Parquet.
    numbers: NDArray[np.float64]
    chunk: Chunk

    def values(self, place: int) -> dict[str, Any]:
        # In a table NaN stands for a missing value.
        columns, labels = self.chunk.columns, self.chunk.labels
        names = (*columns.features, *([LINE_COLUMN] if columns.has_lines else []))
        row: dict[str, Any] = {
            name: None if np.isnan(value) else value
            for name, value in zip(names, self.numbers[: len(names), place].tolist(), strict=True)
        }
        if columns.label is not None and labels is not None:
            row[columns.label] = labels[place]
        return row

    content = values
