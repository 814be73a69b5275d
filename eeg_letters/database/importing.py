"""Recordings on their way into the database, and out of it."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from eeg_letters.database.answered import to_bytes
from eeg_letters.database.bulk import insert_many
from eeg_letters.database.engine import explained, writing
from eeg_letters.database.pruning import used_bytes
from eeg_letters.database.tables import recording_rows, recordings
from eeg_letters.errors import OutputError, RecordingError, UserError
from eeg_letters.recordings.sources import display_name
from eeg_letters.recordings.streamed import Chunk, StreamedRecording, open_streamed
from eeg_letters.recordings.values import MOST_WHOLE_NUMBER
from eeg_letters.scales import Scale
from eeg_letters.settings import RECORDING_NAME, RECORDING_NAMES

# After so many rows it is told how many were written.
_TOLD_ROWS = 1000
# Before each row in the file of rows: line, class, and lengths of band powers and of the document.
_HEAD = Struct("<qhII")
# Of zlib: higher ones save a tenth and take twice as long.
_LEVEL = 1
_COLUMNS = ("recording_id", "line", "class", "powers", "document")

# Told how many rows were written, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Imported:
    """A recording in the database.

    Attributes
    ----------
    name : str
        Its name there.
    n_rows : int
        Its rows.
    sha256 : str
        Checksum of the file's bytes, hexadecimal.
    is_new : bool
        Whether it was written; False where it was there already.
    notes : tuple of str
        What was found out of how the file is written, in words.
    unused : tuple of str
        Columns that are neither line number nor label nor feature.
    """

    name: str
    n_rows: int
    sha256: str
    is_new: bool
    notes: tuple[str, ...]
    unused: tuple[str, ...]


def add_recording(
    engine: Engine,
    path: str | Path,
    name: str,
    *,
    replace: bool = False,
    label: str | None = None,
    scale: Scale | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read a recording and write it into the database, whole or not at all.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of a database with the tables that are needed.
    path : str or pathlib.Path
        CSV, JSON, Parquet, Feather or Excel, with labels.
    name : str
        What it is called from now on.
    replace : bool
        Whether another recording of that name goes.
    label, scale
        As `eeg_letters.recordings.recording.read_recording` has them.
    progress : callable, optional
        Told of rows as they are written.

    Raises
    ------
    UserError
        When the name is none, or another recording has it.
    RecordingError
        When the file cannot be read; names file, line and column.
    OutputError
        When there is no room for a temporary file of its rows.
    DatabaseError
        When the database fails.
    """
    check_name(name)
    recording = open_streamed(path, label, scale)
    with explained(engine):
        with engine.connect() as connection:
            is_there = _is_there(connection, recording, name, replace)
        if not is_there:
            # Made ready first: nobody else can write to SQLite while this is written.
            with _temporary_file() as file:
                for chunk in recording.chunks():
                    _check_lines(recording, chunk)
                    _put(file, chunk)
                file.seek(0)
                is_there = not _write(engine, recording, name, replace, file, progress)
    return Imported(
        name,
        recording.n_rows,
        recording.sha256,
        not is_there,
        recording.notes,
        recording.layout.unused,
    )


def remove_recording(engine: Engine, name: str) -> None:
    """Delete a recording.

    Raises
    ------
    UserError
        When there is none of that name.
    DatabaseError
        When the database fails.
    """
    with explained(engine), writing(engine) as connection:
        found = connection.execute(delete(recordings).where(recordings.c.name == name)).rowcount
    if not found:
        raise UserError(f"{name}: there is no such recording in the database")


def check_name(name: str) -> None:
    """Make sure that a recording may have a name.

    Raises
    ------
    UserError
        When it may not.
    """
    if not RECORDING_NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a recording: {RECORDING_NAMES}")


@contextmanager
def _temporary_file() -> Iterator[IO[bytes]]:
    try:
        with TemporaryFile() as file:
            yield file
    except OSError as error:
        raise OutputError(
            f"{gettempdir()}: rows cannot be put into a temporary file: {error.strerror}"
        ) from None


