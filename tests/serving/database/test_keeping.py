"""What is answered is kept as it was answered."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, insert, select

from eeg_letters.database.answered import from_bytes
from eeg_letters.database.tables import predictions, served
from eeg_letters.models import LDA, MLP
from tests.conftest import samples, serve_process
from tests.shipped import SCHEMA

FEATURES = SCHEMA.features.names
JSON = {"content-type": "application/json"}
KEPT = {"EEG_KEEP_PREDICTIONS": "true"}


def some_rows(number: int) -> list[list[float]]:
    """Rows that differ, with digits enough to tell float64 from float32."""
    values = np.random.default_rng(number).uniform(0.1, 100, (number, len(FEATURES)))
    rows: list[list[float]] = values.tolist()
    return rows


@dataclass(frozen=True)
class Kept:
    """A service that keeps what it answers, and its database."""

    client: httpx.Client
    engine: Engine

    def rows(self, response: httpx.Response) -> Sequence[Mapping[str, Any]]:
        """What is kept of a request, once it is written."""
        identity = response.headers["x-request-id"]
        wanted = (
            select(predictions)
            .where(predictions.c.request_id == identity)
            .order_by(predictions.c.row)
        )
        self.settle()
        with self.engine.connect() as connection:
            return [dict(found) for found in connection.execute(wanted).mappings()]

    def settle(self) -> None:
        """Wait until all is written."""
        deadline = time.monotonic() + 30
        while samples(self.client)["eeg_database_rows_waiting", frozenset()]:
            assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return KEPT


@pytest.fixture(scope="module")
def kept(client: httpx.Client, engine: Engine) -> Kept:
    return Kept(client, engine)


def assert_kept(
    found: Sequence[Mapping[str, Any]],
    answered: Sequence[Mapping[str, Any]],
    rows: Sequence[Sequence[float]] | None,
) -> None:
    assert [each["row"] for each in found] == list(range(len(answered)))
    for model, name in ((LDA, "lda"), (MLP, "mlp")):
        labels = [answer[model.title]["label"] for answer in answered]
        assert [each[f"{name}_class"] for each in found] == labels
        probabilities = from_bytes([each[f"{name}_probabilities"] for each in found])
        assert probabilities.tolist() == [
            answer[model.title]["probabilities"] for answer in answered
        ]
    assert [each["familiar"] for each in found] == [answer["familiar"] for answer in answered]
    if rows is not None:
        assert from_bytes([each["powers"] for each in found]).tolist() == list(rows)


@pytest.mark.parametrize("number", [1, 2, 100, 700])
def test_rows_are_kept_with_what_was_answered(kept: Kept, number: int) -> None:
    rows = some_rows(number)
    before = time.time_ns() // 1000
    headers = {"x-session-id": "monday.1"}
    response = kept.client.post("/predict", json={"rows": rows}, headers=headers)
    found = kept.rows(response)
    assert_kept(found, response.json()["predictions"], rows)
    assert {each["route"] for each in found} == {"/predict"}
    assert {each["session"] for each in found} == {"monday.1"}
    assert all(before <= each["at"] <= time.time_ns() // 1000 for each in found)


def test_rows_of_a_table_are_kept(kept: Kept) -> None:
    rows = some_rows(150)
    text = "\n".join([",".join(FEATURES), *(",".join(map(repr, row)) for row in rows)])
    headers = {"content-type": "text/csv"}
    response = kept.client.post("/predict?values=true", content=text, headers=headers)
    assert_kept(kept.rows(response), response.json()["predictions"], rows)


def test_a_stored_row_is_kept_by_its_line(kept: Kept) -> None:
    response = kept.client.get("/prediction/232")
    (found,) = kept.rows(response)
    (answer,) = kept.client.post(
        "/predict", json={"rows": [kept.client.get("/line/232").json()]}
    ).json()["predictions"]
    assert found["lda_class"] == response.json()["prediction LDA"] == answer["LDA"]["label"]
    # The answer had no probabilities: they are found out afterwards, in a batch.
    probabilities = from_bytes([found["mlp_probabilities"]])[0]
    assert np.allclose(probabilities, answer["Neural Network"]["probabilities"], rtol=0, atol=1e-9)
    assert found["familiar"] == answer["familiar"]
    assert (found["line"], found["powers"]) == (232, None)
    assert found["recording_sha256"] == kept.client.get("/models").json()[0]["test"]["sha256"]


@pytest.mark.parametrize("name", ["eeg-lda", "eeg-mlp", "eeg-letters"])
def test_rows_of_the_open_inference_protocol_are_kept(kept: Kept, name: str) -> None:
    rows = some_rows(3)
    tensor = {"name": "rows", "datatype": "FP64", "shape": [3, len(FEATURES)], "data": rows}
    response = kept.client.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})
    assert response.status_code == 200, response.text
    found = kept.rows(response)
    assert from_bytes([each["powers"] for each in found]).tolist() == rows
    asked = {
        "lda": name != "eeg-mlp",
        "mlp": name != "eeg-lda",
    }
    for model, is_asked in asked.items():
        assert all((each[f"{model}_class"] is not None) == is_asked for each in found)
        assert all((each[f"{model}_probabilities"] is not None) == is_asked for each in found)
    # By the first model that was asked, though the client did not.
    assert all(each["familiar"] is False for each in found)


def test_of_a_refused_request_nothing_is_kept(kept: Kept) -> None:
    rows = some_rows(1500)
    rows[-1][5] = -1.0
    response = kept.client.post("/predict", json={"rows": rows})
    assert response.status_code == 422
    assert kept.rows(response) == []


def test_a_repeated_request_id_has_entries_of_its_own(kept: Kept) -> None:
    headers = {"x-request-id": "again"}
    for _ in range(2):
        response = kept.client.get("/prediction/5", headers=headers)
    first, second = kept.rows(response)
    assert first["id"] != second["id"]


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 129, "a/b"])
def test_a_session_that_cannot_be_kept_is_refused(kept: Kept, name: str) -> None:
    headers = [(b"x-session-id", name.encode("latin-1"))]
    for response in (
        kept.client.get("/prediction/5", headers=headers),
        kept.client.post("/predict", json={"rows": some_rows(1)}, headers=headers),
    ):
        assert response.status_code == 400
        assert "X-Session-ID" in response.json()["detail"]
        assert kept.rows(response) == []


def test_readiness_tells_of_the_database_where_it_is_asked(kept: Kept) -> None:
    assert kept.client.get("/readyz").text == "\n"
    assert "[+]database ok" in kept.client.get("/readyz?verbose").text
    assert samples(kept.client)["eeg_database_up", frozenset()] == 1


@pytest.fixture
def empty(database: str, engine: Engine) -> str:
    """The database without predictions."""
    with engine.begin() as connection:
        connection.execute(predictions.delete())
    return database


def test_band_powers_are_left_out_where_they_are_not_to_be_kept(
    bento: Path, empty: str, engine: Engine
) -> None:
    with serve_process(bento, None, EEG_DATABASE=empty, EEG_KEEP_ROWS="false", **KEPT) as (url, _):
        assert httpx.post(f"{url}/predict", json={"rows": some_rows(2)}).status_code == 200
        assert httpx.get(f"{url}/prediction/5").status_code == 200
    with engine.connect() as connection:
        found = connection.execute(select(predictions)).mappings().all()
    assert len(found) == 3
    assert all(each["powers"] is None for each in found)
    assert all(each["lda_probabilities"] for each in found)


def test_nothing_is_kept_unless_it_is_asked_for(bento: Path, empty: str, engine: Engine) -> None:
    with serve_process(bento, EEG_DATABASE=empty) as (url, _):
        assert httpx.get(f"{url}/prediction/5").status_code == 200
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == 0


# PostgreSQL is pruned by the command.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_beyond_the_most_megabytes_the_oldest_go(bento: Path, empty: str, engine: Engine) -> None:
    body = json.dumps({"rows": some_rows(500)})
    with (
        serve_process(bento, None, EEG_DATABASE=empty, EEG_DATABASE_MAX_MB="4", **KEPT) as (url, _),
        httpx.Client(base_url=url, timeout=30, headers=JSON) as client,
    ):
        for number in range(12):
            client.post("/predict", content=body, headers={"x-request-id": f"n-{number}"})
        Kept(client, engine).settle()
    with engine.connect() as connection:
        found = connection.execute(select(predictions.c.request_id).distinct()).scalars().all()
        kept_rows = connection.execute(select(func.count()).select_from(predictions)).scalar_one()
    assert "n-11" in found
    assert "n-0" not in found
    assert 0 < kept_rows < 4_000_000 / (8 * len(FEATURES))


def test_in_a_database_that_was_restored_the_models_are_those_that_answer(
    bento: Path, database: str, engine: Engine
) -> None:
    with (
        serve_process(bento, None, EEG_DATABASE=database, **KEPT) as (url, _),
        httpx.Client(base_url=url) as client,
    ):
        kept = Kept(client, engine)
        path = "/prediction/232"
        (before,) = kept.rows(client.get(path))
        with engine.execution_options(writes=True).begin() as connection:
            number = served.c.id == before["served_id"]
            own = connection.execute(select(served).where(number)).one()
            connection.execute(delete(predictions))
            connection.execute(delete(served))
            connection.execute(
                insert(served), {"id": own.id, "digest": "x", "schema": "{}", "versions": "{}"}
            )
        (after,) = kept.rows(client.get(path))
        with engine.connect() as connection:
            answered = served.c.id == after["served_id"]
            digest = connection.execute(select(served.c.digest).where(answered)).scalar_one()
        assert digest == own.digest
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(delete(predictions))
            connection.execute(delete(served))
        assert kept.rows(client.get(path))
