"""The end of a service between what a stream has read and what it has answered."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import MutableSet
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from eeg_letters.serving.inference import load_inference
from eeg_letters.serving.live.route import PATH, Streams
from eeg_letters.serving.routing import Request, TakesOver
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings
from tests.serving.live.conftest import ROW

HANDSHAKE = {
    b"host": b"localhost",
    b"connection": b"Upgrade",
    b"upgrade": b"websocket",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def stream(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> TakesOver:
    """A stream of this process."""
    monkeypatch.setenv("BENTOML_HOME", str(trained_home))
    settings, inference = Settings(), load_inference(Settings())
    versions = {stored.model.title: stored.version for stored in inference.models}
    streams = Streams(inference, Metrics(versions, inference.schema.labels), settings, None)
    (route,) = streams.routes
    response: Any = route.handler(Request(HANDSHAKE, (), b"", b"", b"0" * 32, PATH))
    assert response.status == 101
    assert response.takes_over is not None
    return response.takes_over


def frame(message: Any) -> bytes:
    """A message as a client sends it."""
    return Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True)


async def ended(stream: Any, sent: bytes) -> tuple[list[Any], Protocol]:
    """What is answered to what was read just before the service ends."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    connections: MutableSet[Any] = set()
    stream.take_over(transport, connections)
    stream.data_received(sent)
    stream.shutdown()
    client = Protocol(CLIENT, state=OPEN)
    while data := await asyncio.wait_for(loop.sock_recv(theirs, 65536), 20):
        client.receive_data(data)
        for answered in client.data_to_send():
            await loop.sock_sendall(theirs, answered)
    theirs.close()
    while connections:
        await asyncio.sleep(0)
    frames = [event for event in client.events_received() if isinstance(event, Frame)]
    return [json.loads(bytes(one.data)) for one in frames if one.opcode is Opcode.TEXT], client


def test_what_was_read_is_answered_before_it_closes(stream: TakesOver) -> None:
    rows = b"".join(frame({"row": ROW, "id": f"row-{number}"}) for number in range(6))
    half = frame({"row": ROW, "id": "half"})[:100]
    answers, client = asyncio.run(ended(stream, rows + half))
    assert [answer["id"] for answer in answers] == [f"row-{number}" for number in range(6)]
    assert not any("error" in answer for answer in answers)
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (1012, 'last "row-5"')
