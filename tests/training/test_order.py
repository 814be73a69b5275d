"""The order of rows: training takes it for that of time."""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.reading import read_rows
from eeg_letters.recordings.recording import Recording
from eeg_letters.training.cautions import reordered_rows
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.gathering import read_test, read_training
from tests.conftest import run_train, select_rows
from tests.shipped import SCHEMA


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Three letters of the simulated recording, eight rows each, in order."""
    return select_rows(tmp_path / "plain.csv", (0, 1, 2), slice(8))


def table_of(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def shuffled(plain: Path, without: str = "") -> Path:
    """The same rows in another order, maybe without a column."""
    header, rows = table_of(plain)
    random.Random(0).shuffle(rows)
    path = plain.with_name("shuffled.csv")
    places = [place for place, name in enumerate(header) if name != without]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([row[place] for place in places] for row in [header, *rows])
    return path


def sorted_as_text(plain: Path, but: str) -> Path:
    """The same rows as JSON whose keys are sorted as text: 0, 1, 10, 100, 101."""
    header, rows = table_of(plain)
    keyed: dict[str, Any] = {
        row[0]: {name: value for name, value in zip(header, row, strict=True) if name != but}
        for row in rows
    }
    path = plain.with_name("sorted.json")
    path.write_text(json.dumps(keyed, sort_keys=True))
    return path


def same(found: Recording, expected: Recording) -> None:
    assert [*found.rows] == [*expected.rows] == sorted(expected.rows)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.features, expected.features)


def test_rows_for_training_and_test_are_taken_in_the_order_of_line(plain: Path) -> None:
    path = shuffled(plain)
    (training,) = read_training([path], [], None, None).recordings
    (test,) = read_test([path], training.schema).recordings
    for found in (training, test):
        same(found, read_any(plain))
        assert json.loads(found.rows[0]) == json.loads(read_any(path).rows[0])
    told = reordered_rows(Dataset((training,)), Dataset((read_any(plain),)), ["a.csv", "b.csv"])
    assert told == [
        "The rows of a.csv are taken in the order of Line, in which they were recorded; the file"
        " has another."
    ]


@pytest.mark.parametrize(("but", "by"), [("", "Line"), ("Line", "its keys")], ids=["Line", "keys"])
def test_rows_of_json_whose_keys_are_sorted_as_text_are_too(plain: Path, but: str, by: str) -> None:
    path = sorted_as_text(plain, but)
    assert [*read_any(path, SCHEMA).rows][:3] == [0, 1, 100]
    (found,) = read_test([path], SCHEMA).recordings
    same(found, read_any(plain, SCHEMA))
    assert found.ordered_by == by


def test_without_line_numbers_the_order_is_the_files(plain: Path) -> None:
    path = shuffled(plain, without="Line")
    for dataset in (read_training([path], [], None, None), read_test([path], SCHEMA)):
        (found,) = dataset.recordings
        np.testing.assert_array_equal(found.features, read_any(path).features)
        assert [*found.rows] == [*range(24)]
        assert reordered_rows(dataset, dataset, ["a.csv", "a.csv"]) == []


def test_the_rows_that_are_served_keep_the_order_of_the_file(plain: Path) -> None:
    path = shuffled(plain)
    lines = [int(row[0]) for row in table_of(path)[1]]
    assert lines != sorted(lines)
    assert read_rows(str(path), SCHEMA).lines.tolist() == [*read_any(path).rows] == lines


def test_terminal_report_and_card_tell_it_once(tmp_path: Path, plain: Path) -> None:
    path = shuffled(plain)
    test = select_rows(tmp_path / "test.csv", (0, 1, 2), slice(30, 34))
    finished = run_train(tmp_path, "--train", path, "--test", test)
    assert finished.returncode == 0, finished.stderr
    (report,) = (tmp_path / "reports").iterdir()
    texts = [
        finished.stdout,
        *((report / name).read_text() for name in ("report.html", "model-card.md")),
    ]
    for text in texts:
        told = re.findall(r"rows of (\S+) are taken in the order of Line", " ".join(text.split()))
        assert told == ["shuffled.csv"]
