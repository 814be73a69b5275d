"""Rows of many streams that are scored together."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.serving.live.conftest import ROW, Open

TITLES = ("LDA", "Neural Network")
STREAMS, ROUNDS = 24, 3


def test_each_stream_gets_its_own_answers_in_order(
    open_one: Open, client: httpx.Client, stored: list[dict[str, Any]]
) -> None:
    wanted = client.post("/predict", json={"rows": stored}).json()["predictions"]
    streams = [open_one(probabilities="all") for _ in range(STREAMS)]
    # Another row of each at a time, and a bad one among them.
    asked = [
        [
            (f"{number}:{place}", (number + place) % len(stored))
            for place in range(ROUNDS * len(stored))
        ]
        for number in range(STREAMS)
    ]
    bad = len(stored) // 2
    for number, stream in enumerate(streams):
        for name, row in asked[number]:
            values = ROW[1:] if row == bad else [*stored[row].values()]
            stream.send(json.dumps({"id": name, "row": values}))
    for number, stream in enumerate(streams):
        rows = 0
        for name, row in asked[number]:
            answer = json.loads(stream.recv(timeout=20))
            assert answer["id"] == name
            if row == bad:
                assert answer["error"]["status"] == 422
                continue
            rows += 1
            assert answer["decision"]["rows"] == min(rows, 8)
            assert answer["familiar"] is wanted[row]["familiar"]
            for title in TITLES:
                assert answer[title]["label"] == wanted[row][title]["label"]
                # Sums of many rows are taken in another order.
                assert answer[title]["probabilities"] == pytest.approx(
                    wanted[row][title]["probabilities"], rel=1e-9, abs=1e-12
                )
