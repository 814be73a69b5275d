"""What predictions turned out to be, told over HTTP."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from eeg_letters.database.engine import MOST_READERS, writing
from eeg_letters.database.tables import feedback, predictions
from eeg_letters.models import MODELS
from tests.conftest import samples
from tests.postgresql import PostgreSQL
from tests.serving.database.feedback.conftest import OPEN, ROW, Service, serving, with_tables


def history(service: Service, request_id: str, row: int = 0) -> list[int]:
    """Every class that was told of a row, oldest first."""
    told = (
        select(feedback.c.true_class)
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(predictions.c.request_id == request_id, predictions.c.row == row)
    )
    with service.engine.connect() as connection:
        return list(connection.execute(told.order_by(feedback.c.id)).scalars())


def test_what_was_answered_a_moment_ago_is_known(service: Service) -> None:
    for label, shown in ((4, "E"), ("Z", "Z"), (0, "A"), (3.0, "D")):
        request_id = service.predict()
        response = service.tell({"request_id": request_id, "row": 0, "label": label})
        assert (response.status_code, response.json()) == (202, {"accepted": 1})
        (entry,) = service.entries(request_id)
        assert entry["truth"] == {"label": ord(shown) - ord("A"), "letter": shown}


def test_a_row_of_a_stored_recording_and_of_the_other_protocol_too(service: Service) -> None:
    tensor = {"name": "rows", "datatype": "FP64", "shape": [1, 160], "data": ROW}
    for path, body in (
        ("/prediction/232", None),
        ("/v2/models/eeg-lda/infer", {"inputs": [tensor]}),
    ):
        response = service.client.post(path, json=body)
        assert response.status_code == 200, response.text
        request_id = response.headers["x-request-id"]
        assert service.tell({"request_id": request_id, "label": "C"}).status_code == 202
        (entry,) = service.entries(request_id)
        assert entry["truth"]["letter"] == "C"


def test_the_same_again_is_nothing_new_and_another_label_keeps_history(service: Service) -> None:
    request_id = service.predict(3)
    for label in (4, "E", 4, 7, 4):
        told = {"request_id": request_id, "row": 1, "label": label}
        assert service.tell(told).status_code == 202
    assert history(service, request_id, 1) == [4, 7, 4]
    truths = [entry.get("truth", {}).get("label") for entry in service.entries(request_id)]
    assert truths == [None, 4, None]
    # Twice in one request.
    response = service.tell(*[{"request_id": request_id, "row": 0, "label": 5}] * 2)
    assert response.json() == {"accepted": 2}
    assert history(service, request_id) == [5]


def test_a_list_is_all_or_nothing(service: Service) -> None:
    request_id = service.predict(500)
    good = [{"request_id": request_id, "row": row, "label": row % 26} for row in range(500)]
    for bad, status in (
        ({"request_id": "unknown", "label": 1}, 404),
        ({"request_id": request_id, "row": 500, "label": 1}, 404),
        ({"request_id": request_id, "row": 1, "label": 26}, 422),
        ({"request_id": request_id, "row": 1, "label": 2}, 422),
        ({"request_id": request_id, "label": 2}, 422),
    ):
        response = service.tell(*good, bad)
        assert response.status_code == status, response.text
        assert "Feedback 500" in response.json()["detail"]
        assert not any("truth" in entry for entry in service.entries(request_id))
    assert service.tell(*good).json() == {"accepted": 500}
    truths = [entry["truth"]["label"] for entry in service.entries(request_id)]
    assert truths == [row % 26 for row in range(500)]


def test_of_requests_of_one_id_the_newest_is_meant_or_that_of_a_time(service: Service) -> None:
    service.predict(1, **{"x-request-id": "again-and-again"})
    assert service.tell({"request_id": "again-and-again", "label": 9}).status_code == 202
    for n_rows in (2, 1):
        service.predict(n_rows, **{"x-request-id": "again-and-again"})
    # The newest is not in the database yet.
    assert service.tell({"request_id": "again-and-again", "label": 1}).status_code == 202
    entries = service.entries("again-and-again")
    assert [entry.get("truth", {}).get("label") for entry in entries] == [9, None, None, 1]
    assert len({entry["time"] for entry in entries}) == 3
    told = {"request_id": "again-and-again", "row": 1, "label": 2}
    response = service.tell(told)
    assert response.status_code == 404
    assert "no row 1" in response.json()["detail"]
    assert service.tell(told | {"time": entries[2]["time"]}).status_code == 202
    first = {"request_id": "again-and-again", "label": 3, "time": entries[0]["time"]}
    assert service.tell(first).status_code == 202
    labels = [entry.get("truth", {}).get("label") for entry in service.entries("again-and-again")]
    assert labels == [3, None, 2, 1]
    response = service.tell(first | {"time": "2020-01-31T12:00:00Z"})
    assert response.status_code == 404
    assert "time" in response.json()["detail"]


def test_what_another_process_keeps_a_little_later_is_waited_for(service: Service) -> None:
    request_id = service.predict()
    service.tell({"request_id": request_id, "label": 1})
    with ThreadPoolExecutor() as pool:
        told = pool.submit(service.tell, {"request_id": "of-another", "label": 1})
        time.sleep(0.4)  # It is the delay that is tested.
        with service.engine.execution_options(writes=True).begin() as connection:
            row = connection.execute(
                select(predictions).where(predictions.c.request_id == request_id)
            ).one()
            values = {**row._mapping, "request_id": "of-another"}
            del values["id"], values["true_class"]
            connection.execute(predictions.insert().values(values))
        assert told.result().status_code == 202


REFUSED: dict[str, tuple[Any, int, str]] = {
    "no list or object": ("x", 422, "no object"),
    "an empty list": ([], 422, "no feedback"),
    "a list of lists": ([[]], 422, "Feedback 0"),
    "no request": ({"label": 1}, 422, "request_id"),
    "no label": ({"request_id": "x"}, 422, "label"),
    "a number as request": ({"request_id": 1, "label": 1}, 422, "request_id"),
    "another member": ({"request_id": "x", "label": 1, "rwo": 1}, 422, "rwo"),
    "true as label": ({"request_id": "{id}", "label": True}, 422, "label: true"),
    "null as label": ({"request_id": "{id}", "label": None}, 422, "label: null"),
    "a list as label": ({"request_id": "{id}", "label": [1]}, 422, "label: a list"),
    "half a label": ({"request_id": "{id}", "label": 1.5}, 422, "label: 1.5"),
    "a label below all": ({"request_id": "{id}", "label": -1}, 422, "-1 is not a letter"),
    "a label above all": ({"request_id": "{id}", "label": 26}, 422, "26 is not a letter"),
    "a word as label": ({"request_id": "{id}", "label": "EE"}, 422, "'EE' is not a letter"),
    "true as row": ({"request_id": "{id}", "label": 1, "row": True}, 422, "row: true"),
    "text as row": ({"request_id": "{id}", "label": 1, "row": "0"}, 422, 'row: "0"'),
    "null as row": ({"request_id": "{id}", "label": 1, "row": None}, 422, "row: null"),
    "a row below all": ({"request_id": "{id}", "label": 1, "row": -1}, 422, "row: -1"),
    "a row above all": ({"request_id": "{id}", "label": 1, "row": 1}, 404, "no row 1"),
    "a huge row": ({"request_id": "{id}", "label": 1, "row": 2**63}, 404, "no row"),
    "a day as time": ({"request_id": "{id}", "label": 1, "time": "Monday"}, 422, "time"),
    "a number as time": ({"request_id": "{id}", "label": 1, "time": 5}, 422, "time"),
    "an unknown request": ({"request_id": "nobody", "label": 1}, 404, '"nobody"'),
    "no request's id": ({"request_id": "a b", "label": 1}, 404, '"a b"'),
    "too many": ([{"request_id": "{id}", "label": 1}] * 2001, 413, "2000"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named(service: Service, case: str) -> None:
    body, status, named = REFUSED[case]
    text = json.dumps(body)
    if "{id}" in text:
        text = text.replace("{id}", service.predict())
    response = service.client.post(
        "/feedback", content=text, headers={"content-type": "application/json"}
    )
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert named in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ("{", 400, "line 1"),
        ("", 400, "not JSON"),
        ('{"request_id": "x", "label": NaN}', 400, "line 1"),
        ('{"request_id": "x", "label": 1, "label": 2}', 422, 'duplicate name "label"'),
        ('{"request_id": "x:y", "label": 1}', 404, "x:y"),
        (r'{"request_id": "x", "label": 1, "lab\u0065l": 2}', 422, "duplicate"),
        ("[" * 2000 + "]" * 2000, 400, "JSON"),
    ],
)
def test_what_is_wrong_in_the_text_is_named(
    service: Service, body: str, status: int, named: str
) -> None:
    response = service.client.post(
        "/feedback", content=body, headers={"content-type": "application/json"}
    )
    assert (response.status_code, named in response.json()["detail"]) == (status, True), (
        response.text
    )


def test_a_body_of_another_type_and_a_query_are_refused(service: Service) -> None:
    told = json.dumps({"request_id": service.predict(), "label": 1})
    assert service.client.post("/feedback", content=told).status_code == 415
    response = service.client.post("/feedback?label=1", json=json.loads(told))
    assert response.status_code == 422


def counted(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Feedback by model and whether it was right."""
    return {
        (dict(labels)["model"], dict(labels)["correct"]): value
        for (name, labels), value in samples(client).items()
        if name == "eeg_feedback_rows_total"
    }


