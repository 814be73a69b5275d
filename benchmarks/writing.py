"""Rows a second that a database takes from the thread that keeps what is answered, on this core.

``make bench-keeping`` runs it for each of its databases. By hand, with models in the store and the
tables made: ``python -m benchmarks.writing ADDRESS``. Rows a second by kind of request, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from benchmarks.counted import GET, MANY, ONE, Given
from benchmarks.workloads import LINE
from eeg_letters.serving.database.opening import Database, open_database
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.routing import Request
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

ROUNDS = 7
# Of each kind in a round: as many as fit into the queue.
ROWS = 10_000
_REQUEST = Request({}, (), b"", b"", b"0" * 32, "/predict")


def main(address: str) -> None:
    """Print the median of some rounds."""
    given = Given()
    versions = {stored.model.title: stored.version for stored in given.inference.models}
    database = open_database(
        Settings(database=address, keep_predictions=True),
        given.inference,
        Metrics(versions, given.inference.schema.labels),
    )
    assert database.keep is not None
    kinds = {MANY: _many(given), ONE: _one(given), GET: _stored(given)}
    rates = {
        kind: median(_rate(database, partial(ask, database.keep)) for _ in range(ROUNDS))
        for kind, ask in kinds.items()
    }
    database.close()
    json.dump(rates, sys.stdout)


def _many(given: Given) -> Callable[[Keep], None]:
    answered = [(given.rows, given.inference.predict(given.rows, judge=True))]

    def ask(keep: Keep) -> None:
        for _ in range(ROWS // len(given.rows)):
            keep.rows(_REQUEST, answered)

    return ask


def _one(given: Given) -> Callable[[Keep], None]:
    rows = given.rows[:1]
    answered = [(rows, given.inference.predict(rows, judge=True))]

    def ask(keep: Keep) -> None:
        for _ in range(ROWS):
            keep.rows(_REQUEST, answered)

    return ask


def _stored(given: Given) -> Callable[[Keep], None]:
    classes = given.inference.classify(given.row)
    sha256, scale = given.inference.rows_sha256, given.inference.schema.scale

    def ask(keep: Keep) -> None:
        for _ in range(ROWS):
            keep.stored_row(_REQUEST, sha256, scale, LINE, given.row, classes)

    return ask


def _rate(database: Database, ask: Callable[[], None]) -> float:
    started = time.perf_counter()
    before = _counted(database, "eeg_rows_kept")
    ask()
    while _counted(database, "eeg_database_rows_waiting"):
        time.sleep(0.002)
    seconds = time.perf_counter() - started
    kept = _counted(database, "eeg_rows_kept") - before
    if kept != ROWS:
        raise RuntimeError(f"{kept:.0f} rows of {ROWS} were kept")
    return kept / seconds


def _counted(database: Database, name: str) -> float:
    metrics = (metric for of in database.collectors for metric in of.collect())
    return next(metric.samples[0].value for metric in metrics if metric.name == name)


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    main(sys.argv[1])
