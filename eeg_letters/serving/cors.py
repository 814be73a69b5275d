"""Answers for pages of other origins, as the Fetch standard has them (cross-origin requests).

Cookies and what else a browser sends by itself are never allowed: the service knows none. A page
that has a token sends it itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from eeg_letters.serving.asgi import Scope, Send
from eeg_letters.serving.bodies import Header, Message, Receive
from eeg_letters.serving.routing import Response, Route, fixed

ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

# No client's path: all have a slash. It is also what the metrics call a preflight request.
_PREFLIGHT = "preflight"
_EXPOSED: Header = (
    b"access-control-expose-headers",
    b"inference-header-content-length, read-as, retry-after, www-authenticate, x-request-id",
)
_VARY: Header = (b"vary", b"Origin")
# Headers that the service, or a proxy before it, reads.
_ALLOWED: Sequence[Header] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-encoding, content-type, inference-header-content-length,"
        b" traceparent, x-request-id, x-session-id",
    ),
    (b"access-control-max-age", b"600"),
)


def build_routes(origins: Sequence[str]) -> list[Route]:
    """The route of preflight requests, if any origin is allowed."""
    if not origins:
        return []
    answer = Response(b"", b"text/plain; charset=utf-8", headers=_ALLOWED)
    return [Route(_PREFLIGHT, ("OPTIONS",), fixed(answer), internal=True)]


def allow(application: ASGI, origins: Sequence[str]) -> ASGI:
    """The application, whose answers, refusals as well, pages of some origins may read.

    Parameters
    ----------
    application : callable
        Has the routes of `build_routes`.
    origins : sequence of str
        Origins as browsers send them, or ``*`` alone for all. Without any, the application is
        given back as it is.

    Returns
    -------
    callable
        An ASGI application.
    """
    if not origins:
        return application
    to_all = "*" in origins
    to_each = {
        origin.encode(): ((b"access-control-allow-origin", origin.encode()), _EXPOSED, _VARY)
        for origin in origins
    }
    to_others: Sequence[Header] = (
        ((b"access-control-allow-origin", b"*"), _EXPOSED) if to_all else (_VARY,)
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        added = to_others if origin is None else to_each.get(origin, to_others)

        async def send_to_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        asks = b"access-control-request-method" in headers and origin is not None
        if asks and scope["method"] == "OPTIONS":
            scope = {**scope, "path": _PREFLIGHT}
        await application(scope, receive, send_to_origin)

    return answer