def test_feedback_is_counted_once_and_when_it_changes(service: Service) -> None:
    answered = service.client.post("/predict", json={"rows": [ROW]})
    right = answered.json()["predictions"][0]["LDA"]["label"]
    before = counted(service.client)
    assert set(before) == {
        (model.title, correct) for model in MODELS for correct in ("true", "false")
    }
    for label, expected in ((right, "true"), (right, None), ((right + 1) % 26, "false")):
        service.tell({"request_id": answered.headers["x-request-id"], "label": label})
        now = counted(service.client)
        changed = {key[1] for key in now if key[0] == "LDA" and now[key] == before[key] + 1}
        assert changed == (set() if expected is None else {expected})
        before = now


def test_two_who_tell_at_once_leave_one_truth_and_both_in_the_history(service: Service) -> None:
    request_id = service.predict(50)
    service.tell({"request_id": request_id, "row": 0, "label": 0})

    def tell(label: int) -> int:
        order = range(50) if label % 2 else reversed(range(50))
        told = [{"request_id": request_id, "row": row, "label": label} for row in order]
        return service.tell(*told).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(tell, range(1, 9))) == {202}
    truths = {entry["truth"]["label"] for entry in service.entries(request_id)}
    assert len(truths) == 1
    assert sorted(history(service, request_id, 1)) == list(range(1, 9))


