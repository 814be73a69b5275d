"""What once came out as other rows or values, through training's reader and the one in chunks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from eeg_letters.errors import RecordingError
from eeg_letters.labels import LETTERS, LabelKind, Labels
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.chunks import SLOT_BYTES
from eeg_letters.recordings.reading import read_rows
from eeg_letters.schema import Schema, find_band_powers, other_features
from tests.conftest import ROOT

POWERS = find_band_powers(["Cz/theta", "Pz/alpha"])
assert POWERS is not None
SCHEMA = Schema(POWERS, LETTERS)
BY_STIMULUS = Schema(POWERS, LETTERS, "Stimulus")
HEADER = "Line,# Letter,Cz/theta,Pz/alpha\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def refused(path: Path, parts: str, schema: Schema = SCHEMA) -> None:
    for read in (lambda: read_any(path, schema), lambda: read_rows(str(path), schema)):
        with pytest.raises(RecordingError, match=parts) as raised:
            read()
        assert str(raised.value).startswith(str(path))


def test_a_carriage_return_within_a_line_ends_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", HEADER + "0,0,1,2\r1,1,3,4\n2,2,3,3\n")
    refused(path, "line 2")


def test_decimal_commas_are_looked_for_in_features_of_any_name(tmp_path: Path) -> None:
    text = "label;f1;f2;n\nA;1,5;2,5;3\nB;2,5;3,5;4\n"
    recording = read_any(write(tmp_path / "x.csv", text))
    assert recording.schema.features.names == ("f1", "f2", "n")
    assert recording.features.tolist() == [[1.5, 2.5, 3], [2.5, 3.5, 4]]
    with pytest.raises(RecordingError, match="line 2, column f1: 1,5 has a decimal comma"):
        read_any(write(tmp_path / "x.csv", text.replace(";4\n", ";4.5\n")))


def test_what_is_not_used_stays_as_the_file_has_it(tmp_path: Path) -> None:
    text = "Line;# Letter;Cz/theta;Pz/alpha;version\n0;0;1,5;2;1.5\n"
    recording = read_any(write(tmp_path / "x.csv", text))
    assert json.loads(recording.rows[0])["version"] == "1.5"


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_a_duplicate_name_in_json_is_refused(tmp_path: Path, name: str) -> None:
    row = '{"label":0,"Cz/theta":1,"Cz/theta":9,"Pz/alpha":2}'
    text = f"[{row},{row}]" if name == "x.json" else f"{row}\n{row}\n"
    refused(write(tmp_path / name, text), "Cz/theta: duplicate column")


def test_a_duplicate_key_in_json_is_refused(tmp_path: Path) -> None:
    row = '{"label":0,"Cz/theta":1,"Pz/alpha":2}'
    refused(write(tmp_path / "x.json", f'{{"0":{row},"0":{row}}}'), "0: duplicate")


def test_a_duplicate_column_is_refused_in_every_format(tmp_path: Path) -> None:
    columns, values = ["label", "Cz/theta", "Pz/alpha", "Cz/theta"], [0, 1, 2, 5]
    frame = pd.DataFrame([values], columns=columns)
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    refused(tmp_path / "x.xlsx", "column Cz/theta: duplicate column")
    split = json.dumps({"columns": columns, "data": [values]})
    refused(write(tmp_path / "x.json", split), "column Cz/theta: duplicate column")


def test_two_spellings_of_a_feature_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "label,CZ/theta,cz/theta,Pz/alpha\n0,1,9,2\n")
    refused(path, "columns CZ/theta and cz/theta: both may be Cz/theta")


def test_the_named_label_column_may_be_in_other_case(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "stimulus,label,Cz/theta,Pz/alpha\n3,0,1,2\n")
    rows = read_rows(str(path), BY_STIMULUS)
    assert rows.labels is not None
    assert rows.labels.tolist() == [3]


def test_rows_without_numbers_are_counted_alike(tmp_path: Path) -> None:
    text = "# Letter,Cz/theta,Pz/alpha\n0,1,2\n\n1,3,4\n# a comment\n2,5,6\n"
    path = write(tmp_path / "x.csv", text)
    assert (
        [*read_any(path, SCHEMA).rows] == read_rows(str(path), SCHEMA).lines.tolist() == [0, 1, 2]
    )


@pytest.mark.parametrize("key", ["1.0", "1e2"])
def test_a_key_may_be_a_number_of_another_spelling(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "x.json", f'{{"{key}":{{"label":1,"Cz/theta":1,"Pz/alpha":2}}}}')
    assert read_rows(str(path), SCHEMA).lines.tolist() == [float(key)]


def test_a_row_longer_than_any_is_an_error(tmp_path: Path) -> None:
    rows = [{"label": 0, "Cz/theta": 1, "Pz/alpha": 2, "note": "x" * SLOT_BYTES}]
    path = write(tmp_path / "x.json", json.dumps(rows))
    with pytest.raises(RecordingError, match="row 0: longer than any row can be"):
        read_rows(str(path), SCHEMA)


def test_a_commented_first_name_is_one_of_csv_alone(tmp_path: Path) -> None:
    schema = Schema(other_features(["f1", "f2"]), Labels(LabelKind.NUMBERS, (0, 1)))
    path = write(tmp_path / "x.csv", "# f1,f2,label\n1,2,0\n")
    assert read_rows(str(path), schema).features.tolist() == [[1, 2]]
    frame = pd.DataFrame({"# Line": [0], "label": [0], "Cz/theta": [1.0], "Pz/alpha": [2.0]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert read_rows(str(tmp_path / "x.parquet"), SCHEMA).ignored == ("# Line",)


def test_half_of_a_pair_in_json_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", '[{"label":"\\ud800","Cz/theta":1,"Pz/alpha":2}]')
    with pytest.raises(RecordingError, match="not UTF-8 text"):
        read_any(path)


def test_damaged_parquet_is_an_error_in_training(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"label": [0] * 50, "Cz/theta": [1.0] * 50, "Pz/alpha": [2.0] * 50}).to_parquet(
        path
    )
    content = path.read_bytes()
    for place in range(0, len(content), 40):
        path.write_bytes(content[:place] + b"\xff" * 60 + content[place + 60 :])
        try:
            read_any(path)
        except RecordingError as error:
            assert str(error).startswith(str(path))  # noqa: PT017


LONG = 20_000


def test_lines_of_a_long_export_are_counted_right(tmp_path: Path) -> None:
    lines = ["Timestamp,POW.Cz.Theta,POW.Pz.Alpha,label", *(f"{n},1,2,0" for n in range(LONG))]
    lines.append("0,x,2,0")
    schema = read_any(write(tmp_path / "y.csv", "\n".join(lines[:3]))).schema
    refused(write(tmp_path / "x.csv", "\n".join(lines)), f"line {LONG + 2}, ", schema)


def test_two_label_columns_in_an_export_are_named(tmp_path: Path) -> None:
    text = "Timestamp,label,class,MarkerValueInt,POW.Cz.Theta\n1,0,0,2,1\n"
    refused(write(tmp_path / "x.csv", text), "line 1, columns label and class")


def test_a_named_column_is_no_marker(tmp_path: Path) -> None:
    text = "Stim,MarkerValueInt,POW.Cz.Theta,POW.Pz.Alpha\n1,,1,2\n2,,3,4\n1,5,5,6\n2,,5,6\n"
    recording = read_any(write(tmp_path / "x.csv", text), label="Stim")
    assert recording.labels.tolist() == [0, 1, 0, 1]


def test_a_slow_pipe_tells_what_a_file_tells() -> None:
    script = (
        "import sys\n"
        "from eeg_letters.recordings.reading import read_rows\n"
        "from tests.recordings.test_same_rows import SCHEMA\n"
        "print(read_rows('-', SCHEMA).lines.tolist())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        for byte in (HEADER + "3,0,1,2\n").encode("utf-16"):
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
        answer, _ = process.communicate()
    assert answer == b"[3]\n"


def test_a_nested_value_that_is_not_used_makes_no_document_of_lines(tmp_path: Path) -> None:
    row = '{"label":0,"Cz/theta":1,"Pz/alpha":2,"tags":["a"]}'
    path = write(tmp_path / "x.jsonl", f"{row}\n{row}\n")
    assert len(read_rows(str(path), SCHEMA)) == len(read_any(path, SCHEMA)) == 2
