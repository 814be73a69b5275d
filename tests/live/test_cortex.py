"""EMOTIV's Cortex, of which a stand-in speaks the published protocol (emotiv.gitbook.io)."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from eeg_letters.errors import LiveError, UserError
from eeg_letters.live.sources import cortex
from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.schema import Features, find_band_powers

HEADSET = "EPOCX-12345678"
COLUMNS = ["AF3/theta", "AF3/alpha", "AF4/theta", "AF4/alpha"]
SESSION = "8bfc26de-754b-4c1f-9771-acfd1a7da02c"
TOKEN = "token"


class Cortex:
    """What a Cortex does for one client; a test exchanges some of its answers."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.headset: str | None = None
        self.granted = False
        # Sent while the stream goes on, after some samples.
        self.then: list[Any] = []
        self.n_samples = 5
        self.exchanged: dict[str, Any] = {}
        # Whether it asks after its samples if the client is there, and whether that is answered.
        self.asks = self.asked = False
        self.has_asked = threading.Event()

    def answer(self, method: str, params: dict[str, Any]) -> Any:
        """Result or error of a request."""
        self.methods.append(method)
        if method in self.exchanged:
            return self.exchanged[method]
        if method in ("requestAccess", "authorize"):
            if params["clientId"] != "me" or params["clientSecret"] != "secret":
                return {"error": {"code": -32021, "message": "Invalid client credentials"}}
        elif method not in ("queryHeadsets", "controlDevice") and params["cortexToken"] != TOKEN:
            return {"error": {"code": -32014, "message": "The token is not valid"}}
        known: dict[str, Callable[[dict[str, Any]], Any]] = {
            "requestAccess": self.request_access,
            "authorize": lambda _: {"result": {"cortexToken": TOKEN}},
            "queryHeadsets": self.query_headsets,
            "controlDevice": self.control_device,
            "createSession": self.create_session,
            "subscribe": self.subscribe,
        }
        return known[method](params)

    def request_access(self, _: dict[str, Any]) -> Any:
        """Granted once somebody has seen the question."""
        granted, self.granted = self.granted, True
        told = "The User has accepted." if granted else "Please accept in EMOTIV Launcher."
        return {"result": {"accessGranted": granted, "message": told}}

    def query_headsets(self, _: dict[str, Any]) -> Any:
        """A headset that needs some time to connect."""
        status = self.headset
        if status == "connecting":
            self.headset = "connected"
        headsets = [] if status is None else [{"id": HEADSET, "status": status}]
        return {"result": headsets}

    def control_device(self, params: dict[str, Any]) -> Any:
        """Find a headset, or connect it."""
        if params["command"] == "refresh":
            self.headset = "discovered"
        else:
            assert params == {"command": "connect", "headset": HEADSET}
            self.headset = "connecting"
        return {"result": {"command": params["command"], "message": "…"}}

    def create_session(self, params: dict[str, Any]) -> Any:
        """A session that takes nothing of a licence."""
        assert params["headset"] == HEADSET
        assert params["status"] == "open"
        return {"result": {"id": SESSION, "status": "opened"}}

    def subscribe(self, params: dict[str, Any]) -> Any:
        """The columns of the band powers."""
        assert params["session"] == SESSION
        assert params["streams"] == ["pow"]
        stream = {"streamName": "pow", "cols": COLUMNS, "sid": SESSION}
        return {"result": {"success": [stream], "failure": []}}

    def serve(self, connection: ServerConnection) -> None:
        """Answer requests, then send samples."""
        with suppress(ConnectionClosed):
            while "subscribe" not in self.methods:
                request = json.loads(connection.recv())
                # A warning may come at any time.
                connection.send(
                    json.dumps(
                        {
                            "jsonrpc": "2.0",
                            "warning": {"code": 104, "message": {"headsetId": HEADSET}},
                        }
                    )
                )
                said = self.answer(request["method"], request["params"])
                connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}))
            for number in range(self.n_samples):
                values = [number, 1.5, 2.5, 3.5]
                sample = {"pow": values, "sid": SESSION, "time": 1559903137.1741 + number / 8}
                connection.send(json.dumps(sample))
            for message in self.then:
                connection.send(json.dumps(message))
            if self.asks:
                # The first ping may be read with the samples.
                self.asked = connection.ping().wait(10) and connection.ping().wait(10)
                self.has_asked.set()
                connection.recv()


