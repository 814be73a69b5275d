"""What the OpenAPI document has of feedback, the log and sessions besides what all routes have."""

from __future__ import annotations

from pathlib import Path

import pytest

from eeg_letters.serving.database.feedback.openapi import describe
from tests.serving.database.feedback.conftest import Service
from tests.serving.generated import schemathesis
from tests.shipped import SCHEMA


def test_every_method_of_a_path_is_listed(service: Service) -> None:
    listed = service.client.get("/").json()["routes"]
    for path in describe(SCHEMA, True).paths:
        response = service.client.patch(path.format(request_id="x", session="x"))
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) - {"HEAD"} == set(listed[path]["methods"])


def test_a_token_is_described_where_one_is_needed(service: Service) -> None:
    assert "securitySchemes" not in service.client.get("/docs.json").json()["components"]
    described = describe(SCHEMA, True)
    assert described.security_schemes["bearer"]["scheme"] == "bearer"
    for item in described.paths.values():
        for method in item.keys() - {"parameters"}:
            assert item[method]["security"]


# It takes long, and what is written is the same for both databases.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_made_from_the_document_or_against_it_breaks_the_service(
    service: Service, tmp_path: Path
) -> None:
    # A request that is not known takes a second.
    finished = schemathesis(
        str(service.client.base_url),
        tmp_path,
        "--include-path-regex=accuracy|feedback|sessions|log",
        "--max-examples=5",
        "--phases=examples,coverage,fuzzing",
    )
    assert finished.returncode == 0, finished.stdout[-6000:]
    assert "Traceback" not in service.log.read_text()
