"""How streams open, end and are bounded."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection

from tests.conftest import samples, serve, serve_process
from tests.serving.live.conftest import ROW, Open, ask, open_stream

MOST = 3
# A test would wait for the default too long.
BOUNDED = {
    "EEG_MAX_STREAMS": str(MOST),
    "EEG_MAX_MESSAGE_BYTES": "5000",
    "EEG_STREAM_TIMEOUT_SECONDS": "1",
    "EEG_CORS_ORIGINS": "https://lab.example",
    "EEG_ALLOWED_HOSTS": "127.0.0.1",
}


@pytest.fixture(scope="module")
def bounded(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with narrow bounds, and its log."""
    log = tmp_path_factory.mktemp("log") / "stdout"
    with serve_process(bento, log=log, **BOUNDED) as (url, _):
        yield url, log


def refused(
    url: str,
    headers: dict[str, str] | None = None,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> httpx.Response:
    """The answer to a stream that is not opened."""
    with pytest.raises(InvalidStatus) as raised, open_stream(url, headers, **parameters):
        pass
    response = raised.value.response
    return httpx.Response(
        response.status_code,
        headers=[*response.headers.raw_items()],
        content=bytes(response.body or b""),
    )


def until_closed(stream: ClientConnection) -> tuple[list[Any], int, str]:
    """What the service still answers, and code and reason of its close frame."""
    answers = []
    while True:
        try:
            answers.append(json.loads(stream.recv(timeout=20)))
        except ConnectionClosed:
            assert stream.close_code is not None
            return answers, stream.close_code, stream.close_reason or ""


def closed(stream: ClientConnection) -> tuple[int, str]:
    """Code and reason of the service's close frame."""
    _, code, reason = until_closed(stream)
    return code, reason


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"window": "0"}, 'window is "0"; it must be a number of rows from 1 to 128.'),
        ({"window": "129"}, 'window is "129"; it must be a number of rows from 1 to 128.'),
        ({"hold": "many"}, 'hold is "many"; it must be a number of rows from 1 to 128.'),
        ({"threshold": "1.1"}, 'threshold is "1.1"; it must be a probability from 0 to 1.'),
        ({"probabilities": "some"}, 'probabilities is "some"; it must be likeliest or all.'),
        ({"session": "a b"}, "session is not 1 to 128 letters"),
        ({"speed": "2"}, 'There is no parameter "speed"'),
    ],
)
def test_a_bad_parameter_is_refused(server: str, parameters: dict[str, str], told: str) -> None:
    response = refused(server, parameters=parameters)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith(told)


def test_without_an_upgrade_it_is_asked_for(client: httpx.Client) -> None:
    response = client.get("/live")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    response = client.get("/live", headers={"upgrade": "h2c", "connection": "upgrade"})
    assert response.status_code == 426


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec-websocket-version": "8"}, 426),
        ({"sec-websocket-key": "short"}, 400),
        ({"connection": "close"}, 426),
    ],
)
def test_a_wrong_handshake_is_refused(
    client: httpx.Client, changed: dict[str, str], status: int
) -> None:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert client.get("/live", headers=headers | changed).status_code == status


def test_other_paths_ignore_the_offer(client: httpx.Client) -> None:
    headers = {"connection": "Upgrade", "upgrade": "websocket"}
    assert client.get("/score", headers=headers).status_code == 200


def test_the_handshake_has_an_id_and_no_compression(server: str) -> None:
    with open_stream(server, {"x-request-id": "of-a-client"}) as stream:
        response = stream.response
        assert response is not None
        assert response.headers["x-request-id"] == "of-a-client"
        assert "content-length" not in response.headers
        assert "sec-websocket-extensions" not in response.headers


