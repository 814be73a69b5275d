"""Processes that fit models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eeg_letters.errors import OutputError, RecordingError
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.workers import Workers, results
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def recording() -> Dataset:
    return Dataset((read_recording(DATA / "train.csv"),))


def process(training: Dataset, _: Dataset, factor: int) -> tuple[int, int]:
    return os.getpid(), factor * len(training.labels)


def refuse(*_: Dataset) -> None:
    raise RecordingError("no")


def die(*_: Dataset) -> None:
    os._exit(9)


def test_functions_of_both_recordings_are_called_in_other_processes(recording: Dataset) -> None:
    with Workers(recording, recording) as workers:
        found = results([workers.submit(process, factor) for factor in range(20)])
    assert [rows for _, rows in found] == [1300 * factor for factor in range(20)]
    assert os.getpid() not in {pid for pid, _ in found}


def test_an_error_is_that_of_the_function(recording: Dataset) -> None:
    with (
        Workers(recording, recording) as workers,
        pytest.raises(RecordingError, match="no"),
    ):
        results([workers.submit(refuse)])


SCRIPT = """
import time
from pathlib import Path
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.workers import Workers
from tests.training.test_workers import hear_no_signal, last_for_ever
if __name__ == "__main__":
    recording = Dataset((read_recording(DATA / "train.csv"),))
    with Workers(recording, recording) as workers:
"""
ENDLESS = """
        jobs = [workers.submit(last_for_ever, {folder!r}) for _ in range(2)]
        jobs[0].result()
"""
INTERRUPTED = """
        workers.submit(hear_no_signal, {folder!r})
        while not list(Path({folder!r}).iterdir()):
            time.sleep(0.05)
        raise SystemExit(3)
"""


def last_for_ever(*arguments: object) -> None:
    (Path(str(arguments[-1])) / str(os.getpid())).touch()
    while True:
        time.sleep(1)


def write_script(tmp_path: Path, body: str) -> tuple[Path, Path]:
    """A script, and the folder where each job of it makes a file named for its process."""
    began = tmp_path / "began"
    began.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + body.format(folder=str(began)))
    return script, began


def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    script, began = write_script(tmp_path, ENDLESS)
    with subprocess.Popen(
        [sys.executable, script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not (children := [int(path.name) for path in began.iterdir()]):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.kill()
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def hear_no_signal(*arguments: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    last_for_ever(*arguments)


def test_a_process_that_does_not_hear_sigterm_is_not_waited_for(tmp_path: Path) -> None:
    script, _ = write_script(tmp_path, INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        process_group=0,
    ) as process:
        try:
            assert process.wait(60) == 3
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_a_process_that_is_killed_ends_in_one_sentence(recording: Dataset) -> None:
    with (
        pytest.raises(OutputError, match="a process was killed while it fitted models"),
        Workers(recording, recording) as workers,
    ):
        results([workers.submit(die)])
