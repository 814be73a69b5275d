"""Streams that send more than can be answered: what they hold, and what others get meanwhile."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from eeg_letters.serving.admission import STREAM_BYTES
from eeg_letters.serving.live.stream import LINGER_SECONDS
from tests.attack.clients import (
    SECONDS,
    attackers,
    faults,
    metric,
    open_connection,
    others_wait,
    probe,
    resident,
)
from tests.attack.streams import (
    CLOSE,
    CLOSED,
    CONT,
    LARGE_ROW,
    PING,
    PONG,
    ROW,
    TEXT,
    await_streams,
    frame,
    stream,
    upgrade,
)
from tests.conftest import ROOT, serve

MANY = 200


@pytest.mark.parametrize(
    "sent",
    [
        frame(b"", CONT, fin=False),
        frame(b"", PING),
        frame(b"x" * 125, PING),
        frame(b"x", PONG),
        frame(b""),
        frame(b'{"jsonrpc": "2.0"}'),
        frame(b"{}"),
    ],
    ids=["empty fragments", "pings", "large pings", "pongs", "nothing", "of Cortex", "no rows"],
)
@pytest.mark.parametrize("reads", [True, False], ids=["read", "unread"])
def test_a_flood_of_frames_is_held_back_and_holds_nothing(
    url: str, sent: bytes, reads: bool
) -> None:
    rest = None
    with stream(url, receives=None if reads else 4096) as (connection, _):
        connection.sendall(frame(b"", fin=False) if sent[0] == CONT else frame(ROW))
        connection.setblocking(False)
        many, total = sent * (2**16 // len(sent)), 0
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                total += connection.send(many[total % len(sent) :])
            if reads:
                with suppress(BlockingIOError):
                    connection.recv(2**20)
            time.sleep(0.001)
            # In the first second the heap grows to what such frames take once.
            if rest is None and time.monotonic() > until - 4:
                rest = resident(url)
        assert total > 2**16
        assert rest is not None
        assert resident(url) - rest < 2e6
        probe(url)
    await_streams(url, 0)


def test_a_stream_holds_at_most_its_share_of_memory(trained_home: Path) -> None:
    # Queries of the largest window and the longest answers.
    path = "/live?window=128&probabilities=all"
    found = {}
    with serve(trained_home) as (url, _):
        with stream(url, path) as (connection, frames):
            for _ in range(200):
                connection.sendall(frame(LARGE_ROW))
                frames.answer()
        rest = resident(url)
        for name, sent in (
            ("quiet", b""),
            ("half messages", frame(LARGE_ROW)[:-1]),
            ("half messages in fragments", frame(LARGE_ROW[:-1], fin=False)),
            ("unread answers", frame(ROW) * 4000),
            ("large rows, unread", frame(LARGE_ROW) * 200),
        ):
            with attackers(url, MANY, receives=4096) as connections:
                for connection in connections:
                    connection.sendall(upgrade(path))
                await_streams(url, MANY)
                found[name] = push(url, connections, sent) - rest
            await_streams(url, 0)
            # What they held is given back, or used again.
            assert metric(url, "process_open_fds") < MANY / 2
    each = {name: more / MANY for name, more in found.items()}
    print({name: round(bytes_) for name, bytes_ in each.items()})
    assert {name for name, bytes_ in each.items() if bytes_ > STREAM_BYTES} == set()


def push(url: str, connections: list[socket.socket], data: bytes) -> float:
    """Send each what it takes, read nothing; gives the most memory, until none takes more."""
    sent = dict.fromkeys(connections, 0)
    most, quiet = 0.0, 0
    for connection in connections:
        connection.setblocking(False)
    # A hundred thousand rows are answered before the system holds no more for their clients.
    deadline = time.monotonic() + 180
    while quiet < 20:
        assert time.monotonic() < deadline
        before = sum(sent.values())
        for connection in connections:
            with suppress(BlockingIOError):
                sent[connection] += connection.send(memoryview(data)[sent[connection] :])
        quiet = quiet + 1 if sum(sent.values()) == before else 0
        most = max(most, metric(url, "process_resident_memory_bytes"))
    return most


def test_ten_thousand_streams_one_after_another_leave_nothing(url: str) -> None:
    def some(count: int) -> None:
        for number in range(count):
            with open_connection(url) as connection:
                # Some are closed as they should be, others are gone.
                sent = frame(ROW) + CLOSED if number % 2 else frame(ROW)[:-1]
                connection.sendall(upgrade() + sent)
                if number % 4 != 2:
                    assert connection.recv(9) == b"HTTP/1.1 "

    some(1000)
    await_streams(url, 0)
    rest, files = resident(url), metric(url, "process_open_fds")
    some(10_000)
    await_streams(url, 0)
    assert resident(url) - rest < 4e6
    assert metric(url, "process_open_fds") <= files


@contextmanager
def flood(url: str, count: int) -> Iterator[None]:
    """Streams of another process that are as fast as they can be."""
    command = [sys.executable, "-m", "tests.attack.flood", url, str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"flooding\n"
            yield
        finally:
            process.kill()


def test_others_are_answered_beside_streams_that_flood(url: str) -> None:
    alone = others_wait(url)
    with flood(url, 16):
        beside = others_wait(url)
        # And each other, in turn.
        with stream(url) as (connection, frames):
            started = time.perf_counter()
            for number in range(50):
                connection.sendall(frame(ROW))
                assert frames.answer()["id"] == number
            turn = (time.perf_counter() - started) / 50
    print(f"alone {1000 * alone:.1f} ms, beside {1000 * beside:.1f} ms, a row {1000 * turn:.1f} ms")
    assert beside < max(SECONDS, 4 * alone)
    assert turn < max(SECONDS, 16 * alone)
    await_streams(url, 0)


@pytest.mark.parametrize("reads", [True, False], ids=["read", "unread"])
def test_a_signal_ends_streams_that_flood(trained_home: Path, tmp_path: Path, reads: bool) -> None:
    log = tmp_path / "log"
    with (
        serve(trained_home, log=log) as (url, process),
        stream(url, receives=4096) as (connection, frames),
    ):
        if reads:
            connection.sendall(frame(ROW) * 20)
            last = frames.answer()["id"]
            process.terminate()
            connection.sendall(frame(ROW) * 20)
            while (found := frames.next())[0] == TEXT:
                last = json.loads(found[1])["id"]
            assert found == (CLOSE, struct.pack("!H", 1012) + b"last %d" % last)
            # It does not answer the close frame, and sends on.
            with suppress(OSError):
                for _ in range(10_000):
                    connection.sendall(frame(ROW))
                    time.sleep(0.001)
        else:
            connection.settimeout(1)
            with suppress(TimeoutError):
                while True:
                    connection.sendall(frame(ROW))
            process.terminate()
        started = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - started < 2 * LINGER_SECONDS + 5
    assert faults(log) == []