def test_while_another_process_writes_no_answer_is_called_unknown(
    trained_home: Path, tmp_path: Path
) -> None:
    address = with_tables(f"sqlite:///{tmp_path / 'letters.sqlite'}")
    with serving(trained_home, address, tmp_path / "log", **OPEN) as service:
        before = [service.predict() for _ in range(2 * MOST_READERS)]
        told_before: list[dict[str, Any]] = [
            {"request_id": request_id, "label": 0} for request_id in before
        ]
        for each in told_before:
            assert service.tell(each).status_code == 202
            (entry,) = service.entries(each["request_id"])
            each["time"] = entry["time"]
        with ThreadPoolExecutor(len(before)) as pool:
            # As an import does.
            with service.engine.execution_options(writes=True).begin():
                request_id = service.predict()
                answer = service.tell({"request_id": request_id, "label": 1})
                assert answer.status_code == 503
                assert "not in the database yet" in answer.json()["detail"]
                told = [pool.submit(service.tell, each | {"label": 2}) for each in told_before]
                time.sleep(0.5)  # All of them wait.
                began = time.monotonic()
                assert service.client.get("/recordings").status_code == 200
                assert time.monotonic() - began < 0.5
                assert not any(each.done() for each in told)
            assert {each.result().status_code for each in told} == {202}
        assert service.tell({"request_id": request_id, "label": 1}).status_code == 202


def test_the_one_before_is_not_taken_for_the_newest_that_is_not_written_yet(
    trained_home: Path, postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    address = with_tables(postgresql_server.create())
    told = {"request_id": "twice", "label": 1}
    with serving(trained_home, address, tmp_path / "log", **OPEN) as service:
        service.predict(1, **{"x-request-id": "twice"})
        assert service.tell(told | {"label": 0}).status_code == 202
        with writing(service.engine) as connection:
            # What is answered waits for this table; feedback does not.
            connection.execute(text("LOCK TABLE writers IN EXCLUSIVE MODE"))
            service.predict(1, **{"x-request-id": "twice"})
            answer = service.tell(told)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "not in the database yet" in answer.json()["detail"]
            (entry,) = service.entries("twice")
            assert service.tell(told | {"label": 2, "time": entry["time"]}).status_code == 202
        assert service.tell(told).status_code == 202
        assert [entry["truth"]["label"] for entry in service.entries("twice")] == [2, 1]


def test_while_another_process_writes_for_long_the_database_can_be_read(
    trained_home: Path, tmp_path: Path
) -> None:
    address = with_tables(f"sqlite:///{tmp_path / 'letters.sqlite'}")
    with serving(trained_home, address, tmp_path / "log", **OPEN) as service:
        with service.engine.execution_options(writes=True).begin():
            request_id = service.predict()
            # Longer than SQLite itself waits.
            until = time.monotonic() + 6
            while time.monotonic() < until:
                assert service.client.get("/recordings").status_code == 200
                assert "[+]database ok" in service.client.get("/readyz?verbose").text
        service.tell({"request_id": request_id, "label": 1})
        assert len(service.entries(request_id)) == 1
        assert "rows wait to be kept: another process" in service.log.read_text()
