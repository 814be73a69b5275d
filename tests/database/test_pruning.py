"""Predictions that are deleted while others delete, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, delete, func, insert, select, text

from eeg_letters.database.engine import writing
from eeg_letters.database.pruning import delete_older, delete_session
from eeg_letters.database.tables import predictions, served

N_ROWS = 2500
SESSION = "monday"


def keep_rows(engine: Engine) -> None:
    row = {"at": 1, "request_id": "a", "route": "/predict", "session": SESSION}
    with writing(engine) as connection:
        what = insert(served).values(digest="x", schema="{}", versions="{}")
        number = connection.execute(what.returning(served.c.id)).scalar_one()
        connection.execute(
            insert(predictions),
            [{**row, "row": place, "served_id": number} for place in range(N_ROWS)],
        )


def await_waiting(engine: Engine) -> None:
    """Wait until a statement waits for another's transaction."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    while True:
        with engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
        assert time.monotonic() < deadline


# In SQLite one alone can write.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "begin",
    [lambda engine: delete_session(engine, SESSION), lambda engine: delete_older(engine, 2)],
    ids=["session", "older"],
)
@pytest.mark.parametrize("n_others", [1, 1500])
def test_what_others_delete_meanwhile_does_not_end_it(
    engine: Engine, begin: Callable[[Engine], Iterator[int]], n_others: int
) -> None:
    keep_rows(engine)
    first = select(predictions.c.id).order_by(predictions.c.id).limit(n_others)
    with ThreadPoolExecutor(1) as pool:
        with writing(engine) as other:
            other.execute(delete(predictions).where(predictions.c.id.in_(first.scalar_subquery())))
            deleted = pool.submit(lambda: sum(begin(engine)))
            await_waiting(engine)
        assert deleted.result(30) == N_ROWS - n_others
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == 0
