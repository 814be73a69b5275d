"""Addresses of streams, and the password that one may have."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eeg_letters.errors import LiveError
from eeg_letters.live.addresses import models_address, without_password
from eeg_letters.live.served import served_schema
from eeg_letters.live.stream import Stream


@pytest.mark.parametrize(
    ("url", "models"),
    [
        ("ws://localhost:3000/live", "http://localhost:3000/models"),
        ("wss://example.org/eeg/live?window=16", "https://example.org/eeg/models"),
        ("ws://me:secret@[::1]:3000/live", "http://[::1]:3000/models"),
    ],
)
def test_models_are_beside_the_streams(url: str, models: str) -> None:
    assert models_address(url)[0] == models


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://localhost:3000/live?window=16", "ws://localhost:3000/live?window=16"),
        ("ws://me:secret@localhost:3000/live", "ws://localhost:3000/live"),
        ("ws://me:se@cret@localhost/live", "ws://localhost/live"),
        ("ws://[::1/live", "ws://[::1/live"),
    ],
)
def test_no_address_is_shown_with_a_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@contextmanager
def asking_for(name: str, password: str) -> Iterator[str]:
    """A proxy that lets nobody else in; the address of what is behind it."""
    expected = f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            is_known = self.headers["Authorization"] == expected
            content = b"[{}]" if is_known else b""
            self.send_response(200 if is_known else 401)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}/live"
        finally:
            server.shutdown()
            thread.join()


def test_a_name_and_a_password_let_it_ask_for_the_models() -> None:
    with asking_for("me", "s:cret") as address:
        # It has none, which only somebody hears who is let in.
        with pytest.raises(LiveError, match="something else than the models of a service"):
            asyncio.run(served_schema(f"ws://me:s%3Acret@{address}", 1))
        with pytest.raises(LiveError, match=r"/models: status 401$") as refused:
            asyncio.run(served_schema(f"ws://me:other@{address}", 1))
    assert "other" not in str(refused.value)


def test_no_error_of_a_stream_has_its_password() -> None:
    async def open_stream(url: str) -> None:
        stream = Stream(url, {}, 1, 1)
        await stream.opened()

    with (
        asking_for("me", "secret") as address,
        pytest.raises(LiveError, match="takes no stream: status 401") as refused,
    ):
        asyncio.run(open_stream(f"ws://me:other@{address}"))
    assert "other" not in str(refused.value)
