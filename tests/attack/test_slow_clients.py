"""Uploads that stall and answers that are not read, while others ask for a row."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from eeg_letters.serving.connection import HEAD_SECONDS
from eeg_letters.settings import Settings
from tests.attack.clients import GET, SECONDS, attackers, metric, others_wait, send_all
from tests.conftest import serve
from tests.shipped import FEATURES

SETTINGS = Settings()
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
# Their answers are more than a connection's sockets hold.
MAX_ROWS = 5_000
ROWS = json.dumps({"rows": [[1.0 + 0.01 * n for n in range(len(FEATURES))]] * MAX_ROWS}).encode()


@pytest.fixture(scope="module")
def url(trained_home: Path) -> Iterator[str]:
    """A service whose largest answers the sockets do not hold."""
    with serve(trained_home, EEG_MAX_ROWS=str(MAX_ROWS)) as (url, _):
        yield url


@pytest.fixture(scope="module")
def promised(url: str) -> float:
    """Seconds that 99 of 100 requests may take: 50 ms, or on a busy machine twice as now."""
    return max(SECONDS, 2 * others_wait(url))


def in_flight(url: str) -> float:
    """Requests in flight, one of which asks for their number."""
    return metric(url, "eeg_http_requests_in_flight")


def test_requests_that_others_hold_are_counted(url: str) -> None:
    with attackers(url, 3) as connections:
        send_all(connections, HEAD + b"content-length: 1000\r\n\r\n{")
        deadline = time.monotonic() + 10
        while in_flight(url) < 4:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("count", [16, 200])
def test_others_are_answered_while_uploads_stall(url: str, promised: float, count: int) -> None:
    with attackers(url, count) as connections:
        assert send_all(connections, HEAD + b"content-length: 8000000\r\n\r\n{") == count
        assert others_wait(url) < promised


@pytest.mark.parametrize("count", [16, 200])
def test_others_are_answered_while_large_uploads_stall(
    url: str, promised: float, count: int
) -> None:
    size = SETTINGS.max_body_bytes
    begin = HEAD + b"content-length: %d\r\n\r\n" % size + b" " * (size // 2)
    with attackers(url, count) as connections:
        # Those that are too many for the memory are refused at once.
        send_all(connections, begin)
        assert others_wait(url) < promised


@pytest.mark.parametrize("count", [16, 200])
def test_others_are_answered_while_nobody_reads_answers(
    url: str, promised: float, count: int
) -> None:
    request = HEAD + b"content-length: %d\r\n\r\n" % len(ROWS) + ROWS
    with attackers(url, count, receives=4096) as connections:
        # Some are answered, which takes a while, and the others refused.
        send_all(connections, request)
        await_held(url)
        assert others_wait(url) < promised


def await_held(url: str) -> None:
    """Wait until nothing is calculated any more: what is in flight is held by its clients."""
    deadline = time.monotonic() + 60
    before = -1.0
    while (now := metric(url, "eeg_rows_scored_total")) != before:
        assert time.monotonic() < deadline
        before = now
        time.sleep(0.5)


def test_a_head_that_trickles_ends_in_its_time(url: str) -> None:
    started = time.monotonic()
    with attackers(url, 1) as (connection,):
        connection.sendall(GET[:-2] + b"a: ")
        connection.settimeout(0.2)
        answer = b""
        while not answer:
            assert time.monotonic() - started < 1.5 * HEAD_SECONDS
            connection.sendall(b"x")
            with suppress(TimeoutError):
                answer = connection.recv(1000)
    assert time.monotonic() - started >= HEAD_SECONDS
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_ends_after_the_keep_alive_time(trained_home: Path) -> None:
    with (
        serve(trained_home, EEG_KEEP_ALIVE_SECONDS="2") as (url, _),
        attackers(url, 1) as (connection,),
    ):
        connection.sendall(GET)
        started = time.monotonic()
        while connection.recv(100_000):
            pass
    assert 1.9 < time.monotonic() - started < 2 + HEAD_SECONDS / 2


def test_a_trickle_ends_long_before_the_time_limit(url: str) -> None:
    started = time.monotonic()
    with attackers(url, 1) as (connection,):
        connection.sendall(HEAD + b"content-length: 1000000\r\n\r\n")
        connection.settimeout(0.2)
        answer = b""
        while not answer:
            assert time.monotonic() - started < SETTINGS.body_timeout_seconds / 2
            connection.sendall(b" " * 20)
            with suppress(TimeoutError):
                answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"too slowly" in answer


def test_an_answer_that_is_not_read_is_given_up_long_before_the_time_limit(url: str) -> None:
    request = HEAD + b"content-length: %d\r\n\r\n" % len(ROWS) + ROWS
    with attackers(url, 1, receives=4096) as (connection,):
        # What was read of an earlier answer does not count.
        connection.sendall(request)
        read_slowly(connection, 0)
        connection.sendall(request)
        await_held(url)
        assert in_flight(url) == 2
        deadline = time.monotonic() + SETTINGS.body_timeout_seconds / 2
        while in_flight(url) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_slow_but_steady_reader_gets_its_answer(url: str) -> None:
    request = HEAD + b"content-length: %d\r\n\r\n" % len(ROWS) + ROWS
    with attackers(url, 1, receives=4096) as (connection,):
        connection.sendall(request)
        received = read_slowly(connection, 12)
        # The connection goes on.
        connection.sendall(GET)
        assert connection.recv(13) == b"HTTP/1.1 200 "
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"}")


def read_slowly(connection: socket.socket, seconds: float) -> bytes:
    """Read everything, at a rate at which the answer to `ROWS` takes so many seconds."""
    received = bytearray()
    length = 1
    started = time.monotonic()
    while len(received) < length:
        piece = connection.recv(50_000)
        assert piece, f"cut off after {len(received)} of {length} bytes"
        received += piece
        if length == 1:
            head = received[: received.index(b"\r\n\r\n") + 4]
            length = len(head) + int(re.findall(rb"content-length: (\d+)", head)[0])
        time.sleep(max(0.0, seconds * len(received) / length - (time.monotonic() - started)))
    return bytes(received)
