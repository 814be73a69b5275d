"""Recordings on their way into the database, and out of it."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from eeg_letters.database.answered import to_bytes
from eeg_letters.database.bulk import insert_many
from eeg_letters.database.engine import explained, writing
from eeg_letters.database.tables import recording_rows, recordings
from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from eeg_letters.recordings.sources import display_name
from eeg_letters.recordings.values import MOST_WHOLE_NUMBER
from eeg_letters.scales import Scale
from eeg_letters.settings import RECORDING_NAME, RECORDING_NAMES

# Rows that are made ready at a time.
_CHUNK_ROWS = 1000
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
    DatabaseError
        When the database fails.
    """
    check_name(name)
    recording = read_any(path, None, label, scale)
    _check_lines(recording)
    with explained(engine), writing(engine) as connection:
        number = _enter(connection, recording, name, replace)
        if number is not None:
            records = _records(recording, number, progress)
            insert_many(connection, recording_rows, _COLUMNS, records)
    return Imported(
        name,
        len(recording),
        recording.sha256,
        number is not None,
        recording.notes,
        recording.unused,
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


def _check_lines(recording: Recording) -> None:
    largest = max(recording.rows)
    if largest > MOST_WHOLE_NUMBER:
        raise RecordingError(
            f"{display_name(str(recording.path))}, line {largest}: a line number in the database"
            f" is {MOST_WHOLE_NUMBER} at most"
        )


def _enter(connection: Connection, recording: Recording, name: str, replace: bool) -> int | None:
    """Give a recording its number; None where it is there already."""
    values: dict[str, Any] = {
        "name": name,
        "sha256": recording.sha256,
        "imported_at": time.time_ns() // 1000,
        "n_rows": len(recording),
        "schema": recording.schema.to_metadata(),
        "columns": json.dumps(recording.columns),
        "label_column": recording.label_column,
    }
    is_sqlite = connection.dialect.name == "sqlite"
    insert = (sqlite if is_sqlite else postgresql).insert(recordings).values(values)
    # Where another import of that name is under way, this one waits for its end.
    insert = insert.on_conflict_do_nothing(index_elements=["name"])
    there = select(recordings.c.id, recordings.c.sha256, recordings.c.schema).where(
        recordings.c.name == name
    )
    while True:
        number = connection.execute(insert.returning(recordings.c.id)).scalar()
        if number is not None:
            return int(number)
        found = connection.execute(there).first()
        if found is None:
            # It was removed in between.
            continue
        if (found.sha256, found.schema) == (values["sha256"], values["schema"]):
            return None
        if not replace:
            is_other = found.sha256 != recording.sha256
            what = "is another" if is_other else "is of this file, but was read in another way"
            raise UserError(
                f"{display_name(str(recording.path))}: the recording {name} in the database"
                f" {what}; --replace puts this one in its place"
            )
        connection.execute(delete(recordings).where(recordings.c.id == found.id))


def _records(
    recording: Recording, number: int, progress: Progress | None
) -> Iterator[tuple[Any, ...]]:
    lines = list(recording.rows.items())
    classes = recording.labels.tolist()
    for start in range(0, len(lines), _CHUNK_ROWS):
        some = slice(start, start + _CHUNK_ROWS)
        powers = to_bytes(recording.features[some])
        for (line, document), class_, row in zip(lines[some], classes[some], powers, strict=True):
            yield number, line, class_, row, zlib.compress(document, _LEVEL)
        if progress is not None:
            progress(start + len(powers), len(lines))
