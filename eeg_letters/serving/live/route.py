"""The route of streams: which of them are opened, and what their rows are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from prometheus_client.registry import Collector
from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from eeg_letters.errors import Problem
from eeg_letters.serving.admission import most_streams
from eeg_letters.serving.api.names import other_columns
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.keeping import SESSION_HEADER, Keep, session_of
from eeg_letters.serving.live.answering import Answering, build_score
from eeg_letters.serving.live.answers import AnswerWriter
from eeg_letters.serving.live.counts import StreamCounts
from eeg_letters.serving.live.decision import RunningDecision
from eeg_letters.serving.live.messages import MessageParser
from eeg_letters.serving.live.parameters import ALL, Parameters, parse_parameters
from eeg_letters.serving.live.stream import Bounds, Stream
from eeg_letters.serving.live.turns import Turns
from eeg_letters.serving.routing import Request, Response, Route
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

PATH = "/live"
_RETRY_SECONDS = 5
# Of RFC 6455, the only one there is.
_VERSION = b"13"


class Streams:
    """Opens streams.

    Parameters
    ----------
    inference : Inference
        What answers are made of.
    metrics : Metrics
        Told of every row.
    settings : Settings
        Bounds, and the origins whose pages may open one.
    keep : Keep or None
        Told of every row.
    """

    def __init__(
        self, inference: Inference, metrics: Metrics, settings: Settings, keep: Keep | None
    ) -> None:
        schema = inference.schema
        self._inference = inference
        self._keep = keep
        self._most = most_streams(settings)
        self._origins = frozenset(settings.cors_origins)
        self._bounds = Bounds(settings.max_message_bytes, settings.stream_timeout_seconds)
        self._writer = AnswerWriter(schema.labels)
        others = other_columns(schema, inference.columns)
        parser = RowParser(schema.features, others, schema.values_scale)
        self._parsers = (
            parser.placed(lambda _: "The row", "feature"),
            parser.placed(lambda _: "The row"),
        )
        self._counts = StreamCounts()
        self._turns = Turns(build_score(inference, metrics), self._counts)

    @property
    def collector(self) -> Collector:
        """Of their metrics."""
        return self._counts

    @property
    def routes(self) -> list[Route]:
        """The route of streams."""
        return [Route(PATH, ("GET",), self._open, switches=True)]

    def _open(self, request: Request) -> Response:
        schema = self._inference.schema
        headers = self._shake_hands(request)
        self._check_origin(request.headers)
        parameters = parse_parameters(request.query, len(schema.labels.values))
        if self._keep is not None:
            session_of(request)
        if self._counts.open >= self._most:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._most} streams are open, as many as may be.",
                ((b"retry-after", b"%d" % _RETRY_SECONDS),),
            )
        stream = Stream(
            MessageParser(schema.features, schema.labels, *self._parsers),
            self._build_answering(request, parameters),
            self._bounds,
            self._turns,
            self._counts,
            request.request_id.decode(),
        )
        return Response(b"", status=101, headers=headers, takes_over=stream)

    def _build_answering(self, request: Request, parameters: Parameters) -> Answering:
        decision = RunningDecision(
            len(self._inference.schema.labels.values),
            parameters.window,
            parameters.threshold,
            parameters.hold,
        )
        if parameters.session is not None:
            session = {SESSION_HEADER: parameters.session.encode()}
            request = request._replace(headers={**request.headers, **session})
        return Answering(
            request, decision, self._writer, parameters.probabilities == ALL, self._keep
        )

    def _check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        # A browser lets any page open a WebSocket anywhere, and tells whose page it is.
        origin = headers.get(b"origin")
        if origin is None or "*" in self._origins:
            return
        text = origin.decode("latin-1").lower()
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if text in self._origins or (host and text.partition("://")[2] == host):
            return
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"A page of {text[:80]!r} may not open a stream: it is neither this service's nor among"
            " EEG_CORS_ORIGINS.",
        )

    def _shake_hands(self, request: Request) -> Sequence[tuple[bytes, bytes]]:
        given = request.headers
        if given.get(b"upgrade", b"").lower() != b"websocket":
            raise Problem(
                HTTPStatus.UPGRADE_REQUIRED,
                "A stream is a WebSocket: the request must ask for the upgrade.",
                ((b"upgrade", b"websocket"),),
            )
        if given.get(b"sec-websocket-version") != _VERSION:
            raise Problem(
                HTTPStatus.UPGRADE_REQUIRED,
                f"The WebSocket's version must be {_VERSION.decode()}.",
                ((b"upgrade", b"websocket"), (b"sec-websocket-version", _VERSION)),
            )
        headers = Headers(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in given.items()
        )
        protocol = ServerProtocol()
        response = protocol.accept(Handshake(PATH, headers))
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            raise Problem(
                HTTPStatus(response.status_code),
                f"The WebSocket's handshake is wrong: {protocol.handshake_exc}.",
            )
        return [
            (name.lower().encode(), value.encode())
            for name, value in response.headers.raw_items()
            if name.lower() != "date"
        ]
