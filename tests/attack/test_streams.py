"""Streams whose clients mean ill: what they can hold, and what all others get meanwhile."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from eeg_letters.serving.admission import STREAM_BYTES
from eeg_letters.serving.connection import HEAD_SECONDS
from eeg_letters.serving.live.stream import LINGER_SECONDS
from eeg_letters.settings import Settings
from tests.attack.clients import (
    GET,
    SECONDS,
    attackers,
    metric,
    open_connection,
    others_wait,
    probe,
)
from tests.attack.streams import (
    BINARY,
    CLOSE,
    CONT,
    LOST,
    PING,
    PONG,
    ROW,
    TEXT,
    Frames,
    frame,
    stream,
    upgrade,
)
from tests.conftest import ROOT, serve

LARGEST = Settings().max_message_bytes
MANY = 200
ELSEWHERE = b"https://elsewhere.example"
# Blanks make a row as large as a message may be.
LARGE_ROW = ROW.replace(b"[", b"[" + b" " * (LARGEST - len(ROW)), 1)
CLOSED = frame(struct.pack("!H", 1000), CLOSE)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service prints."""
    return tmp_path_factory.mktemp("streams") / "log"


@pytest.fixture(scope="module")
def url(trained_home: Path, log: Path) -> Iterator[str]:
    """A service with the default settings; nothing of it all is an error of its own."""
    with serve(trained_home, log=log) as (url, _):
        yield url
    assert faults(log) == []


def faults(log: Path) -> list[str]:
    """What the service complained of, but refusals."""
    lines = log.read_text().splitlines()
    return [
        line
        for line in lines
        if "Traceback" in line or ('"level":"error"' in line and '"status":503' not in line)
    ]


def await_streams(url: str, count: int) -> None:
    """Wait until so many are open."""
    deadline = time.monotonic() + 30
    while metric(url, "eeg_streams") != count:
        assert time.monotonic() < deadline, metric(url, "eeg_streams")
        time.sleep(0.05)


def resident(url: str) -> float:
    """Memory of the process; the most of what some requests leave."""
    return max(metric(url, "process_resident_memory_bytes") for _ in range(10))


WRONG = {
    "a message that is too large": (frame(b" " * (LARGEST + 1)), 1009),
    "one that is much too large": (frame(b" " * 2**23), 1009),
    "one that is said to be endless": (struct.pack("!BBQ", 0x81, 0xFF, 2**63 - 1), 1009),
    "a length without end": (struct.pack("!BBQ", 0x81, 0xFF, 2**64 - 1), 1009),
    "fragments that are too large": (
        frame(b" " * LARGEST, fin=False) + frame(b" ", CONT),
        1009,
    ),
    "a binary message": (frame(b"{}", BINARY), 1003),
    "what is not UTF-8": (frame(b'{"row": "\xff"}'), 1007),
    "a character in halves": (frame(b'"\xe2\x82', fin=False) + frame(b'"', CONT), 1007),
    "an unmasked frame": (frame(ROW, masked=False), 1002),
    "a compressed frame": (frame(ROW, reserved=4), 1002),
    "reserved bits": (frame(ROW, reserved=3), 1002),
    "an opcode that there is not": (frame(b"", 3), 1002),
    "a continuation of nothing": (frame(b"{}", CONT), 1002),
    "a message within a message": (frame(b"{", fin=False) + frame(ROW), 1002),
    "a ping in fragments": (frame(b"", PING, fin=False), 1002),
    "a ping that is too large": (frame(b"x" * 126, PING), 1002),
    "a close frame of one byte": (frame(b"\x03", CLOSE), 1002),
    "a close code that there is not": (frame(struct.pack("!H", 999), CLOSE), 1002),
    "a close reason that is not UTF-8": (frame(b"\x03\xe8\xff", CLOSE), 1007),
    "HTTP": (GET * 20, 1002),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), 1002),
}


