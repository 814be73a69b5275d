"""Rows of a stream, and what they are answered."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import ClientConnection

from tests.conftest import samples
from tests.serving.live.conftest import NAMES, ROW, Open, ask
from tests.shipped import SCHEMA

TITLES = ("LDA", "Neural Network")


def test_a_row_is_answered_as_predict_answers_it(
    stream: ClientConnection, client: httpx.Client, stored: list[dict[str, Any]]
) -> None:
    (wanted,) = client.post("/predict", json={"rows": stored[:1]}).json()["predictions"]
    for message in ({"row": stored[0]}, {"row": list(stored[0].values())}):
        answer = ask(stream, message)
        assert answer["familiar"] is wanted["familiar"]
        for title in TITLES:
            probabilities = wanted[title]["probabilities"]
            best = np.argsort(-np.array(probabilities), kind="stable")[:5].tolist()
            letters = SCHEMA.labels.names
            assert answer[title] == {
                "label": wanted[title]["label"],
                "letter": wanted[title]["letter"],
                "likeliest": [
                    {"label": place, "letter": letters[place], "probability": probabilities[place]}
                    for place in best
                ],
            }


def test_all_probabilities_where_they_are_asked_for(
    open_one: Open, client: httpx.Client, stored: list[dict[str, Any]]
) -> None:
    (wanted,) = client.post("/predict", json={"rows": stored[:1]}).json()["predictions"]
    answer = ask(open_one(probabilities="all"), {"row": stored[0]})
    assert {title: answer[title] for title in TITLES} == {title: wanted[title] for title in TITLES}


def test_rows_are_numbered_unless_they_have_an_id(stream: ClientConnection) -> None:
    messages: list[dict[str, Any]] = [
        {"row": ROW},
        {"row": ROW, "id": "of-a:client.1_"},
        {"row": ROW, "time": 1903.25},
        {"row": ROW[1:]},
        {"row": ROW, "id": 77},
        {"row": ROW},
    ]
    for message in messages:
        stream.send(json.dumps(message))
    answers = [json.loads(stream.recv(timeout=20)) for _ in messages]
    assert [answer["id"] for answer in answers] == [0, "of-a:client.1_", 2, 3, 77, 5]
    assert [answer.get("time") for answer in answers] == [None, None, 1903.25, None, None, None]
    assert ["error" in answer for answer in answers] == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("message", "status", "told"),
    [
        ("{", 400, "not JSON: line 1, column 2"),
        ("[1, 2]", 422, "must be a JSON object"),
        ({}, 422, 'member "row" is missing'),
        ({"row": ROW, "rows": 1}, 422, '"rows"'),
        ({"row": ROW[1:]}, 422, "The row has 159 values; a row has 160"),
        ({"row": [*ROW[:-1], "x"]}, 422, f"The row, feature {NAMES[-1]}"),
        ({"row": [*ROW[:-1], -1]}, 422, f"The row, feature {NAMES[-1]}: -1.0 is negative"),
        ({"row": [*ROW[:-1], True]}, 422, f"The row, feature {NAMES[-1]}: true is not a number"),
        ({"row": dict(zip(NAMES[1:], ROW[1:], strict=True))}, 422, f"no feature {NAMES[0]}"),
        ({"row": 5}, 422, "neither a list of numbers nor an object"),
        ({"row": ROW, "time": "now"}, 422, 'time is "now"'),
        ({"row": ROW, "label": {}}, 422, "label: an object is no label"),
        ({"row": ROW, "label": "?"}, 422, "label: "),
        ({"row": ROW, "label": 1}, 422, "label: nothing of what is answered is kept here"),
    ],
)
def test_a_bad_row_is_told_and_the_stream_goes_on(
    stream: ClientConnection, message: Any, status: int, told: str
) -> None:
    answer = ask(stream, message)
    assert answer["id"] == 0
    assert answer["error"]["status"] == status
    assert told in answer["error"]["detail"]
    assert ask(stream, {"row": ROW})["id"] == 1


def test_a_duplicate_member_is_refused(stream: ClientConnection) -> None:
    row = json.dumps(ROW)
    answer = ask(stream, f'{{"row": {row}, "row": {row}}}')
    assert '"row"' in answer["error"]["detail"]


@pytest.mark.parametrize("given", [-1, 2**53, 1.5, True, None, "", "a b", "x" * 65, [1]])
def test_what_cannot_be_an_id_is_refused(stream: ClientConnection, given: Any) -> None:
    answer = ask(stream, {"row": ROW, "id": given})
    assert (answer["id"], answer["error"]["status"]) == (0, 422)
    assert answer["error"]["detail"].startswith("id is ")


def test_a_message_in_fragments_is_one(stream: ClientConnection) -> None:
    text = json.dumps({"row": ROW, "id": "whole"})
    stream.send(text[place : place + 100] for place in range(0, len(text), 100))
    assert json.loads(stream.recv(timeout=20))["id"] == "whole"


COLUMNS = (*reversed(NAMES), "AF9/theta")
SUBSCRIBED = {
    "id": 6,
    "jsonrpc": "2.0",
    "result": {
        "failure": [],
        "success": [{"cols": COLUMNS, "sid": "0af1", "streamName": "pow"}],
    },
}


class TestCortex:
    def test_its_columns_set_the_order(self, stream: ClientConnection) -> None:
        wanted = ask(stream, {"row": ROW})
        stream.send(json.dumps(SUBSCRIBED))
        row = {"pow": [*reversed(ROW), 9.5], "sid": "0af1", "time": 1559903137.1741}
        answer = ask(stream, row)
        assert (answer.pop("id"), answer.pop("time")) == (1, 1559903137.1741)
        assert {title: answer[title] for title in TITLES} == {
            title: wanted[title] for title in TITLES
        }

    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            (None, "Cortex' answer to the subscription, which names the columns, is missing"),
            (NAMES[1:], f"column {NAMES[0]}: the column is missing"),
            ((*NAMES, NAMES[3]), f'"{NAMES[3]}" is a duplicate column'),
        ],
    )
    def test_a_row_without_good_columns_is_refused(
        self, stream: ClientConnection, columns: Any, told: str
    ) -> None:
        if columns is not None:
            subscribed = {"streamName": "pow", "cols": columns, "sid": "0af1"}
            stream.send(json.dumps({"jsonrpc": "2.0", "result": {"success": [subscribed]}}))
        answer = ask(stream, {"pow": ROW, "sid": "0af1", "time": 1.5})
        assert told in answer["error"]["detail"]

    def test_a_row_of_another_width_is_refused(self, stream: ClientConnection) -> None:
        stream.send(json.dumps(SUBSCRIBED))
        answer = ask(stream, {"pow": ROW, "sid": "0af1", "time": 1.5})
        assert answer["error"]["detail"] == "pow has 160 values; 161 columns were announced."

    def test_other_messages_have_no_answer(self, stream: ClientConnection) -> None:
        others = (
            {"jsonrpc": "2.0", "warning": {"code": 104, "message": {}}},
            {"jsonrpc": "2.0", "id": 1, "result": {"accessGranted": True}},
            {"jsonrpc": "2.0", "id": 1, "result": {"success": "no list"}},
            {"dev": [0, 1], "sid": "0af1", "time": 1.5},
        )
        for message in others:
            stream.send(json.dumps(message))
        assert ask(stream, {"row": ROW})["id"] == 0


def test_the_running_decision_adds_up(open_one: Open, stored: list[dict[str, Any]]) -> None:
    stream = open_one(window=4, threshold=0.9, hold=3, probabilities="all")
    logarithms: list[Any] = []
    held = 0
    before = None
    for number, row in enumerate(stored * 3):
        answer = ask(stream, {"row": row})
        given = [answer[title]["probabilities"] for title in TITLES]
        logarithms.append(np.log(np.maximum(given, 1e-12)).sum(axis=0))
        summed = np.sum(logarithms[-4:], axis=0)
        shares = np.exp(summed - summed.max()) / np.exp(summed - summed.max()).sum()
        decision = answer["decision"]
        best = int(summed.argmax())
        assert decision["label"] == best
        assert decision["letter"] == SCHEMA.labels.names[best]
        assert decision["rows"] == min(number + 1, 4)
        assert decision["probability"] == pytest.approx(shares[best], abs=1e-4)
        is_sure = decision["probability"] >= 0.9
        held = (held + 1 if best == before else 1) if is_sure else 0
        assert decision["stable"] is (held >= 3)
        before = best
    assert held


def test_a_bad_row_does_not_change_the_decision(open_one: Open) -> None:
    stream = open_one()
    assert ask(stream, {"row": ROW})["decision"]["rows"] == 1
    ask(stream, {"row": ROW[1:]})
    assert ask(stream, {"row": ROW})["decision"]["rows"] == 2


def test_rows_are_counted(client: httpx.Client, open_one: Open) -> None:
    def counted(name: str, **labels: str) -> float:
        return samples(client).get((name, frozenset(labels.items())), 0.0)

    watched: list[tuple[str, dict[str, str]]] = [
        ("eeg_stream_rows_total", {"outcome": "answered"}),
        ("eeg_stream_rows_total", {"outcome": "refused"}),
        ("eeg_rows_scored_total", {}),
        ("eeg_stream_row_duration_seconds_count", {}),
    ]
    before = [counted(name, **labels) for name, labels in watched]
    stream = open_one()
    assert counted("eeg_streams") >= 1
    for _ in range(3):
        ask(stream, {"row": ROW})
    ask(stream, {"row": []})
    after = [counted(name, **labels) for name, labels in watched]
    assert [one - other for one, other in zip(after, before, strict=True)] == [3, 1, 3, 4]