@contextmanager
def served(of: Cortex, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A Cortex on loopback, and its address."""
    with serve(of.serve, "127.0.0.1", 0, ssl=context, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        scheme = "ws" if context is None else "wss"
        try:
            yield f"{scheme}://localhost:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cortex.CLIENT_ID, "me")
    monkeypatch.setenv(cortex.CLIENT_SECRET, "secret")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(cortex, "_ASK_AGAIN_SECONDS", 0.001)


async def all_rows(
    url: str, wanted: Features | None = None, n_rows: int = 5
) -> tuple[Source, list[Row]]:
    rows: list[Row] = []
    async with cortex.open_cortex(url, cortex.ask_credentials(), wanted) as source:
        async for row in source.rows:
            rows.append(row)
            if len(rows) == n_rows:
                break
    return source, rows


def test_a_headset_is_found_connected_and_subscribed_to() -> None:
    of = Cortex()
    with served(of) as url:
        wanted = find_band_powers(["POW.AF4.Alpha", "POW.AF3.Theta"])
        source, rows = asyncio.run(all_rows(url, wanted))
    assert [row.values for row in rows] == [[3.5, number] for number in range(5)]
    assert rows[1].time == 1559903137.2991
    assert (source.names, source.window) == (("POW.AF4.Alpha", "POW.AF3.Theta"), 2)
    expected = ["requestAccess", "requestAccess", "authorize", "queryHeadsets", "controlDevice"]
    expected += ["queryHeadsets", "controlDevice", "queryHeadsets", "queryHeadsets"]
    assert of.methods == [*expected, "createSession", "subscribe"]


def test_without_models_all_band_powers_are_taken() -> None:
    with served(Cortex()) as url:
        source, rows = asyncio.run(all_rows(url))
    assert source.names == tuple(COLUMNS)
    assert rows[0].values == [0, 1.5, 2.5, 3.5]


def test_columns_that_are_missing_are_named() -> None:
    wanted = find_band_powers(["AF3/theta", "Cz/theta"])
    with served(Cortex()) as url, pytest.raises(LiveError, match=f"{HEADSET}: 1 of .*: Cz/theta"):
        asyncio.run(all_rows(url, wanted))


@pytest.mark.parametrize(
    ("method", "said", "told"),
    [
        (
            "createSession",
            {"error": {"code": -32152, "message": "The headset is not ready."}},
            r"refuses createSession: The headset is not ready\. \(-32152\)",
        ),
        (
            "subscribe",
            {
                "result": {
                    "success": [],
                    "failure": [{"streamName": "pow", "code": -32016, "message": "Unavailable."}],
                }
            },
            r"refuses the stream pow: Unavailable\. \(-32016\)",
        ),
        ("authorize", {"result": {}}, "an answer that is none of Cortex'"),
        ("subscribe", {"result": {"success": [], "failure": []}}, "an answer that is none"),
    ],
)
def test_what_cortex_refuses_is_told(method: str, said: Any, told: str) -> None:
    of = Cortex()
    of.exchanged[method] = said
    with served(of) as url, pytest.raises(LiveError, match=told):
        asyncio.run(all_rows(url))


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ([], "the connection is lost"),
        (
            [
                {"jsonrpc": "2.0", "warning": {"code": 19, "message": "Disk space is low."}},
                {
                    "jsonrpc": "2.0",
                    "warning": {
                        "code": 0,
                        "message": {"behavior": "All streams were stopped.", "sessionId": SESSION},
                    },
                },
            ],
            r"All streams were stopped\. \(0\)",
        ),
        (
            [{"jsonrpc": "2.0", "warning": {"code": 103, "message": "The headset is lost."}}],
            r"The headset is lost\. \(103\)",
        ),
        ([{"pow": [1.5], "sid": SESSION, "time": 1.5}], "a row that has not the 4 columns"),
        ([{"pow": ["1.5"] * 4, "sid": SESSION}], "a row with a value that is no number"),
        ([[1.5] * 4], "a message that is no object"),
    ],
    ids=["closed", "stopped", "headset lost", "narrow", "text", "list"],
)
def test_a_stream_that_ends_is_told_after_its_last_row(then: list[Any], told: str) -> None:
    of = Cortex()
    of.then = then
    with served(of) as url, pytest.raises(LiveError, match=told):
        asyncio.run(all_rows(url, n_rows=6))


def test_a_value_that_is_missing_is_no_number() -> None:
    of = Cortex()
    of.then = [{"pow": [None, 1.5, 2.5, 3.5], "sid": SESSION, "time": 1.5}]
    with served(of) as url:
        _, rows = asyncio.run(all_rows(url, n_rows=6))
    np.testing.assert_array_equal(rows[-1].values, [np.nan, 1.5, 2.5, 3.5])


def test_a_session_outlives_a_while_in_which_nobody_takes_its_rows() -> None:
    of = Cortex()
    of.asks, of.n_samples = True, 200

    async def come_back(url: str) -> list[Row]:
        async with cortex.open_cortex(url, cortex.ask_credentials(), None) as source:
            await asyncio.to_thread(of.has_asked.wait, 30)
            return [await anext(source.rows) for _ in range(of.n_samples)]

    with served(of) as url:
        rows = asyncio.run(come_back(url))
    assert of.asked
    assert [row.values[0] for row in rows] == list(range(200))


def test_wrong_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cortex.CLIENT_SECRET, "other")
    with served(Cortex()) as url, pytest.raises(LiveError, match="Invalid client credentials"):
        asyncio.run(all_rows(url))


def test_without_credentials_and_anybody_to_ask_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(cortex.CLIENT_SECRET)
    with pytest.raises(UserError, match=r"EMOTIV_CLIENT_ID and EMOTIV_CLIENT_SECRET"):
        cortex.ask_credentials()


def test_a_certificate_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "rootCA.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with served(Cortex(), context) as url:
        with pytest.raises(LiveError, match=r"SSL_CERT_FILE must name EMOTIV's rootCA\.pem"):
            asyncio.run(all_rows(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        _, rows = asyncio.run(all_rows(url))
    assert len(rows) == 5


@pytest.mark.parametrize("url", ["ws://localhost:1", "nonsense", "ws://[", "ws://localhost:x"])
def test_no_cortex_is_told(url: str) -> None:
    with pytest.raises(LiveError, match="cannot be reached, is EMOTIV Launcher running"):
        asyncio.run(all_rows(url))
