"""Scores of recordings, worked out in the background."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock, Thread
from time import monotonic

import numpy as np
from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from eeg_letters.database.answered import Served
from eeg_letters.database.engine import is_busy, reason, writing
from eeg_letters.database.stored import Stored, find_recording, rows_after
from eeg_letters.database.tables import scores, served
from eeg_letters.errors import DatabaseError
from eeg_letters.serving.database.recordings.fitting import Fit
from eeg_letters.serving.inference import Inference

# Rows that are read and labelled at a time: a few milliseconds of work.
_CHUNK_ROWS = 256

_logger = logging.getLogger("eeg_letters")


class Job:
    """The score of one recording, while it is worked out.

    Parameters
    ----------
    stored : Stored
        The recording.
    fit : Fit
        How it fits the models.

    Attributes
    ----------
    n_done : int
        Rows that are labelled.
    ended : concurrent.futures.Future of None
        Done when there is nothing left to do: the score is in the database, or the recording is no
        longer there, or the database is away.
    """

    def __init__(self, stored: Stored, fit: Fit) -> None:
        self.stored = stored
        self.fit = fit
        self.n_done = 0
        self.ended: Future[None] = Future()
        self.right: dict[str, int] = {}
        self.last: int | None = None
        self._started = monotonic()

    @property
    def seconds_left(self) -> float:
        """About how long it takes to the end."""
        elapsed = monotonic() - self._started
        return elapsed * (self.stored.n_rows - self.n_done) / max(self.n_done, _CHUNK_ROWS)


class Scores:
    """Works out scores, a part of each in turn, by one thread that rests as long as it works.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of the database.
    models : Served
        What answers.
    inference : Inference
        The same.
    suspect : callable
        Told where the database did not answer.
    """

    def __init__(
        self, engine: Engine, models: Served, inference: Inference, suspect: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._models = models
        self._inference = inference
        self._suspect = suspect
        self._lock = Lock()
        self._jobs: dict[Stored, Job] = {}
        self._queue: deque[Job] = deque()
        self._stopping = Event()

    def find(self, connection: Connection, stored: Stored) -> dict[str, float] | None:
        """The score of a recording by the models' titles; None where it is not there yet."""
        found = connection.execute(
            select(scores.c.score)
            .join(served, served.c.id == scores.c.served_id)
            .where(scores.c.recording_id == stored.id, served.c.digest == self._models.digest)
        ).scalar()
        if found is None:
            return None
        score: dict[str, float] = json.loads(found)
        return score

    def work_out(self, stored: Stored, fit: Fit) -> Job:
        """Begin to work out a score, unless that is under way."""
        with self._lock:
            job = self._jobs.get(stored)
            if job is None:
                job = self._jobs[stored] = Job(stored, fit)
                self._queue.append(job)
                if len(self._jobs) == 1:
                    Thread(target=self._run, name="scores", daemon=True).start()
            return job

    def close(self) -> None:
        """End the thread; what it has not worked out is worked out after the next start."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            job = self._queue.popleft()
            started = monotonic()
            if self._go_on(job):
                self._queue.append(job)
            elif self._end(job):
                return
            self._stopping.wait(monotonic() - started)

    def _end(self, job: Job) -> bool:
        # Whether there is none left.
        with self._lock:
            del self._jobs[job.stored]
            is_last = not self._jobs
        job.ended.set_result(None)
        return is_last

    def _go_on(self, job: Job) -> bool:
        # Whether there is more to do.
        try:
            with self._engine.connect() as connection:
                rows = rows_after(connection, job.stored, job.last, _CHUNK_ROWS)
            if rows is not None:
                truth = job.fit.classes[rows.classes]
                for title, classes in self._inference.classify_rows(
                    job.fit.rows(rows.powers)
                ).items():
                    n_right = int(np.count_nonzero(classes == truth))
                    job.right[title] = job.right.get(title, 0) + n_right
                job.n_done += len(rows.lines)
                job.last = rows.lines[-1]
                return True
            if job.n_done == job.stored.n_rows:
                self._write(job)
        except IntegrityError:
            _logger.info("%s was removed before its score was there", job.stored.name)
        except (SQLAlchemyError, DatabaseError) as error:
            if is_busy(error):
                return True
            _logger.warning("the score of %s is not there: %s", job.stored.name, reason(error))
            self._suspect()
        except Exception:
            _logger.exception("the score of %s is not there", job.stored.name)
        return False

    def _write(self, job: Job) -> None:
        score = {title: n_right / job.n_done for title, n_right in job.right.items()}
        with writing(self._engine) as connection:
            if find_recording(connection, job.stored.name) != job.stored:
                # In a database that was restored meanwhile another may have its number.
                return
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            values = {
                "recording_id": job.stored.id,
                "served_id": self._models.number(connection),
                "score": json.dumps(score),
            }
            # Another replica may have been faster.
            connection.execute(insert(scores).values(values).on_conflict_do_nothing())
