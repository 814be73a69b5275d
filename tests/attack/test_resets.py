"""Connections that are reset at every moment: nothing of it is an error of the service."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import httpx
import pytest

from tests.attack.clients import GET, attackers
from tests.shipped import FEATURES

TIMES = 150
UNANSWERED = ("half a head", "half a body")

POST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
ROWS = json.dumps({"rows": [[1.0] * len(FEATURES)] * 300}).encode()
REQUESTS = {
    "half a head": GET[:20],
    "one": GET,
    "two": GET * 2,
    "many": GET * 100,
    "a page": b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 2,
    "half a body": POST + b"content-length: 1000\r\n\r\n{",
    "rows": POST + b"content-length: %d\r\n\r\n" % len(ROWS) + ROWS,
    "rows and one": POST + b"content-length: %d\r\n\r\n" % len(ROWS) + ROWS + GET,
    "malformed": b"\x16\x03\x01\r\n\r\n",
    "one and malformed": GET + b"\x16\x03\x01\r\n\r\n",
    "expecting": POST + b"expect: 100-continue\r\ncontent-length: 1000\r\n\r\n",
    "too large": POST + b"content-length: 99999999999\r\n\r\n{",
    "upgrade": b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + GET,
}


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        *((asked, False) for asked in REQUESTS),
        *((asked, True) for asked in REQUESTS if asked not in UNANSWERED),
    ],
)
def test_resets_are_no_errors(url: str, log: Path, asked: str, answered: bool) -> None:
    before = log.stat().st_size
    for _ in range(TIMES):
        with attackers(url, 1) as (connection,):
            connection.sendall(REQUESTS[asked])
            if answered:
                assert connection.recv(1) == b"H"
            reset(connection)
    # It may take a while until all that was asked is answered.
    assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200
    text = log.read_text()[before:]
    assert '"level":"error"' not in text
    assert "Traceback" not in text


def reset(connection: socket.socket) -> None:
    """Close with a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
