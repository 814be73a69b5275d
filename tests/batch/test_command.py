"""`python -m eeg_letters.batch` as its user runs it."""

from __future__ import annotations

import csv
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import psutil
import pytest
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import read_parquet, write_parquet

from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import SCORER_FILE
from eeg_letters.settings import DATA
from tests.conftest import ROOT, environment, latest_entry
from tests.scoring.test_hostile_stores import without_familiarity
from tests.shipped import COLUMNS, FEATURES, LETTERS

SECONDS = 60
Row = dict[str, Any]
SCALE = " (train.py --scale takes logarithms)"


def command(source: str | Path, target: str | Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "eeg_letters.batch", str(source), str(target), *options]


def run(
    home: Path, source: str | Path, target: str | Path, *options: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(source, target, *options),
        cwd=ROOT,
        env=environment(home),
        input=stdin,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


def succeed(home: Path, source: str | Path, target: str | Path, *options: str, **more: Any) -> str:
    """What a run prints that must end well."""
    finished = run(home, source, target, *options, **more)
    assert finished.returncode == 0, finished.stderr.decode()
    assert finished.stderr == b""  # No progress bar where there is no terminal.
    return finished.stdout.decode()


def complaint(finished: subprocess.CompletedProcess[bytes], status: int = 2) -> str:
    """The one sentence of a run that must fail."""
    assert finished.returncode == status, finished.stderr.decode()
    (sentence,) = finished.stderr.decode().splitlines()
    assert sentence.startswith("eeg_letters.batch: ")
    return sentence


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Every 13th row of the simulated training recording."""
    with (DATA / "train.csv").open(newline="") as file:
        header, *everything = csv.reader(file)
    names = [name.strip() for name in header]
    return [
        {
            name: int(value) if name in COLUMNS[:2] else float(value)
            for name, value in zip(names, row, strict=True)
        }
        for row in everything[::13]
    ]


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_lines(path: Path, rows: Sequence[Row]) -> Path:
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    types = {int: DataType.int64(), float: DataType.float64(), str: DataType.string()}
    fields = [Field(name, types[type(value)]) for name, value in rows[0].items()]
    arrays = [Array([row[field.name] for row in rows], field.type) for field in fields]
    write_parquet(RecordBatch.from_arrays(arrays, schema=Schema(fields)), path)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_table}


def read(path: Path) -> list[Row]:
    """The rows of an output."""
    if path.suffix == ".parquet":
        table = read_parquet(path).read_all()
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_rejects(output: Path) -> list[Row]:
    lines = Path(f"{output}.rejects").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def scorers(home: Path) -> dict[str, Scorer]:
    return {
        model.title: Scorer.load((latest_entry(home, model) / SCORER_FILE).read_bytes())
        for model in MODELS
    }


def band_powers(rows: Sequence[Row]) -> np.ndarray[Any, Any]:
    return np.array([[row[name] for name in FEATURES] for row in rows], np.float64)


def assert_predicted(home: Path, rows: Sequence[Row], predicted: Sequence[Row]) -> None:
    """Labels, letters and probabilities are the scorer's."""
    for title, scorer in scorers(home).items():
        labels = scorer.predict(band_powers(rows))
        assert [int(row[f"{title} label"]) for row in predicted] == labels.tolist()
        assert [row[f"{title} letter"] for row in predicted] == [LETTERS[i] for i in labels]
        top = [float(row[f"{title} probability"]) for row in predicted]
        np.testing.assert_allclose(
            top, scorer.predict_proba(band_powers(rows)).max(axis=1), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("target", ["csv", "parquet"])
@pytest.mark.parametrize("source", WRITERS)
def test_every_format_gives_the_scorers_answers_in_the_order_of_the_rows(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str, target: str
) -> None:
    path = WRITERS[source](tmp_path / f"in.{source}", rows)
    output = tmp_path / f"out.{target}"
    printed = succeed(trained_home, path, output)
    predicted = read(output)
    assert_predicted(trained_home, rows, predicted)
    assert [int(row["Line"]) for row in predicted] == [row["Line"] for row in rows]
    assert [int(row["# Letter"]) for row in predicted] == [row["# Letter"] for row in rows]
    assert [row["Letter"] for row in predicted] == [LETTERS[row["# Letter"]] for row in rows]
    truth = np.array([row["# Letter"] for row in rows])
    shares = [
        f"{title} {np.mean(scorer.predict(band_powers(rows)) == truth):.4f}"
        for title, scorer in scorers(trained_home).items()
    ]
    assert printed.splitlines() == [
        f"{output}: 100 rows",
        f"Accuracy over 100 rows: {', '.join(shares)}",
    ]


def test_the_answers_are_those_of_the_service(
    trained_home: Path, tmp_path: Path, rows: list[Row], client: httpx.Client
) -> None:
    output = tmp_path / "out.parquet"
    source = write_csv(tmp_path / "in.csv", rows)
    succeed(trained_home, source, output, "--probabilities", "--familiar")
    body = {"rows": [[row[name] for name in FEATURES] for row in rows]}
    answers = client.post("/predict", json=body).json()["predictions"]
    for row, answer in zip(read(output), answers, strict=True):
        assert row["Familiar"] is answer.pop("familiar")
        for title, model in answer.items():
            assert row[f"{title} label"] == model["label"]
            assert row[f"{title} letter"] == model["letter"]
            every = [row[f"{title} {letter}"] for letter in LETTERS]
            np.testing.assert_allclose(every, model["probabilities"], rtol=0, atol=1e-12)
            assert row[f"{title} probability"] == pytest.approx(max(every), abs=1e-15)


@pytest.mark.parametrize("target", ["csv", "parquet"])
@pytest.mark.parametrize("source", WRITERS)
def test_rows_unlike_the_training_are_told_where_asked(
    trained_home: Path,
    tmp_path: Path,
    rows: list[Row],
    client: httpx.Client,
    source: str,
    target: str,
) -> None:
    # Of another unit, the last ones.
    changed = [
        {**row, **({name: 1e6 * row[name] for name in FEATURES} if place >= 95 else {})}
        for place, row in enumerate(rows)
    ]
    changed = [{**row, "subject": "S1"} for row in changed * 7]
    path, output = WRITERS[source](tmp_path / "in", changed), tmp_path / f"out.{target}"
    printed = succeed(trained_home, path, output, "--familiar", "--keep", "subject")
    predicted = read(output)
    assert [*predicted[0]][-2:] == ["Familiar", "subject"]
    found = [row["Familiar"] in (True, "true") for row in predicted]
    assert {row["Familiar"] for row in predicted} == (
        {"true", "false"} if target == "csv" else {True, False}
    )
    body = {"rows": band_powers(changed).tolist()}
    answers = client.post("/predict", json=body).json()["predictions"]
    assert found == [answer["familiar"] for answer in answers]
    unlike = found.count(False)
    assert not any(found[95:100])
    assert printed.splitlines()[-1] == (
        f"{unlike} of 700 rows ({unlike / 7:.1f} %) are far from every class of the training"
    )
    succeed(trained_home, path, tmp_path / f"without.{target}", "--keep", "subject")
    without = read(tmp_path / f"without.{target}")
    assert without == [
        {name: value for name, value in row.items() if name != "Familiar"} for row in predicted
    ]


def test_models_that_cannot_tell_end_it_with_one_sentence(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    shutil.copytree(trained_home / "models", tmp_path / "models")
    for model in MODELS:
        without_familiarity(latest_entry(tmp_path, model))
    path = write_csv(tmp_path / "in.csv", rows)
    finished = run(tmp_path, path, tmp_path / "out.csv", "--familiar")
    assert "--familiar: model eeg-lda:" in complaint(finished)
    assert "cannot tell which rows are like those of its training" in complaint(finished)
    assert not (tmp_path / "out.csv").exists()
    assert "unlike" not in succeed(tmp_path, path, tmp_path / "out.csv")


@pytest.mark.parametrize("source", WRITERS)
def test_columns_are_found_by_name_and_extra_ones_are_kept_where_asked(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    subjects = [f"S{number}, the {'second' if number % 2 else 'first'}" for number in range(100)]
    changed = [
        {"note": "x", **{f" {name} ": row[name] for name in reversed(COLUMNS)}, "subject": subject}
        for row, subject in zip(rows, subjects, strict=True)
    ]
    output = tmp_path / "out.csv"
    path = WRITERS[source](tmp_path / "in", changed)
    succeed(trained_home, path, output, "--keep", "subject")
    predicted = read(output)
    assert_predicted(trained_home, rows, predicted)
    assert [row["subject"] for row in predicted] == subjects
    assert "note" not in predicted[0]


@pytest.mark.parametrize("source", WRITERS)
def test_without_letters_and_lines_rows_are_numbered_and_nothing_is_said_of_accuracy(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    # More than one chunk.
    bare = [{name: row[name] for name in FEATURES} for row in rows] * 90
    output = tmp_path / "out.csv"
    printed = succeed(trained_home, WRITERS[source](tmp_path / "in", bare), output)
    assert printed == f"{output}: 9000 rows\n"
    predicted = read(output)
    assert set(predicted[0]) == {
        "Line",
        *(f"{m.title} {what}" for m in MODELS for what in ("label", "letter", "probability")),
    }
    assert [int(row["Line"]) for row in predicted] == list(range(9000))
    assert_predicted(trained_home, bare, predicted)


# By format: column, value, what is said of it.
BAD: dict[str, list[tuple[str, Any, str]]] = {
    "csv": [
        ("O1/alpha", "abc", "'abc' is not a number"),
        ("O1/alpha", "", "the value is missing"),
        ("O1/alpha", "nan", "'nan' is not a finite number"),
        ("O1/alpha", "-inf", "'-inf' is not a finite number"),
        ("O1/alpha", -0.5, "'-0.5' is negative; a band power is 0 or more" + SCALE),
        ("O1/alpha", "1_0", "'1_0' is not a number"),
        ("# Letter", 26, "26 is not a letter (0 is A, 25 is Z)"),
        ("# Letter", 1.5, "'1.5' is neither a whole number nor text"),
        ("Line", -7, "'-7' is not a whole number"),
    ],
    "jsonl": [
        ("O1/alpha", "abc", "'abc' is not a number"),
        ("O1/alpha", None, "the value is missing"),
        ("O1/alpha", True, "True is not a number"),
        ("O1/alpha", -0.5, "-0.5 is negative; a band power is 0 or more" + SCALE),
        ("# Letter", 26, "26 is not a letter (0 is A, 25 is Z)"),
        ("Line", -7, "-7 is not a whole number"),
    ],
    "parquet": [
        ("O1/alpha", None, "the value is missing"),
        ("O1/alpha", float("nan"), "the value is missing"),
        ("O1/alpha", float("inf"), "inf is not a finite number"),
        ("O1/alpha", -0.5, "-0.5 is negative; a band power is 0 or more" + SCALE),
        ("# Letter", 26, "26 is not a letter (0 is A, 25 is Z)"),
        ("Line", -7, "-7 is not a whole number"),
    ],
}
# The first row as the format counts: lines from 1, with a header or without; rows from 0.
FIRST = {"csv": ("line", 2), "jsonl": ("line", 1), "parquet": ("row", 0)}


@pytest.mark.parametrize("source", WRITERS)
def test_a_bad_row_stops_it_with_file_line_and_column_and_leaves_nothing(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    column, value, reason = BAD[source][0]
    changed = [{**row, column: value} if 50 <= n < 60 else row for n, row in enumerate(rows)]
    path = WRITERS[source](tmp_path / "in", changed)
    finished = run(trained_home, path, tmp_path / "out.csv")
    kind, first = FIRST[source]
    where = f"{path}, {kind} {first + 50}, column {column}"
    assert complaint(finished) == f"eeg_letters.batch: {where}: {reason}"
    assert finished.stdout == b""
    assert [item.name for item in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("source", WRITERS)
def test_each_bad_row_is_shown_with_its_reason(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    # Neighbours, and far apart.
    bad = {7 * number + number % 2: case for number, case in enumerate(BAD[source], 1)}
    changed = [
        {**row, bad[number][0]: bad[number][1]} if number in bad else row
        for number, row in enumerate(rows)
    ]
    path, output = WRITERS[source](tmp_path / "in", changed), tmp_path / "out.csv"
    succeed(trained_home, path, output, "--on-error", "skip")
    kind, first = FIRST[source]
    assert [(reject["where"], reject["reason"]) for reject in read_rejects(output)] == [
        (f"{path}, {kind} {first + number}", f"column {column}: {reason}")
        for number, (column, _, reason) in bad.items()
    ]
    good = [row for number, row in enumerate(rows) if number not in bad]
    assert_predicted(trained_home, good, read(output))


def test_lines_of_the_wrong_width_are_reported(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    bad = {
        "1,2,3": "column Cz/alpha: the line ends after 3 of 162 values; is the file truncated?",
        ",".join(["1"] * 163): "163 values for 162 columns",
        ",".join(['"1'] + ["1"] * 161): "not CSV: unexpected end of data",
    }
    path, output = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    lines = path.read_text().splitlines()
    path.write_text("\r\n".join([*lines[:31], "", *bad, *lines[31:]]))
    succeed(trained_home, path, output, "--on-error", "skip")
    assert [(reject["where"], reject["reason"]) for reject in read_rejects(output)] == [
        (f"{path}, line {33 + number}", reason) for number, reason in enumerate(bad.values())
    ]
    assert [reject["content"] for reject in read_rejects(output)] == list(bad)
    assert_predicted(trained_home, rows, read(output))


@pytest.mark.parametrize("source", WRITERS)
def test_bad_rows_can_be_skipped_with_their_reasons(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    many = rows * 90
    bad = {7: "O1/alpha", 4500: "Line", 8999: "Fp2/gamma"}
    value = "" if source == "csv" else None
    changed = [
        {**row, bad[number]: value} if number in bad else row for number, row in enumerate(many)
    ]
    output = tmp_path / "out.csv"
    path = WRITERS[source](tmp_path / "in", changed)
    printed = succeed(trained_home, path, output, "--on-error", "skip")
    assert printed.splitlines()[:2] == [
        f"{output}: 8997 rows",
        f"{output}.rejects: 3 rows could not be read",
    ]
    good = [row for number, row in enumerate(many) if number not in bad]
    assert_predicted(trained_home, good, read(output))
    rejects = read_rejects(output)
    kind, first = FIRST[source]
    assert [(reject["where"], reject["reason"]) for reject in rejects] == [
        (
            f"{path}, {kind} {number + first}",
            f"column {column}: the value is missing",
        )
        for number, column in bad.items()
    ]
    if source == "parquet":
        assert rejects[0]["content"] == changed[7]
    else:
        assert rejects[0]["content"] == path.read_text().splitlines()[7 + first - 1]
    # The next run has no bad row, so no file of them is left either.
    succeed(trained_home, WRITERS[source](path, many), output, "--on-error", "skip")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in", "out.csv"]


def test_text_among_numbers_costs_its_own_rows_only(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    changed = [
        {**row, "O1/alpha": "?", "Cz/theta": f" {row['Cz/theta']} "} if number % 9 == 4 else row
        for number, row in enumerate(rows)
    ]
    changed[8] = {**rows[8], "Cz/theta": f" {rows[8]['Cz/theta']} "}
    output = tmp_path / "out.csv"
    path = write_csv(tmp_path / "in.csv", changed)
    succeed(trained_home, path, output, "--on-error", "skip")
    good = [row for number, row in enumerate(rows) if number % 9 != 4]
    assert_predicted(trained_home, good, read(output))


def test_when_every_row_is_bad_it_fails_and_says_why_in_the_rejects(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    changed = [{**row, "O1/alpha": "?"} for row in rows]
    path = write_csv(tmp_path / "in.csv", changed)
    said = complaint(run(trained_home, path, tmp_path / "out.csv", "--on-error", "skip"))
    assert "none of 100 rows could be read" in said
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.csv", "out.csv.rejects"]
    assert len((tmp_path / "out.csv.rejects").read_bytes().splitlines()) == 100


@pytest.mark.parametrize("source", WRITERS)
def test_a_missing_column_is_named(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    changed = [{name: row[name] for name in row if name != "Oz/betaH"} for row in rows]
    path = WRITERS[source](tmp_path / "in", changed)
    said = complaint(run(trained_home, path, tmp_path / "out.csv", "--on-error", "skip"))
    assert str(path) in said
    assert said.endswith("column Oz/betaH: the column is missing")
    assert [item.name for item in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "the file is empty"),
        (b"PAR1 and no footer at all", "not Parquet, or truncated"),
        (b"PAR1", "not Parquet, or truncated"),
        (b"PAR1 and a footer that is longer than the file \xff\xff\0\0PAR1", "or truncated"),
        (b'{"0": {"Line": "0"}}', "column Cz/theta: the column is missing"),
        (",".join(COLUMNS).encode(), "there are no rows"),
        (",".join(COLUMNS).encode() + b",Cz/theta\n", "column Cz/theta: duplicate column"),
        (b"\xff\xfa\n", "not UTF-8"),
    ],
    ids=["empty", "footer", "magic", "length", "object", "header", "twice", "binary"],
)
def test_a_file_that_is_no_table_ends_in_one_sentence(
    trained_home: Path, tmp_path: Path, content: bytes, fragment: str
) -> None:
    path = tmp_path / "in"
    path.write_bytes(content)
    finished = run(trained_home, path, tmp_path / "out.csv")
    sentence = complaint(finished)
    assert sentence.startswith(f"eeg_letters.batch: {path}")
    assert fragment in sentence
    assert [item.name for item in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("source", "target", "options", "fragment"),
    [
        ("nowhere.csv", "out.csv", [], "nowhere.csv: there is no such file"),
        ("*.nothing", "out.csv", [], "*.nothing: there is no such file"),
        (".", "out.csv", [], ".: cannot be read: Is a directory"),
        ("in.csv", "out.txt", [], "out.txt: an output ends in .csv or .parquet"),
        ("in.csv", "in.csv", [], "in.csv: the output is one of the inputs"),
        ("in.csv", "no/where/out.csv", [], "cannot be written: No such file or directory"),
        ("in.csv", "out.csv", ["--keep", "Line"], "--keep Line: only columns that are not"),
        ("kept.csv", "out.csv", ["--keep", "LDA label"], "--keep LDA label: the output has a"),
        ("in.csv", "out.csv", ["--keep", "age"], "in.csv, line 1, column age: the column is"),
        ("in.csv", "out.csv", ["--shard", "0/2"], "give its name a *"),
        ("-", "*.csv", [], "standard input has no name"),
        ("i[n].*", "*.parquet", [], "have one output, in.parquet"),
    ],
)
def test_a_mistake_on_the_command_line_ends_in_one_sentence(
    trained_home: Path,
    tmp_path: Path,
    rows: list[Row],
    source: str,
    target: str,
    options: list[str],
    fragment: str,
) -> None:
    write_csv(tmp_path / "in.csv", rows[:2])
    write_csv(tmp_path / "in.txt", rows[:2])
    write_csv(tmp_path / "kept.csv", [{**row, "LDA label": "x"} for row in rows[:2]])
    before = sorted(tmp_path.iterdir())
    finished = subprocess.run(
        command(source, target, *options),
        cwd=tmp_path,
        env=environment(trained_home, PYTHONPATH=str(ROOT)),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert fragment in complaint(finished, 1 if "no/where" in target else 2)
    assert sorted(tmp_path.iterdir()) == before


def test_a_store_without_models_ends_in_one_sentence(tmp_path: Path, rows: list[Row]) -> None:
    path = write_csv(tmp_path / "in.csv", rows[:2])
    assert "make train" in complaint(run(tmp_path, path, tmp_path / "out.csv"))
    assert not (tmp_path / "out.csv").exists()


def test_a_store_that_cannot_be_made_ends_in_one_sentence(tmp_path: Path, rows: list[Row]) -> None:
    path = write_csv(tmp_path / "in.csv", rows[:2])
    assert "BENTOML_HOME" in complaint(run(path / "home", path, tmp_path / "out.csv"))


@pytest.mark.parametrize("shard", ["3/3", "1", "-1/3", "a/b"])
def test_a_shard_that_cannot_be_ends_with_the_usage(tmp_path: Path, shard: str) -> None:
    finished = run(tmp_path, "in.csv", "*.csv", f"--shard={shard}")
    assert finished.returncode == 2
    assert f"{shard} is not an index below a count, such as 0/3" in finished.stderr.decode()


@pytest.mark.parametrize("source", ["csv", "jsonl"])
def test_text_comes_from_standard_input_too(
    trained_home: Path, tmp_path: Path, rows: list[Row], source: str
) -> None:
    text = WRITERS[source](tmp_path / "in", rows).read_bytes()
    output = tmp_path / "out.csv"
    succeed(trained_home, "-", output, stdin=text)
    assert_predicted(trained_home, rows, read(output))


def test_a_pattern_of_files_gives_one_output_that_names_them(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    paths = [write_csv(tmp_path / "b.csv", rows[40:]), write_table(tmp_path / "a.pq", rows[:40])]
    output = tmp_path / "out.parquet"
    succeed(trained_home, tmp_path / "[ab].*", output)
    predicted = read(output)
    assert [row["File"] for row in predicted] == [str(paths[1])] * 40 + [str(paths[0])] * 60
    assert_predicted(trained_home, rows, predicted)


def test_files_of_one_output_must_be_alike(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    write_csv(tmp_path / "a.csv", rows)
    write_csv(tmp_path / "b.csv", [{name: row[name] for name in FEATURES} for row in rows])
    said = complaint(run(trained_home, tmp_path / "?.csv", tmp_path / "out.csv"))
    assert f"{tmp_path / 'b.csv'}, column # Letter" in said
    assert not (tmp_path / "out.csv").exists()


def test_each_file_belongs_to_exactly_one_shard(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    parts = {f"part{number}": rows[number * 10 :][:10] for number in range(7)}
    for name, part in parts.items():
        write_csv(tmp_path / f"{name}.csv", part)
    source, target = tmp_path / "part?.csv", tmp_path / "predicted" / "*.parquet"
    done: set[str] = set()
    for shard in ("0/3", "1/3", "2/3"):
        succeed(trained_home, source, target, "--shard", shard)
        now = {path.stem for path in target.parent.iterdir()}
        assert len(now - done) in (2, 3)
        done = now
    assert done == set(parts)
    for name, part in parts.items():
        assert_predicted(trained_home, part, read(target.with_name(f"{name}.parquet")))
    # Tried again, a shard does what is missing and no more.
    times = {path: path.stat().st_mtime_ns for path in target.parent.iterdir()}
    missing = target.with_name("part4.parquet")
    missing.unlink()
    succeed(trained_home, source, target, "--shard", "1/3")
    now_times = {path: path.stat().st_mtime_ns for path in target.parent.iterdir()}
    assert {path for path in times if times[path] != now_times[path]} == {missing}


def test_a_bad_file_does_not_keep_the_others_from_being_done(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    write_csv(tmp_path / "a.csv", [*rows[:50], {**rows[50], "O1/alpha": "?"}])
    write_csv(tmp_path / "b.csv", rows)
    finished = run(trained_home, tmp_path / "?.csv", tmp_path / "*.parquet")
    assert "a.csv, line 52, column O1/alpha: '?' is not a number" in complaint(finished)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "b.csv", "b.parquet"]


@contextmanager
def half_way(home: Path, output: Path, rows: Sequence[Row]) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has begun to write and waits for more of standard input."""
    process = subprocess.Popen(
        command("-", output, "--on-error", "skip"),
        cwd=ROOT,
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        bad = orjson.dumps({**rows[0], "O1/alpha": None}) + b"\n"
        deadline = time.monotonic() + SECONDS
        # The file of bad rows is there once the first chunk was answered.
        while not any(".rejects." in path.name for path in output.parent.iterdir()):
            assert time.monotonic() < deadline
            process.stdin.write(lines + bad)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(
    trained_home: Path, tmp_path: Path, rows: list[Row], number: signal.Signals
) -> None:
    with half_way(trained_home, tmp_path / "out.parquet", rows) as process:
        # Ctrl-C reaches all processes of a terminal.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert errors.decode() == "eeg_letters.batch: interrupted, nothing unfinished is left\n"
    assert list(tmp_path.iterdir()) == []


def test_without_a_worker_it_ends_and_leaves_nothing(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    with half_way(trained_home, tmp_path / "out.parquet", rows) as process:
        psutil.Process(process.pid).children()[0].kill()
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    lost = "standard input: a worker process was killed; is memory short?"
    assert errors.decode() == f"eeg_letters.batch: {lost}\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_behind_is_removed(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    output = tmp_path / "out.parquet"
    with half_way(trained_home, output, rows) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2
    source = tmp_path.parent / f"{tmp_path.name}.csv"
    # Bad rows, so that both files are made again.
    write_csv(source, [*rows[:50], {**rows[50], "O1/alpha": "?"}])
    succeed(trained_home, source, output, "--on-error", "skip")
    assert {path.name for path in tmp_path.iterdir()} == {"out.parquet", "out.parquet.rejects"}


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of 20,000 and 80,000 rows, each in one row group."""
    recording = read_recording(DATA / "train.csv")
    generator = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("big")
    schema = Schema([Field(name, DataType.float64()) for name in FEATURES])

    def batches(count: int) -> Iterator[RecordBatch]:
        for _ in range(count):
            jitter = generator.normal(1, 0.01, (1000, len(FEATURES)))
            powers = recording.features[:1000] * jitter
            columns = [Array.from_numpy(np.ascontiguousarray(column)) for column in powers.T]
            yield RecordBatch.from_arrays(columns, schema=schema)

    for thousands in (20, 80):
        reader = RecordBatchReader.from_batches(schema, batches(thousands))
        write_parquet(reader, folder / f"{thousands}.parquet", dictionary_enabled=False)
    return folder


def peak_megabytes(home: Path, source: Path, target: Path) -> float:
    """The most that a process of a run had resident."""
    # By a small process: a child's peak counts what its parent had when it was started.
    script = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, *command(source, target)],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=True,
    )
    return int(finished.stdout) / 1024


def test_memory_does_not_grow_with_the_file(trained_home: Path, tmp_path: Path, big: Path) -> None:
    few, many = (
        peak_megabytes(trained_home, big / f"{thousands}.parquet", tmp_path / "out.parquet")
        for thousands in (20, 80)
    )
    # 60,000 rows are 77 MB as they are read.
    assert many < few + 25


def test_a_terminal_shows_progress_and_its_rate(
    trained_home: Path, tmp_path: Path, big: Path
) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        command(big / "80.parquet", tmp_path / "out.parquet"),
        cwd=ROOT,
        env=environment(trained_home, TERM="xterm", COLUMNS="120"),
        stdout=subprocess.DEVNULL,
        stderr=child,
    )
    os.close(child)
    seen = b""
    while True:
        try:
            seen += os.read(parent, 65536)
        except OSError:  # The other end is closed.
            break
    os.close(parent)
    assert process.wait(SECONDS) == 0
    assert b"rows/s" in seen
    assert b"\x1b[?25h" in seen  # The cursor is back.
