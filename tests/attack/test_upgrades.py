"""Who may open a stream, and how it is asked for."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest

from eeg_letters.serving.connection import HEAD_SECONDS
from tests.attack.clients import (
    GET,
    attackers,
    faults,
    metric,
    open_connection,
)
from tests.attack.streams import (
    ROW,
    Frames,
    await_streams,
    frame,
    stream,
    upgrade,
)
from tests.conftest import serve

ELSEWHERE = b"https://elsewhere.example"


UPGRADES = {
    # Answers go out in order: one that waits for others is answered as a request.
    "requests before it": (GET * 3 + upgrade(), [200, 200, 200, 426]),
    "a large request before it": (
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 2\r\n\r\n{}" + upgrade(),
        [422, 426],
    ),
    "a body": (
        upgrade("/live", b"content-length: %d" % len(GET)) + GET + GET,
        [426, 200],
    ),
    "a chunked body": (
        upgrade("/live", b"transfer-encoding: chunked") + b"0\r\n\r\n" + GET,
        [426, 200],
    ),
    "no host": (upgrade().replace(b"host: x\r\n", b""), [400]),
    "two hosts": (upgrade("/live", b"host: y"), [400]),
    "another version": (upgrade().replace(b"version: 13", b"version: 8"), [426]),
    "no key": (upgrade().replace(b"sec-websocket-key", b"x-key"), [400]),
    "a short key": (upgrade().replace(b"AAAA==", b"=="), [400]),
    "another protocol": (upgrade().replace(b"upgrade: websocket", b"upgrade: h2c"), [426]),
    "HTTP/1.0": (upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"), [426]),
    "POST": (upgrade().replace(b"GET", b"POST"), [405]),
    "another path": (upgrade("/prediction/232"), [200]),
    "a query that is wrong": (upgrade("/live?window=0"), [422]),
    "an extension": (
        upgrade("/live", b"sec-websocket-extensions: permessage-deflate"),
        [101],
    ),
    "a subprotocol": (upgrade("/live", b"sec-websocket-protocol: graphql-ws"), [101]),
}


@pytest.mark.parametrize(("sent", "statuses"), UPGRADES.values(), ids=UPGRADES)
def test_upgrades_of_all_sorts(url: str, sent: bytes, statuses: list[int]) -> None:
    with open_connection(url) as connection:
        connection.sendall(sent)
        received = b""
        while len(found := re.findall(rb"HTTP/1\.[01] (\d+) ", received)) < len(statuses):
            piece = connection.recv(65536)
            assert piece, received
            received += piece
        assert [int(status) for status in found] == statuses
        head = received[received.rindex(b"HTTP/1.") :].lower()
        assert b"sec-websocket-extensions" not in head
        assert b"sec-websocket-protocol" not in head
        if statuses[-1] == 101:
            connection.sendall(frame(ROW))
            assert Frames(connection).answer()["id"] == 0


def test_a_handshake_that_never_ends_is_given_up(url: str) -> None:
    started = time.monotonic()
    with attackers(url, 50) as connections:
        for connection in connections:
            connection.sendall(upgrade()[:-2])
        assert connections[0].recv(13) == b"HTTP/1.1 408 "
        assert HEAD_SECONDS - 1 < time.monotonic() - started < 2 * HEAD_SECONDS
    assert metric(url, "eeg_streams") == 0


def test_more_streams_than_there_may_be(trained_home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve(trained_home, log=log, EEG_MAX_STREAMS="5") as (url, _):
        with attackers(url, 5) as connections:
            for connection in connections:
                connection.sendall(upgrade())
            await_streams(url, 5)
            with open_connection(url) as connection:
                connection.sendall(upgrade() + frame(ROW))
                head = Frames(connection).head().lower()
            assert head.startswith(b"http/1.1 503 ")
            assert re.search(rb"\r\nretry-after: \d+", head)
            assert re.search(rb"\r\ncontent-type: application/problem\+json", head)
            # Requests are answered, and the streams that there are.
            assert httpx.get(f"{url}/prediction/232").status_code == 200
            for connection in connections:
                connection.sendall(frame(ROW))
                frames = Frames(connection)
                frames.head()
                assert frames.answer()["id"] == 0
        await_streams(url, 0)
        with stream(url):
            pass
    assert faults(log) == []


def test_whose_pages_may_open_a_stream(trained_home: Path) -> None:
    with serve(
        trained_home,
        EEG_ALLOWED_HOSTS="localhost,127.0.0.1",
        EEG_CORS_ORIGINS=ELSEWHERE.decode(),
    ) as (url, _):
        host = url.removeprefix("http://").encode()

        def status(origin: bytes | None, host: bytes = host) -> int:
            fields = () if origin is None else (b"origin: " + origin,)
            with open_connection(url) as connection:
                connection.sendall(upgrade("/live", *fields, host=host))
                return int(Frames(connection).head().split()[1])

        assert status(None) == 101
        assert status(url.encode()) == 101
        assert status(ELSEWHERE) == 101
        port = host.rpartition(b":")[2]
        for origin in (
            b"https://evil.example",
            b"null",
            b"",
            b"http://127.0.0.1",
            b"http://127.0.0.1:1",
            b"http://evil.example:" + port,
            b"http://" + host + b".evil.example",
            b"http://evil@" + host,
            ELSEWHERE + b":444",
            ELSEWHERE + b".evil.example",
            b"http://elsewhere.example",
            b"http://[::1",
            b"\xff",
        ):
            assert status(origin) == 403, origin
        # A name that its owner pointed at this address: the page's origin is that of the request.
        assert status(b"http://evil.example:" + port, b"evil.example:" + port) == 421
