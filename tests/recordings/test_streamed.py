"""A recording that is read twice has what one has that is read at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.streamed import open_streamed
from eeg_letters.settings import DATA, SHIPPED
from tests.conftest import ROOT
from tests.headsets.trials import TRIALS, write

# Prints by how many bytes a reading of all rows made the process larger.
READ = """
import resource, sys
from eeg_letters.recordings.streamed import open_streamed

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def read(path):
    return sum(len(chunk.lines) for chunk in open_streamed(path).chunks())

few, many = sys.argv[1:]
read(few)
before = most()
assert read(many) == 8000
print(most() - before)
"""


def recording(folder: Path, kind: str) -> Path:
    if kind == "JSON":
        return SHIPPED
    path = folder / "recording"
    if kind == "Parquet":
        polars.read_csv(DATA / "train.csv").write_parquet(path)
        return path
    text = (DATA / "train.csv").read_text()
    written = {
        "CSV": text,
        "CSV without its last line feed": text.rstrip("\n"),
        "CSV with semicolons": text.replace(",", ";").replace(".", ","),
        "UTF-16": text,
    }
    path.write_text(written[kind], encoding="utf-16" if kind == "UTF-16" else None)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "JSON",
        "Parquet",
        "CSV",
        "CSV without its last line feed",
        "CSV with semicolons",
        "UTF-16",
        *TRIALS,
    ],
)
def test_it_has_what_one_has_that_is_read_at_once(tmp_path: Path, kind: str) -> None:
    if kind in TRIALS:
        path = write(tmp_path / "trial.csv", TRIALS[kind], 1, shuffled=True)
    else:
        path = recording(tmp_path, kind)
    wanted = read_any(path)
    streamed = open_streamed(path)
    layout = streamed.layout
    assert layout.schema == wanted.schema
    assert (layout.columns, layout.label_column) == (wanted.columns, wanted.label_column)
    assert (layout.unused, streamed.notes) == (wanted.unused, wanted.notes)
    assert (streamed.sha256, streamed.n_rows) == (wanted.sha256, len(wanted))
    chunks = list(streamed.chunks())
    lines = [line for chunk in chunks for line in chunk.lines]
    documents = [document for chunk in chunks for document in chunk.documents]
    assert dict(zip(lines, documents, strict=True)) == wanted.rows
    np.testing.assert_array_equal(np.concatenate([each.labels for each in chunks]), wanted.labels)
    np.testing.assert_array_equal(np.vstack([each.features for each in chunks]), wanted.features)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file is empty"),
        ("# Letter,Cz/theta\n", "the file has no rows"),
        ("# Letter,Cz/theta\n0,1\n,1\n", "line 3, column # Letter: the value is missing"),
        ("# Letter,Cz/theta\n0,1\n0,-1\n", "line 3, column Cz/theta: '-1' is negative"),
        ("Line,# Letter,Cz/theta\n4,0,1\n4,0,1\n", "line 3, column Line: duplicate line 4"),
        ("# Letter,Name\n0,a\n", "line 1: no column has features"),
    ],
)
def test_it_is_refused_as_one_is_that_is_read_at_once(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(RecordingError) as wanted:
        read_any(path)
    assert sentence in str(wanted.value)
    with pytest.raises(RecordingError) as found:
        list(open_streamed(path).chunks())
    assert str(found.value) == str(wanted.value)


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_what_is_no_file_is_refused_as_it_is_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError) as wanted:
        read_any(tmp_path / name)
    with pytest.raises(RecordingError) as found:
        open_streamed(tmp_path / name)
    assert str(found.value) == str(wanted.value)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, "CSV")
    streamed = open_streamed(path)
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(RecordingError, match="recording: it was changed while it was read"):
        list(streamed.chunks())


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    header, *rows = (DATA / "train.csv").read_text().splitlines()
    without_lines = [row.partition(",")[2] for row in rows]
    paths = []
    for number in (2000, 8000):
        paths.append(tmp_path / f"{number}.csv")
        many = (without_lines * 7)[:number]
        paths[-1].write_text("\n".join([header.partition(",")[2], *many]) + "\n")
    finished = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    # Read at once, each of 6,000 more rows takes 27 kB.
    assert int(finished.stdout) < 16_000_000
