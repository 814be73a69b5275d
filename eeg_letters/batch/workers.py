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
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from eeg_letters.recordings.chunks import SLOT_BYTES, Chunk, Parsed, Table
from eeg_letters.scoring.bulk import BulkScorer, Scores, score
from eeg_letters.scoring.store import load_models

_ENDING = (signal.SIGINT, signal.SIGTERM)
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


class WorkerLost(Exception):
    """A worker process that was killed; the message names the file whose rows it had."""


class Workers:
    """Processes that parse and score chunks, as many as there are cores.

    Parameters
    ----------
    all_probabilities : bool
        Ask for the probabilities of all labels.

    Attributes
    ----------
    schema : Schema
        The models', which tables are read by.
    """

    def __init__(self, all_probabilities: bool) -> None:
        models = load_models()
        self.schema = models[0].schema
        scorers = [BulkScorer(stored.scorer) for stored in models]
        count = available_cores()
        # Two more than workers, so that none waits while the next chunk is read.
        self._slots = [mmap.mmap(-1, SLOT_BYTES) for _ in range(count + 2)]
        # Forked: the slots are memory that parent and children share.
        self._pool = ProcessPoolExecutor(
            count, get_context("fork"), _begin_work, (self._slots, scorers, all_probabilities)
        )

    def stop(self) -> None:
        """End all processes."""
        self._pool.shutdown(cancel_futures=True)

    def answers(self, table: Table) -> Iterator[tuple[Chunk, Parsed, list[Scores]]]:
        """Every chunk of a table, in order."""
        pending: deque[tuple[Chunk, Future[tuple[Parsed, list[Scores]]]]] = deque()
        try:
            for chunk in table.chunks(self._slots):
                pending.append((chunk, self._submit(chunk)))
                # The next chunk goes into the slot of the oldest.
                if len(pending) == len(self._slots):
                    yield _answer(*pending.popleft())
            while pending:
                yield _answer(*pending.popleft())
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

    def _submit(self, chunk: Chunk) -> Future[tuple[Parsed, list[Scores]]]:
        # The first one forks all processes. Until they have handlers of their own, which
        # `_begin_work` sets, a signal would raise KeyboardInterrupt in them, and be lost where
        # Python runs its own code after a fork.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            return self._pool.submit(_work, chunk)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(
    chunk: Chunk, future: Future[tuple[Parsed, list[Scores]]]
) -> tuple[Chunk, Parsed, list[Scores]]:
    parsed, scores = future.result()
    return chunk, parsed, scores


# What a worker process works with; set once, as it begins.
_worker: tuple[list[mmap.mmap], list[BulkScorer], bool]


def _begin_work(slots: list[mmap.mmap], scorers: list[BulkScorer], all_probabilities: bool) -> None:
    global _worker
    # Ctrl-C reaches all processes of a terminal; the parent ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    # A library that aborts may print the row that it had.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    Thread(target=_end_with_parent, daemon=True).start()
    _worker = slots, scorers, all_probabilities


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101
    parent.join()
    os._exit(1)


def _work(chunk: Chunk) -> tuple[Parsed, list[Scores]]:
    slots, scorers, all_probabilities = _worker
    parsed = chunk.parse(slots[chunk.slot], chunk)
    schema = chunk.columns.schema
    scale = chunk.columns.scale
    powers = parsed.features if scale is None else scale.to_power(parsed.features)
    scores = score(scorers, powers, len(schema.labels.values), all_probabilities)
    # The parent has no use for the features.
    return replace(parsed, features=parsed.features[:0].copy()), scores


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
