"""Recordings of any headset and any classes: their schema is found, or they are read by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eeg_letters.errors import RecordingError
from eeg_letters.labels import LabelKind
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.schema import Schema


def write(directory: Path, text: str, name: str = "x.csv") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def found(directory: Path, text: str, **more: Any) -> Recording:
    return read_recording(write(directory, text), **more)


HANDS = """Line,label, Cz/theta,subject,Cz/alpha
3,left,1.5,s1,2
4,right,0.5,s1,3
"""


def test_columns_that_name_electrode_and_band_are_the_features_and_the_rest_is_unused(
    tmp_path: Path,
) -> None:
    recording = found(tmp_path, HANDS)
    assert recording.schema.describe() == "1 electrode × 2 bands, 2 classes: left, right"
    assert recording.schema.features.names == ("Cz/theta", "Cz/alpha")
    assert recording.unused == ("subject",)
    assert recording.label_column == "label"
    assert recording.labels.tolist() == [0, 1]
    assert recording.features.tolist() == [[1.5, 2], [0.5, 3]]
    assert json.loads(recording.rows[3]) == {
        "Line": "3",
        "label": "left",
        "Cz/theta": "1.5",
        "subject": "s1",
        "Cz/alpha": "2",
    }


def test_without_such_columns_every_column_with_numbers_is_a_feature(tmp_path: Path) -> None:
    recording = found(tmp_path, "target,note,mean,std\n769,ok,-1,2\n-1,,3,1e-3\n")
    assert recording.schema.features.names == ("mean", "std")
    assert not recording.schema.features.are_powers
    assert recording.schema.labels.kind is LabelKind.NUMBERS
    assert recording.schema.labels.values == (-1, 769)
    assert recording.labels.tolist() == [1, 0]
    assert recording.features.tolist() == [[-1, 2], [3, 0.001]]
    assert recording.unused == ("note",)
    assert list(recording.rows) == [0, 1]


def test_rows_of_json_without_a_line_are_numbered_by_their_keys(tmp_path: Path) -> None:
    rows = {"7": {"label": "a", " x": 1}, "9": {"label": "b", " x": "2"}}
    recording = read_recording(write(tmp_path, json.dumps(rows), "x.json"))
    assert list(recording.rows) == [7, 9]
    assert recording.features.tolist() == [[1], [2]]
    assert recording.schema.features.names == ("x",)


def test_the_label_column_may_be_named(tmp_path: Path) -> None:
    text = "stim,label,x\nup,1,1\ndown,2,2\n"
    recording = found(tmp_path, text, label="stim")
    assert recording.schema.labels.values == ("down", "up")
    assert recording.schema.features.names == ("x",)
    assert recording.unused == ("label",)
    assert recording.schema.label_column == "stim"
    again = found(tmp_path, text, schema=recording.schema)
    assert again.labels.tolist() == recording.labels.tolist() == [1, 0]
    # In another file the labels may be where labels usually are.
    other = found(tmp_path, "x,class\n1,up\n", schema=recording.schema)
    assert other.label_column == "class"


def test_another_recording_is_read_by_the_schema_whatever_its_order(tmp_path: Path) -> None:
    schema = found(tmp_path, HANDS).schema
    other = found(tmp_path, "CZ/ALPHA,time,Cz/Theta,class\n9,12:00,8,right\n", schema=schema)
    assert other.features.tolist() == [[8, 9]]
    assert other.labels.tolist() == [1]
    assert other.unused == ("time",)
    assert other.schema is schema


LETTERS = "# Letter,Cz/theta\n0,1\n25,2\n"


@pytest.mark.parametrize("text", ["label,Cz/theta\n25,1\n", "Letter,Cz/theta\nZ,1\n"])
def test_for_a_model_of_letters_numbers_and_names_are_letters_in_any_column(
    tmp_path: Path, text: str
) -> None:
    schema = found(tmp_path, LETTERS).schema
    assert found(tmp_path, text, schema=schema).labels.tolist() == [25]


REFUSED = {
    "two label columns": (
        "class,label,x\n1,1,1\n",
        "line 1, columns label and class: both may have the labels",
    ),
    "no label column": ("Line,x\n1,1\n", "line 1, column # Letter: the column is missing"),
    "no features": ("label,note\na,b\n", "no column has features"),
    "one electrode and band twice": (
        "label,T3/alpha,T7/alpha\na,1,2\n",
        "line 1, columns T3/alpha and T7/alpha: both are of one electrode and band",
    ),
    "a gap in a column of numbers": (
        "label,x,y\na,1,1\nb,,2\n",
        "line 3, column x: the value is missing",
    ),
    "text in a column of numbers": (
        "label,x,y\na,1,1\nb,high,2\n",
        "line 3, column x: 'high' is not a number",
    ),
    "a negative power": ("label,Cz/alpha\na,-1\n", "line 2, column Cz/alpha: '-1' is negative"),
    "a missing label": ("label,x\na,1\n,2\n", "line 3, column label: the value is missing"),
    "half a class": (
        "label,x\n1,1\n0.5,2\n",
        "line 3, column label: '0.5' is neither a whole number nor text",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_recording_without_a_schema_is_refused_by_column(tmp_path: Path, case: str) -> None:
    text, sentence = REFUSED[case]
    with pytest.raises(RecordingError) as refusal:
        found(tmp_path, text)
    assert str(refusal.value).startswith(f"{tmp_path / 'x.csv'}")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("label,Cz/theta\nleft,1\n", "line 1, column Cz/alpha: the column is missing"),
        (
            "label,Cz/theta,Cz/alpha\nup,1,1\n",
            "line 2, column label: 'up' is none of the classes left, right",
        ),
        ("Cz/theta,Cz/alpha\n1,1\n", "line 1, column # Letter: the column is missing"),
    ],
)
def test_a_recording_that_does_not_fit_the_schema_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    schema: Schema = found(tmp_path, HANDS).schema
    with pytest.raises(RecordingError) as refusal:
        found(tmp_path, text, schema=schema)
    assert sentence in str(refusal.value)


def test_a_named_label_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="line 1, column stim: the column is missing"):
        found(tmp_path, HANDS, label="stim")
