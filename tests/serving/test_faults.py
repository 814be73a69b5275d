"""What the service promises when something around it fails: log reader, disk, clock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, begin_predict, bentoml_command, environment, free_port, serve


def check_answers(url: str) -> None:
    """Several requests are answered alike on one connection, which a failure would close."""
    with httpx.Client(base_url=url, timeout=30) as client:
        responses = [client.get("/prediction/232") for _ in range(20)]
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    streams = [response.extensions["network_stream"] for response in responses]
    assert len({id(stream) for stream in streams}) == 1


def test_a_log_reader_that_goes_away_costs_lines_not_answers(
    trained_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with serve(trained_home, log=pipe) as (url, process):
        os.close(reader)
        check_answers(url)
        # The server beneath tells of this one by itself.
        assert httpx.request("NOSUCH", url).status_code == 400
        process.terminate()
        assert process.wait(20) == 0
    assert capfd.readouterr().err == ""


def test_a_log_on_a_full_disk_costs_lines_not_answers(
    trained_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(trained_home, log=Path("/dev/full")) as (url, process):
        check_answers(url)
        process.terminate()
        assert process.wait(20) == 0
    assert capfd.readouterr().err == ""


def test_a_start_without_a_byte_of_space_ends_with_one_sentence(trained_home: Path) -> None:
    variables = environment(trained_home, BENTOML_PORT=str(free_port()))
    # Where coverage is measured, its file would be one more that cannot be written.
    variables = {name: text for name, text in variables.items() if "COVERAGE" not in name}
    finished = subprocess.run(
        ["prlimit", "--fsize=0", *bentoml_command("serve", "service:EEGLetters")],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    (sentence,) = finished.stderr.splitlines()
    assert sentence.startswith("eeg-letters: ")
    assert "temporary" in sentence


def clock_settings(clock: Path) -> dict[str, str]:
    """What a process needs to have the time that a file says; skips the test where it cannot."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed (Debian's package faketime)")
    library = subprocess.run(
        ["faketime", "-m", "now", "printenv", "LD_PRELOAD"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()
    return {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Without it Python's threads take the interpreter's lock from each other at every step.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


@pytest.mark.parametrize("step", [timedelta(days=1), timedelta(days=-1)], ids=str)
def test_a_step_of_the_clock_changes_nothing_but_the_time_of_day(
    trained_home: Path, tmp_path: Path, step: timedelta
) -> None:
    log, clock = tmp_path / "log", tmp_path / "clock"
    clock.write_text("+0\n")
    with serve(
        trained_home,
        log=log,
        EEG_BODY_TIMEOUT_SECONDS="3",
        **clock_settings(clock),
    ) as (url, process):
        body = json.dumps({"rows": [[1.0] * 160]}).encode()
        with begin_predict(url, len(body)) as during, begin_predict(url, len(body)) as slow:
            clock.write_text(f"{step.total_seconds():+.0f}\n")
            during.sendall(body)
            assert during.recv(12) == b"HTTP/1.1 200"
            check_answers(url)
            assert slow.recv(12) == b"HTTP/1.1 408"
        process.terminate()
        assert process.wait(20) == 0
    entries = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    stepped = datetime.fromisoformat(entries[-1]["time"]) - datetime.now(UTC)
    assert abs(stepped - step) < timedelta(hours=1), "the clock was not stepped"
    durations = [entry["duration_ms"] for entry in entries if entry["message"] == "answered"]
    assert len(durations) >= 22
    assert all(0 < duration < 60_000 for duration in durations)
