"""Worker processes that parse and score chunks, one a core."""

from __future__ import annotations

import mmap
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import UserError
from eeg_letters.orphans import end_with_parent
from eeg_letters.recordings.chunks import SLOT_BYTES, Chunk, Parsed, Table
from eeg_letters.scoring.bulk import BulkScorer, Scores, score
from eeg_letters.scoring.familiarity import CANNOT_TELL, Familiarity
from eeg_letters.scoring.store import StoredModel, load_models

_ENDING = (signal.SIGINT, signal.SIGTERM)
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


class WorkerLost(Exception):
    """A worker process that was killed; the message names the file whose rows it had."""


class Scored(NamedTuple):
    """What a worker finds out about a chunk.

    Attributes
    ----------
    parsed : Parsed
        Its rows, without their features.
    scores : list of Scores
        Of each model.
    familiar : ndarray of bool, shape (n_rows,), or None
        Whether each row is like those of the training; None where that was not asked.
    """

    parsed: Parsed
    scores: list[Scores]
    familiar: NDArray[np.bool_] | None


class Workers:
    """Processes that parse and score chunks, as many as there are cores.

    Parameters
    ----------
    all_probabilities : bool
        Ask for the probabilities of all labels.
    familiar : bool
        Ask whether rows are like those of the training, which the first model tells.

    Attributes
    ----------
    schema : Schema
        The models', which tables are read by.

    Raises
    ------
    UserError
        When the models cannot be read, or do not tell what is asked for.
    """

    def __init__(self, all_probabilities: bool, familiar: bool) -> None:
        models = load_models()
        familiarity = _familiarity(models[0]) if familiar else None
        self.schema = models[0].schema
        scorers = [BulkScorer(stored.scorer) for stored in models]
        count = available_cores()
        # Two more than workers, so that none waits while the next chunk is read.
        self._slots = [mmap.mmap(-1, SLOT_BYTES) for _ in range(count + 2)]
        # Forked: the slots are memory that parent and children share.
        self._pool = ProcessPoolExecutor(
            count,
            get_context("fork"),
            _begin_work,
            (_Work(self._slots, scorers, all_probabilities, familiarity),),
        )

    def stop(self) -> None:
        """End all processes."""
        self._pool.shutdown(cancel_futures=True)

    def answers(self, table: Table) -> Iterator[tuple[Chunk, Scored]]:
        """Every chunk of a table, in order."""
        pending: deque[tuple[Chunk, Future[Scored]]] = deque()
        try:
            for chunk in table.chunks(self._slots):
                pending.append((chunk, self._submit(chunk)))
                # The next chunk goes into the slot of the oldest.
                if len(pending) == len(self._slots):
                    chunk, future = pending.popleft()
                    yield chunk, future.result()
            while pending:
                chunk, future = pending.popleft()
                yield chunk, future.result()
        except BrokenProcessPool:
            # All of them fail now. To cancel one meanwhile would end the pool's own thread, and
            # nobody would end the other processes.
            for _, future in pending:
                future.exception()
            pending.clear()
            raise WorkerLost(
                f"{table.name}: a worker process was killed; is memory short?"
            ) from None
        finally:
            # A slot is free for the next table when nobody reads it.
            for _, future in pending:
                if not future.cancel():
                    future.exception()

    def _submit(self, chunk: Chunk) -> Future[Scored]:
        # The first one forks all processes. Until they have handlers of their own, which
        # `_begin_work` sets, a signal would raise KeyboardInterrupt in them, and be lost where
        # Python runs its own code after a fork.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            return self._pool.submit(_work, chunk)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _familiarity(stored: StoredModel) -> Familiarity:
    if stored.familiarity is None:
        raise UserError(f"--familiar: model {stored.model.name}:{stored.version} {CANNOT_TELL}")
    return stored.familiarity


class _Work(NamedTuple):
    # What a worker process works with.
    slots: list[mmap.mmap]
    scorers: list[BulkScorer]
    all_probabilities: bool
    familiarity: Familiarity | None


# Set once, as the process begins.
_worker: _Work


def _begin_work(work: _Work) -> None:
    global _worker
    # Ctrl-C reaches all processes of a terminal; the parent ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    # A library that aborts may print the row that it had.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    end_with_parent()
    _worker = work


def _work(chunk: Chunk) -> Scored:
    slots, scorers, all_probabilities, familiarity = _worker
    parsed = chunk.parse(slots[chunk.slot], chunk)
    schema = chunk.columns.schema
    scale = chunk.columns.scale
    powers = parsed.features if scale is None else scale.to_power(parsed.features)
    scores = score(scorers, powers, len(schema.labels.values), all_probabilities)
    familiar = None if familiarity is None else familiarity.are_familiar(powers.T)
    # The parent has no use for the features.
    return Scored(replace(parsed, features=parsed.features[:0].copy()), scores, familiar)


def available_cores() -> int:
    """Cores that this process may use: by its affinity, and by its container's limit."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = _CGROUP_LIMIT.read_text().split()
        cores = min(cores, ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # No such file, or "max".
        pass
    return max(cores, 1)
