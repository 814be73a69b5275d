"""What a client may ask for at most, and what it is told beyond that."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.serving.api.stored import LINE_BYTES
from eeg_letters.settings import DATA, Settings
from tests.conftest import WAYS, begin_predict, serve_process
from tests.shipped import FEATURES

# Their answers are more than a connection's sockets hold.
MAX_ROWS = 5000
JSON = {"content-type": "application/json"}
ROW = [1.0 + 0.001 * number for number in range(len(FEATURES))]


@pytest.fixture(scope="module", params=WAYS.values(), ids=[*WAYS])
def client(bento: Path, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of a service with low limits."""
    with (
        serve_process(
            bento,
            EEG_MAX_ROWS=str(MAX_ROWS),
            EEG_MAX_CONCURRENCY="2",
            EEG_BODY_TIMEOUT_SECONDS="1",
            EEG_LOG_FORMAT="text",
            **request.param,
        ) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def begin(client: httpx.Client, length: int = 1000, path: str = "/predict") -> socket.socket:
    """A request in flight, none of its body sent yet."""
    return begin_predict(str(client.base_url), length, path)


def rows_scored(client: httpx.Client) -> float:
    (value,) = re.findall(
        r"^eeg_rows_scored_total (\S+)$", client.get("/metrics").text, re.MULTILINE
    )
    return float(value)


def await_metrics(client: httpx.Client, line: str) -> None:
    """Wait until /metrics, which counts itself as in flight, has a line."""
    deadline = time.monotonic() + 30
    while line not in client.get("/metrics").text.splitlines():
        assert time.monotonic() < deadline, line


@pytest.mark.parametrize("named", [False, True])
def test_many_rows_get_the_answers_of_single_rows(client: httpx.Client, named: bool) -> None:
    powers = read_recording(DATA / "test.json").features.tolist()
    rows: list[Any] = [dict(zip(FEATURES, row, strict=True)) for row in powers] if named else powers
    together = client.post("/predict", json={"rows": rows}).json()["predictions"]
    assert len(together) == len(rows)
    for number in (0, 71, 72, 500, len(rows) - 1):
        (alone,) = client.post("/predict", json={"rows": [rows[number]]}).json()["predictions"]
        assert alone["familiar"] == together[number]["familiar"]
        for title in (model.title for model in MODELS):
            answer = alone[title]
            assert answer["label"] == together[number][title]["label"]
            assert answer["probabilities"] == pytest.approx(
                together[number][title]["probabilities"], abs=1e-9
            )


@pytest.mark.parametrize("bad", [None, "x", True])
def test_a_bad_row_among_many_is_named(client: httpx.Client, bad: Any) -> None:
    rows: list[list[Any]] = [list(ROW) for _ in range(1000)]
    rows[777][5] = bad
    response = client.post("/predict", json={"rows": rows})
    assert response.status_code == 422
    assert f"Row 777, feature {FEATURES[5]}" in response.json()["detail"]


def test_a_large_body_that_is_not_json_is_refused(client: httpx.Client) -> None:
    body = json.dumps({"rows": [ROW] * 1000}).replace("1.159]", "1.159}", 700)
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400


@pytest.mark.parametrize("rows", [82, 164, 400])
def test_a_comma_after_the_last_row_is_refused(client: httpx.Client, rows: int) -> None:
    body = b'{"rows": [' + b"%b," % json.dumps([1.0] * 160).encode() * rows + b"]}"
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400


@pytest.mark.parametrize("separator", [" ,", "\n,\n", "\t , "])
def test_blanks_around_the_commas_of_a_large_body_do_not_matter(
    client: httpx.Client, separator: str
) -> None:
    body = '{"rows" : [' + separator.join([json.dumps(ROW)] * 300) + " ] } "
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert len(response.json()["predictions"]) == 300


def test_a_large_body_of_blanks_has_no_rows(client: httpx.Client) -> None:
    body = '{"rows": [' + " " * 100_000 + "]}"
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.json() == {"predictions": []}


def test_a_row_without_end_is_refused(client: httpx.Client) -> None:
    response = client.post("/predict", json={"rows": [[1.0] * 1_000_000]})
    assert response.status_code == 422
    assert "longer than any row" in response.json()["detail"]


def test_more_rows_than_the_limit_are_refused_with_the_number(client: httpx.Client) -> None:
    assert client.post("/predict", json={"rows": [ROW] * MAX_ROWS}).status_code == 200
    response = client.post("/predict", json={"rows": [ROW] * (MAX_ROWS + 1)})
    assert response.status_code == 413
    assert str(MAX_ROWS) in response.json()["detail"]


def fill(client: httpx.Client, stack: ExitStack) -> socket.socket:
    """Uploads that hold all the memory that requests may have; gives the last of them."""
    size = Settings().max_body_bytes
    while True:
        connection = stack.enter_context(begin(client, size))
        connection.sendall(b" " * (size - 1))
        connection.settimeout(0.2)
        try:
            assert connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            continue
        return connection


def test_more_than_fits_into_memory_gets_503_at_once_and_ends(client: httpx.Client) -> None:
    rows = {"rows": [ROW] * 500}
    with ExitStack() as stack:
        refused = fill(client, stack)
        assert refused.recv(13) == b"HTTP/1.1 503 "
        large = client.post("/predict", json=rows)
        assert large.status_code == 503
        assert large.headers["retry-after"] == "1"
        in_v2 = client.post("/v2/models/eeg-lda/infer", content=b" " * 100_000, headers=JSON)
        assert (in_v2.status_code, set(in_v2.json())) == (503, {"error"})
        paths = ("/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")
        for path in ("/prediction/232", "/docs.json", "/", *paths):
            assert client.get(path).status_code == 200
        assert client.post("/predict", json={"rows": [ROW]}).status_code == 200
    deadline = time.monotonic() + 1
    while client.post("/predict", json=rows).status_code != 200:
        assert time.monotonic() < deadline, "still overloaded a second after the load stopped"


def test_a_client_that_is_still_sending_reads_the_refusal(client: httpx.Client) -> None:
    address = urlsplit(str(client.base_url))
    with ExitStack() as stack:
        fill(client, stack)
        for _ in range(5):
            connection = HTTPConnection(str(address.hostname), address.port, timeout=30)
            connection.request("POST", "/predict", b" " * 8_000_000, JSON)
            assert connection.getresponse().status == 503
            connection.close()


def test_a_body_that_is_too_large_is_refused_before_it_is_sent_and_keeps_no_one_out(
    client: httpx.Client,
) -> None:
    size = Settings().max_body_bytes + 1
    address = urlsplit(str(client.base_url))
    connections = [HTTPConnection(str(address.hostname), address.port, timeout=30) for _ in "123"]
    for connection in connections:
        connection.putrequest("POST", "/predict")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(size))
        connection.endheaders(b" ")
        response = connection.getresponse()
        assert response.status == 413
        response.read()
    assert client.get("/score").status_code == 200
    assert "eeg_http_requests_in_flight 1.0" in client.get("/metrics").text.splitlines()
    for connection in connections:
        connection.send(b" " * (size - 1))
        connection.request("GET", "/score")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_slow_body_times_out(client: httpx.Client) -> None:
    with begin(client) as connection:
        connection.sendall(b'{"rows": ')
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 1 s" in answer


