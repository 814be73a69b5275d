"""Keeping what is answered: a bounded queue, and a thread that writes it in batches."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event, Thread
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from eeg_letters.database import revisions, truths
from eeg_letters.database.answered import COLUMNS, Answered, Floats, Served
from eeg_letters.database.bulk import insert_many
from eeg_letters.database.engine import file_identity, is_busy, is_read_only, reason, writing
from eeg_letters.database.pruning import shrink
from eeg_letters.database.tables import predictions, writers
from eeg_letters.errors import DatabaseError

# What may wait; what comes then is dropped and counted.
MOST_BYTES = 32 * 1024 * 1024
# What is written in one transaction.
_BATCH_ROWS = 2000
# How long rows are gathered until they are written.
_GATHER_SECONDS = 0.1
# How often an idle database is asked whether it is there.
_IDLE_SECONDS = 2.0
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0
# How long the database may take over a batch until it counts as away: longer than SQLite waits for
# another process that writes.
_LATE_SECONDS = 6.0
# Within what a pod has to spare after its drain: see k8s/base/deployment.yaml.
FLUSH_SECONDS = 3

_logger = logging.getLogger("eeg_letters")


class Scorers(Protocol):
    """Finds out what an answer did not need; rows are band powers, shape (n_rows, n_features)."""

    def probabilities(self, rows: Floats) -> Sequence[Floats]:
        """Of each model, in the order of `eeg_letters.models.MODELS`."""

    def familiar(self, rows: Floats) -> NDArray[np.bool_] | None:
        """Whether each row is like those of the training; None where that cannot be told."""


class Keeper:
    """Writes what is answered, and knows whether the database is there.

    A request only puts what it answered into a queue. While the database is away it is tried again
    after a while, at most `_LONGEST_WAIT_SECONDS`; what waits is written when it is back. Each
    batch is written once, even where its connection breaks while it is committed.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of the database.
    served : Served
        What answers.
    scorers : Scorers
        Finds out what an answer with labels alone did not need.
    keep_rows : bool
        Whether the band powers of clients' rows are kept.
    most_bytes : int or None
        About how large an SQLite database may become.

    Attributes
    ----------
    rows_kept, rows_dropped : int
        Rows that were written, and those for which there was no room or no time.
    """

    def __init__(
        self,
        engine: Engine,
        served: Served,
        scorers: Scorers,
        keep_rows: bool = True,
        most_bytes: int | None = None,
    ) -> None:
        self.engine = engine
        self._served = served
        self._scorers = scorers
        self._keep_rows = keep_rows
        self._most_bytes = most_bytes
        self._name = secrets.token_hex(16)
        self._queue: deque[Answered] = deque()
        # Each of these is counted up by one thread alone.
        self._rows_put = self._bytes_put = 0
        self._rows_done = self._bytes_done = 0
        self.rows_kept = 0
        self._dropped_put = self._dropped_later = 0
        self._is_connected = False
        self._file: tuple[int, int] | None = None
        # Since when the database is asked for something; nothing while it is not.
        self._busy_since: float | None = None
        self._asked = Event()
        self._stopping = Event()
        self._batch = 0
        # What was logged of a failure that lasts.
        self._told = ""
        self._is_told_there = False
        # What is wrong with its tables, or with its address.
        self._misfit: str | None = None
        self._thread = Thread(target=self._run, name="database", daemon=True)

    @property
    def is_up(self) -> bool:
        """Whether the database answered when it was last asked."""
        since = self._busy_since
        return self._is_connected and (since is None or time.monotonic() - since < _LATE_SECONDS)

    @property
    def problem(self) -> str | None:
        """Why the database cannot be used, in words; None while it can."""
        return None if self.is_up else self._misfit or "it does not answer"

    @property
    def rows_waiting(self) -> int:
        """Rows that are not written yet."""
        return self._rows_put - self._rows_done

    @property
    def rows_dropped(self) -> int:
        """Rows that were not kept."""
        return self._dropped_put + self._dropped_later

    def start(self) -> None:
        """Start to write.

        Raises
        ------
        DatabaseError
            When the database is there, and has not the tables that are needed.
        """
        try:
            self._connect()
        except SQLAlchemyError as error:
            self._went_away(error)
        else:
            self._went_well()
        self._thread.start()

    def keep(self, answered: Answered) -> None:
        """Put what was answered into the queue; it is counted where there is no room."""
        n_rows, n_bytes = answered.n_rows, answered.n_bytes
        if self._bytes_put - self._bytes_done + n_bytes > MOST_BYTES:
            self._dropped_put += n_rows
            return
        self._rows_put += n_rows
        self._bytes_put += n_bytes
        self._queue.append(answered)
        if not self._asked.is_set():
            self._asked.set()

    def suspect(self) -> None:
        """Ask soon whether the database is there: somebody had no answer from it."""
        self._asked.set()

    def put_until_now(self) -> Callable[[], bool]:
        """A function that tells whether what was put until now is written."""
        wanted = self._rows_put
        return lambda: self._rows_done >= wanted

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write what waits, for at most some seconds; what is left then is dropped and counted."""
        self._stopping.set()
        self._asked.set()
        self._thread.join(seconds)
        left = self.rows_waiting
        if left:
            self._dropped_put += left
            _logger.warning("the database did not take the last %d rows in %g s", left, seconds)

    def _run(self) -> None:
        while True:
            # Who stops it may have asked while the last rows were gathered.
            if not self._stopping.is_set():
                self._asked.wait(_IDLE_SECONDS)
                self._stopping.wait(_GATHER_SECONDS)
            self._asked.clear()
            if not self._queue:
                if self._stopping.is_set():
                    return
                self._attempt(self._ask)
            while self._queue:
                batch = self._take()
                before = self._rows_done
                if not self._attempt(partial(self._write, batch)):
                    return
                if self._rows_done == before:
                    # By a fault of ours; the next batch may be another.
                    self._drop(batch)
                if not self._attempt(self._shrink):
                    return

    def _attempt(self, do: Callable[[], None]) -> bool:
        # As `_insist`; a fault of ours does not end the thread.
        try:
            return self._insist(do)
        except Exception:
            _logger.exception("a fault while rows were kept")
            return True

    def _take(self) -> list[Answered]:
        batch: list[Answered] = []
        n_rows = 0
        while self._queue and n_rows < _BATCH_ROWS:
            batch.append(self._queue.popleft())
            n_rows += batch[-1].n_rows
        self._batch += 1
        return batch

    def _done(self, batch: Sequence[Answered]) -> int:
        n_rows = sum(each.n_rows for each in batch)
        self._rows_done += n_rows
        self._bytes_done += sum(each.n_bytes for each in batch)
        return n_rows

    def _drop(self, batch: Sequence[Answered]) -> None:
        self._dropped_later += self._done(batch)

    def _complete(self, batch: Sequence[Answered]) -> None:
        # Together: one by one takes four times as long.
        unscored = [each for each in batch if each.probabilities is None]
        if unscored:
            found = self._scorers.probabilities(np.concatenate([each.rows for each in unscored]))
            for each, some in _slices(unscored):
                each.probabilities = [
                    None if classes is None else probabilities[some]
                    for classes, probabilities in zip(each.classes, found, strict=True)
                ]
        unjudged = [each for each in batch if each.familiar is None]
        if unjudged:
            familiar = self._scorers.familiar(np.concatenate([each.rows for each in unjudged]))
            if familiar is not None:
                for each, some in _slices(unjudged):
                    each.familiar = familiar[some]

    def _insist(self, do: Callable[[], None]) -> bool:
        # Whether it was done; not, where there is no more time.
        wait = _FIRST_WAIT_SECONDS
        while True:
            self._busy_since = time.monotonic()
            try:
                do()
            except (SQLAlchemyError, DatabaseError, OSError) as error:
                if self._is_connected and (is_busy(error) or is_read_only(error)):
                    self._cannot_write(error)
                else:
                    self._went_away(error)
            else:
                self._went_well()
                return True
            finally:
                self._busy_since = None
            if self._stopping.wait(wait * random.uniform(0.5, 1)):  # noqa: S311
                return False
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _went_well(self) -> None:
        # Not once it can be read: one that takes nothing would come and go at every try.
        if not self._is_told_there:
            _logger.info("the database is there")
        self._is_told_there = True
        self._told = ""

    def _cannot_write(self, error: Exception) -> None:
        # It can be read meanwhile.
        self._warn(f"rows wait to be kept: {reason(error)}")
        if is_read_only(error):
            # A connection may have been told so when it was made.
            self.engine.dispose()

    def _went_away(self, error: Exception) -> None:
        self._warn(f"the database is away: {reason(error)}")
        self._misfit = reason(error) if isinstance(error, DatabaseError) else None
        self._is_connected = False
        self._is_told_there = False

    def _warn(self, told: str) -> None:
        # One that does not answer may have other tables when it does.
        if told != self._told:
            _logger.warning("%s", told)
        self._told = told

    def _connect(self) -> None:
        self._file = file_identity(self.engine)
        revisions.check(self.engine)
        with writing(self.engine) as connection:
            # So that its labels can be asked for before it has answered.
            self._served.number(connection)
        self._is_connected = True

    def _stay_connected(self) -> None:
        if self._is_connected and file_identity(self.engine) != self._file:
            # To a file that was deleted SQLite would write on, and nobody would find it.
            self.engine.dispose()
            self._is_connected = False
        if not self._is_connected:
            self._connect()

    def _ask(self) -> None:
        self._stay_connected()
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def _write(self, batch: Sequence[Answered]) -> None:
        self._stay_connected()
        self._complete(batch)
        try:
            with writing(self.engine) as connection:
                if not self._is_written(connection):
                    self._insert(connection, batch)
        except (DataError, IntegrityError) as error:
            # Tried again, it would be refused again.
            self._drop(batch)
            _logger.error("the database refuses rows: %s", reason(error))
        else:
            self.rows_kept += self._done(batch)

    def _shrink(self) -> None:
        if self._most_bytes is not None:
            shrink(self.engine, self._most_bytes)

    def _is_written(self, connection: Connection) -> bool:
        mine = select(writers.c.batch).where(writers.c.name == self._name)
        return bool(connection.execute(mine).scalar() == self._batch)

    def _insert(self, connection: Connection, batch: Sequence[Answered]) -> None:
        # Each time: a database that was restored meanwhile may have given it another number.
        served_id, keep_rows = self._served.number(connection), self._keep_rows
        records = (record for each in batch for record in each.records(served_id, keep_rows))
        insert_many(connection, predictions, COLUMNS, records)
        _tell(connection, batch)
        mine = {"name": self._name, "batch": self._batch, "at": time.time_ns() // 1000}
        is_sqlite = connection.dialect.name == "sqlite"
        upsert = (sqlite if is_sqlite else postgresql).insert(writers).values(mine)
        connection.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=mine))


def _tell(connection: Connection, batch: Sequence[Answered]) -> None:
    told = [(each, each.told) for each in batch if each.told is not None]
    found = truths.find(connection, [truths.Place(each.request_id, 0, each.at) for each, _ in told])
    by_teller: dict[str | None, dict[int, int]] = {}
    for one, (_, each_told) in zip(found, told, strict=True):
        by_teller.setdefault(each_told.by, {})[one.id] = each_told.true_class
    for teller, classes in by_teller.items():
        truths.tell(connection, classes, time.time_ns() // 1000, teller)


def _slices(batch: Sequence[Answered]) -> Iterator[tuple[Answered, slice]]:
    # Where the rows of each are among those of all.
    start = 0
    for each in batch:
        yield each, slice(start, start + each.n_rows)
        start += each.n_rows
