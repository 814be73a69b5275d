"""What is in the database, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, text

from eeg_letters.database import revisions
from eeg_letters.database.engine import display_url, explained
from eeg_letters.database.tables import predictions, recordings
from eeg_letters.database.times import to_iso
from eeg_letters.errors import DatabaseError

# How often it is looked whether the tables are there.
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Status:
    """What is in the database.

    Attributes
    ----------
    address : str
        Without the password.
    n_recordings, n_recording_rows : int
        Recordings, and rows in all of them.
    n_kept, n_labelled : int
        Predictions, and those that have feedback.
    oldest, newest : int or None
        Times of predictions.
    n_bytes : int
        Size of the database.
    """

    address: str
    n_recordings: int
    n_recording_rows: int
    n_kept: int
    n_labelled: int
    oldest: int | None
    newest: int | None
    n_bytes: int

    def table(self) -> Iterator[str]:
        """Lines that are printed."""
        lines = {
            "database": self.address,
            "tables": f"revision {revisions.NEEDED}, as needed",
            "recordings": f"{self.n_recordings:,} with {self.n_recording_rows:,} rows",
            "rows kept": f"{self.n_kept:,}",
            "with feedback": f"{self.n_labelled:,}",
        }
        if self.oldest is not None and self.newest is not None:
            lines |= {"oldest": to_iso(self.oldest), "newest": to_iso(self.newest)}
        lines["size"] = f"{self.n_bytes / 1e6:,.1f} MB"
        for name, value in lines.items():
            yield f"{name:<16}{value}"


def read_status(engine: Engine) -> Status:
    """What is in the database.

    Raises
    ------
    DatabaseError
        When it fails, or has not the tables that are needed.
    """
    with explained(engine):
        revisions.check(engine)
        with engine.connect() as connection:
            kept, labelled, oldest, newest = connection.execute(
                select(
                    func.count(),
                    func.count(predictions.c.true_class),
                    func.min(predictions.c.at),
                    func.max(predictions.c.at),
                ).select_from(predictions)
            ).one()
            n_recordings, n_rows = connection.execute(
                select(func.count(), func.coalesce(func.sum(recordings.c.n_rows), 0))
            ).one()
            return Status(
                display_url(engine.url),
                n_recordings,
                int(n_rows),
                kept,
                labelled,
                oldest,
                newest,
                _size(connection),
            )


def _size(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        pages, size = (
            int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
            for name in ("page_count", "page_size")
        )
        return pages * size
    size_of = select(func.pg_database_size(func.current_database()))
    return int(connection.execute(size_of).scalar_one())


def wait_for_tables(engine: Engine, seconds: float, tell: Callable[[DatabaseError], None]) -> bool:
    """Wait until the database answers and has the tables that are needed; whether it has.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of the database.
    seconds : float
        How long. Tables that are newer than this version are not waited for.
    tell : callable
        Told what is wrong, once until it is something else.
    """
    until = time.monotonic() + seconds
    told = ""
    while True:
        try:
            with explained(engine):
                revisions.check(engine)
        except DatabaseError as error:
            if str(error) != told:
                tell(error)
                told = str(error)
            if isinstance(error, revisions.NewerTables) or time.monotonic() > until:
                return False
        else:
            return True
        time.sleep(min(_POLL_SECONDS, max(0.0, until - time.monotonic())))
