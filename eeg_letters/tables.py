"""Tables of rows in files, a chunk at a time: CSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import mmap
import os
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np
import orjson
from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import read_csv, read_parquet
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings import (
    FEATURES,
    LETTER_COLUMN,
    LETTERS,
    LINE_COLUMN,
    check_unique,
    finite_number,
    letter_number,
    whole_number,
)
from eeg_letters.scorer import Floats

STDIN = "-"

# What is read of a row, in this order.
NUMBERS = (*FEATURES, LINE_COLUMN, LETTER_COLUMN)
CHUNK_ROWS = 4096
# A chunk is this many rows of Parquet, or as much text as fits.
SLOT_BYTES = CHUNK_ROWS * len(NUMBERS) * 8

_LINE, _LETTER = len(FEATURES), len(FEATURES) + 1
_FLOAT = DataType.float64()
_PARQUET_MAGIC = b"PAR1"
_in_order = itemgetter(*FEATURES)


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes
    ----------
    names : tuple of str
        All of them, in the table's order, without the blanks around them.
    keep : tuple of str
        Those that are carried through to the output.
    """

    names: tuple[str, ...]
    keep: tuple[str, ...]

    @property
    def has_lines(self) -> bool:
        """Whether rows have numbers of their own."""
        return LINE_COLUMN in self.names

    @property
    def has_letters(self) -> bool:
        """Whether rows say which letter was thought of."""
        return LETTER_COLUMN in self.names


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be scored.

    Attributes
    ----------
    place : int
        Its line or row in the chunk, from 0.
    reason : str
        What is wrong, and in which column.
    content : str or dict
        The line as it stands in the file, or the row's values by column.
    """

    place: int
    reason: str
    content: str | dict[str, Any]


@dataclass(frozen=True)
class Parsed:
    """The rows of a chunk.

    Attributes
    ----------
    numbers : ndarray of float64, shape (162, n_rows)
        The good rows, a row of the array for each of `NUMBERS`. Where the table has no `Line` it is
        the row's place; where it has no letter, 0.
    places : ndarray of int64, shape (n_rows,)
        Line of the text or row of the table in the chunk, from 0.
    kept : list of list of str or None
        Values of each kept column of text; of Parquet none, which the reader has.
    rejected : list of Rejected
        The other rows.
    """

    numbers: Floats
    places: NDArray[np.int64]
    kept: list[list[str | None]]
    rejected: list[Rejected]


@dataclass(frozen=True)
class Chunk:
    """Where a chunk of a table is, for a worker.

    Attributes
    ----------
    parse : callable
        Makes the rows of what is in the slot, given this chunk.
    columns : Columns
        The table's.
    slot : int
        Index of the slot that holds it.
    length : int
        Bytes of text or rows of numbers in the slot.
    places : int
        Lines or rows that it has, with those that are empty.
    """

    parse: Callable[[mmap.mmap, Chunk], Parsed]
    columns: Columns
    slot: int
    length: int
    places: int


class Table(Protocol):
    """A table that is read."""

    columns: Columns
    where: str
    first_place: int

    def kept_fields(self) -> list[Field]:
        """Fields of the columns that are carried through."""

    def chunks(self, slots: Sequence[mmap.mmap]) -> Iterator[Chunk]:
        """Chunks in order; each is put into the next of the slots, which are used in turn."""

    def kept(self, parsed: Parsed) -> list[Array]:
        """Values of the kept columns of the oldest chunk that this was not asked for."""

    def bytes_read(self) -> int:
        """How much of the file was read."""


@contextmanager
def open_table(path: str, keep: Sequence[str]) -> Iterator[Table]:
    """Open a table; its first bytes tell its format.

    Parameters
    ----------
    path : str
        A file, or `STDIN`.
    keep : sequence of str
        Names of columns to carry through.

    Yields
    ------
    Table

    Raises
    ------
    RecordingError
        When the file cannot be read, or lacks a column.
    UserError
        When a column is to be kept that is read anyway.
    """
    with _open(path) as file:
        start = file.peek(len(_PARQUET_MAGIC))
        name = "standard input" if path == STDIN else path
        if start.startswith(_PARQUET_MAGIC):
            if path == STDIN:
                raise RecordingError(f"{name}: Parquet is read from a file, not from a pipe")
            yield _ParquetTable(path, keep)
        elif start.lstrip()[:1] in (b"{", b"["):
            yield _json_lines(name, file, keep)
        else:
            yield _csv(name, file, keep)


@contextmanager
def _open(path: str) -> Iterator[io.BufferedReader]:
    if path == STDIN:
        assert isinstance(sys.stdin.buffer, io.BufferedReader)  # noqa: S101
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        yield file


def _find_columns(where: str, names: Sequence[str], keep: Sequence[str]) -> Columns:
    stripped = tuple(name.strip() for name in names)
    check_unique(where, stripped, "column")
    for name in keep:
        if name in NUMBERS:
            raise UserError(f"--keep {name}: only columns that are not a recording's can be kept")
    for name in (*FEATURES, *keep):
        if name not in stripped:
            raise RecordingError(f"{where}, column {name}: the column is missing")
    return Columns(stripped, tuple(keep))


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
        self._name = where
        self._file = file
        self._parse = parse
        self._begun = begun
        self._read = len(begun)

    def kept_fields(self) -> list[Field]:
        return [Field(name, DataType.string()) for name in self.columns.keep]

    def kept(self, parsed: Parsed) -> list[Array]:
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
                raise RecordingError(f"{self._name}, line {place + 1}: longer than any row can be")
            lines = slot[:cut].count(b"\n") + (slot[cut - 1] != 0x0A)
            begun = slot[cut:length]
            yield Chunk(self._parse, self.columns, index, cut, lines)
            place += lines
            if length < SLOT_BYTES:
                return


def _csv(where: str, file: io.BufferedReader, keep: Sequence[str]) -> Table:
    header = file.readline(SLOT_BYTES)
    try:
        names = next(csv.reader([header.decode("utf-8-sig")], strict=True), [])
    except UnicodeDecodeError:
        raise RecordingError(f"{where}, line 1: not UTF-8 text") from None
    except csv.Error as error:
        raise RecordingError(f"{where}, line 1: not CSV: {error}") from None
    if not names:
        raise RecordingError(f"{where}: the file is empty")
    columns = _find_columns(f"{where}, line 1", names, keep)
    return _TextTable(where, file, columns, _parse_csv, 1, b"")


def _json_lines(where: str, file: io.BufferedReader, keep: Sequence[str]) -> Table:
    line = file.readline(SLOT_BYTES)
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict) or any(isinstance(value, dict) for value in row.values()):
        raise RecordingError(
            f"{where}, line 1: not JSON lines, which have one row, a JSON object, on each line"
        )
    columns = _find_columns(f"{where}, line 1", list(row), keep)
    return _TextTable(where, file, columns, _parse_json_lines, 0, line)


class _ParquetTable:
    def __init__(self, path: str, keep: Sequence[str]) -> None:
        self.where = f"{path}, row"
        self.first_place = -1  # Rows are counted from 0, lines from 1.
        self._path = path
        self._file = _CountedFile(path)
        try:
            self._reader = read_parquet(cast(IO[bytes], self._file), batch_size=CHUNK_ROWS)
        except BaseException as error:
            # The library panics where there is no footer.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise RecordingError(f"{path}: not Parquet, or truncated") from None
        schema = self._reader.schema
        self.columns = _find_columns(path, schema.names, keep)
        self._index = {name: index for index, name in enumerate(self.columns.names)}
        self._fields = {name: schema.field(index) for name, index in self._index.items()}
        for name in NUMBERS:
            if name in self._fields and not DataType.is_numeric(self._fields[name].type):
                raise RecordingError(f"{path}, column {name}: the values are not of a number type")
        self._kept: list[list[Array]] = []

    def kept_fields(self) -> list[Field]:
        return [Field(name, self._fields[name].type) for name in self.columns.keep]

    def kept(self, parsed: Parsed) -> list[Array]:
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
            self._fill(_numbers_in(into, n_rows), batch)
            self._kept.append([batch.column(self._index[name]) for name in self.columns.keep])
            # Its memory is warm for the next one.
            del batch
            yield Chunk(_parse_numbers, self.columns, index, n_rows, n_rows)

    def _fill(self, numbers: Floats, batch: RecordBatch) -> None:
        for row, name in enumerate(NUMBERS):
            if name in self._index:
                column = batch.column(self._index[name])
                numbers[row] = _as_floats(column, self._fields[name].type)
            else:
                numbers[row] = np.arange(batch.num_rows) if name == LINE_COLUMN else 0

    def _next(self) -> RecordBatch | None:
        try:
            return next(self._reader, None)
        except Exception as error:  # noqa: BLE001 the library raises no class of its own
            raise RecordingError(f"{self._path}: cannot be read: {error}") from None


def _as_floats(column: Array, type_: DataType) -> Floats:
    if type_ != _FLOAT:
        column = column.cast(_FLOAT)
    if column.null_count:
        return np.array(column.to_pylist(), np.float64)
    floats: Floats = column.to_numpy()
    return floats


def _numbers_in(slot: mmap.mmap, n_rows: int) -> Floats:
    numbers = np.frombuffer(slot, np.float64, len(NUMBERS) * n_rows)
    return numbers.reshape(len(NUMBERS), n_rows)


class _CountedFile(io.RawIOBase):
    # Parquet is read column by column, here and there, and parts of it twice: what counts as
    # progress is how many of so many parts of the file were read.
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
    numbers = _numbers_in(slot, chunk.length)

    def content(place: int) -> dict[str, Any]:
        # In a table NaN stands for a missing value.
        return {
            name: None if np.isnan(value) else value
            for name, value in zip(NUMBERS, numbers[:, place].tolist(), strict=True)
            if name in chunk.columns.names
        }

    def convert(place: int) -> list[float]:
        return _row_numbers(content(place), chunk.columns, place)

    return _checked(numbers, np.arange(chunk.length), [], convert, content, [])


def _parse_csv(slot: mmap.mmap, chunk: Chunk) -> Parsed:
    return _parse_csv_lines(slot[: chunk.length], chunk.columns, 0)


def _parse_csv_lines(text: bytes, columns: Columns, first: int) -> Parsed:
    count = text.count(b"\n") + (not text.endswith(b"\n"))
    batch = _read_csv(text, columns, count)
    # As a rule no line is empty, and none is bad: then there is no need to look at each.
    lines = cache(lambda: text.split(b"\n"))
    if batch is not None and batch.num_rows == count:
        places = np.arange(count)
    else:
        places = np.array([i for i, line in enumerate(lines()) if line.strip()], np.int64)
    if not len(places):
        return _no_rows(columns)

    def content(place: int) -> str:
        return lines()[place].rstrip(b"\r").decode(errors="replace")

    def row(place: int) -> dict[str, str]:
        return _csv_row(lines()[place], columns.names)

    def convert(place: int) -> list[float]:
        return _row_numbers(row(place), columns, place + first)

    if batch is not None and batch.num_rows == len(places):
        numbers = np.empty((len(NUMBERS), len(places)))
        for index, name in enumerate(NUMBERS):
            if name in columns.names:
                numbers[index] = _as_floats(batch.column(columns.names.index(name)), _FLOAT)
            else:
                numbers[index] = places + first if name == LINE_COLUMN else 0
        kept: list[list[str | None]] = [
            list(batch.column(columns.names.index(name)).to_pylist()) for name in columns.keep
        ]
        return _shifted(_checked(numbers, places, kept, convert, content, []), first)
    if len(places) > 4:
        # Something in it is no number: narrow down where.
        middle = int(places[len(places) // 2])
        halves = b"\n".join(lines()[:middle]), b"\n".join(lines()[middle:])
        return _joined(
            _parse_csv_lines(halves[0], columns, first),
            _parse_csv_lines(halves[1], columns, first + middle),
        )
    good: list[tuple[int, list[float], list[str | None]]] = []
    rejected = []
    for place in places.tolist():
        try:
            cells = row(place)
            good.append((place, convert(place), [cells[name] or None for name in columns.keep]))
        except RecordingError as error:
            rejected.append(_reject(place, error, content(place)))
    if not good:
        return _shifted(_no_rows(columns, rejected), first)
    good_places, values, kept_rows = zip(*good, strict=True)
    parsed = Parsed(
        np.array(values).T,
        np.array(good_places),
        [list(column) for column in zip(*kept_rows, strict=True)],
        rejected,
    )
    return _shifted(parsed, first)


def _read_csv(text: bytes, columns: Columns, most_rows: int) -> RecordBatch | None:
    try:
        return next(
            read_csv(
                io.BytesIO(text), _csv_schema(columns), has_header=False, batch_size=most_rows
            ),
            None,
        )
    except Exception:  # noqa: BLE001 the library raises no class of its own
        return None


def _csv_schema(columns: Columns) -> Schema:
    return Schema(
        [
            Field(name, DataType.float64() if name in NUMBERS else DataType.string())
            for name in columns.names
        ]
    )


def _csv_row(line: bytes, names: Sequence[str]) -> dict[str, str]:
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
    # array takes true for 1.
    careful = b"true" in text or b"false" in text
    values = array("d")
    places, rejected = [], []
    kept: list[list[str | None]] = [[] for _ in columns.keep]

    def convert(place: int) -> list[float]:
        return _row_numbers(_json_row(lines[place]), columns, place)

    for place, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = _json_row(line)
            try:
                if careful:
                    raise TypeError
                values.fromlist(
                    [
                        *_in_order(row),
                        row[LINE_COLUMN] if columns.has_lines else place,
                        row[LETTER_COLUMN] if columns.has_letters else 0,
                    ]
                )
            except (KeyError, TypeError, OverflowError):
                values.fromlist(convert(place))
        except RecordingError as error:
            rejected.append(_reject(place, error, line.decode(errors="replace")))
            continue
        places.append(place)
        for column, name in zip(kept, columns.keep, strict=True):
            column.append(_as_text(row.get(name)))
    numbers = np.frombuffer(values).reshape(-1, len(NUMBERS)).T
    return _checked(
        numbers,
        np.array(places, np.int64),
        kept,
        convert,
        lambda place: lines[place].decode(errors="replace"),
        rejected,
    )


def _json_row(line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RecordingError(f", not JSON: {error.msg}") from None
    if not isinstance(row, dict):
        raise RecordingError(", not a JSON object")
    return row if FEATURES[0] in row else {name.strip(): value for name, value in row.items()}


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _row_numbers(row: Mapping[str, Any], columns: Columns, place: int) -> list[float]:
    for name in NUMBERS:
        if name in columns.names and name not in row:
            raise RecordingError(f", column {name}: the column is missing")
    return [
        *(finite_number("", row, name) for name in FEATURES),
        whole_number("", row, LINE_COLUMN) if columns.has_lines else place,
        letter_number("", row) if columns.has_letters else 0,
    ]


def _checked(
    numbers: Floats,
    places: NDArray[np.int64],
    kept: list[list[str | None]],
    convert: Callable[[int], list[float]],
    content: Callable[[int], str | dict[str, Any]],
    rejected: list[Rejected],
) -> Parsed:
    lines, letters = numbers[_LINE], numbers[_LETTER]
    with np.errstate(invalid="ignore"):
        good = (
            np.isfinite(numbers).all(axis=0)
            & (lines >= 0)
            & (np.floor(lines) == lines)
            & (letters >= 0)
            & (letters < len(LETTERS))
            & (np.floor(letters) == letters)
        )
    if good.all():
        return Parsed(numbers, places, kept, rejected)
    for place in places[~good].tolist():
        try:
            convert(place)
        except RecordingError as error:
            rejected.append(_reject(place, error, content(place)))
        else:
            raise AssertionError(f"place {place} of a chunk was found bad, then good")
    wanted = np.flatnonzero(good).tolist()
    return Parsed(
        numbers[:, good],
        places[good],
        [[column[index] for index in wanted] for column in kept],
        sorted(rejected, key=lambda row: row.place),
    )


def _reject(place: int, error: RecordingError, content: str | dict[str, Any]) -> Rejected:
    return Rejected(place, str(error).removeprefix(", "), content)


def _no_rows(columns: Columns, rejected: list[Rejected] | None = None) -> Parsed:
    return Parsed(
        np.empty((len(NUMBERS), 0)),
        np.empty(0, np.int64),
        [[] for _ in columns.keep],
        rejected or [],
    )


def _shifted(parsed: Parsed, first: int) -> Parsed:
    if first == 0:
        return parsed
    return Parsed(
        parsed.numbers,
        parsed.places + first,
        parsed.kept,
        [Rejected(row.place + first, row.reason, row.content) for row in parsed.rejected],
    )


def _joined(one: Parsed, other: Parsed) -> Parsed:
    return Parsed(
        np.hstack([one.numbers, other.numbers]),
        np.concatenate([one.places, other.places]),
        [[*first, *second] for first, second in zip(one.kept, other.kept, strict=True)],
        [*one.rejected, *other.rejected],
    )
