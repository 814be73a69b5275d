"""Bounds on an HTTP/1.1 connection: sizes and times that uvicorn does not bound.

docs/decisions/0008-bounded-connections.md says why.
"""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import HTTP_PROTOCOLS

from eeg_letters.errors import Problem
from eeg_letters.serving.admission import Connections
from eeg_letters.serving.asgi import Answer, Application
from eeg_letters.serving.bodies import CLOSE, Hold
from eeg_letters.serving.direct import DirectProtocol, path_of
from eeg_letters.serving.routing import TakesOver
from eeg_letters.serving.transport import Flow, SlowReader
from eeg_letters.settings import Settings

HEAD_BYTES = 16 * 1024
HEAD_FIELDS = 256
HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0

# What is parsed at a time. A read has up to 256 KiB, which can be thousands of requests.
_PIECE_BYTES = 8 * 1024

_VERSIONS = ("1.1", "1.0")
_OF_BODIES = frozenset((b"content-length", b"transfer-encoding"))

# What a pipelined request takes while it waits: measured, and rounded up.
_REQUEST_BYTES = 2 * 1024


def install(application: Application, connections: Connections, settings: Settings) -> None:
    """Make every uvicorn server that this process starts from now on use `BoundedProtocol`.

    Parameters
    ----------
    application : Application
        As of `BoundedProtocol`.
    connections : Connections
        As of `BoundedProtocol`.
    settings : Settings
        As of `BoundedProtocol`.
    """
    # BentoML's worker makes uvicorn's Config itself and passes no protocol: uvicorn looks one up.
    protocol: Any = partial(BoundedProtocol, application, connections, settings)
    HTTP_PROTOCOLS.update(dict.fromkeys(HTTP_PROTOCOLS, protocol))