def test_a_chunked_body_of_the_limit_is_read_to_its_end(client: httpx.Client) -> None:
    body = b'{"line": 232}'.ljust(LINE_BYTES)
    # The answer must wait until it is known that nothing follows.
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), 30) as connection:
        connection.sendall(
            b"POST /prediction HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body)
        )
        await_metrics(client, "eeg_http_requests_in_flight 2.0")
        connection.sendall(b"1\r\n \r\n0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 413"
    assert client.post("/prediction", content=body, headers=JSON).status_code == 200


def test_a_client_that_goes_away_before_its_body_is_whole_gets_no_answer(
    client: httpx.Client,
) -> None:
    before = answers(client)
    with begin(client) as connection:
        connection.sendall(b'{"rows": []}')
    await_metrics(client, "eeg_http_requests_in_flight 1.0")
    assert answers(client) == before


def answers(client: httpx.Client) -> list[str]:
    """How often /predict was answered, by status."""
    pattern = r'^eeg_http_requests_total.*"/predict".*$'
    return re.findall(pattern, client.get("/metrics").text, re.MULTILINE)


def test_slow_readers_do_not_block_other_clients(client: httpx.Client) -> None:
    body = json.dumps({"rows": [ROW] * MAX_ROWS}).encode()
    with begin(client, len(body)) as one, begin(client, len(body)) as other:
        for connection in (one, other):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(body)
        assert client.get("/score").status_code == 200
        await_metrics(client, "eeg_http_requests_in_flight 1.0")
        assert client.get("/score").status_code == 200
    not_taken = 'eeg_http_requests_total{method="POST",route="/predict",status="499"} 2.0'
    assert not_taken in client.get("/metrics").text.splitlines()


def test_a_client_that_disconnects_while_sending_leaks_nothing(client: httpx.Client) -> None:
    for _ in range(20):
        with begin(client) as connection:
            connection.sendall(b'{"rows": ')
        await_metrics(client, "eeg_http_requests_in_flight 1.0")
    assert client.get("/prediction/232").status_code == 200


@pytest.mark.parametrize("path", ["/line/%00", "/" + "x" * 15_000, "/line/" + "9" * 15_000, "/%ff"])
def test_an_odd_path_gets_a_clean_answer(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code in (400, 404)
    assert response.headers["content-type"] == "application/problem+json"


def tensor(data: list[Any]) -> bytes:
    """An inference request in JSON, of as many rows as a request may have."""
    rows = {"name": "rows", "datatype": "FP64", "shape": [MAX_ROWS, len(FEATURES)], "data": data}
    return json.dumps({"inputs": [rows]}).encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", json.dumps({"rows": [ROW] * MAX_ROWS}).encode()),
        ("/v2/models/eeg-letters/infer", tensor([ROW] * MAX_ROWS)),
        ("/v2/models/eeg-letters/infer", tensor(ROW * MAX_ROWS)),
    ],
    ids=["predict", "V2 nested", "V2 flat"],
)
def test_large_requests_leave_room_for_small_ones(
    client: httpx.Client, path: str, body: bytes
) -> None:
    """No timing: some of a large request's rows are scored, not all, when others are answered."""
    before = rows_scored(client)
    with begin(client, len(body), path) as large:
        large.sendall(body)
        deadline = time.monotonic() + 30
        while (scored := rows_scored(client)) == before:
            assert time.monotonic() < deadline, "nothing is scored"
        assert scored < before + MAX_ROWS
        assert client.get("/line/232").status_code == 200
        assert large.recv(12) == b"HTTP/1.1 200"
