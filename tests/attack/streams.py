"""Clients of streams that write frames themselves, because no library sends what is wrong."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eeg_letters.settings import Settings
from tests.attack.clients import metric, open_connection
from tests.shipped import FEATURES

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
END = -1
# Of a stream that ended without a close frame.
LOST = 1006
ROW = json.dumps({"row": [1.0 + 0.01 * place for place in range(len(FEATURES))]}).encode()


def upgrade(path: str = "/live", *fields: bytes, host: bytes = b"x") -> bytes:
    """The head of a request for a stream."""
    lines = (
        b"GET %b HTTP/1.1" % path.encode(),
        b"host: " + host,
        b"upgrade: websocket",
        b"connection: Upgrade",
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"sec-websocket-version: 13",
        *fields,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


def frame(
    data: bytes, opcode: int = TEXT, fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """A frame as a client sends it; masked with zeros, which leaves the data as it is."""
    first, mask, size = fin << 7 | reserved << 4 | opcode, masked << 7, len(data)
    if size < 126:
        head = struct.pack("!BB", first, mask | size)
    elif size < 2**16:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + bytes(4) * masked + data


@contextmanager
def stream(
    url: str, path: str = "/live", receives: int | None = None
) -> Iterator[tuple[socket.socket, Frames]]:
    """A stream that is open, and what reads its frames."""
    with open_connection(url, receives) as connection:
        connection.sendall(upgrade(path))
        frames = Frames(connection)
        assert frames.head().startswith(b"HTTP/1.1 101 ")
        yield connection, frames


def await_streams(url: str, count: int) -> None:
    """Wait until so many are open."""
    deadline = time.monotonic() + 30
    while metric(url, "eeg_streams") != count:
        assert time.monotonic() < deadline, metric(url, "eeg_streams")
        time.sleep(0.05)


LARGEST = Settings().max_message_bytes
# Blanks make a row as large as a message may be.
LARGE_ROW = ROW.replace(b"[", b"[" + b" " * (LARGEST - len(ROW)), 1)
CLOSED = frame(struct.pack("!H", 1000), CLOSE)


class Frames:
    """Reads what a connection receives: an HTTP head, then frames.

    Parameters
    ----------
    connection : socket.socket
        Where from.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = b""

    def head(self) -> bytes:
        """The next HTTP head."""
        while b"\r\n\r\n" not in self._read:
            received = self._connection.recv(65536)
            assert received, self._read
            self._read += received
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    def next(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame; `END` where the connection ended."""
        head = self._take(2)
        if len(head) < 2:
            return END, b""
        size = head[1]
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return head[0] & 0x0F, self._take(size)

    def answer(self) -> Any:
        """The next answer."""
        opcode, text = self.next()
        assert opcode == TEXT, (opcode, text)
        return json.loads(text)

    def end(self) -> tuple[int, str]:
        """Code and reason of the close frame, after whatever else; nothing may follow it."""
        while True:
            opcode, data = self.next()
            if opcode == END:
                return LOST, ""
            if opcode == CLOSE:
                after = self.next()
                assert after[0] == END, after
                return int.from_bytes(data[:2], "big"), data[2:].decode()

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            try:
                received = self._connection.recv(65536)
            except ConnectionError:
                received = b""
            if not received:
                break
            self._read += received
        taken, self._read = self._read[:size], self._read[size:]
        return taken
