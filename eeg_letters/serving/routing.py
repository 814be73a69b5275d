"""Requests, responses, and the routes from one to the other."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Coroutine, Mapping, MutableSet, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar, NamedTuple, Protocol

import orjson

from eeg_letters.errors import Problem
from eeg_letters.serving.bodies import Header

JSON = b"application/json"
PROBLEM = b"application/problem+json"

_NO_WEIGHT = re.compile(rb"(?:^|;)[ \t]*q=0(?:\.0*)?[ \t]*(?:;|$)", re.IGNORECASE)


class TakesOver(Protocol):
    """What a connection speaks after a switch of protocols."""

    def take_over(self, transport: Any, connections: MutableSet[Any]) -> None:
        """Go on with a connection.

        Parameters
        ----------
        transport : asyncio.Transport
            The connection's; the answer is written.
        connections : set
            Those that the server ends before it ends.
        """

    def data_received(self, data: bytes) -> None:
        """Read what was read already."""


# Not frozen: that would make it twice as slow to make, and one is made for each request.
@dataclass(slots=True)
class Response:
    """An answer; not to be cached, unless a subclass has another `cache_control`.

    With status 101 there is something that takes the connection over.
    """

    cache_control: ClassVar[Header] = (b"cache-control", b"no-store")

    body: bytes
    content_type: bytes = JSON
    status: int = 200
    headers: Sequence[Header] = ()
    takes_over: TakesOver | None = None


Refusal = Callable[[Problem], Response]


def json_response(document: Any) -> Response:
    """A document as JSON."""
    return Response(orjson.dumps(document))


def fixed(response: Response) -> Handler:
    """A handler that gives every request the same answer."""

    def handler(_: Request) -> Response:
        return response

    return handler


def media_type(content_type: bytes) -> bytes:
    """The media type that a ``Content-Type`` header names, without its parameters."""
    return content_type.partition(b";")[0].strip().lower()


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
    query : bytes
        What follows the path's question mark.
    request_id : bytes
        The client's, or one of our own; the answer has it, too.
    route : str
        Template of the path.
    """

    headers: Mapping[bytes, bytes]
    parameters: tuple[str, ...]
    body: bytes
    query: bytes = b""
    request_id: bytes = b""
    route: str = ""


# What is little work is answered at once; what is more, by a coroutine, between whose steps others
# are answered.
Handler = Callable[[Request], Response | Coroutine[Any, Any, Response]]


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
        Answers a request.
    body : Body
        What it takes: no body, one declared as JSON or as another of `media`, or one of any type.
    max_body_bytes : int
        The largest body that the route can have a use for.
    internal : bool
        Logged and traced only when it fails: probes and metrics.
    at_once : bool
        Whether the handler's responses, apart from coroutines', are small: `Application.answer`.
    reads_query : bool
        Whether it reads the query of a request without a body.
    media : tuple of bytes
        Media types of the body, where it must be declared.
    switches : bool
        Whether it has another protocol for a request that asks for one: `Application.switch`.
    """

    template: str
    methods: tuple[str, ...]
    handler: Handler
    body: Body = Body.NONE
    max_body_bytes: int = sys.maxsize
    internal: bool = False
    at_once: bool = False
    reads_query: bool = False
    media: tuple[bytes, ...] = (JSON,)
    switches: bool = False


@dataclass(frozen=True)
class Described:
    """A part of the OpenAPI document: paths, and the components that they name."""

    paths: Mapping[str, Any]
    schemas: Mapping[str, Any]
    responses: Mapping[str, Any]
    security_schemes: Mapping[str, Any] = field(default_factory=dict)

    def __or__(self, other: Described) -> Described:
        """Both."""
        return Described(
            {**self.paths, **other.paths},
            {**self.schemas, **other.schemas},
            {**self.responses, **other.responses},
            {**self.security_schemes, **other.security_schemes},
        )
