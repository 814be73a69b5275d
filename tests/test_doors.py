"""Every file that people have, through every door: the same rows, labels and probabilities."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import eeg_letters
from eeg_letters.models import LDA, MODELS
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from tests.conftest import ROOT, environment, run_train, stored_metadata
from tests.shipped import SCHEMA
from tests.spellings import binary, compressed, documents, shipped_rows, texts

COLUMNS, ROWS = shipped_rows()
TEXTS, COMPRESSED = texts(COLUMNS, ROWS), compressed(COLUMNS, ROWS)
DOCUMENTS, BINARY = documents(COLUMNS, ROWS), binary(COLUMNS, ROWS)
FILES = {**TEXTS, **COMPRESSED, **DOCUMENTS, **BINARY}
# What stands for no letter by its name, or is a class by another.
NOT_LETTERS = {"label.csv"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doors")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@contextmanager
def store_of(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        yield


def same(recording: Recording, expected: Recording) -> None:
    np.testing.assert_array_equal(recording.features, expected.features)
    np.testing.assert_array_equal(recording.labels, expected.labels)
    assert list(recording.rows) == list(expected.rows)


@pytest.mark.parametrize("name", FILES)
def test_training_reads_each_as_the_plain_one(folder: Path, name: str) -> None:
    expected = read_any(folder / "plain.csv")
    found = read_any(folder / name)
    if name != "other order.csv":
        same(found, expected)
    if name not in NOT_LETTERS:
        assert found.schema.labels == expected.schema.labels
    assert len(found.schema.features) == len(expected.schema.features)
    same(read_any(folder / name, SCHEMA), expected)


@pytest.mark.parametrize("name", FILES)
def test_a_notebook_gets_the_same_rows(folder: Path, trained_home: Path, name: str) -> None:
    with store_of(trained_home):
        lda = eeg_letters.load(f"{LDA.name}:latest")
    expected = eeg_letters.read(folder / "plain.csv", lda.schema)
    found = eeg_letters.read(folder / name, lda.schema)
    np.testing.assert_array_equal(found.features, expected.features)
    np.testing.assert_array_equal(found.lines, expected.lines)
    assert found.labels is not None
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(
        lda.predict_proba(found.features), lda.predict_proba(expected.features)
    )


def test_batch_predicts_the_same_of_each(trained_home: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number, content in enumerate(FILES.values()):
        (source / f"{number}.x").write_bytes(content)
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "eeg_letters.batch", "--probabilities"),
            *(f"{source}/*", f"{tmp_path}/*.csv"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(trained_home),
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    read = [(tmp_path / f"{number}.csv").read_text() for number in range(len(FILES))]
    different = [name for name, text in zip(FILES, read, strict=True) if text != read[0]]
    assert different == []
    assert len(list(csv.reader(read[0].splitlines()))) == 1 + len(ROWS)


def test_training_on_other_spellings_gives_the_same_models(folder: Path, tmp_path: Path) -> None:
    plain = train(tmp_path / "plain", folder / "plain.csv", folder / "plain.csv")
    train_file, test_file = "semicolons and decimal commas.csv", "pandas.feather"
    assert train(tmp_path / "other", folder / train_file, folder / test_file) == plain


def train(folder: Path, train_file: Path, test_file: Path) -> list[dict[str, Any]]:
    """What `/models` would tell of both models, without where they came from."""
    finished = run_train(
        folder,
        *("--train", train_file, "--test", test_file),
        *("--preprocessing", "log1p", "--reports", folder / "reports"),
    )
    assert finished.returncode == 0, finished.stderr
    told = [stored_metadata(folder, model) for model in MODELS]
    return [{name: one[name] for name in ("accuracy", "calibration_error")} for one in told]


MEDIA = {".csv": "text/csv", ".tsv": "text/csv", ".jsonl": "application/x-ndjson"}
BY_HTTP = [*TEXTS, *DOCUMENTS, "gzip.csv.gz", "gzip of UTF-16.csv.gz"]


@pytest.mark.parametrize("name", BY_HTTP)
def test_the_service_answers_each_with_the_same_bytes(client: httpx.Client, name: str) -> None:
    expected = client.post("/predict", json={"rows": [row[2:] for row in ROWS]})
    assert expected.status_code == 200
    plain = name.removesuffix(".gz")
    headers = {"Content-Type": MEDIA.get(Path(plain).suffix, "application/json")}
    if plain != name:
        headers["Content-Encoding"] = "gzip"
    answer = client.post("/predict", content=FILES[name], headers=headers)
    assert answer.content == expected.content
    told = client.post("/predict?values=true", content=FILES[name], headers=headers).json()
    rows = told["predictions"]
    assert [row["values"] for row in rows] == [row[2:] for row in ROWS]
    # A list of rows without names has neither.
    assert [row["label"] for row in rows] == [row[1] for row in ROWS]
    if name != "no line numbers.csv":
        assert [row["line"] for row in rows] == [row[0] for row in ROWS]


@pytest.mark.parametrize("name", [*BINARY, "bzip2.csv.bz2"])
def test_what_the_service_does_not_take_is_refused(client: httpx.Client, name: str) -> None:
    for kind in ("application/octet-stream", "text/csv"):
        headers = {"Content-Type": kind}
        answer = client.post("/predict", content=FILES[name], headers=headers)
        assert answer.status_code in (400, 415, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/readyz").status_code == 200
