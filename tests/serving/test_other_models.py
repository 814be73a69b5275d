"""Models of another headset and other classes: without stored rows, and their limits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eeg_letters.models import LDA, MLP
from eeg_letters.settings import SHIPPED
from tests.conftest import run_python, serve
from tests.headsets.conftest import TRAIN
from tests.headsets.trials import TRIALS, write
from tests.serving.test_starting import failing_start
from tests.shipped import FEATURES

TRIAL = TRIALS["Muse, event codes"]
# An answer of one model may have three rows, of both one.
MAX_CELLS = 9


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with models of four electrodes and three classes."""
    home = tmp_path_factory.mktemp("muse")
    train, test = (
        write(home / f"{session}.csv", TRIAL, number) for number, session in enumerate(("a", "b"))
    )
    run_python(home, TRAIN.format(train=str(train), test=str(test)))
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    """A client of a service of which no recording was asked."""
    with (
        serve(home, log=home / "log", EEG_MAX_CELLS=str(MAX_CELLS)) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("path", ["/line/0", "/prediction/0", "/score"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_stored_rows_they_are_not_found(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("The service has no stored rows")
    assert "EEG_TEST_DATA" in answer.json()["detail"]


def test_without_stored_rows_the_rest_answers(client: httpx.Client) -> None:
    assert client.get("/readyz").status_code == 200
    stored = client.get("/predictions").json()
    assert stored == {"lines": [], "truth": [], "labels": {}}
    rows = [[1.0] * len(TRIAL.features)]
    (answer,) = client.post("/predict", json={"rows": rows}).json()["predictions"]
    assert answer[LDA.title]["label"] in TRIAL.answers


def test_why_there_are_no_stored_rows_is_logged(client: httpx.Client, home: Path) -> None:
    assert client.get("/livez").status_code == 200
    entries = [json.loads(line) for line in (home / "log").read_text().splitlines()]
    (warning,) = [entry for entry in entries if "no stored rows" in entry["message"]]
    assert warning["level"] == "warning"
    assert f"{SHIPPED}, line " in warning["message"]
    assert f"column {TRIAL.features[0]}: the column is missing" in warning["message"]


def test_an_answer_has_a_limit_of_probabilities(client: httpx.Client) -> None:
    row = [1.0] * len(TRIAL.features)
    assert client.post("/predict", json={"rows": [row]}).status_code == 200
    refused = client.post("/predict", json={"rows": [row] * 2})
    assert refused.status_code == 413
    assert "more than 1 rows" in refused.json()["detail"]
    assert f"at most {MAX_CELLS} probabilities" in refused.json()["detail"]

    def infer(model: str, n_rows: int) -> int:
        data = row * n_rows
        tensor = {"name": "rows", "shape": [n_rows, len(row)], "datatype": "FP64", "data": data}
        return client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]}).status_code

    # One model has half the probabilities of both.
    assert [infer(LDA.name, number) for number in (3, 4)] == [200, 413]
    assert [infer("eeg-letters", number) for number in (1, 2)] == [200, 413]


def test_a_recording_that_is_named_must_fit(home: Path) -> None:
    sentence = failing_start(home, EEG_TEST_DATA=str(SHIPPED))
    assert f"column {TRIAL.features[0]}: the column is missing" in sentence


def test_models_of_different_recordings_do_not_start(
    home: Path, trained_home: Path, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    for source, model in ((home, LDA), (trained_home, MLP)):
        shutil.copytree(source / "models" / model.name, mixed / "models" / model.name)
    sentence = failing_start(mixed)
    assert "were trained on different recordings" in sentence
    assert f"column {FEATURES[0]} in place of {TRIAL.features[0]}" in sentence