@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        (None, True),
        ("https://lab.example", True),
        ("https://lab.example.evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_pages_of_other_origins_open_none(bounded: Any, origin: str | None, opens: bool) -> None:
    url, _ = bounded
    headers = {} if origin is None else {"origin": origin}
    if opens:
        with open_stream(url, headers) as stream:
            assert ask(stream, {"row": ROW})["id"] == 0
    else:
        assert refused(url, headers).status_code == 403


def test_a_page_of_the_service_itself_may_open_one(bounded: Any) -> None:
    url, _ = bounded
    with open_stream(url, {"origin": url}) as stream:
        assert ask(stream, {"row": ROW})["id"] == 0
    other_port = re.sub(r":\d+$", ":1", url)
    assert refused(url, {"origin": other_port}).status_code == 403


def test_another_host_is_refused(bounded: Any) -> None:
    url, _ = bounded
    assert refused(url.replace("127.0.0.1", "localhost")).status_code == 421


def test_only_so_many_are_open(bounded: Any) -> None:
    url, _ = bounded
    with open_stream(url), open_stream(url), open_stream(url):
        response = refused(url)
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert httpx.get(f"{url}/score").status_code == 200
    with open_stream(url) as stream:
        assert ask(stream, {"row": ROW})["id"] == 0


def test_a_large_message_closes(bounded: Any) -> None:
    url, _ = bounded
    with open_stream(url) as stream:
        # The rows before it are answered.
        stream.send(json.dumps({"row": ROW}))
        stream.send("[" + " " * 5000)
        assert json.loads(stream.recv(timeout=20))["id"] == 0
        assert closed(stream)[0] == 1009


def test_a_binary_message_closes(stream: ClientConnection) -> None:
    stream.send(b"\0")
    assert closed(stream)[0] == 1003


def test_what_is_not_utf_8_closes(stream: ClientConnection) -> None:
    stream.send(json.dumps({"row": ROW}))
    stream.send(b'{"row": "\xff"}', text=True)
    assert json.loads(stream.recv(timeout=20))["id"] == 0
    assert closed(stream)[0] == 1007


def test_a_frame_without_a_mask_closes(stream: ClientConnection) -> None:
    stream.socket.sendall(Frame(Opcode.TEXT, b"{}").serialize(mask=False))
    assert closed(stream)[0] == 1002


def test_pings_are_answered(stream: ClientConnection) -> None:
    assert stream.ping().wait(20)


def test_rows_before_a_close_are_answered(stream: ClientConnection) -> None:
    for _ in range(3):
        stream.send(json.dumps({"row": ROW}))
    stream.protocol.send_close(1000)
    stream.socket.sendall(b"".join(stream.protocol.data_to_send()))
    answers = [json.loads(stream.recv(timeout=20)) for _ in range(3)]
    assert [answer["id"] for answer in answers] == [0, 1, 2]


def test_a_silent_client_is_asked_and_then_closed(bounded: Any) -> None:
    url, _ = bounded
    with open_stream(url) as stream:
        # Its client answers pings by itself: it stays open for longer than it may be silent.
        pings = 0
        receive = stream.protocol.recv_frame

        def count(frame: Frame) -> None:
            nonlocal pings
            pings += frame.opcode is Opcode.PING
            receive(frame)

        stream.protocol.recv_frame = count
        with pytest.raises(TimeoutError):
            stream.recv(timeout=1.5)
        assert pings
        assert ask(stream, {"row": ROW})["id"] == 0
        # One that answers none.
        stream.protocol.send_frame = lambda _: None
        assert closed(stream) == (1011, "silent for 1 s")


@pytest.mark.parametrize("threshold", ["0", "1.", ".5", "1e-3", "0.6666666666666666"])
def test_a_threshold_may_be_written_as_programs_write_numbers(server: str, threshold: str) -> None:
    with open_stream(server, threshold=threshold) as stream:
        assert ask(stream, {"row": ROW})["id"] == 0


def test_a_code_of_a_clients_own_trouble_is_not_taken_for_the_services(server: str) -> None:
    def ended(code: str) -> float:
        return samples(client)["eeg_streams_closed_total", frozenset({("code", code)})]

    with httpx.Client(base_url=server) as client:
        silent, others = ended("1011"), ended("other")
        with open_stream(server) as stream:
            stream.close(1011)
        while ended("other") == others:
            pass
        assert (ended("1011"), ended("other")) == (silent, others + 1)


def test_its_log_has_a_line_for_its_start_and_one_for_its_end(bounded: Any) -> None:
    url, log = bounded
    with open_stream(url, {"x-request-id": "logged-1"}) as stream:
        ask(stream, {"row": ROW})
        ask(stream, {"row": []})
    with httpx.Client(base_url=url) as client:
        while samples(client)["eeg_streams", frozenset()]:
            pass
    lines = [json.loads(line) for line in log.read_text().splitlines() if "logged-1" in line]
    opened, ended = lines
    assert (opened["route"], opened["status"]) == ("/live", 101)
    assert ended["message"] == "stream ended"
    assert (ended["code"], ended["rows"], ended["refused"]) == (1000, 2, 1)


@pytest.mark.parametrize("way", ["bentoml serve", "the image's process"])
def test_the_end_of_the_service_closes_after_the_answers(
    trained_home: Path, bento: Path, way: str
) -> None:
    served = serve(trained_home) if way == "bentoml serve" else serve_process(bento)
    with served as (url, process), open_stream(url) as stream, open_stream(url) as idle:
        for number in range(50):
            stream.send(json.dumps({"row": ROW, "id": f"row-{number}"}))
        first = json.loads(stream.recv(timeout=20))
        process.send_signal(signal.SIGTERM)
        others, code, reason = until_closed(stream)
        answers = [first, *others]
        assert [answer["id"] for answer in answers] == [f"row-{n}" for n in range(len(answers))]
        assert (code, reason) == (1012, f'last "row-{len(answers) - 1}"')
        assert closed(idle) == (1012, "")
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            pytest.fail("the service did not end")


def frames_of(connection: socket.socket) -> Iterator[int]:
    """The kinds of frames that a service sends, until it ends the connection."""
    with connection.makefile("rb") as stream, contextlib.suppress(ConnectionError):
        while head := stream.read(2):
            length = head[1]
            stream.read(int.from_bytes(stream.read(2)) if length == 126 else length)
            yield head[0] & 15


def test_a_row_that_comes_after_the_close_frame_is_not_answered(bento: Path) -> None:
    row = Frame(Opcode.TEXT, json.dumps({"row": ROW}).encode()).serialize(mask=True)
    with serve_process(bento) as (url, process):
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), 20) as connection:
            connection.sendall(
                b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            frames = frames_of(connection)
            connection.sendall(row)
            assert next(frames) == Opcode.TEXT
            process.send_signal(signal.SIGTERM)
            assert next(frames) == Opcode.CLOSE
            connection.sendall(row)
            assert [*frames] == []


def test_a_fast_sender_is_slowed_down_and_loses_nothing(open_one: Open) -> None:
    stream = open_one()
    message = json.dumps({"row": ROW})
    wanted = 3000
    for _ in range(wanted):
        stream.send(message)
    assert [json.loads(stream.recv(timeout=20))["id"] for _ in range(wanted)] == [*range(wanted)]
