"""Reading recordings: each by its name, a row by its line, many rows in order."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, Row, Select, and_, bindparam, select

from eeg_letters.database.answered import Floats, from_bytes
from eeg_letters.database.tables import recording_rows, recordings
from eeg_letters.schema import Schema


class Stored(NamedTuple):
    """A recording in the database.

    Attributes
    ----------
    id : int
        Its number, which no other has or will have as long as the database is not restored.
    name : str
        Its name.
    sha256 : str
        Checksum of the file's bytes, hexadecimal.
    imported_at : int
        When, in microseconds since 1970-01-01.
    n_rows : int
        Its rows.
    """

    id: int
    name: str
    sha256: str
    imported_at: int
    n_rows: int


@dataclass(frozen=True)
class Rows:
    """Some rows of a recording.

    Attributes
    ----------
    lines : list of int
        Line numbers, ascending.
    classes : ndarray of int64, shape (n_rows,)
        Index of each row's class in the labels of the recording.
    powers : ndarray of float64, shape (n_rows, n_features)
        In the order of the recording's features; logarithms have become powers.
    """

    lines: list[int]
    classes: NDArray[np.int64]
    powers: Floats


_STORED = tuple(recordings.c[name] for name in Stored._fields)
_ALL = select(*_STORED, recordings.c.schema).order_by(recordings.c.name)
_BY_NAME = select(*_STORED).where(recordings.c.name == bindparam("wanted"))


def _with_line(column: Column[bytes]) -> Select[Any]:
    # One statement: between two the recording might be replaced. Made once, since to make it takes
    # as long as to run it.
    of_line = and_(
        recording_rows.c.recording_id == recordings.c.id,
        recording_rows.c.line == bindparam("asked"),
    )
    return (
        select(*_STORED, column)
        .select_from(recordings.outerjoin(recording_rows, of_line))
        .where(recordings.c.name == bindparam("wanted"))
    )


_DOCUMENT = _with_line(recording_rows.c.document)
_POWERS = _with_line(recording_rows.c.powers)


def all_recordings(connection: Connection) -> list[tuple[Stored, Schema]]:
    """Every recording with its features and classes, by name."""
    # Recordings of one headset have the same, which takes longer to read than the rest.
    schemas: dict[str, Schema] = {}
    found = []
    for *stored, text in connection.execute(_ALL):
        if text not in schemas:
            schemas[text] = Schema.from_metadata(text)
        found.append((Stored(*stored), schemas[text]))
    return found


def find_recording(connection: Connection, name: str) -> Stored | None:
    """The recording of a name; None where there is none."""
    found = connection.execute(_BY_NAME, {"wanted": name}).first()
    return None if found is None else Stored(*found)


def find_schema(connection: Connection, stored: Stored) -> Schema | None:
    """Features and classes of a recording; None where it was removed or replaced meanwhile."""
    wanted = select(recordings.c.schema).where(recordings.c.id == stored.id)
    found = connection.execute(wanted).scalar()
    return None if found is None else Schema.from_metadata(found)


def find_document(
    connection: Connection, name: str, line: int
) -> tuple[Stored, bytes | None] | None:
    """The row of a line as the file has it, a JSON object, after its recording.

    None where there is no such recording; None in place of the row where it has no such line.
    """
    found = connection.execute(_DOCUMENT, {"wanted": name, "asked": line}).first()
    if found is None:
        return None
    *stored, document = found
    return Stored(*stored), None if document is None else zlib.decompress(document)


def find_powers(
    connection: Connection, name: str, line: int
) -> tuple[Stored, Floats | None] | None:
    """The band powers of a line, shape (n_features,); otherwise as `find_document`."""
    found = connection.execute(_POWERS, {"wanted": name, "asked": line}).first()
    if found is None:
        return None
    *stored, powers = found
    return Stored(*stored), None if powers is None else from_bytes([powers])[0]


def rows_after(connection: Connection, stored: Stored, after: int | None, most: int) -> Rows | None:
    """The rows that follow a line.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the database.
    stored : Stored
        The recording.
    after : int or None
        The line; None for the first rows.
    most : int
        How many at most.

    Returns
    -------
    Rows or None
        None where none follow, or the recording was removed or replaced meanwhile.
    """
    columns = (recording_rows.c.line, recording_rows.c["class"], recording_rows.c.powers)
    wanted: Select[Any] = (
        select(*columns)
        .where(recording_rows.c.recording_id == stored.id)
        .order_by(recording_rows.c.line)
        .limit(most)
    )
    if after is not None:
        wanted = wanted.where(recording_rows.c.line > after)
    found: Sequence[Row[Any]] = connection.execute(wanted).all()
    if not found:
        return None
    lines, classes, powers = zip(*found, strict=True)
    return Rows(list(lines), np.array(classes, np.int64), from_bytes(powers))
