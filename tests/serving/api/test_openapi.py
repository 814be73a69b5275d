"""The OpenAPI document is true: its examples, and whatever can be made from its schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from eeg_letters.models import LDA
from eeg_letters.serving import openapi
from tests.serving.generated import schemathesis
from tests.shipped import COLUMNS, SCHEMA

DOCUMENT = openapi.document(SCHEMA, COLUMNS)


def examples() -> list[tuple[str, Any, Any]]:
    found = []
    for path, operations in DOCUMENT["paths"].items():
        for method in ("get", "post"):
            operation = operations.get(method, {})
            body = operation.get("requestBody", {}).get("content", {})
            answers = operation.get("responses", {}).get("200", {}).get("content", {})
            found += [
                (f"{method} {path}", content["schema"], content["example"])
                for content in (*body.values(), *answers.values())
                if "example" in content
            ]
    return found


@pytest.mark.parametrize(
    ("schema", "example"),
    [(schema, example) for _, schema, example in examples()],
    ids=[name for name, _, _ in examples()],
)
def test_an_example_is_what_its_schema_says(schema: Any, example: Any) -> None:
    rooted = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(rooted).validate(example)


def test_the_document_is_served(client: httpx.Client) -> None:
    (version,) = client.get(f"/v2/models/{LDA.name}").json()["versions"]
    assert client.get("/docs.json").json() == openapi.document(SCHEMA, COLUMNS, version)


def test_nothing_made_from_the_document_or_against_it_breaks_the_service(
    server: str, tmp_path: Path
) -> None:
    finished = schemathesis(server, tmp_path)
    assert finished.returncode == 0, finished.stdout[-6000:]
