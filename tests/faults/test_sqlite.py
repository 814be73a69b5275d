"""An SQLite file whose writers are killed, whose disk is full, or which two services write to."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, environment, serve
from tests.faults.kept import keeping, make_tables, metric, rows_by_request
from tests.faults.load import Load, wait_until
from tests.serving.test_faults import clock_settings

# What a killed service may have answered and not written yet.
MOST_LOST_SECONDS = 1.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "letters.sqlite"


@pytest.fixture
def address(file: Path) -> str:
    return make_tables(f"sqlite:///{file}")


def assert_whole(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_writer_that_is_killed_twenty_times_leaves_it_whole(
    trained_home: Path, file: Path, address: str
) -> None:
    chance = random.Random(0)
    before = 0
    for run in range(20):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.faults.write", address, str(run)],
            cwd=ROOT,
            env=environment(trained_home),
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            # The instant of a kill is what is to be any.
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
        assert_whole(file)
        rows = rows_by_request(address)
        assert rows.total() > before
        before = rows.total()
        # A batch is written as a whole.
        assert set(rows.values()) == {100}


def test_a_service_that_is_killed_loses_what_it_answered_last_alone(
    bento: Path, file: Path, address: str
) -> None:
    with keeping(bento, address) as (url, process), Load(url) as load:
        started = time.monotonic()
        load.more(1000)
        while time.monotonic() - started < 2 * MOST_LOST_SECONDS:
            load.more(100)
        load.end_softly()
        killed = time.monotonic()
        process.kill()
        process.wait(10)
    assert_whole(file)
    kept = rows_by_request(address)
    early = {name for name, at in load.times.items() if at < killed - MOST_LOST_SECONDS}
    assert early
    assert early <= set(kept)
    assert all(kept[name] == load.answered[name] for name in early)
    with keeping(bento, address) as (url, _), Load(url, "again") as load:
        load.more(50)


def test_sigterm_writes_what_waits(bento: Path, address: str) -> None:
    with keeping(bento, address) as (url, process):
        with Load(url) as load:
            load.more(300)
        process.terminate()
        assert process.wait(20) == 0
    assert load.failed == []
    assert rows_by_request(address) == load.answered


def test_two_services_write_to_one_file(
    bento: Path, trained_home: Path, file: Path, address: str
) -> None:
    with (
        keeping(bento, address) as (one, _),
        serve(trained_home, EEG_DATABASE=address, EEG_KEEP_PREDICTIONS="true") as (other, _),
        Load(one, "one") as first,
        Load(other, "other") as second,
    ):
        first.more(300)
        second.more(300)
    assert first.failed == second.failed == []
    assert rows_by_request(address) == first.answered | second.answered
    assert_whole(file)


def test_on_a_full_disk_rows_wait_and_are_dropped_by_count(
    bento: Path, file: Path, address: str
) -> None:
    body = {"rows": [[1.0] * 160] * 2000}
    with (
        keeping(bento, address) as (url, process),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        # What a file may have takes the place of what a disk may have.
        limit_files(process, str(2 * 1024 * 1024))
        sent = 0
        while metric(url, "eeg_database_up") == 1 or metric(url, "eeg_rows_dropped_total") == 0:
            assert client.post("/predict", json=body).status_code == 200
            sent += 2000
            assert sent < 200_000
        limit_files(process, "unlimited")
        wait_until(lambda: metric(url, "eeg_database_up") == 1)
        wait_until(lambda: metric(url, "eeg_database_rows_waiting") == 0)
        dropped = metric(url, "eeg_rows_dropped_total")
        assert 0 < dropped < sent
    assert_whole(file)
    assert rows_by_request(address).total() == sent - dropped


def limit_files(process: subprocess.Popen[bytes], size: str) -> None:
    """Let a process write files of so many bytes at most."""
    command = ["prlimit", "--pid", str(process.pid), f"--fsize={size}:unlimited"]
    subprocess.run(command, check=True, timeout=10)


@pytest.mark.parametrize("step", [timedelta(days=1), timedelta(days=-1)], ids=str)
def test_a_step_of_the_clock_leaves_the_order_of_what_is_kept(
    bento: Path, tmp_path: Path, file: Path, address: str, step: timedelta
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    with keeping(bento, address, **clock_settings(clock)) as (url, _):
        for name in ("first", "second"):
            headers = {"x-request-id": name}
            assert httpx.get(f"{url}/prediction/5", headers=headers).status_code == 200
            clock.write_text(f"{step.total_seconds():+.0f}\n")
        wait_until(lambda: metric(url, "eeg_rows_kept_total") == 2)
    with sqlite3.connect(file) as connection:
        kept = connection.execute("SELECT request_id, at FROM predictions ORDER BY id").fetchall()
    connection.close()
    assert [name for name, _ in kept] == ["first", "second"]
    apart = timedelta(microseconds=kept[1][1] - kept[0][1])
    assert abs(apart - step) < timedelta(hours=1)


def test_what_is_answered_after_the_file_is_deleted_waits_for_another(
    bento: Path, file: Path, address: str
) -> None:
    with keeping(bento, address) as (url, _), httpx.Client(base_url=url) as client:
        assert client.get("/prediction/232").status_code == 200
        wait_until(lambda: metric(url, "eeg_rows_kept_total") == 1)
        for each in file.parent.glob(f"{file.name}*"):
            each.unlink()
        wait_until(lambda: metric(url, "eeg_database_up") == 0)
        answered = client.get("/prediction/232").headers["x-request-id"]
        assert metric(url, "eeg_database_rows_waiting") == 1
        file.unlink(missing_ok=True)
        make_tables(address)
        wait_until(lambda: metric(url, "eeg_database_rows_waiting") == 0)
    assert dict(rows_by_request(address)) == {answered: 1}
