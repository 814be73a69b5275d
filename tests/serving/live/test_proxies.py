"""Streams through Traefik and nginx: opened, idle for long, and over a rollout."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import serve_process
from tests.serving.proxies import documented_nginx, traefik
from tests.shipped import FEATURES

# Time is sped up twenty times: of the service, whose pings come every 20 s, and of the proxies,
# which end what is quiet for a minute.
SPED_UP = 20
SECONDS = 60 // SPED_UP
# An hour: tests/headsets/test_idle_streams.py
IDLE_SECONDS = 3 * SECONDS
ROWS = [[1.0 + 0.01 * place * number for place in range(len(FEATURES))] for number in range(1, 8)]
# Rows that a client sends before it has the answer to the first of them.
AHEAD = 8
STREAMS = 6
LOST = 1006

Proxy = Callable[[Path, str], AbstractContextManager[str]]
PROXIES: dict[str, Proxy] = {
    "traefik": lambda folder, url: traefik(folder, [url], SECONDS),
    "nginx": lambda folder, url: documented_nginx(folder, url, SECONDS),
}
EACH_PROXY = pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)


@pytest.fixture(scope="module")
def url(bento: Path) -> Iterator[str]:
    """A service whose time is sped up."""
    with serve_process(bento, EEG_STREAM_TIMEOUT_SECONDS=str(SECONDS)) as (url, _):
        yield url


def open_stream(url: str, **options: Any) -> ClientConnection:
    """A stream of a client that sends no pings of its own."""
    address = url.replace("http://", "ws://", 1)
    return connect(f"{address}/live", compression=None, ping_interval=None, **options)


def ask(stream: ClientConnection, number: int) -> Any:
    """The answer to a row."""
    stream.send(json.dumps({"row": ROWS[number % len(ROWS)]}))
    return json.loads(stream.recv(timeout=30))


def stay_idle(proxied: str, seconds: float) -> None:
    """A stream through a proxy goes on after so long without a row."""
    with open_stream(proxied) as stream:
        assert ask(stream, 0)["id"] == 0
        with pytest.raises(TimeoutError):
            stream.recv(timeout=seconds)
        assert ask(stream, 1)["id"] == 1


@EACH_PROXY
def test_a_stream_is_opened_and_stays_open_while_nobody_sends(
    url: str, tmp_path: Path, proxy: Proxy
) -> None:
    with proxy(tmp_path, url) as proxied:
        stay_idle(proxied, IDLE_SECONDS)
        with open_stream(proxied) as stream, open_stream(proxied) as other:
            assert [ask(one, 2)["id"] for one in (stream, other, stream)] == [0, 0, 1]


@EACH_PROXY
def test_refusals_and_origins_come_through(url: str, tmp_path: Path, proxy: Proxy) -> None:
    with proxy(tmp_path, url) as proxied:
        with open_stream(proxied, origin=proxied) as stream:
            assert ask(stream, 0)["id"] == 0
        with pytest.raises(InvalidStatus) as refused:
            open_stream(proxied, origin="https://evil.example")
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["status"] == 403
        assert httpx.get(f"{proxied}/live").status_code in (400, 426)


class Client:
    """Sends rows one after another, over as many connections as it takes.

    Attributes
    ----------
    answers : list of dict
        As the user has them.
    closed : list of (int, str, int)
        Code and reason of each connection that the service ended, and what was answered last.
    """

    def __init__(self, url: str, has_enough: threading.Event) -> None:
        self.answers: list[Any] = []
        self.closed: list[tuple[int, str, int]] = []
        self._url = url
        self._has_enough = has_enough

    def run(self) -> None:
        """Go on until there is enough, and all that was sent is answered."""
        deadline = time.monotonic() + 60
        while not self._has_enough.is_set() or not self.answers:
            assert time.monotonic() < deadline
            try:
                with open_stream(self._url) as stream:
                    self._talk(stream)
            except ConnectionClosed as ended:
                code, reason = (ended.rcvd.code, ended.rcvd.reason) if ended.rcvd else (LOST, "")
                self.closed.append((code, reason, len(self.answers) - 1))
            except (InvalidHandshake, OSError):
                # Traefik has not found out yet.
                time.sleep(0.1)

    def _talk(self, stream: ClientConnection) -> None:
        # Begins with the first row that has no answer.
        sent = len(self.answers)
        while not self._has_enough.is_set():
            try:
                while sent < len(self.answers) + AHEAD:
                    row = ROWS[sent % len(ROWS)]
                    stream.send(json.dumps({"row": row, "id": sent}))
                    sent += 1
            except ConnectionClosed:
                # Answers may be left to be read.
                pass
            answer = json.loads(stream.recv(timeout=30))
            assert answer["id"] == len(self.answers)
            self.answers.append(answer)


def test_over_a_rollout_behind_traefik_no_row_is_lost_and_none_answered_twice(
    bento: Path, tmp_path: Path
) -> None:
    enough = threading.Event()
    with (
        serve_process(bento) as (old, process),
        serve_process(bento) as (new, _),
        traefik(tmp_path, [old, new], SECONDS) as proxied,
        ThreadPoolExecutor(STREAMS) as threads,
    ):
        clients = [Client(proxied, enough) for _ in range(STREAMS)]
        running = [threads.submit(client.run) for client in clients]
        try:
            await_answers(clients, 50)
            process.terminate()
            assert process.wait(20) == 0
            await_answers(clients, 50)
        finally:
            enough.set()
        for each in running:
            each.result()
        predicted = httpx.post(f"{new}/predict", json={"rows": ROWS}).json()["predictions"]
    closed = [each for client in clients for each in client.closed]
    assert len(closed) == STREAMS / 2
    for code, reason, last in closed:
        # All answers before it have come.
        assert (code, reason) == (1012, f"last {last}")
    for client in clients:
        for number, answer in enumerate(client.answers):
            row = predicted[number % len(ROWS)]
            assert answer["id"] == number
            assert answer["LDA"]["label"] == row["LDA"]["label"]


def await_answers(clients: list[Client], more: int) -> None:
    """Wait until each has so many more."""
    wanted = [len(client.answers) + more for client in clients]
    deadline = time.monotonic() + 40
    while any(len(c.answers) < count for c, count in zip(clients, wanted, strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
