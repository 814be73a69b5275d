"""Rows of streams in the database, and what they truly were."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import samples, serve_process
from tests.serving.database.feedback.conftest import with_tables
from tests.serving.live.conftest import ROW, ask, open_stream

KEEP: dict[str, Any] = {"EEG_KEEP_PREDICTIONS": "true"}
OPEN = KEEP | {"EEG_OPEN_FEEDBACK": "true"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with its tables."""
    return with_tables(f"sqlite:///{tmp_path_factory.mktemp('database') / 'letters.sqlite'}")


@pytest.fixture(scope="module")
def keeping(bento: Path, address: str) -> Iterator[httpx.Client]:
    """A service that keeps what it answers, and takes feedback from anybody."""
    with (
        serve_process(bento, EEG_DATABASE=address, **OPEN) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def logged(client: httpx.Client, session: str, wanted: int) -> list[dict[str, Any]]:
    """The log's entries of a session, newest first, once there are so many."""
    until = time.monotonic() + 20
    while True:
        asked = client.get("/predictions/log", params={"session": session})
        entries: list[dict[str, Any]] = asked.json()["entries"]
        if len(entries) >= wanted or time.monotonic() > until:
            return entries
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["query", "header"])
def test_rows_are_kept_under_their_session(keeping: httpx.Client, how: str) -> None:
    session = f"person-{how}"
    headers = {"x-request-id": f"stream-{how}"}
    parameters = {"session": session} if how == "query" else {}
    if how == "header":
        headers["x-session-id"] = session
    with open_stream(str(keeping.base_url), headers, **parameters) as stream:
        answers = [ask(stream, {"row": [value + n for value in ROW]}) for n in range(3)]
        ask(stream, {"row": []})
    entries = logged(keeping, session, 3)
    assert [entry["request_id"] for entry in entries] == [f"stream-{how}-{n}" for n in (2, 1, 0)]
    assert {entry["route"] for entry in entries} == {"/live"}
    assert [entry["LDA"]["label"] for entry in reversed(entries)] == [
        answer["LDA"]["label"] for answer in answers
    ]


def test_a_label_counts_as_feedback(keeping: httpx.Client) -> None:
    def counted() -> float:
        found = samples(keeping)
        return sum(n for (name, _), n in found.items() if name == "eeg_feedback_rows_total")

    before = counted()
    headers = {"x-request-id": "told"}
    with open_stream(str(keeping.base_url), headers, session="teller") as stream:
        for label in (4, "E", None):
            answer = ask(stream, {"row": ROW} | ({} if label is None else {"label": label}))
            assert "error" not in answer
    entries = logged(keeping, "teller", 3)
    assert [entry.get("truth", {}).get("label") for entry in reversed(entries)] == [4, 4, None]
    assert counted() - before == 4
    # The third one's label is told later, as any request's is.
    told = keeping.post("/feedback", json={"request_id": "told-2", "label": "F"})
    assert told.status_code == 202, told.text
    accuracy = keeping.get("/accuracy", params={"by": "session"}).json()
    groups = {group["session"]: group["rows"] for group in accuracy["models"]["LDA"]["groups"]}
    assert groups["teller"] == 3


def test_with_tokens_a_label_needs_one(bento: Path, address: str, tmp_path: Path) -> None:
    token = "0123456789abcdef" * 4
    file = tmp_path / "tokens"
    file.write_text(f"annotator {sha256(token.encode()).hexdigest()} feedback\n")
    settings = KEEP | {"EEG_DATABASE": address, "EEG_TOKENS_FILE": str(file)}
    told = {"row": ROW, "label": 4}
    with serve_process(bento, **settings) as (url, _):
        with open_stream(url, {"authorization": f"Bearer {token}"}) as stream:
            assert "error" not in ask(stream, told)
        with open_stream(url) as stream:
            assert ask(stream, told)["error"]["status"] == 401
            assert "error" not in ask(stream, {"row": ROW})


def test_where_feedback_is_off_a_label_is_refused(bento: Path, address: str) -> None:
    with (
        serve_process(bento, EEG_DATABASE=address, **KEEP) as (url, _),
        open_stream(url) as stream,
    ):
        answer = ask(stream, {"row": ROW, "label": 4})
        assert answer["error"]["detail"].startswith("Feedback and the log are off")


def test_what_waits_is_written_when_the_service_ends(bento: Path, address: str) -> None:
    with (
        serve_process(bento, EEG_DATABASE=address, **OPEN) as (url, _),
        open_stream(url, session="to-the-end") as stream,
    ):
        for _ in range(200):
            stream.send(json.dumps({"row": ROW}))
        for _ in range(200):
            stream.recv(timeout=20)
    with (
        serve_process(bento, EEG_DATABASE=address, **OPEN) as (url, _),
        httpx.Client(base_url=url) as client,
    ):
        asked = client.get("/predictions/log", params={"session": "to-the-end", "limit": 1000})
        assert len(asked.json()["entries"]) == 200
