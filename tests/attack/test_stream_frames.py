"""Streams of which a frame or a message is wrong, and what ends them in order or not."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from eeg_letters.serving.live.stream import LINGER_SECONDS
from tests.attack.clients import GET, open_connection
from tests.attack.streams import (
    BINARY,
    CLOSE,
    CLOSED,
    CONT,
    LARGEST,
    LOST,
    PING,
    PONG,
    ROW,
    TEXT,
    await_streams,
    frame,
    stream,
    upgrade,
)
from tests.conftest import serve

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
