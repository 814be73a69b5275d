"""Traces, sent by served Bentos to a collector that speaks OTLP over HTTP."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from eeg_letters import __version__
from tests.conftest import (
    begin_predict,
    free_port,
    full_memory,
    large_request,
    run_python,
    serve_process,
)
from tests.serving.telemetry.traceparents import INVALID_TRACEPARENTS, PARENT, TRACE


@dataclass
class Received:
    """A span as it came, with what came around it."""

    span: Span
    resource: dict[str, Any]
    path: str
    headers: dict[str, str]

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.span.attributes)


@dataclass
class Collector:
    """What was sent to a collector."""

    url: str
    connections: int = 0
    bodies: list[bytes] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def spans(self, trace: str) -> list[Received]:
        """The spans of a trace."""
        return [each for each in self.received if each.span.trace_id.hex() == trace]

    def await_span(self, trace: str) -> Received:
        """The one span of a trace, once it is there."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.spans(trace), 20), f"no span of {trace}"
        (received,) = self.spans(trace)
        return received


def plain(attributes: Any) -> dict[str, Any]:
    def value(attribute: KeyValue) -> Any:
        kind = attribute.value.WhichOneof("value")
        assert kind is not None
        return getattr(attribute.value, kind)

    return {attribute.key: value(attribute) for attribute in attributes}


@contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    """A collector on loopback that answers with a status, until the block ends."""
    gathered = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            headers = {name.lower(): text for name, text in self.headers.items()}
            with gathered.changed:
                gathered.bodies.append(body)
                gathered.received += [
                    Received(span, plain(spans.resource.attributes), self.path, headers)
                    for spans in request.resource_spans
                    for scope in spans.scope_spans
                    for span in scope.spans
                ]
                gathered.changed.notify_all()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def get_request(self) -> Any:
            gathered.connections += 1
            return super().get_request()

    with Server(("127.0.0.1", 0), Handler) as server:
        gathered.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield gathered
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "stdout"


