"""Reading a recording: every spelling that is good, and the sentence for every bad one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg_letters.errors import RecordingError
from eeg_letters.labels import LETTER_COLUMN
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.schema import LINE_COLUMN
from eeg_letters.settings import DATA
from tests.shipped import COLUMNS, FEATURES, SCHEMA

LINES = (7, 8, 40)
LETTERS = (0, 0, 25)
# Line, letter, and band powers that all differ: 7.000, 7.001, …
ROWS = [
    [str(line), str(letter), *(f"{line}.{feature:03d}" for feature in range(len(FEATURES)))]
    for line, letter in zip(LINES, LETTERS, strict=True)
]


def to_csv(
    rows: Sequence[Sequence[str]] = ROWS, header: Sequence[str] = COLUMNS, end: str = "\n"
) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows([header, *rows])
    return text.getvalue().encode()


def to_json(**changes: Any) -> bytes:
    """The rows as JSON; a change by the name of a column is made to the second row."""
    by_line = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in ROWS}
    by_line["8"] |= changes
    return json.dumps(by_line).encode()


def csv_with(column: str, value: str) -> bytes:
    """The rows as CSV, the second one, which is line 3 of the file, with another value."""
    second = [
        value if name == column else cell for name, cell in zip(COLUMNS, ROWS[1], strict=True)
    ]
    return to_csv([ROWS[0], second, ROWS[2]])


def without(sequence: Sequence[str], position: int) -> list[str]:
    return [*sequence[:position], *sequence[position + 1 :]]


def read(directory: Path, name: str, content: bytes) -> Recording:
    path = directory / name
    path.write_bytes(content)
    return read_recording(path, SCHEMA)


TURNED = [*range(len(COLUMNS))][::-1]
GOOD = {
    "plain.csv": to_csv(),
    "blanks in the header.csv": to_csv(header=[*COLUMNS[:2], *(f" {name}" for name in FEATURES)]),
    "other order of columns.csv": to_csv(
        [[row[column] for column in TURNED] for row in ROWS],
        [COLUMNS[column] for column in TURNED],
    ),
    "byte order mark.csv": b"\xef\xbb\xbf" + to_csv(),
    "CRLF.csv": to_csv(end="\r\n"),
    "blank lines.csv": to_csv() + b"\n\n",
    "blanks around values.csv": to_csv([[f" {cell} " for cell in row] for row in ROWS]),
    "strings.json": to_json(),
    "numbers.json": to_json(**{LINE_COLUMN: 8, LETTER_COLUMN: 0, "Cz/theta": 8.0}),
    "upper case.csv": to_csv(header=[*COLUMNS[:2], *map(str.upper, FEATURES)]),
    "letters by name.csv": to_csv([[row[0], "AZ"[row[1] == "25"], *row[2:]] for row in ROWS]),
    "labels in another column.csv": to_csv(header=["Line", "label", *FEATURES]),
    "another column.csv": to_csv([[*row, "s1"] for row in ROWS], [*COLUMNS, "subject"]),
    "another column.json": to_json(subject="s1"),
    "byte order mark.JSON": b"\xef\xbb\xbf" + to_json(),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_recording_is_read_however_it_is_spelled(tmp_path: Path, name: str) -> None:
    recording = read(tmp_path, name, GOOD[name])
    assert tuple(recording.rows) == LINES
    assert tuple(recording.labels) == LETTERS
    assert recording.features.tolist() == [[float(cell) for cell in row[2:]] for row in ROWS]
    assert recording.sha256 == hashlib.sha256(GOOD[name]).hexdigest()
    assert len(recording) == len(LINES)
    row = {key.casefold(): value for key, value in json.loads(recording.rows[8]).items()}
    assert float(row["fp2/gamma"]) == 8.159


def test_the_same_rows_as_json_and_as_csv_are_the_same_recording(tmp_path: Path) -> None:
    from_json = read_recording(DATA / "test.json")
    rows = map(json.loads, from_json.rows.values())
    from_csv = read(tmp_path, "test.csv", to_csv([[row[name] for name in COLUMNS] for row in rows]))
    assert from_csv.rows == from_json.rows
    np.testing.assert_array_equal(from_csv.labels, from_json.labels)
    np.testing.assert_array_equal(from_csv.features, from_json.features)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


BAD: dict[str, tuple[str, bytes, list[str]]] = {
    "empty": ("x.csv", b"", ["the file is empty"]),
    "empty JSON": ("x.json", b" \n", ["the file is empty"]),
    "a byte order mark alone": ("x.csv", b"\xef\xbb\xbf", ["the file is empty"]),
    "header only": ("x.csv", to_csv([]), ["the file has no rows"]),
    "JSON without rows": ("x.json", b"{}", ["the file has no rows"]),
    "not UTF-8": (
        "x.csv",
        csv_with("Cz/theta", "1").replace(b"8.001", b"\xff"),
        ["line 3", "UTF-8"],
    ),
    # Cut, as by a copy that did not finish.
    "cut row": (
        "x.csv",
        to_csv([*ROWS[:2], ROWS[2][:100]]),
        ["line 4", f"column {COLUMNS[100]}", "100 of 162 values", "truncated"],
    ),
    "cut quotes": ("x.csv", to_csv() + b'"9', ["line 5", "not CSV"]),
    "cut JSON": ("x.json", to_json()[:-1], ["line 1, column", "not JSON"]),
    # Columns.
    "wrong column": (
        "x.csv",
        to_csv(header=[*COLUMNS[:-1], "Fp2/delta"]),
        ["line 1", "column Fp2/gamma", "missing"],
    ),
    "double column": (
        "x.csv",
        to_csv(header=[*COLUMNS[:-1], " Cz/theta"]),
        ["line 1", "column Cz/theta", "duplicate"],
    ),
    "double key": (
        "x.json",
        to_json().replace(b'{"Line": "8"', b'{"Cz/theta": "1", "Line": "8"'),
        ["line '8'", "column Cz/theta", "duplicate"],
    ),
    "missing column": (
        "x.csv",
        to_csv([without(row, 2) for row in ROWS], without(COLUMNS, 2)),
        ["line 1", "column Cz/theta", "missing"],
    ),
    "missing column, JSON": (
        "x.json",
        to_json().replace(b'"Cz/theta": "8.000", ', b""),
        ["line '8'", "column Cz/theta", "missing"],
    ),
    "more values than columns": (
        "x.csv",
        to_csv([ROWS[0], [*ROWS[1], "1"]]),
        ["line 3", "163 values for 162 columns"],
    ),
    # Values.
    "gap": ("x.csv", csv_with("O1/alpha", ""), ["line 3", "column O1/alpha", "value is missing"]),
    "gap, JSON": ("x.json", to_json(**{"O1/alpha": " "}), ["'8'", "O1/alpha", "value is missing"]),
    "null": ("x.json", to_json(**{"O1/alpha": None}), ["line '8'", "column O1/alpha", "missing"]),
    "word": ("x.csv", csv_with("O1/alpha", "high"), ["line 3", "column O1/alpha", "'high'"]),
    "true": ("x.json", to_json(**{"O1/alpha": True}), ["'8'", "O1/alpha", "True is not a number"]),
    "list": ("x.json", to_json(**{"O1/alpha": [1]}), ["line '8'", "column O1/alpha", "[1]"]),
    "object": ("x.json", to_json(**{"O1/alpha": {}}), ["line '8'", "column O1/alpha", "{}"]),
    "1_0": ("x.csv", csv_with("O1/alpha", "1_0"), ["line 3", "column O1/alpha", "'1_0'"]),
    "negative": ("x.csv", csv_with("O1/alpha", "-0.5"), ["line 3", "O1/alpha", "'-0.5' is neg"]),
    "negative, JSON": (
        "x.json",
        to_json(**{"O1/alpha": -0.5}),
        ["'8'", "column O1/alpha", "-0.5 is negative"],
    ),
    "NaN": ("x.csv", csv_with("O1/alpha", "NaN"), ["line 3", "column O1/alpha", "finite"]),
    "inf": ("x.csv", csv_with("O1/alpha", "-inf"), ["line 3", "column O1/alpha", "finite"]),
    "1e999": ("x.csv", csv_with("O1/alpha", "1e999"), ["line 3", "column O1/alpha", "finite"]),
    "NaN, JSON": ("x.json", to_json(**{"O1/alpha": float("nan")}), ["'8'", "O1/alpha", "finite"]),
    "line break": ("x.csv", csv_with("O1/alpha", "1\n2"), ["line 3", "not CSV"]),
    "huge integer": (
        "x.json",
        to_json().replace(b'"8.000"', b"1" * 5000),
        ["line '8'", "column Cz/theta", "finite"],
    ),
    "huge field": ("x.csv", csv_with("O1/alpha", "1" * 200_000), ["line 3", "O1/alpha", "finite"]),
    # Letters and line numbers.
    "letter 26": ("x.csv", csv_with(LETTER_COLUMN, "26"), ["line 3", "column # Letter", "26"]),
    "letter -1": (
        "x.csv",
        csv_with(LETTER_COLUMN, "-1"),
        ["line 3", "column # Letter", "-1 is not a letter"],
    ),
    "letter 1.5": ("x.csv", csv_with(LETTER_COLUMN, "1.5"), ["line 3", "column # Letter", "'1.5'"]),
    "letter b": ("x.csv", csv_with(LETTER_COLUMN, "b"), ["line 3", "column # Letter", "'b'"]),
    "negative line": ("x.csv", csv_with(LINE_COLUMN, "-8"), ["line 3", "column Line", "'-8'"]),
    "line twice": (
        "x.csv",
        csv_with(LINE_COLUMN, "7"),
        ["line 3", "column Line", "line 7", "duplicate"],
    ),
    "line twice, JSON": (
        "x.json",
        to_json().replace(b'"8": {"Line": "8"', b'"7": {"Line": "7"'),
        ["row 7", "duplicate"],
    ),
    "key and line differ": ("x.json", to_json(Line="9"), ["column Line", "9 differs", "key '8'"]),
    "line is deep": (
        "x.json",
        to_json(Line=nested(300)),
        ["column Line", "{'a': {", "not a number"],
    ),
    # Shapes of JSON.
    "JSON list": ("x.json", b"[1]", ["row 0", "neither a list nor an object"]),
    "JSON number": ("x.json", b"3", ["line 1", "the column is missing"]),
    "row is a list": ("x.json", b'{"3": [1]}', ["row '3'", "not a row"]),
    "line break in a key": ("x.json", b'{"3\\n4": [1]}', [r"row '3\n4'", "not a row"]),
    "deep nesting": ("x.json", b"[" * 100_000, ["nested too deeply"]),
    "deep objects": ("x.json", b'{"a":' * 100_000, ["nested too deeply"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_recording_is_refused_in_one_line_that_says_where(tmp_path: Path, case: str) -> None:
    name, content, fragments = BAD[case]
    with pytest.raises(RecordingError) as refusal:
        read(tmp_path, name, content)
    message = str(refusal.value)
    assert message.startswith(str(tmp_path / name))
    assert [fragment for fragment in fragments if fragment not in message] == []
    assert len(message.splitlines()) == 1
    assert len(message) < len(str(tmp_path)) + 200


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere\.csv: there is no such file"):
        read_recording(tmp_path / "nowhere.csv")


def test_a_directory_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: not a regular file") as refusal:
        read_recording(tmp_path)
    assert str(refusal.value).startswith(str(tmp_path))


def test_an_integer_of_more_than_64_bits_is_a_number(tmp_path: Path) -> None:
    content = to_json().replace(b'"8.000"', b"1" + b"0" * 30)
    recording = read(tmp_path, "x.json", content)
    assert recording.features[1, 0] == 1e30
    assert json.loads(recording.rows[8])["Cz/theta"] == 1e30
