"""Writing to a connection: one write for an answer, backpressure, and readers that are too slow."""

from __future__ import annotations

import fcntl
import sys
import termios
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

from eeg_letters.serving.bodies import LARGE_BYTES, seconds_allowed


class OneWrite:
    """A transport whose writes in one turn of the event loop go out as one.

    uvicorn writes an answer's head and body apart, and each write is a system call. What is
    written to a transport that is closing is dropped, as asyncio's own transports do: uvloop's
    raise.

    Parameters
    ----------
    transport : asyncio.Transport
        Where to write.
    loop : asyncio.AbstractEventLoop
        The loop that it belongs to.
    """

    def __init__(self, transport: Any, loop: AbstractEventLoop) -> None:
        self._transport = transport
        # Asked for each answer, and `__getattr__` is slow.
        self.is_closing = transport.is_closing
        self._loop = loop
        self._written: list[bytes] = []
        self._bytes_written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this turn; at once what is large."""
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(data)
        if len(data) > LARGE_BYTES:
            # Whether the client reads it must be known at once.
            self._flush()

    def write_whole(self, data: bytes) -> None:
        """Write a whole answer, after what is written already."""
        self._flush()
        if not self.is_closing():
            self._bytes_written += len(data)
            self._transport.write(data)

    def release(self) -> Any:
        """The transport beneath, for another protocol; all is written to it."""
        self._flush()
        return self._transport

    def write_eof(self) -> None:
        """Tell the client that nothing follows."""
        self._flush()
        if not self.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Close once all is sent."""
        self._flush()
        self._transport.close()

    def bytes_taken(self) -> int:
        """How much of what was written the client has acknowledged."""
        buffered: int = self._transport.get_write_buffer_size()
        return self._bytes_written - buffered - self._unsent()

    def _unsent(self) -> int:
        # What the system holds for the client.
        descriptor = self._transport.get_extra_info("socket").fileno()
        try:
            answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # Of an aborted connection, it is closed or -1.
            return 0
        return int.from_bytes(answer, sys.byteorder)

    def _flush(self) -> None:
        if self._written:
            written, self._written = self._written, []
            if not self.is_closing():
                self._bytes_written += sum(map(len, written))
                self._transport.writelines(written)


class SlowReader:
    """Ends a connection whose client takes an answer too slowly.

    Parameters
    ----------
    transport : OneWrite
        The connection's.
    loop : asyncio.AbstractEventLoop
        The loop that it belongs to.
    seconds : float
        The most that a client may take for an answer.
    """

    def __init__(self, transport: OneWrite, loop: AbstractEventLoop, seconds: float) -> None:
        self._transport = transport
        self._loop = loop
        self._seconds = seconds
        self._check: TimerHandle | None = None

    def watch(self) -> None:
        """Begin, if something is left to be taken."""
        if self._check is None and self._transport.get_write_buffer_size():
            taken, started = self._transport.bytes_taken(), self._loop.time()
            allowed = seconds_allowed(0, self._seconds)
            self._check = self._loop.call_later(allowed, self._end_unless_taken, taken, started)

    def rest(self) -> None:
        """End watching: the client has taken enough."""
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def _end_unless_taken(self, before: int, started: float) -> None:
        allowed = seconds_allowed(self._transport.bytes_taken() - before, self._seconds)
        if self._loop.time() - started < allowed:
            self._check = self._loop.call_at(
                started + allowed, self._end_unless_taken, before, started
            )
        else:
            self._transport.abort()


class Flow(FlowControl):
    """Backpressure: reads nothing more while pipelined requests wait.

    A sender that waits until its answer is read gets an error when the connection is closed before
    that, as ASGI specifies; uvicorn raises none.

    Parameters
    ----------
    transport : asyncio.Transport
        The connection's.
    pipeline : collection
        Requests that wait until those before them are answered.
    """

    def __init__(self, transport: Transport, pipeline: Collection[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline
        self.lost = False

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        await super().drain()
        # Of several requests uvicorn knows only the newest to be without a client, and would
        # complain that another was not answered to its end.
        if self.lost and not self._pipeline:
            raise ConnectionResetError

    def resume_reading(self) -> None:
        """Read on, unless pipelined requests wait."""
        if not self._pipeline:
            super().resume_reading()
