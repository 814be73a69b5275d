"""Streams: each row is answered once, whatever happens to their connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.sync.server import ServerConnection

from eeg_letters.errors import LiveError
from eeg_letters.live import Answer, Likely, connect
from eeg_letters.live.refusals import asked_delay
from eeg_letters.live.stream import Stream
from tests import conftest
from tests.conftest import free_port
from tests.live.standin import StandIn, answer, answer_all, refuse, stand_in


def test_each_connection_has_the_headers() -> None:
    with stand_in(close_after(1), answer_all) as service:
        asyncio.run(exchange(service.url, 3, headers={"Authorization": "Bearer me"}))
    assert service.tokens == ["Bearer me"] * 2


async def exchange(url: str, n_rows: int, **options: Any) -> tuple[list[Answer], Stream]:
    """Send rows and take their answers, at once."""
    async with asyncio.timeout(60), connect(url, **options) as live:

        async def feed() -> None:
            for number in range(n_rows):
                await live.send([float(number % 26), 1.0])
            live.end()

        feeding = asyncio.create_task(feed())
        answers = [answer async for answer in live]
        await feeding
        return answers, live


def test_each_row_has_a_typed_answer() -> None:
    with stand_in() as service, connect(service.url) as live:
        live.send(np.array([[4.0, 1.0], [5.0, 1.0]]).T[0], id="first", time=1.5, label="E")
        live.send({"Cz/theta": 20.0})
        live.end()
        first, second = live
    assert (first.id, first.time, first.familiar, first.refused) == ("first", 1.5, True, None)
    assert first.models.keys() == {"LDA", "Neural Network"}
    lda = first.models["LDA"]
    assert (lda.label, lda.letter, lda.probabilities) == (4, "E", None)
    assert lda.likeliest == (Likely(4, "E", 0.75), Likely(25, "Z", 0.25))
    assert first.decision is not None
    assert (first.decision.name, first.decision.rows, first.decision.stable) == ("E", 8, True)
    assert 0 < first.latency < 30
    assert (second.id, second.time, second.familiar) == (1, None, False)
    assert service.rows == [
        {"id": "first", "row": [4.0, 5.0], "label": "E", "time": 1.5},
        {"id": 1, "row": {"Cz/theta": 20.0}},
    ]


def test_a_refused_row_is_an_answer_and_the_stream_goes_on() -> None:
    with stand_in() as service, connect(service.url) as live:
        live.send([])
        live.send([1.0])
        refused, taken = next(live), next(live)
    assert (refused.refused, refused.models, refused.decision) == (
        "The row has 0 values.",
        {},
        None,
    )
    assert taken.refused is None


def close_after(n_answers: int, lost: int = 0, code: int = 1012) -> Any:
    """Answer some rows, take some more without an answer, and close."""

    def script(connection: ServerConnection, standin: StandIn) -> None:
        for _ in range(n_answers):
            connection.send(answer(standin.receive(connection)))
        for _ in range(lost):
            standin.receive(connection)
        connection.close(code, f"last {standin.ids[-1][n_answers - 1] if n_answers else ''}")

    return script


def break_after(n_answers: int) -> Any:
    """Answer some rows and reset the connection."""

    def script(connection: ServerConnection, standin: StandIn) -> None:
        for _ in range(n_answers):
            connection.send(answer(standin.receive(connection)))
        connection.socket.shutdown(socket.SHUT_RDWR)

    return script


@pytest.mark.parametrize(
    "scripts",
    [
        [close_after(5)],
        [close_after(3, lost=4), close_after(0, lost=2), close_after(1)],
        [break_after(7), close_after(2, code=1011), close_after(2, code=1001)],
        [refuse(HTTPStatus.SERVICE_UNAVAILABLE, "It ends.", Retry_After="0"), close_after(2)],
    ],
    ids=["a restart", "answers lost", "broken", "busy at first"],
)
def test_rows_are_sent_again_until_each_is_answered_once(scripts: list[Any]) -> None:
    with stand_in(*scripts, answer_all) as service:
        answers, live = asyncio.run(exchange(service.url, 50, max_unanswered=8))
    assert [answer.id for answer in answers] == list(range(50))
    names = [answer.decision.name for answer in answers if answer.decision]
    assert names == [chr(65 + number % 26) for number in range(50)]
    assert live.losses.reconnects == len(service.ids) - 1
    # Of those sent again, the service had read some.
    assert live.losses.again >= sum(map(len, service.ids)) - 50
    assert all(sent == sorted(sent) for sent in service.ids)


def test_an_answer_that_comes_twice_is_given_once() -> None:
    def twice(connection: ServerConnection, standin: StandIn) -> None:
        before = ""
        while True:
            said = answer(standin.receive(connection))
            if before:
                connection.send(before)
            connection.send(said)
            before = said

    with stand_in(twice) as service:
        answers, _ = asyncio.run(exchange(service.url, 20))
    assert [answer.id for answer in answers] == list(range(20))


def test_sending_waits_while_too_many_rows_have_no_answer() -> None:
    go_on = threading.Event()

    def late(connection: ServerConnection, standin: StandIn) -> None:
        first = standin.receive(connection)
        go_on.wait()
        connection.send(answer(first))
        answer_all(connection, standin)

    async def check(url: str) -> None:
        async with connect(url, max_unanswered=3) as live:
            for _ in range(3):
                await live.send([1.0])
            fourth = asyncio.create_task(live.send([1.0]))
            done, _ = await asyncio.wait([fourth], timeout=0.05)
            assert not done
            go_on.set()
            await fourth

    with stand_in(late) as service:
        asyncio.run(check(service.url))
    assert service.ids == [[0, 1, 2, 3]]


def test_a_block_that_ends_waits_for_the_answers_to_its_rows() -> None:
    with stand_in(close_after(1, lost=1), answer_all) as service:
        with connect(service.url) as live:
            for _ in range(4):
                live.send([1.0])
        assert service.ids[1] == [1, 2, 3]


def test_a_stream_outlives_a_restart_of_the_service(
    trained_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(conftest, "free_port", lambda: port)
    names = [chr(65 + number % 26) for number in range(60)]
    with ExitStack() as stack:
        with conftest.serve(trained_home) as (url, _):
            rows = features_of(url, names)
            address = f"{url.replace('http', 'ws')}/live"
            live = stack.enter_context(connect(address, headers={"x-request-id": "take"}))
            for row in rows[:40]:
                live.send(row)
            answers = [next(live) for _ in range(10)]
        for row in rows[40:]:
            live.send(row)
        with conftest.serve(trained_home):
            live.end()
            answers += live
    assert [answer.id for answer in answers] == list(range(60))
    assert [answer.models["LDA"].letter for answer in answers] == names
    assert live.losses.reconnects == 1
    # By connections, of which the second has an id of its own.
    ids = [f"take.{answer.request_id}".rpartition(".")[2] for answer in answers]
    n_again = ids.index("1-0")
    assert [answer.request_id for answer in answers] == [
        *(f"take-{number}" for number in range(n_again)),
        *(f"take.1-{number}" for number in range(60 - n_again)),
    ]


def features_of(url: str, letters: Sequence[str]) -> list[list[float]]:
    """A stored row for each letter, one that is recognised as that."""
    stored = httpx.get(f"{url}/predictions").json()
    said = stored["labels"]["LDA"]
    line_of = {label: line for line, label in zip(stored["lines"], said, strict=True)}
    rows = {}
    for letter in set(letters):
        row = httpx.get(f"{url}/line/{line_of[ord(letter) - 65]}").json()
        rows[letter] = [float(value) for name, value in row.items() if "/" in name]
    return [rows[letter] for letter in letters]


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (HTTPStatus.FORBIDDEN, "The origin is not allowed."),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "window: 0 is not from 1 to 1000."),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(status: HTTPStatus, detail: str) -> None:
    with (
        stand_in(refuse(status, detail)) as service,
        pytest.raises(LiveError, match=f"takes no stream: {status.value}, {detail}"),
        connect(service.url),
    ):
        pytest.fail("it was entered")


@pytest.mark.parametrize("code", [1003, 1007, 1009])
def test_a_close_that_the_same_rows_would_bring_about_again_is_an_error(code: int) -> None:
    with (
        stand_in(close_after(1, code=code)) as service,
        pytest.raises(LiveError, match=f"closed the stream: {code}"),
    ):
        asyncio.run(exchange(service.url, 3))
    assert len(service.ids) == 1


@pytest.mark.parametrize("said", ["[]", "{}", "{", '{"id": 7}', '{"id": 0, "LDA": 1}'])
def test_something_else_than_an_answer_is_an_error(said: str) -> None:
    def nonsense(connection: ServerConnection, standin: StandIn) -> None:
        standin.receive(connection)
        connection.send(said)

    with (
        stand_in(nonsense, answer_all) as service,
        pytest.raises(LiveError, match=r"something else than an answer|was not asked"),
    ):
        asyncio.run(exchange(service.url, 3))


def test_a_service_that_never_was_there_is_given_up() -> None:
    url = f"ws://127.0.0.1:{free_port()}/live"
    with pytest.raises(LiveError, match=r"no service within 0\.1 s"), connect(url, patience=0.1):
        pytest.fail("it was entered")


def test_a_service_that_comes_late_is_waited_for() -> None:
    port = free_port()
    entered = threading.Event()

    def use() -> None:
        with connect(f"ws://127.0.0.1:{port}/live") as live:
            live.send([1.0])
            assert next(live).id == 0
        entered.set()

    thread = threading.Thread(target=use)
    thread.start()
    with stand_in(port=port):
        thread.join(30)
    assert entered.is_set()


@pytest.mark.parametrize(("asked", "seconds"), [("5", 5), ("86400", 30), ("9" * 400, 30), ("", 0)])
def test_a_refusal_delays_the_next_try_by_half_a_minute_at_most(asked: str, seconds: float) -> None:
    headers = Headers({"Retry-After": asked})
    refusal = InvalidStatus(Response(503, "Service Unavailable", headers))
    assert asked_delay(refusal) == seconds


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://localhost/live",
        "ws://",
        "ws://[::1/live",
        "ws://localhost:x/live",
        "ws://localhost:99999/live",
        "ws://a..b/live",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(LiveError, match="no address of a WebSocket"), connect(url):
        pytest.fail("it was entered")


@pytest.mark.parametrize("identity", [-1, 2**53, "", "a b", "x" * 65, True, 1.0])
def test_an_id_that_a_service_would_refuse_is_refused_here(identity: Any) -> None:
    with stand_in() as service, connect(service.url, max_unanswered=1) as live:
        for _ in range(3):
            with pytest.raises(ValueError, match="no number from 0 on, or has characters"):
                live.send([1.0], id=identity)


def test_a_row_that_is_none_is_refused_and_leaves_room() -> None:
    with stand_in() as service, connect(service.url, max_unanswered=1) as live:
        for _ in range(3):
            with pytest.raises(TypeError):
                live.send([object()])  # type: ignore[list-item]
        live.send([1.0])
        assert next(live).id == 0


def test_answers_that_came_before_the_end_of_a_block_stay_to_be_read() -> None:
    with stand_in() as service:
        with connect(service.url) as live:
            for _ in range(3):
                live.send([1.0])
            assert next(live).id == 0
        assert [answer.id for answer in live] == [1, 2]
        assert list(live) == []
        live.end()
        with pytest.raises(LiveError, match="the stream was ended"):
            live.send([1.0])


def test_whoever_leaves_by_an_exception_goes_away_as_everybody_else() -> None:
    with stand_in() as service:
        with pytest.raises(ZeroDivisionError):
            fail_within(service.url)
        assert service.ended.get(timeout=20) == 1001


def fail_within(url: str) -> None:
    with connect(url) as live:
        live.send([1.0])
        raise ZeroDivisionError


def test_no_thread_outlives_a_block() -> None:
    before = set(threading.enumerate())
    with stand_in() as service:
        with pytest.raises(ZeroDivisionError):
            fail_within(service.url)
        assert not [one for one in set(threading.enumerate()) - before if "run_forever" in one.name]


def test_a_fault_of_the_caller_is_told_and_not_taken_for_the_end() -> None:
    with (
        stand_in() as service,
        pytest.raises(TypeError),
        connect(service.url, headers=5),  # type: ignore[arg-type]
    ):
        pytest.fail("it was entered")
