"""What is counted of labelled predictions while more is told."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, Engine, event, update

from eeg_letters.database.engine import open_engine, writing
from eeg_letters.database.log import ServedByNumber
from eeg_letters.database.tables import predictions
from eeg_letters.database.truths import accuracy_by_session
from eeg_letters.settings import Settings
from tests.database.conftest import Keeping


def label(engine: Engine, session: str) -> None:
    with writing(engine) as connection:
        of_session = predictions.c.session == session
        connection.execute(update(predictions).where(of_session).values(true_class=1))


def test_sessions_add_up_to_the_whole_while_more_is_told(
    database: str, keeping: Keeping, engine: Engine
) -> None:
    row = keeping.inference.rows[0][np.newaxis]
    for session in ("monday", "tuesday"):
        keeping.rows(session, row, session=session)
    label(engine, "monday")
    counting = open_engine(Settings(database=database))

    told: list[str] = []

    @event.listens_for(counting, "after_cursor_execute")
    def tell(_: Connection, __: object, statement: str, *___: object) -> None:
        if "predictions" in statement and not told:
            told.append(statement)
            label(engine, "tuesday")

    with counting.connect() as connection:
        for accuracy in accuracy_by_session(connection, ServedByNumber(), None):
            assert accuracy.total.rows == sum(group.rows for group in accuracy.groups.values()) == 1
            assert accuracy.n_groups == len(accuracy.groups)
    counting.dispose()
