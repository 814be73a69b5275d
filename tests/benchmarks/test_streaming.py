"""The load on streams speaks WebSocket as another implementation does."""

from __future__ import annotations

import json

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from benchmarks.streaming import PING, PONG, TEXT, frame, frames_of, row_frames


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 5000, 65535])
def test_a_frame_of_any_length_is_understood(length: int) -> None:
    server = Protocol(SERVER, state=OPEN)
    server.receive_data(frame(b"x" * length))
    (received,) = server.events_received()
    assert isinstance(received, Frame)
    assert received.opcode is Opcode.TEXT
    assert bytes(received.data) == b"x" * length


def test_rows_are_messages_of_a_stream() -> None:
    server = Protocol(SERVER, state=OPEN)
    server.receive_data(b"".join(row_frames([[1.5, 2.0], [0.25, 3.0]])))
    frames = [event for event in server.events_received() if isinstance(event, Frame)]
    messages = [json.loads(bytes(each.data)) for each in frames]
    assert messages == [{"row": [1.5, 2.0]}, {"row": [0.25, 3.0]}]


def test_only_whole_frames_of_answers_are_read() -> None:
    payloads = [b"", b"a" * 125, b"b" * 126, b"c" * 70_000]
    sent = [Frame(Opcode.TEXT, payload).serialize(mask=False) for payload in payloads]
    sent.append(Frame(Opcode.PING, b"there?").serialize(mask=False))
    wanted = [(TEXT, payload) for payload in payloads] + [(PING, b"there?")]
    data = b"".join(sent)
    for cut in (0, 1, 2, len(sent[0]) + 1, len(data) - 70_000, len(data) - 1, len(data)):
        whole = [(first, data[start:end]) for first, start, end in frames_of(data[:cut])]
        assert whole == wanted[: len(whole)]
        following = sum(map(len, sent[: len(whole) + 1]))
        assert len(whole) == len(sent) or following > cut


def test_a_ping_can_be_answered() -> None:
    server = Protocol(SERVER, state=OPEN)
    server.receive_data(frame(b"there?", PONG))
    (received,) = server.events_received()
    assert received == Frame(Opcode.PONG, b"there?")
