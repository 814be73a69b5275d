"""With ``EEG_RECORDING``, routes without a name mean a recording of the database."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from eeg_letters.database.importing import add_recording, remove_recording
from eeg_letters.models import MODELS
from eeg_letters.settings import DATA
from tests.conftest import samples, serve, serve_process

NAME = "session-2"
MISSING = DATA / "there-is-no-such-file.json"
ASKED = ("line/7", "prediction/7", "score", "predictions")


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    # A file would be read, and is not there.
    return {"EEG_RECORDING": NAME, "EEG_TEST_DATA": str(MISSING)}


@pytest.fixture
def recording(engine: Engine) -> None:
    """The recording that is meant is there."""
    add_recording(engine, DATA / "test.json", NAME, replace=True)


def answers(client: httpx.Client, prefix: str = "") -> list[Any]:
    """What is answered of the recording."""
    found = [client.get(f"{prefix}/{path}") for path in ASKED]
    found += [client.post(f"{prefix}/{what}", json={"line": 7}) for what in ("line", "prediction")]
    assert [answer.status_code for answer in found] == [200] * len(found)
    return [answer.json() for answer in found]


def test_until_it_is_there_it_is_not_found_by_name(client: httpx.Client, engine: Engine) -> None:
    for path in ASKED:
        answer = client.get(f"/{path}")
        assert answer.status_code == 404
        assert answer.json()["detail"] == f'There is no recording "{NAME}".'
    add_recording(engine, DATA / "test.json", NAME)
    answers(client)
    remove_recording(engine, NAME)
    assert client.get("/line/7").status_code == 404


@pytest.mark.usefixtures("recording")
def test_it_is_answered_as_the_file_is(bento: Path, client: httpx.Client) -> None:
    with (
        serve_process(bento) as (url, _),
        httpx.Client(base_url=url, timeout=30) as of_file,
    ):
        assert answers(client) == answers(of_file)
    assert answers(client, f"/recordings/{NAME}") == answers(client)


@pytest.mark.usefixtures("recording")
def test_another_in_its_place_is_seen_at_once(client: httpx.Client, engine: Engine) -> None:
    before = answers(client)
    add_recording(engine, DATA / "train.csv", NAME, replace=True)
    assert answers(client) == answers(client, f"/recordings/{NAME}")
    assert client.get("/line/7").json() != before[0]


@pytest.mark.usefixtures("recording")
def test_the_rest_answers(client: httpx.Client, service: tuple[str, Path]) -> None:
    page = client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert '"hasRows":true' in page.text
    assert [model["title"] for model in client.get("/models").json()] == [
        model.title for model in MODELS
    ]
    assert "stored rows" not in client.get("/readyz?verbose").text
    assert "no stored rows" not in service[1].read_text()
    row = client.get("/line/7").json()
    (answer,) = client.post("/predict", json={"rows": [row]}).json()["predictions"]
    assert {f"prediction {model.title}": answer[model.title]["label"] for model in MODELS} == (
        client.get("/prediction/7").json()
    )


@pytest.mark.usefixtures("recording")
def test_an_import_under_another_name_changes_nothing(client: httpx.Client, engine: Engine) -> None:
    before = answers(client)
    add_recording(engine, DATA / "train.csv", "another")
    assert answers(client) == before
    sha256 = hashlib.sha256((DATA / "test.json").read_bytes()).hexdigest()
    listed = {each["name"]: each["sha256"] for each in client.get("/recordings").json()}
    assert listed[NAME] == sha256


@pytest.mark.usefixtures("recording")
def test_metrics_have_the_template_of_the_path(client: httpx.Client) -> None:
    client.get("/prediction/7")
    routes = {dict(labels).get("route") for _, labels in samples(client)}
    assert {"/prediction/{line}", "/line/{line}"} <= routes
    assert not any(route and NAME in route for route in routes)


@pytest.mark.usefixtures("recording")
def test_the_service_that_bentoml_starts_has_it_too(trained_home: Path, database: str) -> None:
    missing = str(MISSING)
    with serve(trained_home, EEG_DATABASE=database, EEG_RECORDING=NAME, EEG_TEST_DATA=missing) as (
        url,
        _,
    ):
        answer = httpx.get(f"{url}/prediction/7")
        assert json.loads(answer.content).keys() == {
            f"prediction {model.title}" for model in MODELS
        }
