"""Load on streams: many WebSockets from one core, with little work for each row.

Rows are sent as frames that were made before, whose masking key is zero, which a server applies
like any other. Of answers only the lengths of their frames are read, and whether they are errors.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import struct
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.environments import Unavailable
from benchmarks.process import ANSWER_SECONDS, HOST

# Rows that a client without pauses has sent and that are not answered.
IN_FLIGHT = 4

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
_MASKED, _LENGTH_16, _LENGTH_64 = 0x80, 126, 127
_READ_BYTES = 64 * 1024
# While nothing is due and nothing has come; shorter than what is measured.
_NAP_SECONDS = 0.0001
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
# Where the answer to a bad row says so, after its id.
_ERROR, _ERROR_BYTES = b'"error":', 120


@dataclass
class Streamed:
    """What was sent to streams and what came back.

    Attributes
    ----------
    sent, answered, errors : int
        Rows; those answered with an error are among the answered.
    seconds : float
        From the first row to the last answer that counts.
    latencies : array of float
        Seconds from when a row was due to its answer; only of rows that are due at a time.
    """

    sent: int = 0
    answered: int = 0
    errors: int = 0
    seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))

    @property
    def rate(self) -> float:
        """Rows answered rightly per second."""
        return (self.answered - self.errors) / self.seconds


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame, of less than 64 KiB."""
    length = len(payload)
    size = (
        bytes((_MASKED | length,))
        if length < _LENGTH_16
        else struct.pack("!BH", _MASKED | _LENGTH_16, length)
    )
    return bytes((opcode,)) + size + bytes(4) + payload


def row_frames(rows: Sequence[Sequence[float]]) -> list[bytes]:
    """Frames of rows, without ids."""
    return [frame(json.dumps({"row": [*row]}, separators=(",", ":")).encode()) for row in rows]


def upgrade(path: str) -> bytes:
    """What a client asks for first."""
    return _HANDSHAKE.format(path=path, host=HOST).encode()


def frames_of(data: bytes) -> Iterator[tuple[int, int, int]]:
    """First byte of each whole frame that a server sent, where its payload begins and ends."""
    position, have = 0, len(data)
    while have - position >= 2:
        first, length = data[position], data[position + 1]
        start = position + 2
        if length >= _LENGTH_16:
            bytes_of_length = 2 if length == _LENGTH_16 else 8
            length = int.from_bytes(data[start : start + bytes_of_length], "big")
            start += bytes_of_length
        position = start + length
        if start > have or position > have:
            return
        yield first, start, position


class _Connection:
    __slots__ = ("_rest", "_socket", "_streamed", "due")

    def __init__(self, port: int, path: str, streamed: Streamed) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(upgrade(path))
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = self._socket.recv(_READ_BYTES)
            if not received:
                break
            answer += received
        head, _, self._rest = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Unavailable(f"{path} answers {head[:40].decode('latin-1')!r}, not 101")
        self._socket.setblocking(False)
        self._streamed = streamed
        # When each row that waits for its answer was due.
        self.due: deque[float] = deque()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        try:
            taken = self._socket.send(data)
        except BlockingIOError:
            taken = 0
        if taken < len(data):
            raise Unavailable("a stream does not read what it is sent")

    def receive(self) -> int:
        """How many rows were answered with what has come."""
        data = self._rest + self._socket.recv(_READ_BYTES)
        streamed, answers, end = self._streamed, 0, 0
        if not data:
            raise Unavailable("a stream ended")
        for first, start, end in frames_of(data):
            if first == TEXT:
                answers += 1
                if data.find(_ERROR, start, min(end, start + _ERROR_BYTES)) >= 0:
                    streamed.errors += 1
            elif first == PING:
                self.send(frame(data[start:end], PONG))
            elif first == CLOSE:
                raise Unavailable(f"a stream was closed: {data[start + 2 : end].decode()}")
        self._rest = data[end:]
        return answers


class Streams:
    """Streams that are open to one server.

    Parameters
    ----------
    port : int
        The server's.
    path : str
        Its route of streams.
    frames : sequence of bytes
        What is sent, in turn.
    number : int
        How many streams.
    """

    def __init__(self, port: int, path: str, frames: Sequence[bytes], number: int) -> None:
        self._frames = frames
        self._streamed = Streamed()
        self._connections = [_Connection(port, path, self._streamed) for _ in range(number)]
        self._poll = select.epoll()
        self._by_number = {connection.fileno(): connection for connection in self._connections}
        for descriptor in self._by_number:
            self._poll.register(descriptor, select.EPOLLIN)

    def close(self) -> None:
        """End all of them."""
        self._poll.close()
        for connection in self._connections:
            connection.close()

    def send_at_rate(
        self, rate: float, seconds: float, look: Callable[[float], None] = lambda _: None
    ) -> Streamed:
        """Send so many rows a second over each stream, spread evenly in time.

        A row's latency counts from when it was due. After the last row all answers are awaited.

        Parameters
        ----------
        rate : float
            Rows a second of each stream.
        seconds : float
            For how long.
        look : callable
            Called about once a second, with the seconds since the start.
        """
        streamed, connections, frames = self._streamed, self._connections, self._frames
        latencies, by_number, poll = streamed.latencies, self._by_number, self._poll.poll
        most, interval = int(rate * seconds * len(connections)), 1 / (rate * len(connections))
        started = last = time.perf_counter()
        due = looked = started
        while streamed.answered < most:
            now = time.perf_counter()
            while due <= now and streamed.sent < most:
                connection = connections[streamed.sent % len(connections)]
                connection.due.append(due)
                connection.send(frames[streamed.sent % len(frames)])
                streamed.sent += 1
                due = started + streamed.sent * interval
            for descriptor, _ in poll(0):
                connection = by_number[descriptor]
                answers = connection.receive()
                last = time.perf_counter()
                streamed.answered += answers
                for _ in range(answers):
                    latencies.append(last - connection.due.popleft())
            if now - looked >= 1:
                looked += 1
                look(now - started)
            if now - last > ANSWER_SECONDS:
                break
            if due > now and last < now:
                time.sleep(_NAP_SECONDS)
        streamed.seconds = last - started
        return streamed

    def send_without_pause(self, seconds: float) -> Streamed:
        """Send another row for each that is answered, `IN_FLIGHT` ahead of the answers."""
        streamed, frames = self._streamed, self._frames
        by_number, poll = self._by_number, self._poll.poll
        ahead = [*frames, *frames]
        started = time.perf_counter()
        for number, connection in enumerate(self._connections):
            at = number % len(frames)
            connection.send(b"".join(ahead[at : at + IN_FLIGHT]))
            streamed.sent += IN_FLIGHT
        while (elapsed := time.perf_counter() - started) < seconds:
            for descriptor, _ in poll(1):
                connection = by_number[descriptor]
                answers = connection.receive()
                streamed.answered += answers
                at = streamed.sent % len(frames)
                connection.send(b"".join(ahead[at : at + answers]))
                streamed.sent += answers
        streamed.seconds = elapsed
        return streamed


@contextmanager
def streams(port: int, path: str, frames: Sequence[bytes], number: int) -> Iterator[Streams]:
    """Streams to a server; closed afterwards. Nothing is collected while they are open."""
    opened = Streams(port, path, [*frames], number)
    gc.disable()
    try:
        yield opened
    finally:
        gc.enable()
        opened.close()
