"""HTTP over ASGI: requests, responses, routes, and the application that dispatches to them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import orjson

from eeg_letters.errors import Problem
from eeg_letters.serving.hosts import check_host
from eeg_letters.serving.telemetry.logs import AccessLog
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.serving.telemetry.traceparent import read_traceparent
from eeg_letters.settings import Settings

if TYPE_CHECKING:
    from eeg_letters.serving.telemetry.tracing import Tracing

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
PROBLEM = b"application/problem+json"

RETRY_AFTER_SECONDS = 1

# nginx's status for a client that closed the connection before it had the whole answer. Recorded,
# never sent.
CLIENT_CLOSED_REQUEST = 499

# What uvicorn buffers before it makes a sender wait.
BUFFER_BYTES = 64 * 1024
_CLOSE: Header = (b"connection", b"close")
_SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_WEIGHT = re.compile(rb"(?:^|;)[ \t]*q=0(?:\.0*)?[ \t]*(?:;|$)", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_logger = logging.getLogger("eeg_letters")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; not to be cached, unless a subclass has another `cache_control`."""

    cache_control: ClassVar[Header] = (b"cache-control", b"no-store")

    body: bytes
    content_type: bytes = JSON
    status: int = 200
    headers: Sequence[Header] = ()


Refusal = Callable[[Problem], Response]


def json_response(document: Any) -> Response:
    """A document as JSON."""
    return Response(orjson.dumps(document))


def fixed(response: Response) -> Handler:
    """A handler that gives every request the same answer."""

    async def handler(_: Request) -> Response:
        return response

    return handler


def accepts(header: bytes, wanted: bytes) -> bool:
    """Whether an ``Accept`` or ``Accept-Encoding`` header lists a value, with a weight above 0."""
    pattern = rb"(?:^|,)[ \t]*%b[ \t]*(?:;([^,]*))?(?=,|$)" % re.escape(wanted)
    return any(
        not _NO_WEIGHT.search(parameters or b"")
        for (parameters,) in map(re.Match.groups, re.finditer(pattern, header, re.IGNORECASE))
    )


class Request(NamedTuple):
    """What a handler answers.

    Attributes
    ----------
    headers : mapping of bytes to bytes
        By name in lower case; of duplicate headers the last.
    parameters : tuple of str
        Text of each parameter of the route's template, in order.
    body : bytes
        Empty where the route takes none.
    """

    headers: Mapping[bytes, bytes]
    parameters: tuple[str, ...]
    body: bytes


Handler = Callable[[Request], Awaitable[Response]]


class Body(Enum):
    """What a route takes as a request's body."""

    NONE = auto()
    JSON = auto()
    ANY = auto()


@dataclass(frozen=True)
class Route:
    """A path and its handler.

    Attributes
    ----------
    template : str
        The path, with ``{name}`` for a parameter of one segment.
    methods : tuple of str
        Methods that are answered; HEAD is wherever GET is.
    handler : callable
        Answers a request; may yield to other requests.
    body : Body
        What it takes: no body, one declared as JSON, or one of any type.
    max_body_bytes : int
        The largest body that the route can have a use for.
    internal : bool
        Answered under overload too, and logged and traced only when it fails: probes and metrics.
    """

    template: str
    methods: tuple[str, ...]
    handler: Handler
    body: Body = Body.NONE
    max_body_bytes: int = sys.maxsize
    internal: bool = False


