"""Streams of a served Bento, by another project's WebSocket client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.shipped import SCHEMA

NAMES = SCHEMA.features.names
ROW = [round(0.5 + 0.01 * place, 2) for place in range(len(NAMES))]

Open = Callable[..., ClientConnection]


def open_stream(url: str, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
    """A stream of a service, as a context manager."""
    address = f"{url.replace('http', 'ws', 1)}/live"
    if parameters:
        address += f"?{urlencode(parameters)}"
    return connect(address, additional_headers=headers, compression=None, open_timeout=20)


def ask(stream: ClientConnection, message: Any) -> dict[str, Any]:
    """What a message is answered; of text as it is, of all else as JSON."""
    stream.send(message if isinstance(message, str) else json.dumps(message))
    answer: dict[str, Any] = json.loads(stream.recv(timeout=20))
    return answer


@pytest.fixture
def stream(server: str) -> Iterator[ClientConnection]:
    """A stream with every default."""
    with open_stream(server) as stream:
        yield stream


@pytest.fixture
def open_one(server: str) -> Iterator[Open]:
    """Opens streams, which are closed after the test."""
    with ExitStack() as streams:
        yield lambda **parameters: streams.enter_context(open_stream(server, **parameters))


@pytest.fixture(scope="session")
def stored(client: httpx.Client) -> list[dict[str, Any]]:
    """Some stored rows by feature, one after the other."""
    rows = [client.get(f"/line/{line}").json() for line in range(12)]
    return [{name: float(row[name]) for name in NAMES} for row in rows]
