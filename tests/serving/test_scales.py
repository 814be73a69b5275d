"""Models that were trained on logarithms: every kind of row is read on their scale."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton

import eeg_letters
from eeg_letters.models import LDA, MODELS
from tests.conftest import ROOT, environment, run_python, serve
from tests.headsets.conftest import TRAIN

NAMES = [f"{band}_{place}" for place in ("TP9", "AF7", "AF8", "TP10") for band in ("Alpha", "Beta")]


def session(path: Path, seed: int) -> Path:
    """A recording as Mind Monitor writes it: markers, and logarithms in between."""
    centres = np.random.default_rng(0).normal(0, 0.7, (2, len(NAMES)))
    noise = np.random.default_rng(seed)
    lines = [f"TimeStamp,{','.join(NAMES)},Battery,Elements"]
    for number, name in enumerate(("left", "right")):
        lines.append(f"10:00,{',' * len(NAMES)},/Marker/{name}")
        for _ in range(20):
            values = centres[number] + noise.normal(0, 0.3, len(NAMES))
            lines.append(f"10:00,{','.join(f'{value:.6f}' for value in values)},90.0,")
        lines.append(f"10:00,{',' * len(NAMES)},/muse/elements/blink")
    path.write_text("\n".join(lines))
    return path


def values_of(path: Path) -> list[list[float]]:
    """Its rows as they are written."""
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    return [[float(cell) for cell in line[1:-2]] for line in lines if line[1]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("monitor")
    files = {"train": session(home / "a.csv", 1), "test": session(home / "b.csv", 2)}
    run_python(home, TRAIN.format(**{name: str(path) for name, path in files.items()}))
    return home


@pytest.fixture(scope="module")
def expected(home: Path) -> list[Any]:
    """Labels of the second session, by what training saved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        lda = eeg_letters.load(f"{LDA.name}:latest")
    labels: list[Any] = lda.predict(10 ** np.array(values_of(home / "b.csv"))).tolist()
    assert set(labels) == {"left", "right"}
    return labels


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    with (
        serve(home, log=home / "log", EEG_TEST_DATA=str(home / "b.csv")) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def test_a_frame_has_logarithms_and_an_array_powers(home: Path, expected: list[Any]) -> None:
    values = np.array(values_of(home / "b.csv"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        lda = eeg_letters.load(f"{LDA.name}:latest")
    frame = pd.DataFrame(values, columns=[name.upper() for name in NAMES])
    assert lda.predict(frame).tolist() == expected
    rows = eeg_letters.read(home / "b.csv", lda.schema)
    np.testing.assert_array_equal(lda.predict_proba(rows.features), lda.predict_proba(frame))
    frame.iloc[3, 0] = 400
    with pytest.raises(
        ValueError, match=rf"row 3, column {NAMES[0]}: 400\.0 is not a finite number"
    ):
        lda.predict(frame)


def labels_of(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [row[LDA.title]["label"] for row in answer.json()["predictions"]]


def test_rows_are_logarithms_in_every_form(
    client: httpx.Client, home: Path, expected: list[Any]
) -> None:
    values = values_of(home / "b.csv")
    by_name = [dict(zip(NAMES, row, strict=True)) for row in values]
    assert labels_of(client.post("/predict", json={"rows": values})) == expected
    assert labels_of(client.post("/predict", json={"rows": by_name})) == expected
    columns = {name: [row[name] for row in by_name] for name in NAMES}
    assert labels_of(client.post("/predict", json=columns)) == expected
    for model in client.get("/models").json():
        assert model["scale"] == "log10"


def test_an_export_has_its_labels_and_its_values_as_powers(
    client: httpx.Client, home: Path, expected: list[Any]
) -> None:
    answer = client.post(
        "/predict?values=true",
        content=(home / "b.csv").read_bytes(),
        headers={"Content-Type": "text/csv"},
    )
    assert labels_of(answer) == expected
    rows = answer.json()["predictions"]
    assert [row["label"] for row in rows] == ["left"] * 20 + ["right"] * 20
    powers = np.array([row["values"] for row in rows])
    np.testing.assert_allclose(powers, 10 ** np.array(values_of(home / "b.csv")), rtol=1e-14)
    assert "Mind Monitor export" in answer.headers["Read-As"]


def test_stored_rows_are_read_by_the_scale(client: httpx.Client, expected: list[Any]) -> None:
    predictions = client.get("/predictions").json()
    assert predictions["labels"][LDA.title] == expected
    assert client.get("/prediction/3").json()[f"prediction {LDA.title}"] == expected[3]


def test_the_protocol_takes_logarithms(
    client: httpx.Client, home: Path, expected: list[Any]
) -> None:
    values = np.array(values_of(home / "b.csv"))
    tensor = triton.InferInput("rows", list(values.shape), "FP64")
    tensor.set_data_from_numpy(values)
    with triton.InferenceServerClient(client.base_url.netloc.decode()) as server:
        labels = server.infer(LDA.name, [tensor]).as_numpy("label")
    assert [label.decode() for label in labels] == expected


def test_a_logarithm_of_no_power_is_refused(client: httpx.Client, home: Path) -> None:
    row = values_of(home / "b.csv")[0]
    row[1] = 400
    answer = client.post("/predict", json={"rows": [row]})
    assert answer.status_code == 422
    assert (
        answer.json()["detail"]
        == f"Row 0, feature {NAMES[1]}: 400.0 is too large for a band power."
    )


def test_batch_reads_the_export(home: Path, tmp_path: Path, expected: list[Any]) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "eeg_letters.batch", home / "b.csv", tmp_path / "out.csv"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(home),
    )
    assert finished.returncode == 0, finished.stderr
    header, *rows = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()]
    place = header.index(f"{LDA.title} label")
    assert [row[place] for row in rows] == expected
    assert "Accuracy over 40 rows" in finished.stdout
    assert all(f"{model.title} label" in header for model in MODELS)
