"""Predictions that are kept, some at a time, and the band powers of each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Engine, Row, func, select

from eeg_letters.database.answered import Floats, Served, to_bytes
from eeg_letters.database.tables import predictions, recording_rows, recordings, served
from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.recordings.recording import read_recording
from eeg_letters.schema import Schema

# That are read at a time.
CHUNK_ROWS = 2000
# Why the band powers of a prediction are not there.
NOT_KEPT = "band powers not kept"
RECORDING_GONE = "recording gone"


def count_kept(engine: Engine, which: Sequence[ColumnElement[bool]]) -> int:
    """How many predictions fulfil some conditions."""
    with engine.connect() as connection:
        number = select(func.count()).select_from(predictions).where(*which)
        return int(connection.execute(number).scalar_one())


def kept_chunks(
    engine: Engine, which: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[Connection, Sequence[Row[Any]]]]:
    """Predictions that fulfil some conditions and were kept before now, oldest first.

    Each chunk is read by a transaction of its own, so that what takes long holds nothing up.

    Yields
    ------
    tuple of (sqlalchemy.Connection, sequence of Row)
        What read them, and all columns of at most `CHUNK_ROWS` predictions.
    """
    with engine.connect() as connection:
        newest = connection.execute(select(func.max(predictions.c.id)).where(*which)).scalar()
    last = 0
    while newest is not None:
        some = select(predictions).where(
            predictions.c.id > last, predictions.c.id <= newest, *which
        )
        with engine.connect() as connection:
            found = connection.execute(some.order_by(predictions.c.id).limit(CHUNK_ROWS)).all()
            if not found:
                return
            yield connection, found
        last = found[-1].id


def load_served(
    connection: Connection, numbers: Collection[int] | None = None
) -> dict[int, Served]:
    """What ever answered, by its number, or what some numbers stand for."""
    wanted = select(served) if numbers is None else select(served).where(served.c.id.in_(numbers))
    return {
        row.id: Served(Schema.from_metadata(row.schema), json.loads(row.versions))
        for row in connection.execute(wanted)
    }


def stored_powers(
    connection: Connection, schema: Schema, rows: Sequence[Row[Any]]
) -> list[bytes | None]:
    """Band powers of predictions in the order of a schema's features, as bytes of float64.

    Those that were not kept are looked up in the recording whose rows were answered.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the database.
    schema : Schema
        What the rows were answered by.
    rows : sequence of Row
        Predictions.

    Returns
    -------
    list of (bytes or None)
        None where the band powers were not kept, or the recording is gone.
    """
    # One file may have been imported twice, read by two scales.
    lines: dict[tuple[str, str | None], set[int]] = {}
    for row in rows:
        if row.powers is None and row.recording_sha256 is not None:
            lines.setdefault((row.recording_sha256, row.recording_scale), set()).add(row.line)
    found = {read: _rows_of(connection, schema, *read, wanted) for read, wanted in lines.items()}
    return [
        row.powers
        if row.recording_sha256 is None or row.powers is not None
        else found[row.recording_sha256, row.recording_scale].get(row.line)
        for row in rows
    ]


class FileRows:
    """The stored rows of a service that has them from a file, read when they are asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = cache(self._rows)

    def _rows(self, schema: Schema) -> tuple[str, dict[int, bytes]]:
        """Checksum, and band powers by line number; nothing where it cannot be read."""
        try:
            recording = read_recording(self._path, schema)
        except RecordingError:
            return "", {}
        return recording.sha256, dict(
            zip(recording.rows, to_bytes(recording.features), strict=True)
        )


def powers_of(
    connection: Connection, schema: Schema, rows: Sequence[Row[Any]], file: FileRows
) -> Iterator[bytes | None]:
    """As `stored_powers`, of rows of a file, too, where it is the one that was answered."""
    for row, powers in zip(rows, stored_powers(connection, schema, rows), strict=True):
        if powers is None and row.recording_sha256 is not None:
            sha256, of_file = file.rows(schema)
            is_it = (row.recording_sha256, row.recording_scale) == (sha256, schema.scale)
            yield of_file.get(row.line) if is_it else None
        else:
            yield powers


def _rows_of(
    connection: Connection, schema: Schema, sha256: str, scale: str | None, lines: set[int]
) -> dict[int, bytes]:
    same = select(recordings).where(recordings.c.sha256 == sha256).order_by(recordings.c.id)
    for recording in connection.execute(same).all():
        own, places = _order(recording.schema, schema)
        if places is None or own.scale != scale:
            continue
        wanted = select(recording_rows.c.line, recording_rows.c.powers).where(
            recording_rows.c.recording_id == recording.id, recording_rows.c.line.in_(lines)
        )
        is_same = np.array_equal(places, np.arange(len(places)))
        return {
            row.line: row.powers if is_same else _reordered(row.powers, places)
            for row in connection.execute(wanted)
        }
    return {}


@cache
def _order(stored: str, schema: Schema) -> tuple[Schema, NDArray[np.int64] | None]:
    """A recording's own schema, and where it has the features of another; None if not all."""
    own = Schema.from_metadata(stored)
    names = own.features.names
    try:
        spelled = schema.features.spelled(names)
    except SchemaError:
        return own, None
    return own, np.array([names.index(name) for name in spelled])


def _reordered(powers: bytes, places: NDArray[np.int64]) -> bytes:
    row: Floats = np.frombuffer(powers, "<f8")
    return row[places].tobytes()
