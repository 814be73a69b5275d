"""HTTP over ASGI: requests, responses, and the application that brings them to their routes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from eeg_letters.errors import Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
PROBLEM = b"application/problem+json"

BODY_SECONDS = 30.0
DISCARD_SECONDS = 2.0
_SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_logger = logging.getLogger("bentoml.eeg_letters")


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back."""

    body: bytes
    content_type: bytes = JSON
    status: int = 200
    headers: Sequence[Header] = ()


# What answers a route: takes the values of the template's parameters, or the body first where the
# route takes one.
Handler = Callable[..., Response]


@dataclass(frozen=True)
class Route:
    """A path and what answers it.

    Attributes
    ----------
    template : str
        The path, with ``{name}`` for a parameter of one segment.
    methods : tuple of str
        Methods that are answered; HEAD is wherever GET is.
    handler : callable
        Called with each parameter's text, after the body's bytes where `takes_json`.
    takes_json : bool
        Whether the request must carry a JSON body.
    """

    template: str
    methods: tuple[str, ...]
    handler: Handler
    takes_json: bool = False


class Application:
    """An ASGI application of routes; whatever goes wrong is answered as a problem document.

    Parameters
    ----------
    routes : iterable of Route
        One or more for a path, of different methods.
    max_body_bytes : int
        The largest request body that is read.
    """

    def __init__(self, routes: Iterable[Route], max_body_bytes: int) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        self._max_body_bytes = max_body_bytes
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
            await _answer_protocol(scope, receive, send)
            return
        try:
            response = await self._respond(scope, receive)
        except Problem as problem:
            response = _problem_response(problem)
        except _ClientGone:
            return
        except Exception:
            _logger.exception("%s failed", scope["path"])
            response = _problem_response(
                Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The fault is on this side.")
            )
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (b"content-type", response.content_type),
                    (b"content-length", b"%d" % len(response.body)),
                    *_SECURITY_HEADERS,
                    *response.headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        methods, parameters = self._match(scope["path"])
        route = methods.get(scope["method"])
        if route is None:
            allowed = ", ".join(sorted(methods))
            raise Problem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{scope['method']} is not answered here; {allowed} would be.",
                ((b"allow", allowed.encode()),),
            )
        if not route.takes_json:
            return route.handler(*parameters)
        _check_json(scope)
        body = await _read_body(scope, receive, self._max_body_bytes)
        return route.handler(body, *parameters)

    def _match(self, path: str) -> tuple[dict[str, Route], tuple[str, ...]]:
        if methods := self._fixed.get(path):
            return methods, ()
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                return methods, match.groups()
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")


async def _answer_protocol(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class _ClientGone(Exception):
    """The client went away before it had sent its body."""


def _problem_response(problem: Problem) -> Response:
    return Response(orjson.dumps(problem.body()), PROBLEM, problem.status, problem.headers)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def _check_json(scope: Scope) -> None:
    content_type = _header(scope, b"content-type")
    if content_type is None or content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Type is {content_type or 'missing'}; it must be application/json.",
            ((b"accept", JSON),),
        )
    encoding = _header(scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Encoding is {encoding}; send it as it is.",
            ((b"accept-encoding", b"identity"),),
        )


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    announced = int(_header(scope, b"content-length") or 0)
    chunks: list[bytes] = []
    size = 0
    more = announced <= limit
    try:
        async with asyncio.timeout(BODY_SECONDS):
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
            f"The body did not arrive within {BODY_SECONDS:.0f} s.",
            ((b"connection", b"close"),),
        ) from None
    if max(announced, size) > limit:
        await _discard(scope, receive)
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {limit} bytes.",
            ((b"connection", b"close"),),
        )
    return b"".join(chunks)


async def _discard(scope: Scope, receive: Receive) -> None:
    # A client that is still sending when the connection closes may never see the answer. One that
    # waits for "100 Continue" is not sending yet, and receive() would ask it to.
    if _header(scope, b"expect"):
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while (await receive()).get("more_body"):
                pass