def _check_lines(recording: StreamedRecording, chunk: Chunk) -> None:
    largest = max(chunk.lines)
    if largest > MOST_WHOLE_NUMBER:
        raise RecordingError(
            f"{display_name(str(recording.path))}, line {largest}: a line number in the database"
            f" is {MOST_WHOLE_NUMBER} at most"
        )


def _is_there(
    connection: Connection, recording: StreamedRecording, name: str, replace: bool
) -> bool:
    """Whether a recording is there already; where another is in its place, that must go.

    Raises
    ------
    UserError
        When it may not.
    """
    found = connection.execute(select(recordings).where(recordings.c.name == name)).first()
    if found is None:
        return False
    is_other = found.sha256 != recording.sha256
    if not is_other and found.schema == recording.layout.schema.to_metadata():
        return True
    if not replace:
        what = "is another" if is_other else "is of this file, but was read in another way"
        raise UserError(
            f"{display_name(str(recording.path))}: the recording {name} in the database {what};"
            " --replace puts this one in its place"
        )
    return False


def _put(file: IO[bytes], chunk: Chunk) -> None:
    for line, class_, powers, document in zip(
        chunk.lines, chunk.labels.tolist(), to_bytes(chunk.features), chunk.documents, strict=True
    ):
        compressed = zlib.compress(document, _LEVEL)
        file.write(_HEAD.pack(line, class_, len(powers), len(compressed)))
        file.write(powers)
        file.write(compressed)


def _taken(
    file: IO[bytes], number: int, n_rows: int, progress: Progress | None
) -> Iterator[tuple[Any, ...]]:
    for row in range(1, n_rows + 1):
        line, class_, *lengths = _HEAD.unpack(file.read(_HEAD.size))
        yield number, line, class_, *map(file.read, lengths)
        if progress is not None and (row % _TOLD_ROWS == 0 or row == n_rows):
            progress(row, n_rows)


def _write(
    engine: Engine,
    recording: StreamedRecording,
    name: str,
    replace: bool,
    file: IO[bytes],
    progress: Progress | None,
) -> bool:
    """Write a recording whose rows are in a file; False where it is there already."""
    with writing(engine) as connection:
        number = _enter(connection, recording, name)
        while number is None:
            if _is_there(connection, recording, name, replace):
                return False
            connection.execute(delete(recordings).where(recordings.c.name == name))
            number = _enter(connection, recording, name)
        records = _taken(file, number, recording.n_rows, progress)
        before = _taken_bytes(connection, file)
        insert_many(connection, recording_rows, _COLUMNS, records)
        n_bytes = _taken_bytes(connection, file) - before
        is_it = recordings.c.id == number
        connection.execute(update(recordings).where(is_it).values(n_bytes=n_bytes))
    return True


def _taken_bytes(connection: Connection, file: IO[bytes]) -> int:
    # SQLite's pages are not full; PostgreSQL's are about as large as what is put into them.
    return used_bytes(connection) if connection.dialect.name == "sqlite" else file.tell()


def _enter(connection: Connection, recording: StreamedRecording, name: str) -> int | None:
    """Give a recording its number; None where another has the name."""
    layout = recording.layout
    values = {
        "name": name,
        "sha256": recording.sha256,
        "imported_at": time.time_ns() // 1000,
        "n_rows": recording.n_rows,
        "n_bytes": 0,
        "schema": layout.schema.to_metadata(),
        "columns": json.dumps(layout.columns),
        "label_column": layout.label_column,
    }
    is_sqlite = connection.dialect.name == "sqlite"
    insert = (sqlite if is_sqlite else postgresql).insert(recordings).values(values)
    # Where another import of that name is under way, this one waits for its end.
    insert = insert.on_conflict_do_nothing(index_elements=["name"])
    number = connection.execute(insert.returning(recordings.c.id)).scalar()
    return None if number is None else int(number)
