"""The OpenAPI document is true of the log, feedback, accuracy and sessions, too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from eeg_letters.serving.database.feedback.openapi import describe
from tests.serving.database.feedback.conftest import Service
from tests.shipped import SCHEMA

PATHS = describe(SCHEMA, True).paths
METHODS = {
    path: [name.upper() for name in item if name != "parameters"] for path, item in PATHS.items()
}
OPERATIONS = [(method, path) for path, methods in METHODS.items() for method in methods]


def document(service: Service) -> Any:
    return service.client.get("/docs.json").json()


def example_of(parameters: Any) -> dict[str, str]:
    return {each["name"]: each["example"] for each in parameters}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_answers_its_example_as_its_schema_says(
    service: Service, method: str, path: str
) -> None:
    whole = document(service)
    item = whole["paths"][path]
    names = example_of(PATHS["/predictions/log/{request_id}"]["parameters"])
    names |= example_of(PATHS["/sessions/{session}"]["parameters"])
    service.predict(2, names["session"], **{"x-request-id": names["request_id"]})
    operation = item[method.lower()]
    told = whole["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]
    assert service.client.post("/feedback", json=told["example"]).status_code == 202
    body = {"json": told["example"]} if "requestBody" in operation else {}
    response = service.client.request(method, path.format_map(names), **body)
    answer = operation["responses"][str(response.status_code)]["content"]["application/json"]
    schema = {**answer["schema"], "components": whole["components"]}
    Draft202012Validator(schema).validate(response.json())
    Draft202012Validator(schema).validate(answer["example"])
    # The example has all that such an answer may have.
    assert set(answer["example"]) == set(response.json())
    if "requestBody" in operation:
        schema = {**told["schema"], "components": whole["components"]}
        Draft202012Validator(schema).validate(told["example"])


@pytest.mark.parametrize("path", METHODS)
def test_every_method_is_described(service: Service, path: str) -> None:
    response = service.client.patch(path.format(request_id="x", session="x"))
    assert response.status_code == 405
    allowed = set(response.headers["allow"].split(", ")) - {"HEAD"}
    assert allowed == set(METHODS[path])
    index = service.client.get("/").json()["routes"]
    assert set(index[path]["methods"]) == allowed


def test_a_token_is_described_where_one_is_needed(service: Service) -> None:
    assert "securitySchemes" not in document(service)["components"]
    described = describe(SCHEMA, True)
    assert described.security_schemes["bearer"]["scheme"] == "bearer"
    for path, item in described.paths.items():
        for method in METHODS[path]:
            assert item[method.lower()]["security"]


def test_nothing_made_from_the_document_or_against_it_breaks_the_service(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "docs.json").write_text(json.dumps(document(service)))
    request_id = service.predict(3)
    service.tell({"request_id": request_id, "row": 0, "label": 1})
    finished = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "run",
            "docs.json",
            f"--url={service.client.base_url}",
            "--include-path-regex=^/(predictions/log|feedback|accuracy|sessions)",
            "--checks=all",
            "--max-examples=25",
            "--seed=1",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-6000:]
