"""Where the database is away, recordings are answered 503, and again when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from eeg_letters.database.engine import writing
from eeg_letters.database.importing import add_recording
from eeg_letters.database.revisions import NEEDED, upgrade
from eeg_letters.settings import DATA
from tests.conftest import samples, serve_process
from tests.postgresql import PostgreSQL
from tests.serving.database.conftest import engine_of

NAME = "session-2"
PATHS = (
    "/recordings",
    *(f"/recordings/{NAME}/{what}" for what in ("line/7", "prediction/7", "score", "predictions")),
)


@contextmanager
def closed(server: PostgreSQL, database: str) -> Iterator[None]:
    """Let nobody into a database, and put those out who are there, until the block ends."""
    engine = create_engine(
        make_url(server.url("postgres")).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    name = make_url(database).database
    allow = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS'
    with engine.connect() as connection:
        connection.execute(text(f"{allow} false"))
        ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(ended, {"name": name})
        try:
            yield
        finally:
            connection.execute(text(f"{allow} true"))
    engine.dispose()


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def database(postgresql_server: PostgreSQL) -> str:
    """Address of a PostgreSQL with the recording."""
    address = postgresql_server.create()
    engine = engine_of(address)
    upgrade(engine)
    add_recording(engine, DATA / "test.json", NAME)
    engine.dispose()
    return address


def test_recordings_come_back_with_the_database(
    bento: Path, postgresql_server: PostgreSQL, database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        serve_process(bento, log, EEG_DATABASE=database) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        before = [client.get(path).content for path in PATHS]
        with closed(postgresql_server, database):
            for path in PATHS:
                answer = client.get(path)
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                assert "The database does not answer" in answer.json()["detail"]
            assert client.get("/prediction/7").status_code == 200
        until(lambda: client.get(PATHS[0]).status_code == 200)
        assert [client.get(path).content for path in PATHS] == before
    assert "Traceback" not in log.read_text()


def test_a_database_that_comes_back_with_newer_tables_is_told(
    bento: Path, postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    address, log = postgresql_server.create(), tmp_path / "log"
    engine = engine_of(address)
    upgrade(engine)

    def set_revision(revision: str) -> None:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :new"), {"new": revision}
            )

    with (
        serve_process(bento, log, EEG_DATABASE=address) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        set_revision("9999")
        engine.dispose()
        with closed(postgresql_server, address):
            until(lambda: "database is away" in log.read_text())
            assert "[-]database: it does not answer" in client.get("/readyz?verbose").text
        newer = "the database's tables are of revision 9999, which is newer than"
        until(lambda: f"database is away: {newer}" in log.read_text())
        assert f"[-]database: {newer}" in client.get("/readyz?verbose").text
        set_revision(NEEDED)
        until(lambda: "[+]database ok" in client.get("/readyz?verbose").text)
    engine.dispose()
    assert log.read_text().count(newer) == 1


def test_one_that_can_only_be_read_is_read_and_written_once_it_can_be(
    bento: Path, postgresql_server: PostgreSQL, database: str, tmp_path: Path
) -> None:
    log, engine = tmp_path / "log", engine_of(database)
    name = make_url(database).database
    with (
        serve_process(bento, log, EEG_DATABASE=database, EEG_KEEP_PREDICTIONS="true") as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        read_only = f'ALTER DATABASE "{name}" SET default_transaction_read_only'
        with writing(engine) as connection:
            connection.execute(text(f"{read_only} = on"))
        engine.dispose()
        with closed(postgresql_server, database):
            pass
        assert client.get("/prediction/7").status_code == 200
        until(lambda: "rows wait to be kept: cannot execute" in log.read_text())
        tries_end = time.monotonic() + 3
        while time.monotonic() < tries_end:
            # A score would be written.
            for path in (path for path in PATHS if not path.endswith("/score")):
                assert client.get(path).status_code == 200
        assert samples(client)["eeg_database_rows_waiting", frozenset()] >= 1
        with engine.begin() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text(f"{read_only} = off"))
        until(lambda: not samples(client)["eeg_database_rows_waiting", frozenset()])
    engine.dispose()
    assert log.read_text().count("rows wait to be kept") == 1
    assert log.read_text().count("database is there") <= 2


def test_an_address_that_cannot_be_read_is_a_database_that_is_away(
    bento: Path, postgresql_server: PostgreSQL, database: str, tmp_path: Path
) -> None:
    log, secret = tmp_path / "log", tmp_path / "secret"
    secret.write_text(database)
    with (
        serve_process(bento, log, EEG_DATABASE_FILE=str(secret)) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        assert client.get(PATHS[0]).status_code == 200
        secret.unlink()
        with closed(postgresql_server, database):
            pass
        assert {client.get(PATHS[0]).status_code for _ in range(10)} == {503}
        secret.write_text(database)
        until(lambda: client.get(PATHS[0]).status_code == 200)
    assert "Traceback" not in log.read_text()
