"""Which requests are answered at once, and that they are answered, counted and logged as any."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import threading
from collections.abc import Coroutine, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from eeg_letters.errors import Problem
from eeg_letters.serving.admission import Connections
from eeg_letters.serving.asgi import Application
from eeg_letters.serving.connection import BoundedProtocol
from eeg_letters.serving.routing import Body, Request, Response, Route
from eeg_letters.serving.telemetry.logs import AccessLog
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings
from tests.conftest import WAYS, serve_process
from tests.serving.test_connection import answer, connect
from tests.shipped import FEATURES, SCHEMA

HEAD = b" HTTP/1.1\r\nhost: x\r\n"
AS_JSON = b"content-type: application/json\r\n"


def in_a_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # No event loop runs the parser's callback.
        return False


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose answers say whether a task made them."""

    def told(request: Request) -> Response:
        return Response(json.dumps([in_a_task(), len(request.body)]).encode())

    def refused(_: Request) -> Response:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, json.dumps(in_a_task()))

    def fails(_: Request) -> Response:
        raise RuntimeError(in_a_task())

    def later(request: Request) -> Response | Coroutine[Any, Any, Response]:
        async def answer_later() -> Response:
            await asyncio.sleep(0)
            return told(request)

        return answer_later() if request.body == b"later" else told(request)

    metrics = Metrics({}, SCHEMA.labels)
    settings = Settings()
    routes = [
        Route("/told", ("GET", "POST"), told, Body.ANY, at_once=True),
        Route("/small", ("POST",), told, Body.ANY, 10, at_once=True),
        Route("/json", ("POST",), told, Body.JSON, at_once=True),
        Route("/no-body", ("GET", "POST"), told, at_once=True),
        Route("/any", ("GET",), told),
        Route("/refused", ("GET",), refused, at_once=True),
        Route("/fails", ("GET",), fails, at_once=True),
        Route("/later", ("POST",), later, Body.ANY, at_once=True),
        Route("/of/{a}/{b}", ("GET",), told, at_once=True),
    ]
    application = Application(routes, settings, metrics, AccessLog(as_json=True))
    connections = Connections(100, metrics)
    protocol: Any = partial(BoundedProtocol, application, connections, settings)
    config = uvicorn.Config(application, http=protocol, log_config=None)
    service = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            service.should_exit = True
            thread.join()


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"POST %b%b%b%b\r\n%b" % (path, HEAD, b"".join(headers), length, body)


# With the number of bytes that the handler sees.
AT_ONCE = {
    "no body": (b"GET /told" + HEAD + b"\r\n", 0),
    "a query and an escape": (b"GET /t%6Fld?a=b" + HEAD + b"\r\n", 0),
    "parameters": (b"GET /of/1/2" + HEAD + b"\r\n", 0),
    "a body": (post(b"/told", b"x" * 7000), 7000),
    "an empty body": (post(b"/told", b""), 0),
    "JSON": (post(b"/json", b"[]", AS_JSON), 2),
    "a body that the route does not take": (post(b"/no-body", b"[]"), 0),
    "the largest body": (post(b"/small", b"x" * 10), 10),
    "an upgrade": (b"GET /told" + HEAD + b"connection: upgrade\r\nupgrade: x\r\n\r\n", 0),
    "none of the work put off": (post(b"/later", b"now"), 3),
}
CHUNKS = b"transfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
BY_A_TASK = {
    "another route": (b"GET /any" + HEAD + b"\r\n", 0),
    "chunks": (b"POST /told" + HEAD + CHUNKS, 2),
    "compressed": (post(b"/told", gzip.compress(b"[]"), b"content-encoding: gzip\r\n"), 2),
    "a query and a body": (post(b"/told?a=b", b"[]"), 2),
    "100-continue": (post(b"/told", b"[]", b"expect: 100-continue\r\n"), 2),
    "the end of the connection": (b"GET /told" + HEAD + b"connection: close\r\n\r\n", 0),
    "HTTP/1.0": (b"GET /told HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n", 0),
    "work put off": (post(b"/later", b"later"), 5),
}


@pytest.mark.parametrize("name", [*AT_ONCE, *BY_A_TASK])
def test_usual_requests_are_answered_without_a_task(url: str, name: str) -> None:
    request, size = (AT_ONCE | BY_A_TASK)[name]
    with connect(url) as (connection, reader):
        connection.sendall(request)
        if b"100-continue" in request:
            assert reader.readline() + reader.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answer(reader) == (200, [name in BY_A_TASK, size])


def test_a_body_that_comes_later_is_awaited_by_a_task(url: str) -> None:
    request = post(b"/told", b"[1, 2]")
    with connect(url) as (connection, reader):
        for cut in (1, 3, 5):
            connection.sendall(request[:-cut])
            # The server reads nothing of the rest yet.
            assert answer_of_another(url) == (200, [False, 0])
            connection.sendall(request[-cut:])
            assert answer(reader) == (200, [True, 6])
        connection.sendall(request)
        assert answer(reader) == (200, [False, 6])


