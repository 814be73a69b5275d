"""What was answered, looked up over HTTP."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select, text, update

from eeg_letters.database.answered import Served, to_bytes
from eeg_letters.database.engine import writing
from eeg_letters.database.tables import predictions, recording_rows, recordings, served
from eeg_letters.database.times import parse_when, to_iso
from eeg_letters.labels import LabelKind, Labels
from eeg_letters.models import MODELS
from tests.postgresql import PostgreSQL
from tests.serving.database.feedback.conftest import OPEN, ROW, Service, serving, with_tables
from tests.shipped import FEATURES, SCHEMA


def log(service: Service, **parameters: Any) -> dict[str, Any]:
    response = service.client.get("/predictions/log", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def settle(service: Service, request_id: str) -> str:
    """Wait until a request is in the database."""
    deadline = time.monotonic() + 10
    while service.client.get(f"/predictions/log/{request_id}").status_code == 404:
        assert time.monotonic() < deadline
    return request_id


def test_an_entry_has_what_was_answered(service: Service) -> None:
    before = datetime.now(UTC)
    answered = service.client.post(
        "/predict", json={"rows": [ROW]}, headers={"x-session-id": "an-entry"}
    )
    request_id = settle(service, answered.headers["x-request-id"])
    (answer,) = answered.json()["predictions"]
    (entry,) = log(service, session="an-entry")["entries"]
    assert before <= datetime.fromisoformat(entry.pop("time")) <= datetime.now(UTC)
    versions = {model["title"]: model["version"] for model in service.client.get("/models").json()}
    for title, version in versions.items():
        of_model = answer[title]
        assert entry.pop(title) == {
            "version": version,
            "label": of_model["label"],
            "letter": of_model["letter"],
            "probability": of_model["probabilities"][of_model["label"]],
        }
    assert entry == {
        "request_id": request_id,
        "row": 0,
        "route": "/predict",
        "session": "an-entry",
        "familiar": answer["familiar"],
    }
    (entry,) = service.entries(request_id)
    assert entry["values"] == dict(zip(FEATURES, ROW, strict=True))
    for model in MODELS:
        assert entry[model.title]["probabilities"] == answer[model.title]["probabilities"]


def test_a_stored_row_has_its_recording_line_and_values(service: Service) -> None:
    response = service.client.get("/prediction/232")
    (entry,) = service.entries(settle(service, response.headers["x-request-id"]))
    stored = service.client.get("/line/232").json()
    assert (entry["route"], entry["line"]) == ("/prediction/{line}", 232)
    assert len(entry["recording"]) == 64
    assert entry["values"] == {name: float(stored[name]) for name in FEATURES}
    for model in MODELS:
        assert response.json()[f"prediction {model.title}"] == entry[model.title]["label"]
        assert entry[model.title]["probability"] == max(entry[model.title]["probabilities"])


def test_values_of_a_recording_in_the_database_are_found_there(service: Service) -> None:
    response = service.client.get("/prediction/5")
    request_id = settle(service, response.headers["x-request-id"])
    with writing(service.engine) as connection:
        of_row = update(predictions).where(predictions.c.request_id == request_id)
        connection.execute(of_row.values(recording_sha256="f" * 64, line=7))
    (entry,) = service.entries(request_id)
    assert "values" not in entry
    with writing(service.engine) as connection:
        number = connection.execute(
            insert(recordings)
            .values(
                name="imported",
                sha256="f" * 64,
                imported_at=1,
                n_rows=1,
                n_bytes=1,
                schema=SCHEMA.to_metadata(),
                columns="[]",
                label_column="# Letter",
            )
            .returning(recordings.c.id)
        ).scalar_one()
        (powers,) = to_bytes(np.array([ROW]))
        row = {"recording_id": number, "line": 7, "class": 0, "powers": powers, "document": b""}
        connection.execute(insert(recording_rows), [row])
    (entry,) = service.entries(request_id)
    assert entry["values"] == dict(zip(FEATURES, ROW, strict=True))


def test_pages_give_every_entry_once_while_others_are_answered(service: Service) -> None:
    ids = [service.predict(n_rows, "paged") for n_rows in (1, 40, 1, 9)]
    settle(service, ids[-1])
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": None}
    for _ in range(10):
        after = {} if page["next"] is None else {"after": page["next"]}
        page = log(service, session="paged", limit=7, **after)
        assert len(page["entries"]) <= 7
        found += page["entries"]
        settle(service, service.predict(1, "paged"))
        if page["next"] is None:
            break
    wanted = [(0, 0), *((1, row) for row in range(40)), (2, 0), *((3, row) for row in range(9))]
    assert [(ids.index(entry["request_id"]), entry["row"]) for entry in found] == wanted[::-1]


def test_a_request_of_many_rows_comes_in_pages_too(service: Service) -> None:
    request_id = settle(service, service.predict(30))
    path = f"/predictions/log/{request_id}"
    first = service.client.get(path, params={"limit": 20}).json()
    rest = service.client.get(path, params={"limit": 20, "after": first["next"]}).json()
    assert rest["next"] is None
    entries = first["entries"] + rest["entries"]
    assert [entry["row"] for entry in entries] == list(range(30))
    assert entries[29]["values"][FEATURES[0]] == ROW[0] + 29


def test_filters_by_label_and_familiarity_find_what_has_them(service: Service) -> None:
    # Rows unlike those of the training, and stored ones, most of which are like them.
    service.predict(60, "filtered")
    for line in range(0, 1300, 100):
        path, headers = f"/prediction/{line}", {"x-session-id": "filtered"}
        response = service.client.get(path, headers=headers)
    settle(service, response.headers["x-request-id"])
    everything = log(service, session="filtered", limit=1000)["entries"]
    labels = {entry[model.title]["label"] for entry in everything for model in MODELS}
    assert len(labels) > 1
    for label in labels:
        wanted = [e for e in everything if label in {e[model.title]["label"] for model in MODELS}]
        for spelled in (label, SCHEMA.labels.names[label]):
            found = log(service, session="filtered", limit=1000, label=spelled)["entries"]
            assert found == wanted
    for familiar in (True, False):
        wanted = [entry for entry in everything if entry["familiar"] is familiar]
        assert wanted
        asked = log(service, session="filtered", limit=1000, familiar=str(familiar).lower())
        assert asked["entries"] == wanted


def test_since_is_a_time_in_any_zone(service: Service) -> None:
    settle(service, service.predict(1, "timed"))
    settle(service, service.predict(1, "timed"))
    newest, oldest = log(service, session="timed")["entries"]
    at = datetime.fromisoformat(newest["time"])
    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for since in (
        newest["time"],
        at.isoformat(),
        elsewhere.isoformat(),
        at.replace(tzinfo=None).isoformat(" "),
    ):
        assert log(service, session="timed", since=since)["entries"] == [newest], since
    # As a client sends it that does not escape it.
    response = service.client.get(
        f"/predictions/log?session=timed&since={elsewhere.isoformat()}".replace(" ", "%20")
    )
    assert response.json()["entries"] == [newest]
    later = (at + timedelta(microseconds=1)).isoformat()
    assert log(service, session="timed", since=later)["entries"] == []
    day = oldest["time"][:10]
    assert log(service, session="timed", since=day)["entries"] == [newest, oldest]


def test_rows_of_other_classes_are_shown_with_their_own_labels(service: Service) -> None:
    request_id = settle(service, service.predict())
    earlier = replace(SCHEMA, labels=Labels(LabelKind.TEXT, ("left", "rest", "right")))
    versions = {model.name: f"earlier-{model.name}" for model in MODELS}
    with writing(service.engine) as connection:
        number = Served(earlier, versions).number(connection)
        (probabilities,) = to_bytes(np.array([[0.25, 0.25, 0.5]]))
        of_row = update(predictions).where(predictions.c.request_id == request_id)
        connection.execute(
            of_row.values(
                served_id=number,
                session="earlier",
                lda_class=2,
                lda_probabilities=probabilities,
                mlp_class=None,
                mlp_probabilities=None,
            )
        )
    (entry,) = log(service, session="earlier", label="right")["entries"]
    assert entry["LDA"] == {"version": "earlier-eeg-lda", "label": "right", "probability": 0.5}
    assert "Neural Network" not in entry
    assert log(service, session="earlier", label="C")["entries"] == []
    assert log(service, session="earlier", label="rest")["entries"] == []
    assert service.tell({"request_id": request_id, "label": "E"}).status_code == 422
    assert service.tell({"request_id": request_id, "label": "rest"}).status_code == 202
    (entry,) = service.entries(request_id)
    assert entry["truth"] == {"label": "rest"}
    with service.engine.connect() as connection:
        assert len(connection.execute(select(served.c.id)).all()) == 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=1", "limit"),
        ("familiar=1", "familiar"),
        ("familiar=True", "familiar"),
        ("label=EE", "label"),
        ("label=26", "label"),
        ("label=%00", "label"),
        ("session=a%20b", "session"),
        ("session=", "session"),
        ("since=yesterday", "since"),
        ("since=2026-02-30", "since"),
        ("since=2026-01-01T25:00:00Z", "since"),
        ("after=1", "after"),
        ("after=8000000000000000", "after"),
        ("before=1", "before"),
        ("limit", "query"),
        ("session=%ff", "query"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(service: Service, query: str, named: str) -> None:
    response = service.client.get(f"/predictions/log?{query}")
    assert response.status_code == 422
    assert named in response.json()["detail"]


def test_an_unknown_request_is_named(service: Service) -> None:
    response = service.client.get("/predictions/log/nobody")
    assert response.status_code == 404
    assert '"nobody"' in response.json()["detail"]


def test_without_band_powers_the_log_has_all_else(
    trained_home: Path, database: str, tmp_path: Path
) -> None:
    settings = {"EEG_OPEN_FEEDBACK": "true", "EEG_KEEP_ROWS": "false"}
    with serving(trained_home, database, tmp_path / "log", **settings) as service:
        (entry,) = service.entries(settle(service, service.predict()))
        assert "values" not in entry
        assert len(entry["LDA"]["probabilities"]) == 26
        # A stored row is no person's secret.
        response = service.client.get("/prediction/1")
        (entry,) = service.entries(settle(service, response.headers["x-request-id"]))
        assert len(entry["values"]) == len(FEATURES)


def test_one_row_of_a_request_alone(service: Service) -> None:
    request_id = settle(service, service.predict(3))
    path = f"/predictions/log/{request_id}"
    (entry,) = service.client.get(path, params={"row": 2}).json()["entries"]
    assert entry == service.entries(request_id)[2]
    for row, status, words in (
        ("3", 404, f'No request "{request_id}", row 3, was kept.'),
        ("x", 422, 'row is "x"'),
        ("-1", 422, 'row is "-1"'),
        (str(2**31), 422, f'row is "{2**31}"'),
    ):
        response = service.client.get(path, params={"row": row})
        assert response.status_code == status
        assert words in response.json()["detail"]


def repeat(service: Service, request_id: str, times: int) -> None:
    """Have a row answered again and again by one id, each time a second later."""
    with writing(service.engine) as connection:
        row = connection.execute(
            select(predictions).where(predictions.c.request_id == request_id)
        ).one()
        values = {name: value for name, value in row._mapping.items() if name != "id"}
        connection.execute(
            insert(predictions),
            [values | {"at": row.at + number * 1_000_000} for number in range(1, times + 1)],
        )


def test_of_an_id_that_was_used_often_that_of_a_time(service: Service) -> None:
    request_id = settle(service, service.predict())
    (first,) = service.entries(request_id)
    repeat(service, request_id, 1001)
    path = f"/predictions/log/{request_id}"
    last = to_iso(parse_when(first["time"], 0) + 1_001_000_000)
    (entry,) = service.client.get(path, params={"row": 0, "time": last}).json()["entries"]
    assert entry == first | {"time": last}
    for at, status, words in (
        ("2020-01-31T12:00:00Z", 404, f'No request "{request_id}" was kept with that time.'),
        ("Monday", 422, 'time is "Monday"'),
    ):
        response = service.client.get(path, params={"time": at})
        assert response.status_code == status
        assert words in response.json()["detail"]


def test_no_query_goes_on_once_nobody_waits_for_it(
    trained_home: Path, postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    address = with_tables(postgresql_server.create())
    waiting = text(
        "SELECT query FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def queries(service: Service) -> list[str]:
        with service.engine.connect() as connection:
            return list(connection.execute(waiting).scalars())

    paths = ("/predictions/log", "/predictions/log/x", "/accuracy", "/recordings")
    with (
        serving(trained_home, address, tmp_path / "log", **OPEN) as service,
        writing(service.engine) as connection,
        ThreadPoolExecutor() as pool,
    ):
        connection.execute(text("LOCK TABLE predictions, recordings IN ACCESS EXCLUSIVE MODE"))
        asked = [pool.submit(service.client.get, path) for path in paths]
        deadline = time.monotonic() + 30
        while len(queries(service)) < len(paths):
            assert time.monotonic() < deadline
        assert [each.result().status_code for each in asked] == [503] * len(paths)
        while queries(service):
            assert time.monotonic() < deadline
