"""data.compare as its user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eeg_letters.settings import DATA
from tests.conftest import ROOT, select_rows


def compare(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "data.compare", *paths],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_that_is_missing_ends_in_one_sentence(tmp_path: Path) -> None:
    finished = compare(tmp_path / "none.csv")
    assert finished.returncode == 2
    assert finished.stderr == (
        f"python -m data.compare: {tmp_path}/none.csv: there is no such file\n"
    )


@pytest.mark.parametrize("name", ["x[/b].csv", os.fsdecode(b"\xff.csv")])
def test_a_name_that_is_markup_or_no_text_is_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((DATA / "train.csv").read_bytes())
    finished = compare(path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "Correlation of rows 5 apart" in finished.stdout


def test_letters_of_one_row_have_no_correlation(tmp_path: Path) -> None:
    finished = compare(select_rows(tmp_path / "short.csv", (0, 1), slice(1)))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.count(" nan ") == 3


def test_powers_of_zero_are_compared(tmp_path: Path) -> None:
    path = select_rows(tmp_path / "zero.csv", (0,), slice(8))
    header, *rows = path.read_text().splitlines()
    rows = [",".join([*row.split(",")[:-1], "0"]) for row in rows]
    path.write_text("\n".join([header, *rows]))
    finished = compare(path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert " nan " not in finished.stdout