def answer_of_another(url: str) -> tuple[int, Any]:
    with connect(url) as (connection, reader):
        connection.sendall(AT_ONCE["no body"][0])
        return answer(reader)


@pytest.mark.parametrize("count", [2, 5, 300])
def test_of_pipelined_requests_one_in_a_turn_is_answered_at_once(url: str, count: int) -> None:
    requests = b"".join(post(b"/told", b"x" * number) for number in range(count))
    with connect(url) as (connection, reader):
        connection.sendall(requests)
        answers = [answer(reader) for _ in range(count)]
    assert [size for _, (_, size) in answers] == [*range(count)]
    assert [by_a_task for _, (by_a_task, _) in answers[:3]] == [False, True, True][:count]


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (b"GET /refused" + HEAD + b"\r\n", 422, "false"),
        (b"GET /fails" + HEAD + b"\r\n", 500, "The fault is on this side."),
        (b"DELETE /told" + HEAD + b"\r\n", 405, "DELETE is not answered here"),
        (post(b"/json", b"[]"), 415, "missing"),
        (post(b"/small", b"x" * 11), 413, "larger than 10 bytes"),
        (b"GET /nothing" + HEAD + b"\r\n", 404, "nothing at this path"),
    ],
)
def test_errors_are_problem_documents(url: str, request_: bytes, status: int, said: str) -> None:
    with connect(url) as (connection, reader):
        for _ in range(2):
            connection.sendall(request_)
            found, problem = answer(reader)
            assert found == status
            assert said in problem["detail"]


ROW = [1.0 + 0.001 * number for number in range(len(FEATURES))]
TENSOR = {"name": "rows", "datatype": "FP64", "shape": [1, len(ROW)], "data": ROW}
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/prediction/232", None),
    ("GET", "/prediction/x", None),
    ("GET", "/line/232", None),
    ("GET", "/line/99999", None),
    ("GET", "/score", None),
    ("HEAD", "/score", None),
    ("GET", "/readyz", None),
    ("POST", "/prediction", {"line": 232}),
    ("POST", "/predict", {"rows": [ROW]}),
    ("POST", "/predict", {"rows": []}),
    ("POST", "/predict", {"rows": [ROW[:3]]}),
    ("POST", "/predict", {"rows": [[1.0] * len(ROW)] * 12}),
    ("DELETE", "/predict", None),
    ("POST", "/v2/models/eeg-letters/infer", {"inputs": [TENSOR], "id": "1"}),
    ("POST", "/v2/models/eeg-lda/infer", {"inputs": [{**TENSOR, "shape": [2, 160]}]}),
    ("POST", "/v2/models/eeg-lda/infer", {}),
    ("POST", "/v2/models/none/infer", {"inputs": [TENSOR]}),
]
OF_ONE_ANSWER = {"date", "vary"}


def ask_all(url: str) -> list[tuple[int, dict[str, str], bytes]]:
    with httpx.Client(base_url=url) as client:
        found = []
        for number, (method, path, document) in enumerate(REQUESTS):
            headers = {"x-request-id": f"request-{number}"}
            response = client.request(method, path, json=document, headers=headers)
            kept = {n: v for n, v in response.headers.items() if n not in OF_ONE_ANSWER}
            found.append((response.status_code, kept, response.content))
        return found


def counts(url: str) -> list[str]:
    """All metrics but those of time and of the process."""
    # Probes are asked until the service is ready.
    pattern = r"^(?:eeg_\w+_total|eeg_http_request_duration_seconds_count)(?!.*readyz).*$"
    return re.findall(pattern, httpx.get(f"{url}/metrics").text, re.MULTILINE)


def test_both_ways_answer_count_and_log_alike(bento: Path, tmp_path: Path) -> None:
    found = []
    for way, settings in WAYS.items():
        log = tmp_path / way
        with serve_process(bento, log=log, EEG_LOG_FORMAT="json", **settings) as (url, _):
            answers = ask_all(url)
            counted = counts(url)
        lines = map(json.loads, filter(lambda line: line[0] == "{", log.read_text().splitlines()))
        logged = [
            {name: value for name, value in line.items() if name not in ("time", "duration_ms")}
            for line in lines
            if str(line.get("request_id", "")).startswith("request-")
        ]
        found.append((answers, counted, logged))
    assert found[0] == found[1]
    answers, counted, logged = found[0]
    assert [status for status, *_ in answers].count(200) == 10
    assert len(counted) > len(REQUESTS)
    assert len(logged) == len(REQUESTS) - 1  # A probe is logged where it fails.
