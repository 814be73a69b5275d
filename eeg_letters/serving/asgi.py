"""The application: answers requests by routes, over ASGI or at once."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from http import HTTPStatus
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from eeg_letters.errors import Problem, own_fault
from eeg_letters.serving.bodies import (
    LARGE_BYTES,
    ClientGone,
    Header,
    Hold,
    Memory,
    Message,
    Receive,
    read_body,
    shortened,
)
from eeg_letters.serving.hosts import check_host
from eeg_letters.serving.routing import (
    JSON,
    PROBLEM,
    Body,
    Refusal,
    Request,
    Response,
    Route,
    TakesOver,
    media_type,
)
from eeg_letters.serving.telemetry.logs import AccessLog
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.serving.telemetry.traceparent import read_traceparent
from eeg_letters.settings import Settings

if TYPE_CHECKING:
    from eeg_letters.serving.telemetry.tracing import Tracing

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# nginx's status for a client that closed the connection before it had the whole answer. Recorded,
# never sent.
CLIENT_CLOSED_REQUEST = 499

_SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_logger = logging.getLogger("eeg_letters")


# Status, headers and body.
Answer = tuple[int, list[Header], bytes]


class _Exchange:
    # A request, and what its answer is recorded under.
    __slots__ = (
        *("fields", "headers", "method", "methods", "parameters", "path", "request_id"),
        *("route", "scheme", "started"),
    )

    def __init__(
        self,
        method: str,
        path: str,
        scheme: str,
        fields: Sequence[Header],
        match: Callable[[str], tuple[Mapping[str, Route], tuple[str, ...]]],
    ) -> None:
        self.started = perf_counter()
        self.method = method
        self.path = path
        self.scheme = scheme
        self.fields = fields
        self.headers = dict(fields)
        self.request_id = _request_id(self.headers)
        self.methods, self.parameters = match(path)
        self.route = self.methods.get(method) or next(iter(self.methods.values()), _UNMATCHED)

    def request(self, body: bytes, query: bytes = b"") -> Request:
        return Request(
            self.headers, self.parameters, body, query, self.request_id, self.route.template
        )


def _not_found(_: Request) -> Response:
    raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")


_UNMATCHED = Route("unmatched", (), _not_found, internal=True)


class Application:
    """An ASGI application of routes; whatever goes wrong is answered as a problem document.

    Parameters
    ----------
    routes : iterable of Route
        One or more for a path, of different methods.
    settings : Settings
        Limits.
    metrics : Metrics
        Told of every answer.
    access_log : AccessLog
        Told of every answer.
    tracing : Tracing, optional
        Told of every answer, where a collector is named.
    refusals : dict of str to callable
        How a problem is answered instead, by the path's first segment: another protocol's form.
    close : callable, optional
        What else there is to do when the process ends, while the last spans are sent.

    Attributes
    ----------
    memory : Memory
        What requests may hold.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        settings: Settings,
        metrics: Metrics,
        access_log: AccessLog,
        tracing: Tracing | None = None,
        refusals: Mapping[str, Refusal] = MappingProxyType({}),
        close: Callable[[], None] | None = None,
    ) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        # By the first segment of the path.
        self._patterns: dict[str, list[tuple[re.Pattern[str], dict[str, Route]]]] = {}
        self._settings = settings
        self.memory = Memory(settings)
        self._metrics = metrics
        self._access_log = access_log
        self._tracing = tracing
        self._close = close
        self._refusals = refusals
        by_template: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = by_template.setdefault(route.template, {})
            methods |= dict.fromkeys(route.methods, route)
            if "GET" in methods:
                methods["HEAD"] = methods["GET"]
        for template, methods in by_template.items():
            if "{" in template:
                pattern = re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(template))
                room = template[1:].partition("/")[0]
                self._patterns.setdefault(room, []).append((re.compile(pattern), methods))
            else:
                self._fixed[template] = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _answer_lifespan(receive, send, self._shut_down)
            return
        exchange = _Exchange(
            scope["method"],
            scope["path"],
            scope.get("scheme", "http"),
            scope["headers"],
            self._match,
        )
        query = scope.get("query_string", b"")
        self._metrics.in_flight += 1
        try:
            self._check(exchange)
            if exchange.route.body is Body.NONE:
                response = await self._respond(exchange, b"", query)
                status = await _send(response, exchange.request_id, send)
            else:
                with Hold(self.memory) as hold:
                    body = await self._read(exchange, receive, hold)
                    response = await self._respond(exchange, body, query)
                    del body
                    hold.set_answer(len(response.body))
                    status = await _send(response, exchange.request_id, send)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 A fault is logged.
            response = self._refusal(exchange, error)
            status = await _send(response, exchange.request_id, send)
        finally:
            self._metrics.in_flight -= 1
        self._record(exchange, status)

    def answer(
        self,
        method: str,
        path: str,
        scheme: str,
        fields: Sequence[Header],
        body: bytes,
        has_query: bool = False,
    ) -> Answer | None:
        """Answer a whole request at once, where that is little work.

        Parameters
        ----------
        method, path, scheme : str
            As of ASGI's scope.
        fields : sequence of (bytes, bytes)
            The request's headers; the body is not compressed.
        body : bytes
            All of it.
        has_query : bool
            Whether there is a query, which is not read here.

        Returns
        -------
        tuple of int, list of (bytes, bytes) and bytes, or None
            Status, headers and body; None where the request must be answered as any other.
        """
        exchange = _Exchange(method, path, scheme, fields, self._match)
        route = exchange.route
        if not route.at_once or len(body) > self._limit(route):
            return None
        # What is asked with a body may have a use for a query.
        if has_query and (body or route.reads_query):
            return None
        try:
            self._check(exchange)
            if route.body is Body.NONE:
                body = b""
            elif route.body is Body.JSON:
                _check_media(exchange.headers, route.media)
            response = route.handler(exchange.request(body))
        except Exception as error:  # noqa: BLE001 A fault is logged.
            response = self._refusal(exchange, error)
        if not isinstance(response, Response):
            response.close()
            return None
        self._record(exchange, response.status)
        return response.status, _headers(response, exchange.request_id), response.body

    def switch(
        self, path: str, scheme: str, fields: Sequence[Header], query: bytes
    ) -> tuple[Answer, TakesOver | None] | None:
        """Answer a GET that asks for another protocol.

        Parameters
        ----------
        path, scheme, fields
            As of `answer`.
        query : bytes
            What follows the question mark.

        Returns
        -------
        tuple of Answer and (TakesOver or None), or None
            What takes the connection over once the answer is written, None where it is refused;
            None where the path has no other protocol.
        """
        exchange = _Exchange("GET", path, scheme, fields, self._match)
        if not exchange.route.switches:
            return None
        try:
            self._check(exchange)
            response = exchange.route.handler(exchange.request(b"", query))
            if not isinstance(response, Response):
                raise TypeError("a switch of protocols is answered at once")
        except Exception as error:  # noqa: BLE001 A fault is logged.
            response = self._refusal(exchange, error)
        self._record(exchange, response.status)
        headers = _headers(response, exchange.request_id)
        if response.takes_over is not None:
            # It has no body: not even an empty one.
            headers = [(b"x-request-id", exchange.request_id), *response.headers]
        return (response.status, headers, response.body), response.takes_over

    def refuse(self, problem: Problem) -> Answer:
        """The answer to what cannot be parsed as a request."""
        response = _problem_response(problem)
        exchange = _Exchange("-", "", "http", (), self._match)
        self._record(exchange, response.status)
        return response.status, _headers(response, exchange.request_id), response.body

    def _check(self, exchange: _Exchange) -> None:
        if self._settings.allowed_hosts is not None:
            check_host(exchange.headers, self._settings.allowed_hosts)
        if exchange.methods and exchange.method not in exchange.methods:
            raise _not_allowed(exchange.methods, exchange.method)

    async def _read(self, exchange: _Exchange, receive: Receive, hold: Hold) -> bytes:
        if exchange.route.body is Body.JSON:
            _check_media(exchange.headers, exchange.route.media)
        seconds = self._settings.body_timeout_seconds
        limit = self._limit(exchange.route)
        return await read_body(exchange.headers, receive, limit, seconds, hold)

    def _limit(self, route: Route) -> int:
        return min(route.max_body_bytes, self._settings.max_body_bytes)

    async def _respond(self, exchange: _Exchange, body: bytes, query: bytes) -> Response:
        response = exchange.route.handler(exchange.request(body, query))
        return response if isinstance(response, Response) else await response

    def _refusal(self, exchange: _Exchange, error: Exception) -> Response:
        if not isinstance(error, Problem):
            _logger.error(
                "%s failed, request %s",
                exchange.route.template,
                exchange.request_id.decode(),
                exc_info=error,
            )
            error = own_fault()
        room = exchange.path[1:].partition("/")[0]
        return self._refusals.get(room, _problem_response)(error)

    async def _shut_down(self) -> None:
        # At the same time: each has all that a pod has to spare.
        closing = [self._close] if self._close is not None else []
        if self._tracing is not None:
            closing.append(self._tracing.shutdown)
        await asyncio.gather(*map(asyncio.to_thread, closing))

    def _match(self, path: str) -> tuple[Mapping[str, Route], tuple[str, ...]]:
        if methods := self._fixed.get(path):
            return methods, ()
        for pattern, methods in self._patterns.get(path[1:].partition("/")[0], ()):
            if match := pattern.fullmatch(path):
                return methods, match.groups()
        return {}, ()

    def _record(self, exchange: _Exchange, status: int) -> None:
        route, method = exchange.route, exchange.method
        seconds = perf_counter() - exchange.started
        self._metrics.observe((route.template, method, status), seconds)
        if route.internal and status < 400:
            return
        traceparent = read_traceparent(exchange.headers, exchange.fields)
        if self._tracing is not None:
            template = None if route is _UNMATCHED else route.template
            traceparent = self._tracing.record(
                template, method, exchange.scheme, status, seconds, traceparent
            )
        self._access_log.write(
            route.template, method, status, seconds, exchange.request_id.decode(), traceparent
        )