@pytest.fixture(scope="module")
def client(bento: Path, log: Path, collector: Collector) -> Iterator[httpx.Client]:
    """A client of a service that has memory for one large request and is traced."""
    with (
        serve_process(
            bento,
            log=log,
            EEG_MAX_CONCURRENCY="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-key=of-the-collector",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
            OTEL_BSP_SCHEDULE_DELAY="50",
        ) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def trace() -> str:
    """A trace id of the test's own."""
    return uuid4().hex


def parent(trace: str, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{PARENT}-{flags}"}


def entry(log: Path, request_id: str) -> dict[str, Any]:
    """The log's line of an answer, which may come just after the answer."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if f'"{request_id}"' in line:
                logged: dict[str, Any] = json.loads(line)
                return logged
    pytest.fail(f"no line of {request_id}")


def test_a_request_becomes_a_span_of_its_clients_trace(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    before = time.time_ns()
    client.get("/prediction/232", headers=parent(trace))
    received = collector.await_span(trace)
    span = received.span
    assert span.parent_span_id.hex() == PARENT
    assert span.name == "GET /prediction/{line}"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert before <= span.start_time_unix_nano < span.end_time_unix_nano <= time.time_ns()
    assert received.attributes == {
        "http.request.method": "GET",
        "http.route": "/prediction/{line}",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }


def test_spans_say_which_service_and_go_to_the_standard_path_with_the_headers(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    client.get("/score", headers=parent(trace))
    received = collector.await_span(trace)
    assert received.resource["service.name"] == "eeg-letters"
    assert received.resource["service.version"] == __version__
    assert received.resource["deployment.environment.name"] == "test"
    assert received.path == "/v1/traces"
    assert received.headers["content-type"] == "application/x-protobuf"
    assert received.headers["x-key"] == "of-the-collector"


def test_the_log_has_the_span(
    client: httpx.Client, collector: Collector, log: Path, trace: str
) -> None:
    client.get("/score", headers={**parent(trace), "x-request-id": "with-a-parent"})
    span = collector.await_span(trace).span
    logged = entry(log, "with-a-parent")["traceparent"]
    assert re.fullmatch(rf"00-{trace}-{span.span_id.hex()}-01", logged)


@pytest.mark.parametrize("given", [[], *INVALID_TRACEPARENTS])
def test_without_a_valid_parent_a_trace_begins(
    client: httpx.Client, collector: Collector, log: Path, given: list[str]
) -> None:
    request_id = uuid4().hex
    headers = [("x-request-id", request_id), *(("traceparent", value) for value in given)]
    client.get("/score", headers=headers)
    _, trace, own, _ = entry(log, request_id)["traceparent"].split("-")
    assert trace != TRACE
    span = collector.await_span(trace).span
    assert span.span_id.hex() == own
    assert span.parent_span_id == b""


def test_a_parent_of_a_later_version_is_continued(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    client.get("/score", headers={"traceparent": f"cc-{trace}-{PARENT}-01-more"})
    assert collector.await_span(trace).span.parent_span_id.hex() == PARENT


def test_a_trace_that_its_client_does_not_sample_has_no_span(
    client: httpx.Client, collector: Collector, log: Path, trace: str
) -> None:
    unsampled = "0123456789abcdef" * 2
    client.get("/score", headers={**parent(unsampled, "00"), "x-request-id": "unsampled"})
    client.get("/score", headers=parent(trace))
    collector.await_span(trace)
    assert not collector.spans(unsampled)
    assert re.fullmatch(f"00-{unsampled}-[0-9a-f]{{16}}-00", entry(log, "unsampled")["traceparent"])


def test_probes_and_metrics_have_no_span(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    probes = "ab" * 16
    for path in ("/livez", "/readyz", "/metrics"):
        assert client.get(path, headers=parent(probes)).status_code == 200
    client.get("/score", headers=parent(trace))
    collector.await_span(trace)
    assert not collector.spans(probes)


def test_an_unmatched_path_is_no_metric_label(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    client.get("/nobody/there?name=secret", headers=parent(trace))
    received = collector.await_span(trace)
    assert received.span.name == "GET"
    assert "http.route" not in received.attributes
    assert received.attributes["http.response.status_code"] == 404
    assert received.span.status.code == Status.STATUS_CODE_UNSET


def test_an_unknown_method_is_no_metric_label(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    client.request("PROPFIND", "/score", headers=parent(trace))
    received = collector.await_span(trace)
    assert received.span.name == "HTTP /score"
    assert received.attributes["http.request.method"] == "_OTHER"
    assert received.attributes["http.response.status_code"] == 405


def test_a_fault_is_an_error(client: httpx.Client, collector: Collector, trace: str) -> None:
    url = str(client.base_url)
    with full_memory(url):
        assert large_request(url, **parent(trace)).status_code == 503
    received = collector.await_span(trace)
    assert received.attributes["http.response.status_code"] == 503
    assert received.attributes["error.type"] == "503"
    assert received.span.status.code == Status.STATUS_CODE_ERROR


def test_nothing_of_a_row_a_path_a_query_or_a_header_is_sent(
    client: httpx.Client, collector: Collector, trace: str
) -> None:
    headers = {
        **parent(trace),
        "tracestate": "someone=private",
        "x-request-id": "private",
        "user-agent": "private",
        "baggage": "someone=private",
    }
    for rows in ([[12345.678] + [1.0] * 159], [[12345.678]], ["private"]):
        client.post("/predict?private", json={"rows": rows}, headers=headers)
    client.get("/line/private", headers=headers)
    client.get("/line/987654321012", headers=headers)
    client.get("/private?private", headers=headers)
    with collector.changed:
        assert collector.changed.wait_for(lambda: len(collector.spans(trace)) == 6, 20)
    sent = b"".join(collector.bodies)
    assert b"private" not in sent
    assert b"12345.678" not in sent
    assert b"987654321012" not in sent


def test_nothing_malformed_of_a_tracestate_is_logged(
    client: httpx.Client, collector: Collector, log: Path, trace: str
) -> None:
    client.get("/score", headers={**parent(trace), "tracestate": "someone's secret state"})
    collector.await_span(trace)
    assert "secret state" not in log.read_text()


def test_a_name_and_a_sampler_can_be_set(bento: Path, collector: Collector) -> None:
    never, always = "cd" * 16, "ef" * 16
    with serve_process(
        bento,
        EEG_LOG_FORMAT="text",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/of/traces",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_SERVICE_NAME="letters-in-a-test",
        OTEL_TRACES_SAMPLER="parentbased_always_off",
        # Far longer than the test: what is waiting when the service ends is sent then.
        OTEL_BSP_SCHEDULE_DELAY="600000",
    ) as (url, process):
        httpx.get(f"{url}/score", headers=parent(never, "00"))
        httpx.get(f"{url}/score", headers=parent(always))
        process.terminate()
        assert process.wait(20) == 0
    received = collector.await_span(always)
    assert received.path == "/of/traces"
    assert received.resource["service.name"] == "letters-in-a-test"
    assert not collector.spans(never)


def test_requests_in_flight_at_the_end_are_sent_too(
    bento: Path, collector: Collector, trace: str
) -> None:
    body = json.dumps({"rows": [[1.0] * 160]}).encode()
    with serve_process(
        bento,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="600000",
    ) as (url, process):
        address = urlsplit(url)
        with (
            begin_predict(url, len(body)) as connection,
            socket.create_connection((address.hostname, address.port), 20) as idle,
        ):
            (traceparent,) = parent(trace).values()
            request = f"GET /score HTTP/1.1\r\nhost: x\r\ntraceparent: {traceparent}\r\n\r\n"
            idle.sendall(request.encode())
            assert idle.recv(4096).startswith(b"HTTP/1.1 200")
            process.terminate()
            # The service closes a connection without a request as soon as it has begun to end.
            while idle.recv(4096):
                pass
            connection.sendall(body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert process.wait(20) == 0
    instance = collector.await_span(trace).resource["service.instance.id"]
    assert [
        each.span.name
        for each in collector.received
        if each.resource["service.instance.id"] == instance
    ] == ["GET /score", "POST /predict"]


def test_without_a_collector_nothing_is_traced(bento: Path, collector: Collector) -> None:
    before = collector.connections
    with serve_process(
        bento, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SDK_DISABLED="true"
    ) as (url, process):
        httpx.get(f"{url}/score")
        process.terminate()
        assert process.wait(20) == 0
    assert collector.connections == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "_TRACES_ENDPOINT: not a URL"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER=zipkin"),
        # Refused by OpenTelemetry's library, which raises this, that or nothing.
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
        ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "none", "credential"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "OTEL_BSP_SCHEDULE_DELAY"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "a header is not name=value"),
        ("OTEL_TRACES_EXPORTER", "none", None),
    ],
)
def test_what_tracing_cannot_follow_is_one_line_at_warning_and_keeps_no_prediction_from_starting(
    bento: Path,
    tmp_path: Path,
    collector: Collector,
    name: str,
    value: str,
    said: str | None,
) -> None:
    before = collector.connections
    log = tmp_path / "log"
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, name: value}
    with serve_process(bento, log=log, **variables) as (url, process):
        assert httpx.get(f"{url}/prediction/232").status_code == 200
        process.terminate()
        assert process.wait(20) == 0
    assert collector.connections == before
    text = log.read_text()
    assert "Traceback" not in text
    assert "secret" not in text
    logged = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    complaints = [each for each in logged if each["level"] != "info"]
    if said is None:
        assert complaints == []
    else:
        (complaint,) = complaints
        assert complaint["level"] == "warning"
        assert complaint["message"].startswith("no traces: ")
        assert said in complaint["message"]


@pytest.mark.parametrize(
    ("variables", "imported"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_SERVICE_NAME": "a", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1"}, True),
    ],
)
def test_nothing_is_imported_without_a_collector(
    trained_home: Path, variables: dict[str, str], imported: bool
) -> None:
    script = (
        "import sys, service; service.EEGLetters.to_asgi(); "
        "print(any(m.split('.')[0] in {'opentelemetry', 'requests', 'google'}"
        " for m in sys.modules))"
    )
    printed = run_python(trained_home, script, **variables)
    assert printed.splitlines()[-1] == str(imported)


@contextmanager
def refusing() -> Iterator[str]:
    """URL of a collector that is not there."""
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def hanging() -> Iterator[str]:
    """URL of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def rejecting() -> Iterator[str]:
    """URL of a collector that refuses every batch."""
    with collecting(status=400) as collector:
        yield collector.url


@pytest.mark.parametrize(
    ("collector", "complaint"),
    [
        (refusing, "the collector did not take the last spans"),
        (hanging, "the collector did not take the last spans"),
        (rejecting, "Failed to export spans batch code: 400"),
    ],
)
def test_a_dead_collector_does_no_harm_and_is_complained_of_in_a_few_lines(
    bento: Path,
    tmp_path: Path,
    collector: Callable[[], AbstractContextManager[str]],
    complaint: str,
) -> None:
    log = tmp_path / "log"
    with (
        collector() as endpoint,
        serve_process(
            bento,
            log=log,
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_EXPORTER_OTLP_TIMEOUT="600",
            OTEL_BSP_SCHEDULE_DELAY="10",
            OTEL_BSP_MAX_QUEUE_SIZE="8",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1",
        ) as (url, process),
    ):
        with httpx.Client(base_url=url) as client:
            answers = [client.get("/score").status_code for _ in range(200)]
        process.terminate()
        assert process.wait(20) == 0
    assert answers == [200] * 200
    lines = log.read_text().splitlines()
    ready = next(number for number, line in enumerate(lines) if '"ready"' in line)
    messages = [json.loads(line)["message"] for line in lines[ready + 1 :]]
    complaints = [message for message in messages if message != "answered"]
    assert any(complaint in message for message in complaints)
    assert len(complaints) < 10, complaints
