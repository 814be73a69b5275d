"""Stored rows of another recording can be sent as they are answered, whatever it has besides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eeg_letters.models import MODELS
from eeg_letters.settings import DATA
from tests.conftest import serve
from tests.shipped import FEATURES

LINES = range(400)


@pytest.fixture(scope="module")
def client(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service whose recording has other spellings, another label and a note."""
    recording = json.loads((DATA / "test.json").read_text())
    rows = {}
    for line in LINES:
        row = recording[str(line)]
        features = {name.upper(): row[name] for name in FEATURES}
        rows[str(line)] = {"Note": "]}, {:", "label": row["# Letter"], **features, "Run": 1}
    path = tmp_path_factory.mktemp("stored") / "test.json"
    path.write_text(json.dumps(rows))
    with (
        serve(trained_home, EEG_TEST_DATA=str(path)) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("lines", [[3], LINES], ids=["one", "many"])
def test_rows_with_other_columns_are_predicted(client: httpx.Client, lines: list[int]) -> None:
    rows = [client.get(f"/line/{line}").json() for line in lines]
    assert {"Note", "label", "Run", FEATURES[0].upper()} <= rows[0].keys()
    answers = client.post("/predict", json={"rows": rows}).json()["predictions"]
    for line, answer in zip(lines, answers, strict=True):
        stored = client.get(f"/prediction/{line}").json()
        assert {f"prediction {m.title}": answer[m.title]["label"] for m in MODELS} == stored


def test_a_feature_in_two_spellings_is_refused(client: httpx.Client) -> None:
    row = client.get("/line/3").json()
    del row[FEATURES[5].upper()]
    refused = client.post("/predict", json={"rows": [row]})
    assert refused.status_code == 422
    assert f"no feature {FEATURES[5]}" in refused.json()["detail"]
    row |= {FEATURES[5]: 1, FEATURES[5].upper(): 1}
    refused = client.post("/predict", json={"rows": [row]})
    assert refused.status_code == 422
    assert "a feature twice" in refused.json()["detail"]


def test_another_name_is_refused(client: httpx.Client) -> None:
    row = {**client.get("/line/3").json(), "note": 1}
    refused = client.post("/predict", json={"rows": [row]})
    assert refused.status_code == 422
    assert 'no feature "note"' in refused.json()["detail"]
