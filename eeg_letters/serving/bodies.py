"""Request bodies: their size, time, rate and compression, and the memory that they take together.

docs/decisions/0013-memory-not-concurrency.md says why.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from eeg_letters.errors import Problem
from eeg_letters.settings import Settings

Header = tuple[bytes, bytes]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

CLOSE: Header = (b"connection", b"close")
RETRY_AFTER_SECONDS = 1

# Above it a body or an answer counts: less is held for one turn of the event loop only, or by what
# the connection buffers anyway.
LARGE_BYTES = 64 * 1024
# What is decompressed at a time: about a millisecond of work.
INFLATED_BYTES = 256 * 1024

# A client that sends or takes less is cut off before its whole time is up.
GRACE_SECONDS = 5.0
BYTES_PER_SECOND = 1024

# By name; the number tells zlib which header to expect.
_ENCODINGS = {
    b"gzip": 16 + zlib.MAX_WBITS,
    b"x-gzip": 16 + zlib.MAX_WBITS,
    b"deflate": zlib.MAX_WBITS,
}
_ACCEPTED: Header = (b"accept-encoding", b"gzip, deflate, identity")


def seconds_allowed(size: int, most: float) -> float:
    """How long a transfer may have taken, by the bytes that have arrived.

    Parameters
    ----------
    size : int
        Bytes so far.
    most : float
        Seconds for the whole transfer.
    """
    return min(most, GRACE_SECONDS + size / BYTES_PER_SECOND)


class ClientGone(Exception):
    """The client went away before it had sent its body."""


class Memory:
    """Bytes of bodies and answers that may be held at a time.

    Parameters
    ----------
    settings : Settings
        Limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.most = settings.max_bytes_in_flight
        self.of_an_answer = settings.max_answer_bytes
        self.held = 0


class Hold:
    """What one request holds of the memory; given back at the end of the block.

    Parameters
    ----------
    memory : Memory
        What it is a part of.
    """

    __slots__ = ("_held", "_memory")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._memory.held -= self._held

    def set(self, size: int) -> None:
        """Hold a number of bytes, instead of those before.

        Raises
        ------
        Problem
            503 when all requests together would hold too many.
        """
        memory = self._memory
        if memory.held - self._held + size > memory.most and size > self._held:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"Requests in flight hold {memory.held} bytes of at most {memory.most} already.",
                ((b"retry-after", b"%d" % RETRY_AFTER_SECONDS),),
            )
        memory.held += size - self._held
        self._held = size

    def set_body(self, size: int) -> None:
        """Hold a body, and where it is large the largest answer, which is made in parts.

        Raises
        ------
        Problem
            503.
        """
        self.set(size + (self._memory.of_an_answer if size > LARGE_BYTES else 0))

    def set_answer(self, size: int) -> None:
        """Hold an answer where it is large, and the body no more.

        Raises
        ------
        Problem
            503.
        """
        if self._held or size > LARGE_BYTES:
            self.set(size if size > LARGE_BYTES else 0)


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, limit: int, seconds: float, hold: Hold
) -> bytes:
    """A request's body, decompressed.

    Parameters
    ----------
    headers : mapping of bytes to bytes
        The request's.
    receive : callable
        ASGI's.
    limit : int
        The most bytes that it may have, decompressed.
    seconds : float
        How long it may take to arrive; a slow one is given up before.
    hold : Hold
        Told of what has arrived, where there is more to come.

    Raises
    ------
    ClientGone
        When the connection ends before it.
    Problem
        400 when it is not compressed as its header says; 408, 413, 415 or 503.
    """
    decoder = _decoder(headers[b"content-encoding"]) if b"content-encoding" in headers else None
    # The server has checked that it is a number of 64 bits, but int() refuses thousands of zeros.
    announced = int(headers.get(b"content-length", b"0").lstrip(b"0") or 0)
    chunks: list[bytes] = []
    arrived = size = 0
    more = announced <= limit
    allowed = seconds_allowed(0, seconds)
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout(allowed) as timeout:
            while more and size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                arrived += len(chunk)
                if decoder is None:
                    size += len(chunk)
                    chunks.append(chunk)
                else:
                    async for piece in _inflate(decoder, chunk):
                        size += len(piece)
                        chunks.append(piece)
                        hold.set_body(size)
                        if size > limit:
                            break
                if more:
                    hold.set_body(size)
                    if allowed < seconds:
                        allowed = seconds_allowed(arrived, seconds)
                        timeout.reschedule(started + allowed)
    except TimeoutError:
        raise _too_slow(arrived, allowed, seconds) from None
    if max(announced, size) > limit:
        # A client that is still sending when the connection closes may never see the answer: what
        # it sends is dropped for as long as a body may take. One that waits for "100 Continue"
        # sends nothing.
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {limit} bytes{'' if decoder is None else ', decompressed'}.",
            (CLOSE,) if b"expect" in headers else (),
        )
    if decoder is not None and not decoder.eof:
        raise _not_compressed("it ends too early")
    if size > LARGE_BYTES:
        hold.set_body(size)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def shortened(value: bytes) -> str:
    """A header's value, as an error may quote it."""
    return value[:80].decode("latin-1")


def _decoder(encoding: bytes) -> Any:
    if encoding.lower() == b"identity":
        return None
    bits = _ENCODINGS.get(encoding.lower())
    if bits is None:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Encoding is {shortened(encoding)}; gzip and deflate are read.",
            (_ACCEPTED,),
        )
    return zlib.decompressobj(bits)


async def _inflate(decoder: Any, data: bytes) -> AsyncIterator[bytes]:
    more = bool(data)
    try:
        while more:
            if decoder.eof:
                raise _not_compressed("there is something after its end")
            piece = decoder.decompress(data, INFLATED_BYTES)
            data = decoder.unconsumed_tail or decoder.unused_data
            yield piece
            # A decoder that was stopped has more, even where all of its input is taken.
            more = bool(data) or (len(piece) == INFLATED_BYTES and not decoder.eof)
            if more:
                await asyncio.sleep(0)
    except zlib.error:
        raise _not_compressed("its data is invalid") from None


def _not_compressed(why: str) -> Problem:
    return Problem(
        HTTPStatus.BAD_REQUEST, f"The body is not compressed as its Content-Encoding says: {why}."
    )


def _too_slow(arrived: int, allowed: float, seconds: float) -> Problem:
    if allowed < seconds:
        detail = (
            f"The body arrived too slowly: {arrived} bytes in {allowed:.3g} s; after"
            f" {GRACE_SECONDS:g} s it must be {BYTES_PER_SECOND} bytes per second."
        )
    else:
        detail = f"The body did not arrive within {seconds:g} s."
    return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, (CLOSE,))
