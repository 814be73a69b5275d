"""Bounds on an HTTP/1.1 connection: sizes and times that uvicorn does not bound.

docs/decisions/0008-bounded-connections.md says why.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, BaseTransport, TimerHandle, Transport
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from eeg_letters.errors import Problem
from eeg_letters.serving.asgi import BUFFER_BYTES, Header

HEAD_BYTES = 64 * 1024
HEAD_FIELDS = 256
HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0

# What is parsed at a time. A read has up to 256 KiB, which can be thousands of requests.
_PIECE_BYTES = 8 * 1024

# Makes the answer to what is no request: status, headers and body.
Refuse = Callable[[Problem], tuple[int, Iterable[Header], bytes]]


def install(refuse: Refuse, body_seconds: float) -> None:
    """Make every uvicorn server that this process starts from now on use `BoundedProtocol`.

    Parameters
    ----------
    refuse : callable
        As of `BoundedProtocol`.
    body_seconds : float
        As of `BoundedProtocol`.
    """
    # BentoML's worker makes uvicorn's Config itself and passes no protocol: uvicorn looks one up.
    protocol: Any = partial(BoundedProtocol, refuse, body_seconds)
    HTTP_PROTOCOLS.update(dict.fromkeys(HTTP_PROTOCOLS, protocol))


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on what a client can make it hold or wait for.

    Bounded are the size and the time of a request's head, the size of a chunked body's trailers,
    and the time that a client may take to read an answer. What cannot be parsed is answered, after
    the requests before it, with a problem document, and the connection is closed. Nothing more is
    read while pipelined requests wait. Trailers are dropped. An offer to upgrade is ignored, as
    HTTP allows.

    Parameters
    ----------
    refuse : callable
        Called with the problem of what cannot be read; gives status, headers and body of the
        answer.
    body_seconds : float
        Seconds within which a client must read an answer; and send the rest of a body when it was
        answered already.
    *arguments, **named
        As uvicorn passes them.
    head_seconds : float
        Seconds within which a head must arrive, from its first byte; and the first byte, from the
        start of the connection.
    """

    def __init__(
        self,
        refuse: Refuse,
        body_seconds: float,
        *arguments: Any,
        head_seconds: float = HEAD_SECONDS,
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        # Without uvicorn's reading of forwarded addresses, of which nothing here makes any use.
        self.app: Any = self.config.app
        self._refuse_with = refuse
        self._body_seconds = body_seconds
        self._head_seconds = head_seconds
        self._in_head = False
        # Bytes given to the parser since it last reached the end of a head or part of a body,
        # without those that arrived in the same piece.
        self._unfinished = 0
        # Read but not parsed, while pipelined requests wait.
        self._rest = b""
        self._problem: Problem | None = None
        self._abort_task: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:  # noqa: D102
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self.flow: _Flow = _Flow(self.transport, self.pipeline)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self.flow.lost = True
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._unset_abort()

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self._rest or len(data) > _PIECE_BYTES:
            self._rest += data
            self._feed_rest()
        else:
            self._feed(data)

    def _feed_rest(self) -> None:
        rest = memoryview(self._rest)
        while rest and not self.pipeline:
            self._feed(rest[:_PIECE_BYTES])
            rest = rest[_PIECE_BYTES:]
        self._rest = bytes(rest)

    def _feed(self, data: bytes | memoryview) -> None:
        if self._problem is not None:
            return
        self._unfinished += len(data)
        pieces = [data]
        try:
            while pieces:
                piece = pieces.pop()
                try:
                    self.parser.feed_data(piece)
                except httptools.HttpParserUpgrade as upgrade:
                    pieces += (memoryview(piece)[upgrade.args[0] :], self._head_without_upgrade())
                    # The old parser takes all that follows for another protocol's, even the body
                    # that the head announces.
                    self.parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError as error:
            self._refuse(_problem(error))
            return
        if self._unfinished > HEAD_BYTES or (self._in_head and len(self.headers) > HEAD_FIELDS):
            self._refuse(_too_large())
        elif self._in_head and self.timeout_keep_alive_task is None and not self._is_answering():
            self._await_head()

    def on_message_begin(self) -> None:  # noqa: D102
        # Only here: what is left of an answered request's body must not keep a connection.
        self._unset_keepalive_if_required()
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:  # noqa: D102
        if len(self.headers) > HEAD_FIELDS or (
            self._unfinished > HEAD_BYTES and self._head_size() > HEAD_BYTES
        ):
            raise _too_large()
        self._unfinished = 0
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            self._in_head = False
            self._unset_keepalive_if_required()
            # Trailers are added to what is no longer the request's.
            self.headers = []

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._unfinished = 0
        super().on_body(body)

    def on_response_complete(self) -> None:  # noqa: D102
        super().on_response_complete()
        if self.timeout_keep_alive_task is None:
            # The connection is closing, or the next request is being answered.
            if self.transport.is_closing():
                self._abort_unless_read()
            else:
                self._feed_rest()
        elif self._problem is not None:
            self._answer(self._problem)
        elif self._in_head:
            self._await_head()
        elif self.cycle.more_body:
            self._wait(self._body_seconds, self.timeout_keep_alive_handler)

    def _should_upgrade(self) -> bool:
        # uvicorn's on_headers_complete then starts no request, and the parser stops at the end of
        # the head: `_feed` parses it again without the upgrade.
        return True

    def timeout_keep_alive_handler(self) -> None:  # noqa: D102
        super().timeout_keep_alive_handler()
        self._abort_unless_read()

    def pause_writing(self) -> None:  # noqa: D102
        super().pause_writing()
        self._abort_unless_read()

    def resume_writing(self) -> None:  # noqa: D102
        super().resume_writing()
        self._unset_abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_size(self) -> int:
        # A request line has two blanks, a method and a version; a header has ": " and a line's end.
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("CONNECT is for proxies")
        lines = [
            b"%b %b HTTP/%b" % (method, self.url, version),
            *(b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"),
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _await_head(self) -> None:
        self._wait(self._head_seconds, self._head_is_late)

    def _wait(self, seconds: float, too_long: Callable[[], None]) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, too_long)

    def _head_is_late(self) -> None:
        if self._in_head:
            detail = f"The request's head did not arrive within {self._head_seconds:g} s."
            self._refuse(Problem(HTTPStatus.REQUEST_TIMEOUT, detail))
        else:
            # Nothing was asked, so that an answer could only be taken for another request's.
            self.timeout_keep_alive_handler()

    def _refuse(self, problem: Problem) -> None:
        """Answer a problem once all requests before it are answered, and read nothing more."""
        self._problem = problem
        if not self._in_head and self.cycle is not None and self.cycle.more_body:
            # The newest request's body cannot be read to its end.
            if self.pipeline:
                self.pipeline.popleft()
                return
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._is_answering():
            return
        self._answer(problem)

    def _answer(self, problem: Problem) -> None:
        status, headers, body = self._refuse_with(problem)
        lines = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        self.transport.write(b"".join([*lines, b"connection: close\r\n\r\n", body]))
        # A client that is still sending when the connection closes may never see the answer. One
        # that is gone already is noticed by the next read.
        if self.transport.can_write_eof():
            with suppress(OSError):
                self.transport.write_eof()
        self.flow.resume_reading()
        self._wait(LINGER_SECONDS, self.timeout_keep_alive_handler)

    def _abort_unless_read(self) -> None:
        if self._abort_task is None and self.transport.get_write_buffer_size():
            self._abort_task = self.loop.call_later(self._body_seconds, self.transport.abort)

    def _unset_abort(self) -> None:
        if self._abort_task is not None:
            self._abort_task.cancel()
            self._abort_task = None


class _Flow(FlowControl):
    """Backpressure: reads nothing more while pipelined requests wait.

    A sender that waits until its answer is read gets an error when the connection is closed before
    that, as ASGI specifies; uvicorn raises none.
    """

    def __init__(self, transport: Transport, pipeline: Collection[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline
        self.lost = False

    async def drain(self) -> None:
        await super().drain()
        # Of several requests uvicorn knows only the newest to be without a client, and would
        # complain that another was not answered to its end.
        if self.lost and not self._pipeline:
            raise ConnectionResetError

    def resume_reading(self) -> None:
        if not self._pipeline:
            super().resume_reading()


class _OneWrite:
    # A transport whose writes in one turn of the loop go out as one: uvicorn writes an answer's
    # head and body apart, and each write is a system call.
    def __init__(self, transport: Any, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(data)
        if len(data) > BUFFER_BYTES:
            # Whether the client reads it must be known at once.
            self._flush()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._written:
            written, self._written = self._written, []
            self._transport.writelines(written)


def _too_large() -> Problem:
    return Problem(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"The request's head, or what follows its body, has more than {HEAD_BYTES} bytes or"
        f" {HEAD_FIELDS} fields.",
    )


def _problem(error: httptools.HttpParserError) -> Problem:
    if isinstance(error.__context__, Problem):
        return error.__context__
    if isinstance(error, httptools.HttpParserCallbackError):
        return Problem(HTTPStatus.BAD_REQUEST, "The request's target cannot be parsed.")
    return Problem(HTTPStatus.BAD_REQUEST, f"The request cannot be parsed: {error}.")
