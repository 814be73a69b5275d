"""Clients of streams that speak raw frames, because no library sends what is wrong."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.attack.clients import open_connection
from tests.shipped import FEATURES

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ROW = json.dumps({"row": [1.0 + 0.01 * place for place in range(len(FEATURES))]}).encode()

UPGRADE = (
    b"GET %b HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n%b\r\n"
)


def upgrade(path: str = "/live", *fields: bytes) -> bytes:
    """The head of a request for a stream."""
    return UPGRADE % (path.encode(), b"".join(b"%b\r\n" % field for field in fields))


def frame(
    data: bytes, opcode: int = TEXT, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """A frame as a client sends it."""
    size = len(data)
    mask_bit = 0x80 if masked else 0
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    # What is masked with zeros is as it was.
    return head + (bytes(4) if masked else b"") + data


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


class Frames:
    """Reads the frames of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = b""

    def head(self) -> bytes:
        """The head of the answer to the upgrade, or all of what was answered in its place."""
        while b"\r\n\r\n" not in self._read:
            received = self._connection.recv(65536)
            if not received:
                break
            self._read += received
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    def next(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame; a connection that ended has opcode -1."""
        head = self._take(2)
        if len(head) < 2:
            return -1, b""
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

    def code(self) -> int:
        """The code of the close frame that comes next, after whatever else; 1006 without one."""
        while True:
            opcode, data = self.next()
            if opcode == -1:
                return 1006
            if opcode == CLOSE:
                return int.from_bytes(data[:2], "big")

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            try:
                received = self._connection.recv(65536)
            except ConnectionResetError:
                received = b""
            if not received:
                break
            self._read += received
        taken, self._read = self._read[:size], self._read[size:]
        return taken


def mask_key() -> bytes:
    """Four bytes."""
    return os.urandom(4)
