"""Dialects: what is told apart, and what is refused because two readings are possible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.dialects import HEAD_BYTES, find_dialect
from eeg_letters.recordings.reading import read_rows
from tests.shipped import SCHEMA
from tests.spellings import shipped_rows, to_text

COLUMNS, ROWS = shipped_rows()


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode(errors="surrogateescape"))
    return path


def small(path: Path, text: str) -> Path:
    """A table of two band powers and a label."""
    return write(path, text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param(
            "label;Cz/theta\na;1,234\nb;2,345\n",
            ["line 2, column Cz/theta", "1,234 may be 1.234 or 1234"],
            id="thousands",
        ),
        pytest.param(
            "label;Cz/theta;Cz/alpha\na;1,5;2.5\nb;2,5;3\n",
            [
                "line 2, column Cz/theta",
                "1,5 has a decimal comma",
                "2.5 in line 2, column Cz/alpha",
            ],
            id="both marks",
        ),
        pytest.param(
            "label,Cz/theta;x,Cz/alpha;y\na,1;2,3;4\n",
            ["line 1", "separated by commas or by semicolons", "sep="],
            id="two separators",
        ),
        pytest.param("sep=|\nlabel|Cz/theta\na|1\n", ["line 1", "'|'", "semicolon"], id="bar"),
        pytest.param("1,2,3\n4,5,6\n", ["line 1", "there is no header"], id="no header"),
        pytest.param("1,1,3\n4,5,6\n", ["line 1", "there is no header"], id="no header, twice one"),
        pytest.param("# only a comment\n", ["line 1", "column # Letter"], id="comment"),
        pytest.param("\n\n,,\n", ["the file is empty"], id="commas"),
        pytest.param('label,"Cz/theta\na,1\n', ["line 1", "not CSV"], id="open quote"),
        pytest.param("label,Cz/theta\na,1\n\0,2\n", ["line 3", "NUL"], id="NUL"),
        pytest.param("label,Cz/theta\na,\udcff\n", ["line 2, column Cz/theta", "UTF-8"], id="cell"),
        pytest.param("label,Cz/theta\n\udcff,1\n", ["line 2, column label", "UTF-8"], id="label"),
        pytest.param(
            "label,Cz/theta\na,-1\n", ["line 2, column Cz/theta", "--scale"], id="negative"
        ),
        pytest.param(
            "label;Cz/theta\na;1,5\nb;1.234,5\n",
            ["line 3, column Cz/theta", "1.234,5", "not a number"],
            id="thousands later",
        ),
        pytest.param(
            "label;Cz/theta\na;1,5\n" + "b;1,5\n" * 100 + "b;2.5\n",
            ["line 103, column Cz/theta", "2.5", "among decimal commas"],
            id="point later",
        ),
        pytest.param("label,Cz/theta\na,1,2\n", ["line 2", "3 values for 2 columns"], id="wide"),
        pytest.param("label,Cz/theta\na\n", ["line 2, column Cz/theta", "1 of 2 values"], id="cut"),
        pytest.param(
            "Label,label,Cz/theta\na,a,1\n", ["line 1", "both may have the labels"], id="labels"
        ),
        pytest.param(
            "label,Cz/theta,cz/THETA\na,1,1\n", ["line 1", "one electrode and band"], id="features"
        ),
    ],
)
def test_a_table_is_refused_in_one_sentence_that_says_where(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = small(tmp_path / "x.csv", text)
    with pytest.raises(RecordingError) as raised:
        read_any(path)
    sentence = str(raised.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    assert [part for part in parts if part not in sentence] == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"0       " + b"X" * 248, "EDF"),
        (b"\xffBIOSEMI" + b" " * 248, "BDF"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "save it as .xlsx or CSV"),
        (b"\x80\x04\x95" + b"\0" * 100, "a pickle, which is never opened"),
        (b"PK\x03\x04" + b"\0" * 100, "not an Excel workbook"),
        (b"\x1f\x8b\x08" + b"\0" * 100, "damaged gzip"),
        (b"BZh9" + b"\0" * 100, "damaged bzip2"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 100, "damaged zstd"),
        (b"FEA1" + b"\0" * 100, "Feather of version 1"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    for read in (read_any, lambda path: read_rows(str(path), SCHEMA)):
        with pytest.raises(RecordingError, match=kind) as raised:
            read(path)
        assert str(raised.value).startswith(str(path))


def test_a_point_between_thousands_is_no_silent_decimal_point(tmp_path: Path) -> None:
    rows = [[str(cell).replace(".", ",") for cell in row] for row in ROWS]
    rows[7][5] = "1.234"
    path = write(tmp_path / "x.csv", to_text(COLUMNS, rows, ";"))
    with pytest.raises(RecordingError, match=f"1.234 in line 9, column {COLUMNS[5]}"):
        read_rows(str(path), SCHEMA)


def test_whole_numbers_beside_decimal_commas_stay_as_they_are(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    rows[3][9] = 7
    path = write(tmp_path / "x.csv", to_text(COLUMNS, rows, ";", point=","))
    read = read_rows(str(path), SCHEMA)
    assert read.features[3, 7] == 7
    np.testing.assert_array_equal(read.features[4], ROWS[4][2:])


def test_a_header_longer_than_the_beginning_is_refused() -> None:
    with pytest.raises(RecordingError, match="line 1: longer than any header"):
        find_dialect("x", "a," * HEAD_BYTES, False)


def test_the_label_column_of_other_case_is_one_of_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", to_text(["LINE", "LETTER", *COLUMNS[2:]], ROWS))
    assert read_any(path).schema.labels.are_letters


def test_what_was_found_out_is_told(tmp_path: Path) -> None:
    text = "# by hand\n" + to_text(["Line", "label", *COLUMNS[2:]], ROWS, ";", point=",")
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("utf-16"))
    recording = read_any(path)
    assert recording.notes == (
        "UTF-16-LE",
        "cells separated by semicolons",
        "header in line 2",
        "decimal commas",
        "labels in column label",
    )
