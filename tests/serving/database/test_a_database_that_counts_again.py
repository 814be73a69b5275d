"""A database that was restored gives its numbers to others: nothing is taken for another."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, insert, select, text

from eeg_letters.database.engine import writing
from eeg_letters.database.importing import add_recording
from eeg_letters.database.tables import metadata, predictions, recordings, served
from eeg_letters.models import LDA, MLP
from tests.conftest import select_rows
from tests.serving.database.test_recordings import await_score, enlarge

# Times ten rows: worked out in the background, for a second or so.
TIMES = 3000


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"EEG_KEEP_PREDICTIONS": "true", "EEG_OPEN_FEEDBACK": "true"}


def start_again(engine: Engine) -> None:
    """Leave the tables as an upgrade makes them."""
    names = ", ".join(metadata.tables)
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
            return
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        connection.execute(text("DELETE FROM sqlite_sequence"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A recording, and the same rows with the columns in another order."""
    with select_rows(tmp_path / "some.csv", (3, 4), slice(5)).open(newline="") as read:
        header, *rows = csv.reader(read)
    # As `enlarge` needs them.
    rows = [[str(line), *row[1:]] for line, row in enumerate(rows)]
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    for path, step in ((one, 1), (other, -1)):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([*row[:2], *row[2:][::step]] for row in (header, *rows))
    return one, other


def number_of(engine: Engine, name: str) -> int:
    with engine.connect() as connection:
        of_name = recordings.c.name == name
        return connection.execute(select(recordings.c.id).where(of_name)).scalar_one()


def test_another_recording_of_the_same_number_is_answered_as_it_is(
    client: httpx.Client, engine: Engine, files: tuple[Path, Path]
) -> None:
    start_again(engine)
    add_recording(engine, files[0], "a")
    lines = client.get("/recordings/a/predictions").json()["lines"]
    before = [client.get(f"/recordings/a/prediction/{line}").json() for line in lines]
    score = await_score(client, "a")
    start_again(engine)
    add_recording(engine, files[1], "b")
    assert number_of(engine, "b") == 1
    assert [client.get(f"/recordings/b/prediction/{line}").json() for line in lines] == before
    assert await_score(client, "b") == score


def test_a_score_that_is_worked_out_meanwhile_is_that_of_neither_mixed(
    client: httpx.Client, engine: Engine, files: tuple[Path, Path]
) -> None:
    start_again(engine)
    add_recording(engine, files[0], "one")
    score = await_score(client, "one")
    start_again(engine)
    add_recording(engine, files[0], "one")
    enlarge(engine, "one", TIMES)
    assert client.get("/recordings/one/score").status_code == 503
    start_again(engine)
    add_recording(engine, files[1], "other")
    enlarge(engine, "other", TIMES)
    assert number_of(engine, "other") == 1
    assert await_score(client, "other") == score


def test_the_log_tells_what_answered_and_not_what_has_its_number_elsewhere(
    client: httpx.Client, engine: Engine
) -> None:
    start_again(engine)
    headers = {"x-request-id": "before"}
    client.get("/prediction/5", headers=headers)
    deadline = time.monotonic() + 30
    while not client.get("/predictions/log?limit=1").json()["entries"]:
        assert time.monotonic() < deadline
    with engine.connect() as connection:
        own = connection.execute(select(served)).one()
    start_again(engine)
    versions = f'{{"{LDA.name}": "older", "{MLP.name}": "older"}}'
    with writing(engine) as connection:
        values = {"id": own.id, "digest": "x", "schema": own.schema, "versions": versions}
        connection.execute(insert(served).values(values))
        connection.execute(
            insert(predictions).values(
                at=1, request_id="x", row=0, route="/", served_id=own.id, lda_class=1
            )
        )
    for path in ("/predictions/log", "/predictions/log/x"):
        (entry,) = client.get(path).json()["entries"]
        assert entry["LDA"]["version"] == "older"
