"""Traces: a span for each answer, sent to an OpenTelemetry collector.

Imported only where a collector is named (`eeg_letters.settings.sends_traces`), so that a service
without one has neither these modules nor what they import.
"""

from __future__ import annotations

import logging
import time
from http import HTTPMethod
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.url_attributes import URL_SCHEME
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from eeg_letters import __version__

# Within what a pod has to spare after its drain: see k8s/base/deployment.yaml.
FLUSH_SECONDS = 3

_METHODS = frozenset(HTTPMethod)
_logger = logging.getLogger("eeg_letters")


class Tracing:
    """Makes a span of each answer, and sends spans in batches from a thread of its own.

    OpenTelemetry's standard environment variables say where to, as whom, and how many of them.

    Raises
    ------
    ValueError
        When such a variable has a value that the library refuses.
    """

    def __init__(self) -> None:
        resource = Resource.create({SERVICE_NAME: "eeg-letters", SERVICE_VERSION: __version__})
        # What the environment says of the service comes before what is said here.
        resource = resource.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("eeg_letters", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def record(
        self,
        route: str | None,
        method: str,
        scheme: str,
        status: int,
        seconds: float,
        traceparent: str | None,
    ) -> str:
        """Make the span of an answer that has just been sent.

        Parameters
        ----------
        route : str or None
            Template of the route; None where there is none.
        method, scheme : str
            Of the request.
        status : int
            Of the answer.
        seconds : float
            From the request's head to the end of its answer.
        traceparent : str or None
            The client's ``traceparent`` header. Its ``tracestate`` is not read: nothing here has a
            use for it, and the library writes a malformed one into the log.

        Returns
        -------
        str
            The span's own ``traceparent``, of the same trace where the client named one.
        """
        ended = time.time_ns()
        known = method if method in _METHODS else "_OTHER"
        attributes: dict[str, AttributeValue] = {
            HTTP_REQUEST_METHOD: known,
            HTTP_RESPONSE_STATUS_CODE: status,
            URL_SCHEME: scheme,
        }
        name = "HTTP" if known == "_OTHER" else known
        if route is not None:
            attributes[HTTP_ROUTE] = route
            name = f"{name} {route}"
        if status >= 500:
            attributes[ERROR_TYPE] = str(status)
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        span = self._tracer.start_span(
            name,
            self._propagator.extract(carrier),
            SpanKind.SERVER,
            attributes,
            start_time=ended - int(seconds * 1e9),
        )
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(ended)
        own: dict[str, str] = {}
        self._propagator.inject(own, set_span_in_context(span))
        return own["traceparent"]

    def shutdown(self) -> None:
        """Send the spans that wait, for at most `FLUSH_SECONDS`; what is left then is lost."""
        # The library itself would wait for 30 s.
        flush = Thread(target=self._provider.shutdown, daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)
        if flush.is_alive():
            _logger.warning("the collector did not take the last spans in %d s", FLUSH_SECONDS)
