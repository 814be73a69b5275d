"""What lies beneath requests: heads, trailers, pipelines, upgrades, and clients that are slow.

Most tests ask a served Bento, so that they fail too where BentoML or uvicorn pass our protocol by.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.client import parse_headers
from io import BufferedReader
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from eeg_letters.serving.admission import Connections
from eeg_letters.serving.asgi import Application
from eeg_letters.serving.connection import HEAD_BYTES, HEAD_FIELDS, BoundedProtocol
from eeg_letters.serving.routing import Body, Request, Response, Route, fixed
from eeg_letters.serving.telemetry.logs import AccessLog
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings
from tests.shipped import SCHEMA

BOTH_WAYS = True

GET = b"GET /prediction/232 HTTP/1.1\r\nhost: x\r\n"
POST = b"POST /prediction HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
BODY = b'{"line": 232}'
LENGTH = b"content-length: 13\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"4\r\n%b\r\n9\r\n%b\r\n0\r\n" % (BODY[:4], BODY[4:])

HEAD_SECONDS = 0.2
IDLE_SECONDS = 1
BODY_SECONDS = 2
LARGE = 60_000

Connection = tuple[socket.socket, BufferedReader]


@contextmanager
def connect(url: str, **options: int) -> Iterator[Connection]:
    """A connection to a server, and what reads from it."""
    address = urlsplit(url)
    with socket.socket() as connection:
        connection.settimeout(30)
        for name, value in options.items():
            connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        connection.connect((address.hostname, address.port))
        with connection.makefile("rb") as reader:
            yield connection, reader


def answer(reader: BufferedReader) -> tuple[int, Any]:
    """Status and JSON body of the next answer."""
    status = int(reader.readline().split()[1])
    headers = parse_headers(reader)
    body = json.loads(reader.read(int(headers["content-length"])))
    problem = headers["content-type"] == "application/problem+json"
    assert problem == (status >= 400)
    assert not problem or body["status"] == status
    return status, body


def last_answer(reader: BufferedReader) -> tuple[int, Any]:
    """The same, after which the server must have ended the connection."""
    found = answer(reader)
    assert reader.read() == b""
    return found


@pytest.fixture(scope="module")
def prediction(client: httpx.Client) -> tuple[int, Any]:
    """The answer to `GET` and to `POST`."""
    return 200, client.get("/prediction/232").json()


def resident_bytes(client: httpx.Client) -> float:
    """Memory of the worker, as it reads it from /proc."""
    metrics = client.get("/metrics").text
    (value,) = re.findall(r"^process_resident_memory_bytes (\S+)$", metrics, re.MULTILINE)
    return float(value)


def fields(count: int, size: int) -> bytes:
    """A number of header fields with a size together."""
    each = size // count
    sizes = [size - each * (count - 1), *[each] * (count - 1)]
    return b"".join(b"a: %b\r\n" % (b"x" * (size - 5)) for size in sizes)


HOST = b"host: x\r\n"
# A request line counts by its target, and a field with ": " and the end of its line.
REST_BYTES = HEAD_BYTES - len("/prediction/232") - len(HOST)
LARGEST = {
    "fields": (b"", fields(3, REST_BYTES)),
    "target": (b"?" + b"x" * (REST_BYTES - 1000 - len("?")), fields(1, 1000)),
    "number": (b"", fields(HEAD_FIELDS - 1, 10_000)),
}


@pytest.mark.parametrize("end", [b"b", b"\r\n"], ids=["unfinished", "finished"])
@pytest.mark.parametrize("size", LARGEST)
def test_a_head_of_the_largest_size_is_accepted_and_no_larger(
    server: str, prediction: tuple[int, Any], size: str, end: bytes
) -> None:
    query, header = LARGEST[size]
    line = b"GET /prediction/232%b HTTP/1.1\r\n" % query + HOST
    with connect(server) as (connection, reader):
        connection.sendall(line + header + b"\r\n")
        assert answer(reader) == prediction
        connection.sendall(line + header + b"a:\r\n" + end)
        status, problem = last_answer(reader)
        assert status == 431
        assert str(HEAD_BYTES) in problem["detail"]


ENDLESS = {
    "fields": (GET, b"a: b\r\n"),
    "field": (GET + b"a: ", b"x"),
    "target": (b"GET /", b"x"),
    "lines": (b"", b"\r\n"),
    "trailers": (POST + CHUNKED + b"\r\n" + CHUNKS, b"a: b\r\n"),
    "trailer": (POST + CHUNKED + b"\r\n" + CHUNKS + b"a: ", b"x"),
    "extension": (POST + CHUNKED + b"\r\n4;", b"x"),
}


@pytest.mark.parametrize("endless", ENDLESS)
def test_what_has_no_end_is_refused_and_takes_no_memory(
    client: httpx.Client, server: str, endless: str
) -> None:
    begin, piece = ENDLESS[endless]
    before = resident_bytes(client)
    with connect(server) as (connection, reader):
        connection.sendall(begin)
        for _ in range(100):
            connection.sendall(piece * (60_000 // len(piece)))
        assert last_answer(reader)[0] == 431
    assert resident_bytes(client) - before < 10e6


def test_a_client_that_sends_on_after_a_refusal_can_read_it_and_is_cut_off(
    client: httpx.Client, server: str
) -> None:
    with connect(server) as (connection, reader):
        connection.sendall(MALFORMED["line"])
        assert last_answer(reader)[0] == 400
        for _ in range(3):
            connection.sendall(GET)
            assert client.get("/livez").status_code == 200
        with pytest.raises(ConnectionError):
            send_on(connection)


def send_on(connection: socket.socket) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        connection.sendall(GET * 1000)


def test_pipelined_requests_wait_for_a_slow_reader(client: httpx.Client, server: str) -> None:
    before = resident_bytes(client)
    with ExitStack() as stack:
        for _ in range(10):
            connection, _ = stack.enter_context(connect(server, SO_RCVBUF=4096))
            fill(connection, client)
        assert resident_bytes(client) - before < 30e6


def fill(connection: socket.socket, client: httpx.Client) -> None:
    """Send requests until the server takes none for as long as it answers ten of another client."""
    request = GET + b"\r\n"
    sent = refused = 0
    connection.setblocking(False)
    while refused < 10:
        try:
            sent += connection.send(request[sent % len(request) :] + request * 1000)
            refused = 0
            assert sent < 50e6
        except BlockingIOError:
            refused += 1
            client.get("/livez")


@pytest.mark.parametrize("size", [1, 1009, 100_000])
def test_pipelined_requests_are_answered_in_their_order(
    server: str, prediction: tuple[int, Any], size: int
) -> None:
    times = 3 if size == 1 else 300
    nothing = b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"
    by_length = POST + LENGTH + b"\r\n" + BODY
    by_chunks = POST + CHUNKED + b"\r\n" + CHUNKS + b"\r\n"
    stream = (GET + b"\r\n" + by_length + nothing + by_chunks) * times
    with connect(server) as (connection, reader):
        sender = threading.Thread(target=send_pieces, args=(connection, stream, size))
        sender.start()
        for _ in range(times):
            assert answer(reader) == prediction
            assert answer(reader) == prediction
            assert answer(reader)[0] == 404
            assert answer(reader) == prediction
        sender.join()


def send_pieces(connection: socket.socket, stream: bytes, size: int) -> None:
    for start in range(0, len(stream), size):
        connection.sendall(stream[start : start + size])


MALFORMED = {
    "line": b"not a request\r\n\r\n",
    "target": b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
    "no host": b"GET /prediction/232 HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"host: x\r\n\r\n",
    "two hosts of old": b"GET / HTTP/1.0\r\nhost: x\r\nhost: y\r\n\r\n",
    "older version": b"GET /prediction/232\r\n\r\n",
    "old version": b"GET / HTTP/0.9\r\nhost: x\r\n\r\n",
    "odd version": b"GET / HTTP/1.2\r\nhost: x\r\n\r\n",
    "new version": b"GET / HTTP/2.0\r\nhost: x\r\n\r\n",
    "connect": b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
    "chunk": POST + CHUNKED + b"\r\nzz\r\n",
    "lengths": POST + LENGTH + LENGTH + b"\r\n" + BODY,
    "length and chunks": POST + LENGTH + CHUNKED + b"\r\n" + CHUNKS + b"\r\n",
    "twice chunked": POST + CHUNKED + CHUNKED + b"\r\n" + CHUNKS + b"\r\n",
    "compressed chunks": POST + b"transfer-encoding: gzip, chunked\r\n\r\n" + CHUNKS + b"\r\n",
    "codings": POST + b"transfer-encoding: gzip\r\n" + CHUNKED + b"\r\n" + CHUNKS + b"\r\n",
    "unknown coding": POST + b"transfer-encoding: gzip\r\n\r\n",
    "h2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("malformed", MALFORMED)
def test_what_cannot_be_parsed_gets_a_problem_document_in_its_turn(
    server: str, prediction: tuple[int, Any], malformed: str
) -> None:
    with connect(server) as (connection, reader):
        connection.sendall((GET + b"\r\n") * 3 + MALFORMED[malformed])
        for _ in range(3):
            assert answer(reader) == prediction
        assert last_answer(reader)[0] == 400
    with connect(server) as (connection, reader):
        connection.sendall(MALFORMED[malformed])
        assert last_answer(reader)[0] == 400


OTHER_PROTOCOLS = [
    b"OPTIONS * RTSP/1.0\r\ncseq: 1\r\n\r\n",
    b"GET / RTSP/1.0\r\ncseq: 1\r\n\r\n",
    b"\r\nDESCRIBE rtsp://x/ RTSP/1.0\r\n\r\n",
    b"SOURCE / ICE/1.0\r\n\r\n",
    b"GET / ICE/1.0\r\n\r\n",
    b"OPTIONS sip:x SIP/2.0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"EHLO x\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("asked", OTHER_PROTOCOLS)
def test_a_request_of_another_protocol_is_refused(server: str, asked: bytes, size: int) -> None:
    with connect(server) as (connection, reader):
        with suppress(ConnectionError):
            send_pieces(connection, asked, size)
        status, problem = last_answer(reader)
        assert (status, problem["title"]) == (400, "Bad Request")


@pytest.mark.parametrize("host", [b"", b"host: x\r\n"])
def test_version_1_0_needs_no_host(server: str, prediction: tuple[int, Any], host: bytes) -> None:
    with connect(server) as (connection, reader):
        connection.sendall(b"GET /prediction/232 HTTP/1.0\r\n" + host + b"\r\n")
        assert last_answer(reader) == prediction


@pytest.mark.parametrize("count", [HEAD_FIELDS, HEAD_FIELDS + 1])
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_trailers_have_as_many_fields_as_a_head_and_no_more(
    server: str, prediction: tuple[int, Any], count: int, size: int
) -> None:
    request = POST + CHUNKED + b"\r\n" + CHUNKS + b"a:\r\n" * count + b"\r\n"
    with connect(server) as (connection, reader):
        with suppress(ConnectionError):
            send_pieces(connection, request, size)
        if count <= HEAD_FIELDS:
            assert answer(reader) == prediction
        else:
            assert last_answer(reader)[0] == 431


def test_a_request_whose_body_is_malformed_is_not_in_flight(
    client: httpx.Client, server: str
) -> None:
    with connect(server) as (connection, reader):
        connection.sendall(POST + CHUNKED + b"\r\n")
        connection.sendall(b"zz\r\n")
        assert answer(reader)[0] == 400
        assert "eeg_http_requests_in_flight 1.0" in client.get("/metrics").text.splitlines()


def test_a_body_that_is_malformed_after_its_answer_ends_the_connection(server: str) -> None:
    with connect(server) as (connection, reader):
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b"\r\n")
        assert answer(reader)[0] == 415
        connection.sendall(b"zz\r\n")
        assert reader.read() == b""


def test_what_cannot_be_read_is_counted(client: httpx.Client, server: str) -> None:
    with connect(server) as (connection, reader):
        connection.sendall(MALFORMED["line"])
        last_answer(reader)
    counted = 'eeg_http_requests_total{method="-",route="unmatched",status="400"}'
    assert counted in client.get("/metrics").text


def test_trailers_are_no_headers(server: str, prediction: tuple[int, Any]) -> None:
    trailers = b"content-type: text/plain\r\nx-request-id: a-trailer\r\n\r\n"
    with connect(server) as (connection, reader):
        for _ in range(2):
            connection.sendall(POST + CHUNKED + b"\r\n" + CHUNKS + trailers)
            assert answer(reader) == prediction


UPGRADES = [
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    b"upgrade: websocket\r\nconnection: keep-alive, upgrade\r\nsec-websocket-version: 13\r\n",
]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize(
    "rest",
    [LENGTH + b"\r\n" + BODY, CHUNKED + b"\r\n" + CHUNKS + b"\r\n"],
    ids=["length", "chunks"],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_request_that_offers_an_upgrade_keeps_its_body(
    server: str, prediction: tuple[int, Any], upgrade: bytes, rest: bytes, size: int
) -> None:
    stream = (POST + upgrade + rest) * 2 + GET + b"\r\n"
    with connect(server) as (connection, reader):
        send_pieces(connection, stream, size)
        for _ in range(3):
            assert answer(reader) == prediction


def test_a_last_request_may_offer_an_upgrade(server: str, prediction: tuple[int, Any]) -> None:
    upgrade = b"connection: close, upgrade\r\nupgrade: h2c\r\n"
    with connect(server) as (connection, reader):
        connection.sendall(POST + upgrade + CHUNKED + b"\r\n" + CHUNKS + b"\r\n")
        assert last_answer(reader) == prediction


def test_a_websocket_handshake_is_answered_as_any_request(server: str) -> None:
    handshake = (
        b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with connect(server) as (connection, reader):
        for _ in range(2):
            connection.sendall(handshake)
            assert answer(reader)[0] == 404


def test_a_client_that_goes_on_sending_after_a_bad_chunk_gets_the_answer(server: str) -> None:
    # More than is held of a body before reading is paused.
    chunk = b"%x\r\n%b\r\n" % (200_000, b" " * 200_000)
    with connect(server) as (connection, reader):
        connection.sendall(POST.replace(b"/prediction", b"/predict") + CHUNKED + b"\r\n")
        connection.sendall(chunk + b"no number\r\n")
        connection.sendall(b"x" * 10_000_000)
        assert last_answer(reader)[0] == 400


@pytest.fixture(scope="module")
def short_timeouts() -> Iterator[uvicorn.Server]:
    """A server in this process whose clients have little time.

    ``/number`` is answered at once, ``/wait`` when ``/release`` is; the answer of ``/large`` is
    more than the sockets hold, and less than makes the server wait.
    """
    released = asyncio.Event()

    async def wait(_: Request) -> Response:
        await released.wait()
        return Response(b"1")

    async def release(_: Request) -> Response:
        released.set()
        return Response(b"2")

    settings = Settings(body_timeout_seconds=BODY_SECONDS, keep_alive_seconds=IDLE_SECONDS)
    metrics = Metrics({}, SCHEMA.labels)
    routes = [
        Route("/number", ("GET",), fixed(Response(b"0"))),
        Route("/wait", ("POST",), wait, Body.JSON),
        Route("/release", ("GET",), release),
        Route("/large", ("GET",), fixed(Response(b'"%b"' % (b"x" * LARGE)))),
    ]
    application = Application(routes, settings, metrics, AccessLog(as_json=False))
    protocol: Any = partial(
        BoundedProtocol,
        application,
        Connections(100, metrics),
        settings,
        head_seconds=HEAD_SECONDS,
    )
    config = uvicorn.Config(application, http=protocol, log_config=None)
    service = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config.port = listener.getsockname()[1]
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield service
        finally:
            service.should_exit = True
            thread.join()


def address(service: uvicorn.Server) -> str:
    return f"http://127.0.0.1:{service.config.port}"


@pytest.mark.parametrize("before", [b"", b"\r\n", b"GET /number HTTP/1.1\r\nhost: x\r\n\r\n"])
def test_a_slow_head_times_out(short_timeouts: uvicorn.Server, before: bytes) -> None:
    with connect(address(short_timeouts)) as (connection, reader):
        connection.sendall(before)
        if before.strip():
            assert answer(reader) == (200, 0)
        connection.sendall(b"GET /number HTTP/1.1\r\nhost: x\r\nx: ")
        drip(connection)
        status, problem = last_answer(reader)
        assert status == 408
        assert f"within {HEAD_SECONDS} s" in problem["detail"]


def drip(connection: socket.socket) -> None:
    """Send a byte now and then until the server answers or ends the connection."""
    deadline = time.monotonic() + 10
    connection.settimeout(HEAD_SECONDS / 10)
    with suppress(ConnectionError):
        while True:
            try:
                connection.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                assert time.monotonic() < deadline
                connection.sendall(b"x")
    connection.settimeout(10)


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_without_a_request_ends_without_an_answer(
    short_timeouts: uvicorn.Server, sent: bytes
) -> None:
    with connect(address(short_timeouts)) as (connection, reader):
        connection.sendall(sent)
        assert reader.read() == b""


def test_a_connection_is_kept_between_requests_for_longer_than_a_head_may_take(
    short_timeouts: uvicorn.Server,
) -> None:
    with connect(address(short_timeouts)) as (connection, reader):
        for _ in range(2):
            connection.sendall(b"GET /number HTTP/1.1\r\nhost: x\r\n\r\n")
            assert answer(reader) == (200, 0)
            with connect(address(short_timeouts)) as (_, silent):
                assert silent.read() == b""


def test_a_head_has_its_time_once_the_requests_before_it_are_answered(
    short_timeouts: uvicorn.Server,
) -> None:
    with connect(address(short_timeouts)) as (connection, reader):
        connection.sendall(b"POST /wait HTTP/1.1\r\nhost: x\r\n")
        with connect(address(short_timeouts)) as (other, other_reader):
            other.sendall(b"GET /number HTTP/1.1\r\nhost: x\r\n\r\n")
            assert answer(other_reader) == (200, 0)
        for piece in (b"content-type: application/json\r\n\r\n", b"GET /num"):
            connection.sendall(piece)
            with connect(address(short_timeouts)) as (_, silent):
                assert silent.read() == b""
        with connect(address(short_timeouts)) as (other, other_reader):
            other.sendall(b"GET /release HTTP/1.1\r\nhost: x\r\n\r\n")
            assert answer(other_reader) == (200, 2)
        assert answer(reader) == (200, 1)
        connection.sendall(b"ber HTTP/1.1\r\nhost: x\r\n\r\nGET /num")
        assert answer(reader) == (200, 0)
        assert last_answer(reader)[0] == 408


def test_the_rest_of_an_answered_body_has_a_time_limit(short_timeouts: uvicorn.Server) -> None:
    request = b"GET /number HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    with connect(address(short_timeouts)) as (connection, reader):
        connection.sendall(request)
        assert answer(reader) == (200, 0)
        with connect(address(short_timeouts)) as (idle, idle_reader):
            idle.sendall(b"GET /number HTTP/1.1\r\nhost: x\r\n\r\n")
            assert last_answer(idle_reader) == (200, 0)
        connection.sendall(b"x" * 1_000_000 + request)
        assert answer(reader) == (200, 0)
        drip(connection)


@pytest.mark.parametrize("close", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
def test_a_small_answer_that_is_not_read_ends_the_connection(
    short_timeouts: uvicorn.Server, close: bytes
) -> None:
    with connect(address(short_timeouts), SO_RCVBUF=4096) as (connection, reader):
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n" + close + b"\r\n")
        assert b"200" in reader.readline()
        deadline = time.monotonic() + 10
        while short_timeouts.server_state.connections:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(reader.read()) < LARGE
