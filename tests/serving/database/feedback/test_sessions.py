"""Deleting what was kept of a person's session."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from eeg_letters.database.engine import sqlite_file
from eeg_letters.database.tables import feedback, predictions
from tests.serving.database.feedback.conftest import Service


def counted(service: Service, session: str) -> tuple[int, int]:
    """Predictions of a session, and feedback of any."""
    of_session = select(func.count()).where(predictions.c.session == session)
    with service.engine.connect() as connection:
        return (
            connection.execute(of_session).scalar_one(),
            connection.execute(select(func.count()).select_from(feedback)).scalar_one(),
        )


def test_a_session_is_deleted_with_its_feedback_and_no_other(service: Service) -> None:
    _, before = counted(service, "kept")
    request_id = service.predict(1500, "forgotten")
    service.predict(3, "kept")
    assert service.tell({"request_id": request_id, "row": 3, "label": 1}).status_code == 202
    # What is still in the queue, too.
    service.predict(10, "forgotten")
    response = service.client.delete("/sessions/forgotten")
    assert (response.status_code, response.json()) == (200, {"deleted_rows": 1510})
    assert counted(service, "forgotten") == (0, before)
    assert counted(service, "kept")[0] == 3
    assert service.client.get(f"/predictions/log/{request_id}").status_code == 404
    assert service.tell({"request_id": request_id, "row": 3, "label": 1}).status_code == 404
    assert service.client.delete("/sessions/forgotten").json() == {"deleted_rows": 0}


# PostgreSQL's own log is its administrator's.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_of_it_is_left_in_the_files_of_sqlite(service: Service) -> None:
    file = sqlite_file(service.engine)
    assert file is not None
    name = "somebody-whose-name-is-long-enough-to-be-found"
    for _ in range(5):
        request_id = service.predict(20, name)
        service.tell({"request_id": request_id, "row": 0, "label": 1})
    files = [file, Path(f"{file}-wal")]
    assert any(name.encode() in each.read_bytes() for each in files)
    assert service.client.delete(f"/sessions/{name}").json() == {"deleted_rows": 100}
    for each in files:
        assert name.encode() not in each.read_bytes()
        assert request_id.encode() not in each.read_bytes()


@pytest.mark.parametrize("session", ["a%20b", "%00", "%ff", "x" * 129, "'; DROP TABLE x; --"])
def test_what_is_no_session_is_refused(service: Service, session: str) -> None:
    response = service.client.delete(f"/sessions/{session}")
    assert response.status_code == 422
    assert "session" in response.json()["detail"]


def test_other_methods_and_queries_are_refused(service: Service) -> None:
    response = service.client.get("/sessions/x")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE")
    assert service.client.delete("/sessions/x?y=1").status_code == 422
    assert service.client.delete("/sessions").status_code == 404
