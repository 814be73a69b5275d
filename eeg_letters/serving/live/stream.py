"""One stream: a WebSocket whose rows are answered in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import MutableSet
from time import perf_counter
from typing import Any, NamedTuple

import orjson
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from eeg_letters.errors import Problem, own_fault
from eeg_letters.serving.live.answering import Answering
from eeg_letters.serving.live.answers import refusal
from eeg_letters.serving.live.counts import StreamCounts
from eeg_letters.serving.live.messages import MessageParser, Unreadable, id_of, time_of
from eeg_letters.serving.live.scored import Scored
from eeg_letters.serving.live.turns import Asked, Turns

# What is read at a time: uvloop would read 256 KiB, which may be many rows.
_READ_BYTES = 8 * 1024
# What is parsed at a time: 340 pings take a millisecond.
_PIECE_BYTES = 2 * 1024
# Beyond that, nothing is read until some of it is parsed and answered.
_MOST_UNPARSED = 4 * 1024
# Beyond that, answers wait until the client has read some. The system holds more for it.
_SEND_BYTES = 4 * 1024
# How long a client may take to read what is left for it once the server ends, and to end its side
# after ours is ended.
LINGER_SECONDS = 2.0
# Of what the client may be silent: after a third it is asked whether it is there.
_PINGS = 3

# Of all streams: what is read is taken out at once.
_BUFFER = memoryview(bytearray(_READ_BYTES))

_logger = logging.getLogger("eeg_letters")
_DATA = frozenset((Opcode.TEXT, Opcode.CONT, Opcode.BINARY))


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

    Little more is read before what was read is answered, and nothing while the client does not read
    its answers: a fast sender is slowed down, and what a stream holds is bounded.

    Parameters
    ----------
    parser : MessageParser
        Of this stream alone.
    answering : Answering
        Of this stream alone.
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
        answering: Answering,
        bounds: Bounds,
        turns: Turns,
        counts: StreamCounts,
        request_id: str,
    ) -> None:
        self._parser = parser
        self._answering = answering
        self._bounds = bounds
        self._turns = turns
        self._counts = counts
        self._request_id = request_id
        self._protocol = Protocol(SERVER, state=OPEN, max_size=bounds.message_bytes)
        # Read, but not parsed.
        self._unparsed = b""
        self._arrived = 0.0
        # Messages that wait, with the time of their arrival.
        self._waiting: deque[tuple[bytes, float]] = deque()
        # Of a message in fragments, of which there may be any number without a byte.
        self._fragments = bytearray()
        self._is_text = True
        # Messages that are being answered.
        self._n_taken = 0
        self._is_in_turns = self._is_blocked = self._is_paused = False
        self._is_ending = self._is_failed = self._is_lingering = self._is_closing = False
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
        self._arrived = perf_counter()
        self._unparsed += data
        self._go_on()

    def eof_received(self) -> None:  # noqa: D102
        # The transport closes: nothing can be answered any more.
        self._unparsed = b""
        self._note_code()
        self._is_closing = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        self._check.cancel()
        # It and what it belongs to hold each other, and the half of a message, until a collection.
        self._protocol.parser.close()
        self._unparsed = b""
        self._waiting.clear()
        self._is_closing = True
        self._connections.discard(self)
        self._counts.open -= 1
        self._counts.closed(self._code, self._protocol.close_rcvd_then_sent is True)
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
        if self._is_ending:
            self._abort_later()

    def resume_writing(self) -> None:  # noqa: D102
        self._is_blocked = False
        self._heard = self._loop.time()
        self._go_on()

    def shutdown(self) -> None:
        """Answer what was received, and close: the server ends."""
        self._is_ending = True
        if self._is_blocked:
            # What its client has not read by then it asks another process again.
            self._abort_later()
        self._go_on()

    @property
    def has_work(self) -> bool:
        """Whether something was read that can be parsed or answered."""
        if self._is_closing or (self._is_blocked and not self._is_lingering):
            return False
        return bool(self._waiting or self._unparsed)

    def take(self) -> Asked | None:
        """Take the next message that needs an answer, or parse some; None without one."""
        if not self._waiting:
            self._parse()
        asked = self._begin(*self._waiting.popleft()) if self._waiting else None
        if asked is None:
            self._settle()
        else:
            self._n_taken += 1
        return asked

    def give(self, asked: Asked, scored: Scored | None, place: int) -> None:
        """Answer what was taken, by what models say of rows and its place among them."""
        self._n_taken -= 1
        identity = asked.begun["id"]
        answer = None
        if asked.error is None and asked.row is not None and scored is not None:
            try:
                answer = self._answering.answer(
                    asked.begun, asked.number, asked.row, asked.teller, scored, place
                )
            except Exception as error:  # noqa: BLE001 A fault is logged.
                asked.error = error
        if answer is None:
            answer = refusal({"id": identity}, self._problem(asked.error))
            self._rows_refused += 1
            self._counts.rows_refused += 1
        else:
            self._counts.rows_answered += 1
        self._last = identity
        if not self._transport.is_closing():
            self._transport.write(Frame(Opcode.TEXT, answer).serialize(mask=False))
            self._counts.observe(perf_counter() - asked.arrived)
        self._settle()

    def rest(self) -> None:
        """Go on without answers until something is received or read."""
        self._is_in_turns = False
        self._go_on()

    def abandon(self, error: Exception) -> None:
        """Lose the connection: something failed that does not depend on what was sent."""
        _logger.error("stream %s failed", self._request_id, exc_info=error)
        self._is_closing = True
        self._transport.abort()

    def _parse(self) -> None:
        piece, self._unparsed = self._unparsed[:_PIECE_BYTES], self._unparsed[_PIECE_BYTES:]
        self._protocol.receive_data(piece)
        for frame in self._protocol.events_received():
            # What comes after our close frame has no answer.
            if self._is_lingering or self._is_failed:
                continue
            if isinstance(frame, Frame) and frame.opcode in _DATA:
                self._gather(frame)

    def _begin(self, text: bytes, arrived: float) -> Asked | None:
        # None of what needs no answer.
        asked = Asked(self, self._number, {"id": self._number}, arrived)
        try:
            document, row = self._parser.parse_list(text) or (self._parser.load(text), None)
            if document is None:
                return None
            asked.begun["id"] = id_of(document, self._number)
            time = time_of(document)
            if time is not None:
                asked.begun["time"] = time
            if row is None:
                row = self._parser.parse(document, text)
            asked.teller = self._answering.check(row)
            asked.row = row
        except Unreadable:
            self._waiting.clear()
            self._unparsed = b""
            self._fail(CloseCode.INVALID_DATA, "a message is not UTF-8")
            return None
        except Exception as error:  # noqa: BLE001 A fault is logged.
            asked.error = error
        self._number += 1
        return asked

    def _gather(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        data = bytes(frame.data)
        # Its parser keeps the last frame until the next is whole.
        frame.data = b""
        if not frame.fin or frame.opcode is Opcode.CONT:
            self._fragments += data
            if not frame.fin:
                return
            data, self._fragments = bytes(self._fragments), bytearray()
        if self._is_text:
            self._waiting.append((data, self._arrived))
        else:
            self._fail(CloseCode.UNSUPPORTED_DATA, "messages are text")

    def _problem(self, error: Exception | None) -> Problem:
        if isinstance(error, Problem):
            return error
        _logger.error("a row of stream %s failed", self._request_id, exc_info=error)
        return own_fault()

    def _go_on(self) -> None:
        # What there is to do after something was received, answered or read.
        if self.has_work:
            if not self._is_in_turns:
                self._is_in_turns = True
                self._turns.add(self, self._loop)
        elif self._is_ending and not self._waiting and not self._unparsed:
            self._say_last()
        self._settle()
        self._set_reading()

    def _say_last(self) -> None:
        if self._protocol.state is OPEN:
            reason = "" if self._last is None else f"last {orjson.dumps(self._last).decode()}"
            self._protocol.send_close(CloseCode.SERVICE_RESTART, reason)

    def _settle(self) -> None:
        # After the answers to what came before it: a close frame ends them.
        if not self._waiting and not self._n_taken:
            self._flush()

    def _set_reading(self) -> None:
        if self._is_closing or self._transport.is_closing():
            return
        is_blocked = self._is_blocked and not self._is_lingering
        # What arrives after a signal to end is for another process.
        is_last = self._is_ending and bool(self._waiting or self._unparsed)
        pause = is_blocked or is_last or len(self._unparsed) > _MOST_UNPARSED
        if pause != self._is_paused:
            self._is_paused = pause
            (self._transport.pause_reading if pause else self._transport.resume_reading)()

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._is_failed = True
        if self._protocol.state is OPEN:
            self._protocol.fail(code, reason)

    def _flush(self) -> None:
        # What is written to uvloop's transports after they are closed raises.
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                # Nothing follows our close frame, not even a pong.
                if not self._is_lingering:
                    self._transport.write(data)
            else:
                # The connection is closed by the client, or after a while: with something unread
                # it would be reset, and the client might never see the close frame.
                self._transport.write_eof()
        if self._protocol.close_sent is not None and not self._is_lingering:
            self._is_lingering = True
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
                self._settle()
                return
            if now - self._heard >= seconds / _PINGS and self._protocol.state is OPEN:
                self._protocol.send_ping(b"")
                self._settle()
        self._check = self._loop.call_later(seconds / _PINGS, self._look)
