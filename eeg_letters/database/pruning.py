"""Deleting predictions: those that are old, those of a person, those for which there is no room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, text

from eeg_letters.database.engine import sqlite_file, writing
from eeg_letters.database.tables import predictions, recordings, writers

# Deleted in one transaction, so that nobody who writes waits for long.
_SOME = 1000
# How long `empty_wal` waits for those who read or write.
_WAL_SECONDS = 2


def shrink(engine: Engine, most_bytes: int) -> int:
    """Delete the oldest predictions until those of an SQLite database are small enough.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of the database.
    most_bytes : int
        What it may take besides recordings.

    Returns
    -------
    int
        How many were deleted.
    """
    deleted = 0
    while _size(engine) > most_bytes:
        oldest = select(predictions.c.id).order_by(predictions.c.id).limit(_SOME)
        with writing(engine) as connection:
            found = connection.execute(
                delete(predictions).where(predictions.c.id.in_(oldest.scalar_subquery()))
            ).rowcount
        deleted += found
        if not found:
            break
    return deleted


def _size(engine: Engine) -> int:
    # Nobody's answers are to make room for a recording.
    of_recordings = select(func.coalesce(func.sum(recordings.c.n_bytes), 0))
    with engine.connect() as connection:
        return used_bytes(connection) - int(connection.execute(of_recordings).scalar_one())


def used_bytes(connection: Connection) -> int:
    """What is in an SQLite database takes, without pages that are free."""
    pages, free, size = (
        int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def delete_older(engine: Engine, before: int) -> Iterator[int]:
    """Delete predictions older than a time in microseconds; gives how many, some at a time."""
    yield from _delete(engine, predictions.c.at < before)
    with writing(engine) as connection:
        connection.execute(delete(writers).where(writers.c.at < before))


def delete_session(engine: Engine, session: str) -> Iterator[int]:
    """Delete what was kept of a session; gives how many rows, some at a time."""
    yield from _delete(engine, predictions.c.session == session)


def empty_wal(engine: Engine) -> bool:
    """Leave nothing of what was deleted in the files of an SQLite database.

    Pages as they were before are in its write-ahead log until that is written to the database.

    Returns
    -------
    bool
        Whether it is done; not, while others read or write without a pause.
    """
    file = sqlite_file(engine)
    if file is None:
        return True
    with closing(sqlite3.connect(file, timeout=_WAL_SECONDS)) as connection:
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def _delete(engine: Engine, which: ColumnElement[bool]) -> Iterator[int]:
    some = select(predictions.c.id).where(which).order_by(predictions.c.id).limit(_SOME)
    while True:
        with writing(engine) as connection:
            # Locked first, in one order: a statement that deletes would leave out those that
            # another deletes meanwhile, and to find few would not mean that none is left.
            found = connection.execute(some.with_for_update()).scalars().all()
            if not found:
                return
            connection.execute(delete(predictions).where(predictions.c.id.in_(found)))
        yield len(found)
