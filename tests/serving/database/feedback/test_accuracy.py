"""How often models were right, over HTTP."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest
from sqlalchemy import delete, text

from eeg_letters.database.engine import writing
from eeg_letters.database.tables import predictions
from eeg_letters.database.truths import MOST_GROUPS, Share
from eeg_letters.models import MODELS
from eeg_letters.serving.database.access import SECONDS
from tests.postgresql import PostgreSQL
from tests.serving.database.feedback.conftest import OPEN, Service, serving, with_tables

ROWS_OF = {"monday": 40, "tuesday": 25, None: 10}


@pytest.fixture(scope="module")
def told(
    trained_home: Path, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service in whose database some rows of some sessions have feedback."""
    log = tmp_path_factory.mktemp("told") / "log"
    with serving(trained_home, database, log, **OPEN) as service:
        with writing(service.engine) as connection:
            connection.execute(delete(predictions))
        for session, n_rows in ROWS_OF.items():
            request_id = service.predict(n_rows + 5, session)
            response = service.tell(
                *(
                    {"request_id": request_id, "row": row, "label": row % 26}
                    for row in range(n_rows)
                )
            )
            assert response.status_code == 202
        # One of a model alone.
        rows = {"name": "rows", "datatype": "FP64", "shape": [1, 160], "data": [1.0] * 160}
        answered = service.client.post(
            "/v2/models/eeg-lda/infer",
            json={"inputs": [rows]},
            headers={"x-session-id": "tuesday"},
        )
        told = {"request_id": answered.headers["x-request-id"], "label": 3}
        assert service.tell(told).status_code == 202
        yield service


def entries(service: Service) -> list[dict[str, Any]]:
    found = service.client.get("/predictions/log?limit=1000").json()["entries"]
    return [entry for entry in found if "truth" in entry]


def accuracy(service: Service, **parameters: Any) -> Any:
    response = service.client.get("/accuracy", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("by", ["version", "session", "class"])
def test_groups_are_those_of_the_log(told: Service, by: str) -> None:
    answer = accuracy(told, by=by)
    assert answer["by"] == by
    labelled = entries(told)
    for model in MODELS:
        rows: Counter[Any] = Counter()
        right: defaultdict[Any, int] = defaultdict(int)
        for entry in labelled:
            if model.title not in entry:
                continue
            given = entry[model.title]
            key = {
                "version": given["version"],
                "session": entry.get("session"),
                "class": entry["truth"]["letter"],
            }[by]
            for each in (key, "all"):
                rows[each] += 1
                right[each] += given["label"] == entry["truth"]["label"]
        of_model = answer["models"][model.title]
        groups = {
            group["letter"] if by == "class" else group[by]: group for group in of_model["groups"]
        }
        groups["all"] = of_model
        assert of_model["more_groups"] == 0
        assert {key: group["rows"] for key, group in groups.items()} == rows
        counts = [group["rows"] for group in of_model["groups"]]
        assert counts == sorted(counts, reverse=True)
        for key, group in groups.items():
            assert group["accuracy"] == right[key] / rows[key]
            low, high = group["interval"]
            assert 0 <= low <= group["accuracy"] <= high <= 1
    n_rows = {title: of["rows"] for title, of in answer["models"].items()}
    assert n_rows == {"LDA": 76, "Neural Network": 75}


def test_by_version_is_what_is_meant(told: Service) -> None:
    assert accuracy(told) == accuracy(told, by="version")


def test_since_leaves_older_predictions_out(told: Service) -> None:
    newest = entries(told)[0]["time"]
    of_lda = accuracy(told, since=newest)["models"]["LDA"]
    assert of_lda["rows"] == 1
    none = accuracy(told, since="2100-01-01", by="class")["models"]["LDA"]
    assert none == {"rows": 0, "groups": [], "more_groups": 0}


def test_of_many_sessions_the_largest_are_told(told: Service) -> None:
    requests = [told.predict(1, f"many-{number}") for number in range(MOST_GROUPS + 7)]
    assert told.tell(*({"request_id": each, "label": 1} for each in requests)).status_code == 202
    for model in MODELS:
        of_model = accuracy(told, by="session")["models"][model.title]
        assert len(of_model["groups"]) == MOST_GROUPS
        assert of_model["more_groups"] == 7 + len(ROWS_OF)
        largest = [group["session"] for group in of_model["groups"][:2]]
        assert largest == ["monday", "tuesday"]


@pytest.mark.parametrize("query", ["by=letter", "by=", "by=class&by=class", "since=x", "limit=1"])
def test_another_query_is_refused(told: Service, query: str) -> None:
    assert told.client.get(f"/accuracy?{query}").status_code == 422


@pytest.mark.parametrize("rows", [1, 7, 100, 10_000])
def test_the_interval_is_wilsons(rows: int) -> None:
    for right in {0, 1, rows // 3, rows}:
        wanted = binomtest(right, rows).proportion_ci(method="wilson")
        found = Share(rows, right).interval
        assert found == pytest.approx((wanted.low, wanted.high), abs=1e-9)
        assert found[1] - found[0] < 4 / sqrt(rows)


def test_who_must_wait_for_others_is_told_so(
    trained_home: Path, postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    address = with_tables(postgresql_server.create())
    with serving(trained_home, address, tmp_path / "log", **OPEN) as service:
        with writing(service.engine) as connection, ThreadPoolExecutor() as pool:
            connection.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
            began = time.monotonic()
            asked = [pool.submit(service.client.get, "/accuracy") for _ in range(4)]
            assert [each.result().status_code for each in asked] == [503] * len(asked)
            # Nobody waits for all that are before.
            assert time.monotonic() - began < 3 * SECONDS
        accuracy(service)
