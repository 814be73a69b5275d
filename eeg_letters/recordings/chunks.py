"""What a table of any format is read into: columns, chunks, rows and rejected rows."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from arro3.core import Array, DataType, Field
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings.values import band_power, check_unique, letter_number, whole_number
from eeg_letters.schema import FEATURES, LETTER_COLUMN, LETTERS, LINE_COLUMN

# What is read of a row, in this order.
NUMBERS = (*FEATURES, LINE_COLUMN, LETTER_COLUMN)
CHUNK_ROWS = 4096
# A chunk is this many rows of Parquet, or as much text as fits.
SLOT_BYTES = CHUNK_ROWS * len(NUMBERS) * 8
FLOAT = DataType.float64()

_LINE, _LETTER = len(FEATURES), len(FEATURES) + 1


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

    numbers: NDArray[np.float64]
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
        """Chunks in order, written to the slots round-robin."""

    def take_kept(self, parsed: Parsed) -> list[Array]:
        """Kept columns of the next chunk; to be called once for each chunk, in order."""

    def bytes_read(self) -> int:
        """Bytes of the file that were read."""


def find_columns(where: str, names: Sequence[str], keep: Sequence[str]) -> Columns:
    """Columns of a table, once all that are needed were found among its names.

    Parameters
    ----------
    where : str
        The file, and the line of the names where there is one, for messages.
    names : sequence of str
        All columns, in the table's order.
    keep : sequence of str
        Those to carry through.

    Raises
    ------
    RecordingError
        When a column is missing, or there is a duplicate.
    UserError
        When a column is to be kept that is read anyway.
    """
    stripped = tuple(name.strip() for name in names)
    check_unique(where, stripped, "column")
    for name in keep:
        if name in NUMBERS:
            raise UserError(f"--keep {name}: only columns that are not a recording's can be kept")
    for name in (*FEATURES, *keep):
        if name not in stripped:
            raise RecordingError(f"{where}, column {name}: the column is missing")
    return Columns(stripped, tuple(keep))


def as_floats(column: Array, type_: DataType) -> NDArray[np.float64]:
    """Values of a column of numbers, NaN where one is missing; without a copy where they can be."""
    if type_ != FLOAT:
        column = column.cast(FLOAT)
    if column.null_count:
        return np.array(column.to_pylist(), np.float64)
    floats: NDArray[np.float64] = column.to_numpy()
    return floats


def row_numbers(row: Mapping[str, Any], columns: Columns, place: int) -> list[float]:
    """Values of `NUMBERS` in one row, checked one by one.

    Parameters
    ----------
    row : dict of str to object
        Values by column, as text or numbers.
    columns : Columns
        The table's.
    place : int
        The row's number where it has none of its own.

    Raises
    ------
    RecordingError
        When a value is missing or bad; names the column.
    """
    for name in NUMBERS:
        if name in columns.names and name not in row:
            raise RecordingError(f", column {name}: the column is missing")
    return [
        *(band_power("", row, name) for name in FEATURES),
        whole_number("", row, LINE_COLUMN) if columns.has_lines else place,
        letter_number("", row) if columns.has_letters else 0,
    ]


class Source(Protocol):
    """The rows of a chunk as its table has them, by their place."""

    def values(self, place: int) -> Mapping[str, Any]:
        """Values by column; raises RecordingError where the row cannot be parsed."""

    def content(self, place: int) -> str | dict[str, Any]:
        """What is reported of a rejected row."""


def reject_bad(parsed: Parsed, columns: Columns, source: Source) -> Parsed:
    """Rows without those that hold what no recording can; these are added to the rejected ones.

    Parameters
    ----------
    parsed : Parsed
        Rows of numbers, not yet checked.
    columns : Columns
        The table's.
    source : Source
        Asked about each bad row, for the reason.

    Returns
    -------
    Parsed
    """
    numbers, places = parsed.numbers, parsed.places
    lines, letters = numbers[_LINE], numbers[_LETTER]
    with np.errstate(invalid="ignore"):
        good = (
            ((numbers >= 0) & np.isfinite(numbers)).all(axis=0)
            & (np.floor(lines) == lines)
            & (letters < len(LETTERS))
            & (np.floor(letters) == letters)
        )
    if good.all():
        return parsed
    rejected = list(parsed.rejected)
    for place in places[~good].tolist():
        try:
            row_numbers(source.values(place), columns, place)
        except RecordingError as error:
            rejected.append(rejection(place, error, source.content(place)))
        else:
            raise AssertionError(f"place {place} of a chunk was found bad, then good")
    wanted = np.flatnonzero(good).tolist()
    return Parsed(
        numbers[:, good],
        places[good],
        [[column[index] for index in wanted] for column in parsed.kept],
        sorted(rejected, key=lambda row: row.place),
    )


def rejection(place: int, error: RecordingError, content: str | dict[str, Any]) -> Rejected:
    """A row that is rejected for an error of `row_numbers`."""
    return Rejected(place, str(error).removeprefix(", "), content)
