"""The OpenAPI document is true of a service with a database, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from sqlalchemy import Engine

from eeg_letters.database.importing import add_recording
from eeg_letters.serving import openapi
from eeg_letters.serving.database.feedback.openapi import EXAMPLE_REQUEST, EXAMPLE_SESSION
from eeg_letters.settings import DATA
from tests.conftest import run_python
from tests.serving.generated import schemathesis
from tests.shipped import COLUMNS, SCHEMA

NAME = "session-2"
# Prints the routes that a database adds, and what is described of it.
ROUTES = """
import json, os
from eeg_letters.serving.database.opening import open_database
from eeg_letters.serving.inference import load_inference
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import read_settings
settings = read_settings(os.environ)
inference = load_inference(settings)
versions = {stored.model.title: stored.version for stored in inference.models}
database = open_database(settings, inference, Metrics(versions, inference.schema.labels))
routes = [(each.lower(), route.template) for route in database.routes for each in route.methods]
paths = database.described.paths
described = [(each, path) for path in paths for each in paths[path] if each != "parameters"]
print(json.dumps([sorted(routes), sorted(described)]))
database.close()
"""


@pytest.fixture(scope="module", params=["a file", "a recording"])
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a service whose routes without a name mean the one or the other."""
    meant = {} if request.param == "a file" else {"EEG_RECORDING": NAME}
    return {"EEG_KEEP_PREDICTIONS": "true", "EEG_OPEN_FEEDBACK": "true", **meant}


@pytest.fixture(scope="module", autouse=True)
def recording(engine: Engine) -> None:
    """The recording that examples ask for."""
    add_recording(engine, DATA / "test.json", NAME)


def answer_the_request_of_examples(client: httpx.Client) -> None:
    """Have a row answered that there may be feedback for."""
    headers = {"x-request-id": EXAMPLE_REQUEST, "x-session-id": EXAMPLE_SESSION}
    body = {"rows": [[1.0] * len(SCHEMA.features)]}
    assert client.post("/predict", json=body, headers=headers).status_code == 200
    # It waits until that is in the database.
    told = client.post("/feedback", json={"request_id": EXAMPLE_REQUEST, "label": 1})
    assert told.status_code == 202


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    """The document that is served."""
    return client.get("/docs.json").json()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of each."""
    return [
        (method, path, item[method])
        for path, item in document["paths"].items()
        for method in ("get", "post", "delete")
        # What a stream answers is no HTTP.
        if method in item and path != "/live"
    ]


def right_answer(operation: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and description of the answer where nothing is wrong."""
    (found,) = ((int(s), of) for s, of in operation["responses"].items() if s.startswith("2"))
    return found


def test_without_a_database_there_is_nothing_of_it() -> None:
    document = openapi.document(SCHEMA, COLUMNS)
    for word in ("recordings", "log", "feedback", "accuracy", "sessions"):
        assert not any(word in path for path in document["paths"])


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_examples_are_what_schemas_say(document: dict[str, Any]) -> None:
    checked = 0
    for _, _, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {})
        answers = right_answer(operation)[1].get("content", {})
        for content in (*body.values(), *answers.values()):
            if "example" in content:
                rooted = {**content["schema"], "components": document["components"]}
                Draft202012Validator(rooted).validate(content["example"])
                checked += 1
    assert checked > 20


def test_every_operation_answers_its_examples_as_its_schema_says(
    client: httpx.Client, document: dict[str, Any]
) -> None:
    for method, path, operation in operations(document):
        parameters = {
            p["name"]: p["example"] for p in document["paths"][path].get("parameters", ())
        }
        body = operation.get("requestBody")
        sent = body and body["content"]["application/json"]["example"]
        if method == "delete" or "request_id" in json.dumps([parameters, sent]):
            answer_the_request_of_examples(client)
        answer = client.request(method, path.format_map(parameters), json=sent)
        status, described = right_answer(operation)
        assert answer.status_code == status, (method, path, answer.text)
        content = described["content"].get("application/json")
        if content is not None and answer.headers["content-type"] == "application/json":
            rooted = {**content["schema"], "components": document["components"]}
            Draft202012Validator(rooted).validate(answer.json())


def test_every_route_is_in_the_document(
    trained_home: Path, database: str, settings: dict[str, str], document: dict[str, Any]
) -> None:
    routes, described = json.loads(
        run_python(trained_home, ROUTES, EEG_DATABASE=database, **settings)
    )
    assert routes == described
    assert set(map(tuple, described)) <= {
        (method, path) for method, path, _ in operations(document)
    }


# Each way to read and each database once: one takes half a minute.
@pytest.mark.parametrize(
    ("database", "settings"),
    [("sqlite", "a file"), ("postgresql", "a recording")],
    indirect=True,
)
def test_nothing_made_from_the_document_or_against_it_breaks_the_service(
    service: tuple[str, Path], tmp_path: Path
) -> None:
    finished = schemathesis(
        service[0], tmp_path, "--include-path-regex=recordings|line|predictions$|score"
    )
    assert finished.returncode == 0, finished.stdout[-6000:]
    assert "Traceback" not in service[1].read_text()