def _not_allowed(methods: Mapping[str, Route], method: str) -> Problem:
    allowed = ", ".join(sorted(methods))
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"{method} is not answered here; {allowed} would be.",
        ((b"allow", allowed.encode()),),
    )


async def _answer_lifespan(
    receive: Receive, send: Send, shut_down: Callable[[], Awaitable[None]]
) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await shut_down()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send(response: Response, request_id: bytes, send: Send) -> int:
    # Gives the status to record.
    start = {
        "type": "http.response.start",
        "status": response.status,
        "headers": _headers(response, request_id),
    }
    large = len(response.body) > LARGE_BYTES
    try:
        await send(start)
        await send({"type": "http.response.body", "body": response.body, "more_body": large})
        if large:
            # Waits until the client has read most of it, or its time is up: until then the request
            # is in flight.
            await send({"type": "http.response.body"})
    except OSError:
        return CLIENT_CLOSED_REQUEST
    return response.status


def _headers(response: Response, request_id: bytes) -> list[Header]:
    return [
        (b"content-type", response.content_type),
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request_id),
        response.cache_control,
        *_SECURITY_HEADERS,
        *response.headers,
    ]


def _request_id(headers: Mapping[bytes, bytes]) -> bytes:
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return os.urandom(16).hex().encode()


def _problem_response(problem: Problem) -> Response:
    return Response(orjson.dumps(problem.body()), PROBLEM, problem.status, problem.headers)


def _check_media(headers: Mapping[bytes, bytes], media: tuple[bytes, ...]) -> None:
    content_type = headers.get(b"content-type", b"missing")
    if content_type != JSON and media_type(content_type) not in media:
        *others, last = media
        wanted = b", ".join(others) + b" or " + last if others else last
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Type is {shortened(content_type)}; it must be {wanted.decode()}.",
            ((b"accept", b", ".join(media)),),
        )