@pytest.mark.parametrize(("sent", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_closed_with_its_code_after_the_rows_before_it(
    url: str, sent: bytes, code: int
) -> None:
    with stream(url) as (connection, frames):
        with suppress(ConnectionError):
            connection.sendall(frame(ROW) * 3 + sent + frame(ROW) * 3)
        assert [frames.answer()["id"] for _ in range(3)] == [0, 1, 2]
        assert frames.end()[0] == code
    await_streams(url, 0)


def test_a_close_frame_is_answered_after_the_rows_before_it(url: str) -> None:
    with stream(url) as (connection, frames):
        connection.sendall(frame(ROW) * 30 + CLOSED + frame(ROW))
        assert [frames.answer()["id"] for _ in range(30)] == [*range(30)]
        assert frames.end()[0] == 1000


def test_byte_by_byte_and_in_fragments_a_row_is_a_row(url: str) -> None:
    row = json.dumps({**json.loads(ROW), "id": "é".encode().hex()}).encode()
    pieces = [row[at : at + 7] for at in range(0, len(row), 7)]
    fragments = [
        frame(piece, CONT if place else TEXT, fin=place == len(pieces) - 1)
        for place, piece in enumerate(pieces)
    ]
    with stream(url) as (connection, frames):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Control frames may come between them.
        for byte in frame(b"", PING).join(fragments):
            connection.sendall(bytes([byte]))
        opcodes = []
        while (found := frames.next())[0] != TEXT:
            opcodes.append(found[0])
        assert set(opcodes) == {PONG}
        assert json.loads(found[1])["id"] == "c3a9"


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


def test_clients_that_are_silent_or_do_not_read_are_let_go(trained_home: Path) -> None:
    with serve(trained_home, EEG_STREAM_TIMEOUT_SECONDS="3") as (url, _):
        # Answers pings, as long as it likes.
        with stream(url) as (connection, frames):
            until = time.monotonic() + 7
            while time.monotonic() < until:
                opcode, data = frames.next()
                assert opcode == PING
                connection.sendall(frame(data, PONG))
            connection.sendall(frame(ROW))
            assert frames.answer()["id"] == 0
            connection.sendall(CLOSED)
            assert frames.end()[0] == 1000
        with stream(url) as (connection, frames):
            started = time.monotonic()
            assert frames.end()[0] == 1011
            assert 2.5 < time.monotonic() - started < 3 + LINGER_SECONDS + 3
        with stream(url, receives=4096) as (connection, frames):
            started = time.monotonic()
            connection.settimeout(2)
            with suppress(TimeoutError, ConnectionError):
                while True:
                    connection.sendall(frame(ROW) * 10)
            await_streams(url, 0)
            assert time.monotonic() - started < 20


def test_a_handshake_that_never_ends_is_given_up(url: str) -> None:
    started = time.monotonic()
    with attackers(url, 50) as connections:
        for connection in connections:
            connection.sendall(upgrade()[:-2])
        assert connections[0].recv(13) == b"HTTP/1.1 408 "
        assert HEAD_SECONDS - 1 < time.monotonic() - started < 2 * HEAD_SECONDS
    assert metric(url, "eeg_streams") == 0


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


def test_resets_at_every_moment_are_no_errors(url: str) -> None:
    for sent in (
        upgrade()[:30],
        upgrade(),
        upgrade() + frame(ROW)[:20],
        upgrade() + frame(ROW),
        upgrade() + frame(ROW) * 50,
        upgrade() + frame(b"", PING) * 50,
        upgrade() + frame(ROW) + CLOSED,
        upgrade() + frame(b"{}", BINARY),
        upgrade() + frame(b" " * (LARGEST + 1)),
    ):
        for number in range(60):
            with open_connection(url) as connection:
                connection.sendall(sent)
                if number % 2 and len(sent) > 100:
                    assert connection.recv(9) == b"HTTP/1.1 "
                if number % 3:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await_streams(url, 0)
    assert LOST in codes(url)


def codes(url: str) -> set[int]:
    """Codes of streams that ended."""
    metrics = httpx.get(f"{url}/metrics").text
    pairs = re.findall(r'^eeg_streams_closed_total\{code="(\d+)"\} (\S+)$', metrics, re.MULTILINE)
    return {int(code) for code, count in pairs if float(count)}
