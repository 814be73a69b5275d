"""What a table of any format is read into: columns, chunks, rows and rejected rows."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from arro3.core import Array, DataType, Field
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.recordings.columns import Columns, row_numbers
from eeg_letters.recordings.values import as_whole_number
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema

# A slot has a chunk's numbers, or as much text as fits.
SLOT_BYTES = 4096 * 162 * 8
MOST_CHUNK_ROWS = 4096
FLOAT = DataType.float64()


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
    features : ndarray of float64, shape (n_features, n_rows)
        Of the good rows, on the scale of the table.
    lines : ndarray of int64, shape (n_rows,)
        Line numbers; where the table has no `Line`, the rows' places.
    classes : ndarray of int64, shape (n_rows,)
        Indices of the classes; where the table has no labels 0, where a row may have none -1.
    places : ndarray of int64, shape (n_rows,)
        Line of the text or row of the table in the chunk, from 0.
    kept : list of list of str or None
        Values of each kept column of text; of Parquet none, which the reader has.
    rejected : list of Rejected
        The other rows.
    """

    features: NDArray[np.float64]
    lines: NDArray[np.int64]
    classes: NDArray[np.int64]
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
    labels : list, optional
        Labels of rows of numbers, as the table has them.
    no_lines : dict of int to object, optional
        What the table has in place of a line number, by the row's place.
    """

    parse: Callable[[mmap.mmap, Chunk], Parsed]
    columns: Columns
    slot: int
    length: int
    places: int
    labels: list[Any] | None = None
    no_lines: Mapping[int, Any] = field(default_factory=dict)


class Table(Protocol):
    """A table that is read.

    Messages call it `name`, and a row of it `where` and a number; `notes` say how it is written.
    """

    columns: Columns
    name: str
    where: str
    first_place: int
    notes: tuple[str, ...]

    def kept_fields(self) -> list[Field]:
        """Fields of the columns that are carried through."""

    def chunks(self, slots: Sequence[mmap.mmap]) -> Iterator[Chunk]:
        """Chunks in order, written to the slots round-robin."""

    def take_kept(self, parsed: Parsed) -> list[Array]:
        """Kept columns of the next chunk; to be called once for each chunk, in order."""

    def bytes_read(self) -> int:
        """Bytes of the file that were read."""


def as_floats(column: Array, type_: DataType) -> NDArray[np.float64]:
    """Values of a column of numbers, NaN where one is missing; without a copy where they can be."""
    if type_ != FLOAT:
        column = column.cast(FLOAT)
    if column.null_count:
        return np.array(column.to_pylist(), np.float64)
    floats: NDArray[np.float64] = column.to_numpy()
    return floats


def as_lines(column: Array) -> tuple[NDArray[np.int64], dict[int, Any]]:
    """Line numbers exactly as they are written, and by their place values that are none.

    Where a value is none, -1 stands in the array.
    """
    # A column of floats is not cast: it would come out with their fractions cut off.
    is_exact = DataType.is_integer(column.type) or DataType.is_string(column.type)
    exact = column.cast(DataType.int64()) if is_exact else None
    if exact is not None and not exact.null_count:
        lines: NDArray[np.int64] = exact.to_numpy()
        if len(lines) == 0 or lines.min() >= 0:
            return lines, {}
    values = column.to_pylist()
    found = [as_whole_number(value) for value in values]
    none = {place: values[place] for place, number in enumerate(found) if number is None}
    return np.array([-1 if number is None else number for number in found], np.int64), none


def as_classes(labels: Iterable[Any], schema: Schema) -> list[int]:
    """Index of the class that each label stands for, -1 where it stands for none."""
    known: dict[Any, int] = {}
    classes = []
    for label in labels:
        found = known.get(label)
        if found is None:
            try:
                found = schema.labels.index(label)
            except SchemaError:
                found = -1
            known[label] = found
        classes.append(found)
    return classes


class Rows(Protocol):
    """The rows of a chunk as its table has them, by their place."""

    def values(self, place: int) -> Mapping[str, Any] | None:
        """Values by column, None where there is no row; raises RecordingError for a bad one."""

    def content(self, place: int) -> str | dict[str, Any]:
        """What is reported of a rejected row."""


def reject_bad(parsed: Parsed, columns: Columns, rows: Rows) -> Parsed:
    """Rows without those that hold what no recording can; these are added to the rejected ones.

    Parameters
    ----------
    parsed : Parsed
        Rows of numbers, not yet checked; line and class are below 0 where there is none.
    columns : Columns
        The table's.
    rows : Rows
        Asked about each bad row, for the reason.

    Returns
    -------
    Parsed
    """
    features, places = parsed.features, parsed.places
    good = (parsed.lines >= 0) & np.isfinite(features).all(axis=0)
    if not columns.is_sparse:
        good &= parsed.classes >= 0
    if columns.scale is Scale.POWER:
        with np.errstate(invalid="ignore"):
            good &= (features >= 0).all(axis=0)
    elif columns.scale is not None:
        good &= np.isfinite(columns.scale.to_power(features)).all(axis=0)
    if good.all():
        return parsed
    rejected = list(parsed.rejected)
    for place in places[~good].tolist():
        try:
            values = rows.values(place)
            if values is None:
                continue
            row_numbers(values, columns, place)
        except RecordingError as error:
            rejected.append(rejection(place, error, rows.content(place)))
        else:
            raise AssertionError(f"place {place} of a chunk was found bad, then good")
    wanted = np.flatnonzero(good).tolist()
    return Parsed(
        features[:, good],
        parsed.lines[good],
        parsed.classes[good],
        places[good],
        [[column[index] for index in wanted] for column in parsed.kept],
        sorted(rejected, key=lambda row: row.place),
    )


def rejection(place: int, error: RecordingError, content: str | dict[str, Any]) -> Rejected:
    """A row that is rejected for an error of `row_numbers`."""
    return Rejected(place, str(error).removeprefix(", "), content)


def counted(parsed: Parsed, before: int) -> NDArray[np.int64]:
    """Numbers of rows that have none of their own: places among all rows, good and bad.

    Parameters
    ----------
    parsed : Parsed
        The rows of a chunk.
    before : int
        Rows of the chunks before it.
    """
    bad = np.array(sorted(row.place for row in parsed.rejected), np.int64)
    return np.arange(before, before + len(parsed.places)) + bad.searchsorted(parsed.places)


def no_rows(columns: Columns, rejected: list[Rejected] | None = None) -> Parsed:
    """No good rows."""
    none = np.empty(0, np.int64)
    return Parsed(
        np.empty((len(columns.features), 0)),
        none,
        none,
        none,
        [[] for _ in columns.keep],
        rejected or [],
    )


def shifted(parsed: Parsed, first: int) -> Parsed:
    """The same rows that many places later."""
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


def joined(one: Parsed, other: Parsed) -> Parsed:
    """The rows of both."""
    return Parsed(
        np.hstack([one.features, other.features]),
        np.concatenate([one.lines, other.lines]),
        np.concatenate([one.classes, other.classes]),
        np.concatenate([one.places, other.places]),
        [[*first, *second] for first, second in zip(one.kept, other.kept, strict=True)],
        [*one.rejected, *other.rejected],
    )