async def _not_found(_: Request) -> Response:
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
    """

    def __init__(
        self,
        routes: Iterable[Route],
        settings: Settings,
        metrics: Metrics,
        access_log: AccessLog,
        tracing: Tracing | None = None,
        refusals: Mapping[str, Refusal] = MappingProxyType({}),
    ) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        self._settings = settings
        self._metrics = metrics
        self._access_log = access_log
        self._tracing = tracing
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
                self._patterns.append((re.compile(pattern), methods))
            else:
                self._fixed[template] = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _answer_lifespan(receive, send, self._tracing)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        methods, parameters = self._match(scope["path"])
        route = methods.get(scope["method"]) or next(iter(methods.values()), _UNMATCHED)
        self._metrics.in_flight += 1
        try:
            response = await self._respond(scope["method"], methods, parameters, headers, receive)
            status = await _send(response, request_id, send)
        except Problem as problem:
            response = self._refusal(problem, scope["path"])
            status = await _send(response, request_id, send)
        except _ClientGone:
            return
        except Exception:
            _logger.exception("%s failed, request %s", route.template, request_id.decode())
            fault = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The fault is on this side.")
            response = self._refusal(fault, scope["path"])
            status = await _send(response, request_id, send)
        finally:
            self._metrics.in_flight -= 1
        self._record(route, scope, status, perf_counter() - started, request_id, headers)

    def refuse(self, problem: Problem) -> tuple[int, list[Header], bytes]:
        """Status, headers and body of the answer to what cannot be parsed as a request."""
        response = _problem_response(problem)
        request_id = _request_id({})
        scope = {"method": "-", "scheme": "http", "headers": ()}
        self._record(_UNMATCHED, scope, response.status, 0.0, request_id, {})
        return response.status, _headers(response, request_id), response.body

    async def _respond(
        self,
        method: str,
        methods: Mapping[str, Route],
        parameters: tuple[str, ...],
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> Response:
        if self._settings.allowed_hosts is not None:
            check_host(headers, self._settings.allowed_hosts)
        route = methods.get(method) if methods else _UNMATCHED
        if route is None:
            allowed = ", ".join(sorted(methods))
            raise Problem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{method} is not answered here; {allowed} would be.",
                ((b"allow", allowed.encode()),),
            )
        if self._metrics.in_flight > self._settings.max_concurrency and not route.internal:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._settings.max_concurrency} requests are being answered already.",
                ((b"retry-after", b"%d" % RETRY_AFTER_SECONDS),),
            )
        body = b""
        if route.body is not Body.NONE:
            if route.body is Body.JSON:
                _check_json(headers)
            _check_encoding(headers)
            limit = min(route.max_body_bytes, self._settings.max_body_bytes)
            body = await _read_body(headers, receive, limit, self._settings.body_timeout_seconds)
        return await route.handler(Request(headers, parameters, body))

    def _refusal(self, problem: Problem, path: str) -> Response:
        return self._refusals.get(path[1:].partition("/")[0], _problem_response)(problem)

    def _match(self, path: str) -> tuple[Mapping[str, Route], tuple[str, ...]]:
        if methods := self._fixed.get(path):
            return methods, ()
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                return methods, match.groups()
        return {}, ()

    def _record(
        self,
        route: Route,
        scope: Scope,
        status: int,
        seconds: float,
        request_id: bytes,
        headers: Mapping[bytes, bytes],
    ) -> None:
        method = scope["method"]
        self._metrics.observe((route.template, method, status), seconds)
        if route.internal and status < 400:
            return
        traceparent = read_traceparent(headers, scope["headers"])
        if self._tracing is not None:
            template = None if route is _UNMATCHED else route.template
            traceparent = self._tracing.record(
                template, method, scope["scheme"], status, seconds, traceparent
            )
        self._access_log.write(
            route.template, method, status, seconds, request_id.decode(), traceparent
        )


async def _answer_lifespan(receive: Receive, send: Send, tracing: Tracing | None) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown" and tracing is not None:
            tracing.shutdown()
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
    large = len(response.body) > BUFFER_BYTES
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


class _ClientGone(Exception):
    """The client went away before it had sent its body."""


def _request_id(headers: Mapping[bytes, bytes]) -> bytes:
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return os.urandom(16).hex().encode()


def _problem_response(problem: Problem) -> Response:
    return Response(orjson.dumps(problem.body()), PROBLEM, problem.status, problem.headers)


def _check_json(headers: Mapping[bytes, bytes]) -> None:
    content_type = headers.get(b"content-type", b"missing")
    if content_type != JSON and content_type.partition(b";")[0].strip().lower() != JSON:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Type is {_shortened(content_type)}; it must be application/json.",
            ((b"accept", JSON),),
        )


def _check_encoding(headers: Mapping[bytes, bytes]) -> None:
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding.lower() != b"identity":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Encoding is {_shortened(encoding)}; send it as it is.",
            ((b"accept-encoding", b"identity"),),
        )


def _shortened(value: bytes) -> str:
    return value[:80].decode("latin-1")


async def _read_body(
    headers: Mapping[bytes, bytes], receive: Receive, limit: int, seconds: int
) -> bytes:
    # The server has checked that it is a number of 64 bits, but int() refuses thousands of zeros.
    announced = int(headers.get(b"content-length", b"0").lstrip(b"0") or 0)
    chunks: list[bytes] = []
    size = 0
    more = announced <= limit
    try:
        async with asyncio.timeout(seconds):
            while more and size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The body did not arrive within {seconds} s.",
            (_CLOSE,),
        ) from None
    if max(announced, size) > limit:
        # A client that is still sending when the connection closes may never see the answer: what
        # it sends is dropped for as long as a body may take. One that waits for "100 Continue"
        # sends nothing.
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {limit} bytes.",
            (_CLOSE,) if b"expect" in headers else (),
        )
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
