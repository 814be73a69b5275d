"""What connections have for both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from eeg_letters.database.engine import limited

COUNT = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most)"
    " SELECT count(*) FROM n"
)


def test_what_takes_longer_than_its_limit_is_ended_and_the_next_is_not(engine: Engine) -> None:
    with (
        engine.connect() as connection,
        pytest.raises(OperationalError, match=r"interrupted|statement timeout"),
        limited(connection, 0.1),
    ):
        connection.execute(COUNT, {"most": 10**9})
    # The pool gives the same connection again.
    with engine.connect() as connection:
        assert connection.execute(COUNT, {"most": 200_000}).scalar() == 200_000
