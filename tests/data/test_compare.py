"""data.compare as its user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eeg_letters.settings import DATA
from tests.conftest import ROOT, select_rows


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def figures(text: str) -> dict[str, list[str]]:
    """The rows of the table that was printed, by name."""
    rows = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in rows}


def compare(*paths: Path | str) -> subprocess.CompletedProcess[str]:
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


def test_a_band_that_one_recording_lacks_is_a_dash(tmp_path: Path) -> None:
    one = write(tmp_path / "1.csv", "label,Cz/theta,Cz/alpha,Pz/alpha", "a,1,2,4", "b,3,4,6")
    other = write(tmp_path / "2.csv", "class,POW.AF3.Theta,POW.AF3.Gamma", "1,5,6", "2,7,8")
    finished = compare(one, other)
    assert (finished.returncode, finished.stderr) == (0, "")
    table = figures(finished.stdout)
    assert table["Median power, theta"] == ["2.000", "6.000"]
    assert table["Median power, alpha"] == ["4.000", "-"]
    assert table["Median power, Gamma"] == ["-", "7.000"]
    assert list(table)[-4:] == [
        "Median power, Gamma",
        "Correlation of rows 1 apart",
        "Correlation of rows 2 apart",
        "Correlation of rows 5 apart",
    ]


def test_features_that_are_no_band_powers_have_one_median(tmp_path: Path) -> None:
    rows = [f"{label},{value},{1000 * value},7" for label in "ab" for value in (-3, 1, -1, 3)]
    path = write(tmp_path / "x.csv", "label,x,y,constant", *rows)
    finished = compare(path, DATA / "train.csv")
    assert (finished.returncode, finished.stderr) == (0, "")
    table = figures(finished.stdout)
    assert table["Median of all features"] == ["5.000", "-"]
    assert table["Median power, gamma"][0] == "-"
    # Of the values: -3 × 1 + 1 × -1 + -1 × 3 over the root of 11 × 11.
    assert table["Correlation of rows 1 apart"][0] == f"{-7 / 11:.3f}"


def test_another_column_may_have_the_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "cue,Cz/theta", "left,1", "right,2")
    assert compare(path).returncode == 2
    finished = compare(path, "--label", "cue")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert figures(finished.stdout)["Median power, theta"] == ["1.500"]
