"""One stream: a WebSocket whose rows are answered in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, MutableSet
from time import perf_counter
from typing import Any, NamedTuple

import orjson
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from eeg_letters.errors import Problem, own_fault
from eeg_letters.serving.live.answers import refusal
from eeg_letters.serving.live.counts import StreamCounts
from eeg_letters.serving.live.messages import MessageParser, Row, Unreadable, id_of, time_of
from eeg_letters.serving.live.turns import Turns

# What is read at a time: uvloop would read 256 KiB, which may be many rows.
_READ_BYTES = 16 * 1024
# Beyond that, answers wait until the client has read some.
_SEND_BYTES = 16 * 1024
# Beyond that, nothing is read until some are answered.
_MOST_WAITING = 8
# How long a client may take to end its side after ours is ended.
LINGER_SECONDS = 2.0
# Of what the client may be silent: after a third it is asked whether it is there.
_PINGS = 3

# Of all streams: what is read is taken out at once.
_BUFFER = memoryview(bytearray(_READ_BYTES))

_logger = logging.getLogger("eeg_letters")
_DATA = frozenset((Opcode.TEXT, Opcode.CONT, Opcode.BINARY))

# Answers a row: what the answer begins with, number in the stream, and the row.
Answer = Callable[[dict[str, Any], int, Row], bytes]


class Bounds(NamedTuple):
    """What a client can make a stream hold or wait for.

    Attributes
    ----------
    message_bytes : int
        The largest message.
    seconds : int
        How long it may be silent, and not read.
    """

    message_bytes: int
    seconds: int


class Stream(asyncio.BufferedProtocol):
    """Answers the rows of one client.

    Nothing more is read while more than a few rows wait, or the client does not read its answers:
    a fast sender is slowed down, and what a stream holds is bounded.

    Parameters
    ----------
    parser : MessageParser
        Of this stream alone.
    answer : callable
        Answers a row; raises `Problem` where that cannot be.
    bounds : Bounds
        What it may hold and wait for.
    turns : Turns
        Of all streams.
    counts : StreamCounts
        Told what happens.
    request_id : str
        The log calls the stream by it.
    """

    def __init__(
        self,
        parser: MessageParser,
        answer: Answer,
        bounds: Bounds,
        turns: Turns,
        counts: StreamCounts,
        request_id: str,
    ) -> None:
        self._parser = parser
        self._answer = answer
        self._bounds = bounds
        self._turns = turns
        self._counts = counts
        self._request_id = request_id
        self._protocol = Protocol(SERVER, state=OPEN, max_size=bounds.message_bytes)
        # Messages that wait, with the time of their arrival.
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._fragments: list[bytes] = []
        self._is_fragment_text = True
        self._is_in_turns = self._is_blocked = self._is_paused = False
        self._is_ending = self._is_closing = self._is_closed = False
        self._number = 0
        self._rows_refused = 0
        self._last: int | str | None = None
        self._code: int = CloseCode.ABNORMAL_CLOSURE
        self._connections: MutableSet[Any] = set()
        self._started = perf_counter()

    def take_over(self, transport: Any, connections: MutableSet[Any]) -> None:
        """Go on with a connection whose upgrade is answered.

        Parameters
        ----------
        transport : asyncio.Transport
            The connection's.
        connections : set
            Those that the server ends before it ends.
        """
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._connections = connections
        connections.add(self)
        self._heard = self._loop.time()
        self._counts.open += 1
        transport.set_write_buffer_limits(high=_SEND_BYTES)
        # uvloop asks for a buffer only of a protocol that was there when it began to read.
        transport.pause_reading()
        transport.set_protocol(self)
        transport.resume_reading()
        self._check = self._loop.call_later(self._bounds.seconds / _PINGS, self._look)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002, D102
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:  # noqa: D102
        self.data_received(bytes(_BUFFER[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Read what arrived."""
        self._heard = self._loop.time()
        self._protocol.receive_data(data)
        arrived = perf_counter()
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in _DATA:
                self._gather(frame, arrived)
        self._go_on()

    def eof_received(self) -> None:  # noqa: D102
        self._protocol.receive_eof()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        self._check.cancel()
        self._waiting.clear()
        self._is_closing = True
        self._connections.discard(self)
        self._counts.open -= 1
        self._counts.closed(self._code)
        _logger.info(
            "stream ended",
            extra={
                "request_id": self._request_id,
                "code": self._code,
                "rows": self._number,
                "refused": self._rows_refused,
                "seconds": round(perf_counter() - self._started, 3),
            },
        )

    def pause_writing(self) -> None:  # noqa: D102
        self._is_blocked = True
        self._blocked_since = self._loop.time()

    def resume_writing(self) -> None:  # noqa: D102
        self._is_blocked = False
        self._go_on()

    def shutdown(self) -> None:
        """Answer what was received, and close: the server ends."""
        self._is_ending = True
        self._go_on()

    def answer_one(self) -> bool:
        """Answer the first message that waits; whether others can be answered after it."""
        if self._waiting and not self._is_blocked:
            text, arrived = self._waiting.popleft()
            answer = self._answered(text)
            if answer is not None:
                self._transport.write(Frame(Opcode.TEXT, answer).serialize(mask=False))
                self._counts.observe(perf_counter() - arrived)
        self._is_in_turns = bool(self._waiting) and not self._is_blocked
        if not self._is_in_turns:
            self._go_on()
        return self._is_in_turns

    def _gather(self, frame: Frame, arrived: float) -> None:
        # No message may follow our close frame, so that what comes after it is not answered.
        if self._is_closed:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_fragment_text = frame.opcode is Opcode.TEXT
        if not frame.fin or frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = bytes(frame.data)
        if self._fragments:
            data, self._fragments = b"".join(self._fragments), []
        if self._is_fragment_text:
            self._waiting.append((data, arrived))
        else:
            self._fail(CloseCode.UNSUPPORTED_DATA, "messages are text")

    def _answered(self, text: bytes) -> bytes | None:
        number = self._number
        begun: dict[str, Any] = {"id": number}
        try:
            document = self._parser.load(text)
            if document is None:
                return None
            begun["id"] = id_of(document, number)
            time = time_of(document)
            if time is not None:
                begun["time"] = time
            answer = self._answer(begun, number, self._parser.parse(document, text))
        except Unreadable:
            self._waiting.clear()
            self._fail(CloseCode.INVALID_DATA, "a message is not UTF-8")
            return None
        except Exception as error:  # noqa: BLE001 A fault is logged.
            answer = refusal({"id": begun["id"]}, self._problem(error))
            self._rows_refused += 1
            self._counts.rows_refused += 1
        else:
            self._counts.rows_answered += 1
        self._number += 1
        self._last = begun["id"]
        return answer

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, Problem):
            return error
        _logger.error("a row of stream %s failed", self._request_id, exc_info=error)
        return own_fault()

    def _go_on(self) -> None:
        # What there is to do after something was received, answered or read.
        if self._waiting and not self._is_blocked:
            if not self._is_in_turns and not self._is_closing:
                self._is_in_turns = True
                self._turns.add(self, self._loop)
        elif not self._waiting:
            if self._is_ending and self._protocol.state is OPEN:
                reason = "" if self._last is None else f"last {orjson.dumps(self._last).decode()}"
                self._protocol.send_close(CloseCode.SERVICE_RESTART, reason)
            # After the rows before it: a close frame ends the answers.
            self._flush()
        self._set_reading()

    def _set_reading(self) -> None:
        if self._is_closing or self._transport.is_closing():
            return
        # A server that ends reads no more rows: a fast client would always have one to answer.
        most = 0 if self._is_ending else _MOST_WAITING
        pause = self._is_blocked or len(self._waiting) > most
        if pause != self._is_paused:
            self._is_paused = pause
            (self._transport.pause_reading if pause else self._transport.resume_reading)()

    def _fail(self, code: CloseCode, reason: str) -> None:
        if self._protocol.state is OPEN:
            self._protocol.fail(code, reason)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._end()
        if self._protocol.close_sent is not None:
            self._is_closed = True
            if not self._is_closing:
                self._end_soon()

    def _end(self) -> None:
        self._note_code()
        self._is_closing = True
        self._transport.close()
        self._abort_later()

    def _end_soon(self) -> None:
        # Until the client has answered our close frame.
        self._note_code()
        self._abort_later()

    def _note_code(self) -> None:
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        closed = sent or received
        if closed is not None:
            self._code = closed.code

    def _abort_later(self) -> None:
        self._check.cancel()
        self._check = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _look(self) -> None:
        # Whether the client is there, and reads.
        now, seconds = self._loop.time(), self._bounds.seconds
        if self._is_blocked:
            if now - self._blocked_since >= seconds:
                self._code = CloseCode.INTERNAL_ERROR
                self._transport.abort()
                return
        elif not self._is_paused:
            if now - self._heard >= seconds:
                self._fail(CloseCode.INTERNAL_ERROR, f"silent for {seconds} s")
                self._flush()
                return
            if now - self._heard >= seconds / _PINGS and self._protocol.state is OPEN:
                self._protocol.send_ping(b"")
                self._flush()
        self._check = self._loop.call_later(seconds / _PINGS, self._look)
