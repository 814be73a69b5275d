"""From a board to letters: recorded by cue, trained, served, followed live."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, run_train, serve


def live_command(*arguments: str | Path) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "eeg_letters.live", *map(str, arguments)]


def record(path: Path) -> Path:
    """Record three letters, twice each."""
    cues = ["--cues", "A,E,I", "--rounds", "2", "--seconds", "2.5", "--rest", "0"]
    finished = subprocess.run(
        live_command("brainflow:synthetic", "--record", path, *cues),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.endswith(" rows of 6 cues, 3 classes\n")
    return path


def test_a_recording_by_cue_is_trained_served_and_followed(tmp_path: Path) -> None:
    train, test = record(tmp_path / "train.csv"), record(tmp_path / "test.csv")
    trained = run_train(tmp_path, "--train", train, "--test", test)
    assert trained.returncode == 0, trained.stderr
    assert "16 electrodes × 5 bands" in trained.stdout
    with serve(tmp_path, EEG_TEST_DATA=str(test)) as (url, _):
        command = live_command("brainflow:synthetic", f"{url.replace('http', 'ws')}/live", "--json")
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answers = [json.loads(process.stdout.readline()) for _ in range(10)]
            process.terminate()
            assert process.wait(60) == 130
    assert [answer["id"] for answer in answers] == list(range(10))
    assert {answer["decision"]["letter"] for answer in answers} <= {"A", "E", "I"}
    assert answers[-1]["decision"]["rows"] == 8
