"""Rows of many streams that are scored together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import httpx
import numpy as np
import pytest

from eeg_letters.serving.live import turns as module
from eeg_letters.serving.live.counts import StreamCounts
from eeg_letters.serving.live.messages import Row
from eeg_letters.serving.live.scored import Scored
from eeg_letters.serving.live.turns import Asked, Turns
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


class Failing:
    """A stream of three rows, one step of which fails, which no client can bring about."""

    def __init__(self, step: str | None = None) -> None:
        self.step = step
        self.rows = 3
        self.answered = 0
        self.is_resting = self.is_abandoned = False

    @property
    def has_work(self) -> bool:
        return self.rows > 0 and not self.is_abandoned

    def take(self) -> Asked:
        self.fail("take")
        self.rows -= 1
        return Asked(self, 0, {"id": 0}, 0.0)

    def give(self, asked: Asked, scored: Scored | None, place: int) -> None:  # noqa: ARG002
        self.fail("give")
        self.answered += 1

    def rest(self) -> None:
        self.fail("rest")
        self.is_resting = True

    def abandon(self, error: Exception) -> None:
        assert isinstance(error, ZeroDivisionError)
        self.is_abandoned = True

    def fail(self, step: str) -> None:
        if self.step == step:
            raise ZeroDivisionError


def test_a_stream_that_fails_takes_no_turn_from_others() -> None:
    streams = [Failing("take"), Failing(), Failing("give"), Failing("rest"), Failing()]

    async def answer() -> None:
        turns = Turns(lambda _: pytest.fail("no row was taken"), StreamCounts())
        for stream in streams:
            turns.add(stream, asyncio.get_running_loop())
        async with asyncio.timeout(20):
            while any(stream.has_work for stream in streams):
                await asyncio.sleep(0)

    asyncio.run(answer())
    whole = [stream for stream in streams if stream.step is None]
    assert [(one.answered, one.is_resting) for one in whole] == [(3, True)] * 2
    assert [one.is_abandoned for one in streams] == [one not in whole for one in streams]


class Asking(Failing):
    """A stream of one row at a time, with numbers."""

    def take(self) -> Asked:
        self.rows -= 1
        return Asked(self, 0, {"id": 0}, 0.0, Row(np.zeros((1, 1)), None))


class Recorded:
    """An event loop that waits for nothing and tells what it was asked for."""

    def __init__(self) -> None:
        self.waits: list[bool] = []
        self._callbacks: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.waits.append(False)
        self._callbacks.append(callback)

    def call_later(self, _: float, callback: Callable[[], None]) -> None:
        self.waits.append(True)
        self._callbacks.append(callback)

    def run(self) -> None:
        while self._callbacks:
            self._callbacks.pop()()


@pytest.mark.parametrize(
    ("open_streams", "first", "since", "waits"),
    [
        (64, 2, 0.0009, True),
        # There are too few, all rows were of one, or the last turn is too long ago.
        (63, 2, 0.0009, False),
        (64, 1, 0.0009, False),
        (64, 2, 0.0011, False),
    ],
)
def test_of_many_streams_rows_that_follow_closely_are_scored_together(
    open_streams: int, first: int, since: float, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module, "perf_counter", lambda: now)
    counts, loop, scored = StreamCounts(), Recorded(), list[int]()
    counts.open = open_streams

    def score(rows: Sequence[Row]) -> Any:
        scored.append(len(rows))

    turns = Turns(score, counts)
    add(turns, loop, first, rows=2 // first)
    now += since
    add(turns, loop, 3)
    assert loop.waits == [False, waits]
    # A turn that waited has the rows of all.
    assert scored == [2, 3]


def add(turns: Turns, loop: Recorded, streams: int, rows: int = 1) -> None:
    """Streams that have rows, until those are answered."""
    for _ in range(streams):
        stream = Asking()
        stream.rows = rows
        turns.add(stream, cast("asyncio.AbstractEventLoop", loop))
    loop.run()
