"""PostgreSQL that dies, hangs or is away, with the service and PgBouncer before it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import httpx
import psycopg
import pytest

from eeg_letters.database.engine import open_engine
from eeg_letters.settings import Settings
from tests.faults.kept import keeping, make_tables, metric, rows_by_request
from tests.faults.load import Load, wait_until
from tests.postgresql import PostgreSQL, pgbouncer, postgresql

# With it the queue of 32 MiB holds what three clients are answered in three quarters of a minute:
# 150 requests a second, of 4 KiB. Without a pause it is full after six seconds, and the service may
# find out only five seconds after its start that a database is back.
_PAUSE_SECONDS = 0.02


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    with postgresql() as started:
        yield started


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pgbouncer"])
def test_killed_under_load_it_costs_no_answer_and_no_row(
    bento: Path, server: PostgreSQL, pooled: bool
) -> None:
    direct = make_tables(server.create())
    with pgbouncer(server) if pooled else nullcontext(server.port) as port:
        address = direct.replace(f":{server.port}/", f":{port}/")
        with keeping(bento, address) as (url, _), Load(url, pause=_PAUSE_SECONDS) as load:
            for _ in range(2):
                load.more(200)
                server.kill()
                wait_until(lambda: metric(url, "eeg_database_up") == 0)
                load.more(200)
                assert httpx.get(f"{url}/readyz").status_code == 200
                assert "database: it does not answer" in httpx.get(f"{url}/readyz?verbose").text
                server.start()
                wait_until(lambda: metric(url, "eeg_database_up") == 1, 15)
                load.more(200)
            load.__exit__(None, None, None)
            wait_until(lambda: metric(url, "eeg_database_rows_waiting") == 0)
            assert metric(url, "eeg_rows_dropped_total") == 0
        assert load.failed == []
        assert rows_by_request(direct) == load.answered


def test_away_at_the_start_it_is_used_once_it_is_there(bento: Path, server: PostgreSQL) -> None:
    address = make_tables(server.create())
    server.kill()
    with (
        keeping(bento, address) as (url, _),
        Load(url, pause=_PAUSE_SECONDS) as load,
    ):
        load.more(100)
        assert metric(url, "eeg_database_up") == 0
        server.start()
        wait_until(lambda: metric(url, "eeg_database_up") == 1, 15)
        load.__exit__(None, None, None)
        wait_until(lambda: metric(url, "eeg_database_rows_waiting") == 0)
    assert rows_by_request(address) == load.answered


def test_while_it_hangs_all_are_answered_and_what_is_too_much_is_counted(
    bento: Path, server: PostgreSQL
) -> None:
    address = make_tables(server.create())
    body = {"rows": [[1.0] * 160] * 2000}
    with (
        keeping(bento, address) as (url, _),
        psycopg.connect(address) as other,
    ):
        other.execute("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
        sent = 0
        with httpx.Client(base_url=url, timeout=30) as client:
            while metric(url, "eeg_rows_dropped_total") == 0:
                assert client.post("/predict", json=body).status_code == 200
                sent += 2000
                assert sent < 200_000
        wait_until(lambda: metric(url, "eeg_database_up") == 0)
        other.rollback()
        wait_until(lambda: metric(url, "eeg_database_up") == 1)
        wait_until(lambda: metric(url, "eeg_database_rows_waiting") == 0)
        dropped = metric(url, "eeg_rows_dropped_total")
        assert 0 < dropped < sent
    assert rows_by_request(address).total() == sent - dropped


def test_sigterm_does_not_wait_for_long_where_it_is_away(bento: Path, server: PostgreSQL) -> None:
    address = make_tables(server.create())
    with keeping(bento, address) as (url, process):
        server.kill()
        assert httpx.get(f"{url}/prediction/5").status_code == 200
        process.terminate()
        assert process.wait(10) == 0


def test_a_node_that_dies_while_it_is_asked_is_not_waited_for_long(server: PostgreSQL) -> None:
    # To drop packets takes the kernel's firewall; without them the kernel itself ends a connection
    # after this time.
    engine = open_engine(Settings(database=server.create()))
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with closing(socket.socket(fileno=os.dup(driver.fileno()))) as used:
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, interval, count = (
                used.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
    engine.dispose()
    assert idle + interval * count <= 10