class BoundedProtocol(DirectProtocol):
    """uvicorn's protocol, with bounds on what a client can make it hold or wait for.

    Bounded are the number of connections, the size and the time of a request's head, the size of a
    chunked body's trailers, the time that a client may take to read an answer, and the memory of
    pipelined requests that wait. What is not HTTP/1.0 or HTTP/1.1, or cannot be parsed, is
    answered, after the requests before it, with a problem document, and the connection is closed.
    Nothing more is read while pipelined requests wait. Trailers are dropped. An offer to upgrade
    is ignored, as HTTP allows, but where the path has another protocol.

    Parameters
    ----------
    application : Application
        Asked for the answer to what cannot be read, and for memory where pipelined requests wait.
    connections : Connections
        Told when it waits for a head, and when it has one.
    settings : Settings
        How long a client may take to read an answer, and to send the rest of a body that was
        answered already; and how long a connection may be idle.
    *arguments, **named
        As uvicorn passes them.
    head_seconds : float
        Seconds within which a head must arrive, from its first byte; and the first byte, from the
        start of the connection.
    """

    def __init__(
        self,
        application: Application,
        connections: Connections,
        settings: Settings,
        *arguments: Any,
        head_seconds: float = HEAD_SECONDS,
        **named: Any,
    ) -> None:
        super().__init__(application, *arguments, **named)
        self._refuse_with = application.refuse
        self._switch_by = application.switch
        self._waiting = Hold(application.memory)
        self._connections = connections
        self._body_seconds = settings.body_timeout_seconds
        self.timeout_keep_alive = settings.keep_alive_seconds
        self._head_seconds = head_seconds
        self._in_head = False
        # Bytes given to the parser since it last reached the end of a head or part of a body,
        # without those that arrived in the same piece.
        self._unfinished = 0
        # Read but not parsed, while pipelined requests wait.
        self._rest = b""
        # The connection's first line, until its end: the parser takes other protocols for HTTP.
        self._first_line: bytes | None = b""
        self._problem: Problem | None = None
        # Nothing more is read.
        self._is_ended = False
        # What is read is that of another protocol.
        self._taken_over: TakesOver | None = None

    def connection_made(self, transport: BaseTransport) -> None:  # noqa: D102
        super().connection_made(transport)
        self.flow: Flow = Flow(self.transport, self.pipeline)
        self._reader = SlowReader(self._writer, self.loop, self._body_seconds)
        self._await_head()
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self.flow.lost = True
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._reader.rest()
        self._waiting.set(0)
        self._connections.closed(self)

    def evict(self) -> None:
        """End the connection at once, without an answer."""
        # Much may be read from others before it is told that the connection is lost.
        self._rest = b""
        self.headers = []
        self.pipeline.clear()
        self.transport.abort()

    def waits_for_client(self) -> bool:
        """Whether the client must send or read something before an answer can end."""
        return self.flow.write_paused or (self.cycle is not None and self.cycle.more_body)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self.may_hold = self.answers_directly
        if self._rest or len(data) > _PIECE_BYTES:
            self._rest += data
            self._feed_rest()
        else:
            self._feed(data)
            if self.pipeline:
                self._hold_waiting()

    def _feed_rest(self) -> None:
        rest = memoryview(self._rest)
        while rest and not self.pipeline and self._taken_over is None:
            self._feed(rest[:_PIECE_BYTES])
            rest = rest[_PIECE_BYTES:]
        self._rest = bytes(rest)
        if self._taken_over is None:
            self._hold_waiting()
        elif self._rest:
            self._taken_over.data_received(self._rest)
            self._rest = b""

    def _hold_waiting(self) -> None:
        try:
            self._waiting.set(len(self._rest) + len(self.pipeline) * _REQUEST_BYTES)
        except Problem:
            self.evict()

    def _feed(self, data: bytes | memoryview) -> None:
        if self._problem is not None or self._is_ended:
            return
        self._unfinished += len(data)
        try:
            if self._first_line is not None:
                self._check_first_line(data)
            self._parse(data)
        except httptools.HttpParserError as error:
            self.begin_held()
            self._refuse(_problem(error))
            return
        except Problem as problem:
            self.begin_held()
            self._refuse(problem)
            return
        if self._taken_over is not None:
            return
        self.begin_held()
        if self._unfinished > HEAD_BYTES or len(self.headers or ()) > HEAD_FIELDS:
            self._refuse(_too_large())
        elif self._in_head and self.timeout_keep_alive_task is None and not self._is_answering():
            self._await_head()

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = memoryview(data)[upgrade.args[0] :]
            if self._switch(rest):
                return
            head = self._head_without_upgrade()
            # The old parser takes all that follows for another protocol's, even the body that the
            # head announces.
            self.parser = httptools.HttpRequestParser(self)
            self._parse(head)
            self._parse(rest)

    def _switch(self, rest: memoryview) -> bool:
        """Answer an offer to upgrade; not where it is ignored."""
        is_plain = (
            self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and not _OF_BODIES.intersection(name for name, _ in self.headers)
        )
        # Answers go out in order.
        if not is_plain or self.pipeline or self._is_answering():
            return False
        url = httptools.parse_url(self.url)
        switched = self._switch_by(
            path_of(self.url), self.scheme or "http", self.headers, url.query or b""
        )
        if switched is None:
            return False
        answer, self._taken_over = switched
        self._connections.asked(self)
        self.server_state.total_requests += 1
        if self._taken_over is None:
            self._in_head = False
            self._end_with(answer)
            return True
        self.write_answer(answer)
        self._hand_over(self._taken_over)
        if rest:
            self._taken_over.data_received(bytes(rest))
        return True

    def _hand_over(self, protocol: TakesOver) -> None:
        self._unset_keepalive_if_required()
        self._reader.rest()
        self._waiting.set(0)
        self._connections.closed(self)
        self.connections.discard(self)
        # It and this object hold each other, and the new protocol, until a collection.
        del self.parser
        protocol.take_over(self._writer.release(), self.connections)

    def on_message_begin(self) -> None:  # noqa: D102
        # Only here: what is left of an answered request's body must not keep a connection.
        self._unset_keepalive_if_required()
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:  # noqa: D102
        headers = self.headers
        if len(headers) > HEAD_FIELDS or (
            self._unfinished > HEAD_BYTES and self._head_size() > HEAD_BYTES
        ):
            raise _too_large()
        fields = dict(headers)
        is_usual = (
            len(fields) == len(headers)
            and b"host" in fields
            and b"transfer-encoding" not in fields
            and self.parser.get_http_version() == "1.1"
        )
        if not is_usual:
            self._check_head()
        self._unfinished = 0
        self.take_head(is_usual and b"content-encoding" not in fields)
        if self._held is not None or (self.cycle is not None and self.cycle.scope is self.scope):
            self._in_head = False
            self._unset_keepalive_if_required()
            if self._held is None:
                # Trailers are added to what is no longer the request's.
                self.headers = []

    def _begin(self) -> None:
        self._connections.asked(self)
        super()._begin()

    def answered_at_once(self) -> None:  # noqa: D102
        super().answered_at_once()
        self._connections.answered(self)

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._unfinished = 0
        super().on_body(body)

    def on_chunk_complete(self) -> None:
        """Check the trailers' number: they belong to the last chunk."""
        if len(self.headers) > HEAD_FIELDS:
            raise _too_large()

    def on_response_complete(self) -> None:  # noqa: D102
        super().on_response_complete()
        if self.timeout_keep_alive_task is None:
            # The connection is closing, or the next request is being answered.
            if self.transport.is_closing():
                self._reader.watch()
            else:
                self._feed_rest()
            return
        self._connections.answered(self)
        if self._problem is not None:
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
        self._reader.watch()

    def pause_writing(self) -> None:  # noqa: D102
        super().pause_writing()
        self._reader.watch()

    def resume_writing(self) -> None:  # noqa: D102
        super().resume_writing()
        self._reader.rest()

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

    def _check_first_line(self, data: bytes | memoryview) -> None:
        # Of another protocol the very first line is: "GET / RTSP/1.0" is HTTP/1.0 to the parser.
        self._first_line = ((self._first_line or b"") + data).lstrip(b"\r\n")
        line, end, _ = self._first_line.partition(b"\n")
        if end:
            self._first_line = None
            if b" HTTP/" not in line:
                raise _bad_request("This is not HTTP/1.0 or HTTP/1.1.")

    def _check_head(self) -> None:
        version = self.parser.get_http_version()
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or version == "1.1"):
            raise _bad_request(f"The request has {hosts} Host headers; it must have one.")
        if version not in _VERSIONS:
            raise _bad_request(f"The request's version is HTTP/{version}; 1.0 and 1.1 are read.")
        if b"transfer-encoding" in names:
            codings = [value for name, value in self.headers if name == b"transfer-encoding"]
            if [coding.strip().lower() for coding in codings] != [b"chunked"]:
                raise _bad_request("The request's Transfer-Encoding is not chunked alone.")

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
        self._end_with(self._refuse_with(problem))

    def _end_with(self, answer: Answer) -> None:
        self._is_ended = True
        self.write_answer(answer, CLOSE)
        # A client that is still sending when the connection closes may never see the answer. One
        # that is gone already is noticed by the next read.
        if self.transport.can_write_eof():
            with suppress(OSError):
                self.transport.write_eof()
        self.flow.resume_reading()
        self._wait(LINGER_SECONDS, self.timeout_keep_alive_handler)


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


def _bad_request(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail)
