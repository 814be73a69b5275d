"""Whatever bytes arrive, the answer is HTTP and no fault of the service, which then answers on."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import httptools
import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.schema import LINE_COLUMN
from tests.conftest import serve_process
from tests.shipped import FEATURES

CLOSE_SECONDS = 30
# For the answer to a message that may be unfinished; then its client stops sending.
PATIENCE_SECONDS = 0.05

ROW = [1.0 + 0.001 * number for number in range(len(FEATURES))]
HEAD = b"%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
POST = HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%b"
BODIES = {
    "a row": orjson.dumps({"rows": [ROW]}),
    "a row of names": orjson.dumps({"rows": [dict(zip(FEATURES, ROW, strict=True))]}),
    "a stored row": orjson.dumps(
        {
            "rows": [
                {"Line": "7", "# Letter": "4", **dict(zip(FEATURES, map(str, ROW), strict=True))}
            ]
        }
    ),
    "100 rows": orjson.dumps({"rows": [ROW] * 100}),  # Parsed in parts.
}
MESSAGES = {
    "prediction": HEAD % b"GET /prediction/232" + b"\r\n",
    "metrics": HEAD % b"GET /metrics" + b"X-Request-ID: a\r\n\r\n",
    "line": POST % (b"POST /line", 13, b'{"line": 232}'),
    "line in a chunk": CHUNKED % (b"POST /line", b'd\r\n{"line": 232}\r\n0\r\n\r\n'),
    "predict": POST % (b"POST /predict", len(BODIES["a row"]), BODIES["a row"]),
}
FIELDS = (
    *(b"Host: y", b"Expect: 100-continue", b"Content-Type: text/plain", b"Content-Encoding: br"),
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 9" + b"9" * 30),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"traceparent: 00-0-0-00"),
    *(b"Connection: Upgrade\r\nUpgrade: websocket", b"Connection: Upgrade\r\nUpgrade: h2c"),
    *(b"X-Request-ID: " + b"x" * 9000, b"Connection: keep-alive", b": ", b" folded", b"\xff: \xff"),
)
IN_MESSAGES = (
    *(b"\r\n" + field for field in FIELDS),
    *(b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\0", b"\xff"),
    *(b"%00", b"%", b":", b"?", b"#", b"//", b"9"),
)
IN_BODIES = (
    *(b" ", b"\n", b",", b'"', b"[", b"]", b"{", b"}", b":", b"[]", b"{}", b'""', b'"rows":[],'),
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"[" * 2000, b'{"":' * 2000, b'"x":1,', b"1", b"null"),
)
VALUES = (
    *b'null true "1" "\\ud800" [] [1] {} {"x":1} 1,1 1. 01 NaN -Infinity 1e308 1e999 -0'.split(),
    *(b"9" * 400, b" 1 ", b"\n1\t", b""),
)

fuzzing = settings(max_examples=200, deadline=None)


@dataclass(frozen=True)
class Change:
    """Other bytes in place of some tokens, so many thousandths from the start of a message."""

    place: int
    tokens: int
    inserted: bytes

    def of(self, message: bytes) -> bytes:
        """The message with this change."""
        tokens = re.findall(rb"[\w.+-]+|\s+|[^\w\s.+-]", message)
        start = self.place * len(tokens) // 1000
        return b"".join([*tokens[:start], self.inserted, *tokens[start + self.tokens :]])


def changes(pieces: Sequence[bytes]) -> st.SearchStrategy[list[Change]]:
    """Some changes that insert one of some pieces, or a few bytes of any kind."""
    change = st.builds(
        Change,
        st.integers(0, 1000),
        st.sampled_from([0, 1, 1, 1, 2, 30]),
        st.sampled_from([b"", *pieces]) | st.binary(max_size=4),
    )
    return st.lists(change, min_size=1, max_size=2)


def changed(message: bytes, made: Sequence[Change]) -> bytes:
    return reduce(lambda message, change: change.of(message), made, message)


class Responses:
    """Status and body of each response in what a service sent."""

    def __init__(self, sent: bytes) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self._open = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(sent)
        assert not self._open, f"a response without its end: {sent[:1000]!r}"

    def on_message_begin(self) -> None:
        self._open = True
        self.bodies.append(b"")

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] += body

    def on_message_complete(self) -> None:
        self._open = False
        self.statuses.append(self._parser.get_status_code())


class Target:
    """A service that is sent all sorts of bytes, and what it has logged since it was looked at."""

    def __init__(self, url: str, client: httpx.Client, log: TextIO) -> None:
        address = urlsplit(url)
        self._address = (address.hostname, address.port)
        self._client = client
        self._log = log
        self._expected = client.get("/prediction/232").json()
        assert set(self._expected) == {"prediction LDA", "prediction Neural Network"}

    def send(self, message: bytes, finished: bool = False) -> Responses:
        """What comes back until the service closes the connection; it must be well."""
        with socket.create_connection(self._address, CLOSE_SECONDS) as connection:
            patience = CLOSE_SECONDS if finished else PATIENCE_SECONDS
            received = _exchange(connection, message, patience)
        responses = Responses(received)
        self.check()
        assert all(status < 500 for status in responses.statuses), received[:1000]
        return responses

    def check(self) -> None:
        """The service is ready, still answers rightly, and has told of no fault."""
        assert self._client.get("/readyz").status_code == 200
        assert self._client.get("/prediction/232").json() == self._expected
        logged = self._log.read()
        assert "Traceback" not in logged
        assert '"error"' not in logged


def _exchange(connection: socket.socket, message: bytes, patience: float) -> bytes:
    parts: list[bytes] = []
    try:
        connection.sendall(message)
        connection.settimeout(patience)
        with suppress(TimeoutError):
            parts += iter(lambda: connection.recv(65536), b"")
            return b"".join(parts)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(CLOSE_SECONDS)
        parts += iter(lambda: connection.recv(65536), b"")
    except (ConnectionResetError, BrokenPipeError):
        # Refused before all of it was sent: what the refusal said may be lost.
        return b""
    return b"".join(parts)


@pytest.fixture(scope="module")
def target(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    log = tmp_path_factory.mktemp("log") / "stdout"
    with (
        serve_process(bento, log=log) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
        log.open() as logged,
    ):
        yield Target(url, client, logged)


@fuzzing
@given(message=st.binary(min_size=1, max_size=2000))
def test_random_bytes(target: Target, message: bytes) -> None:
    target.send(message)


@fuzzing
@given(name=st.sampled_from([*MESSAGES]), made=changes(IN_MESSAGES))
def test_a_changed_request(target: Target, name: str, made: list[Change]) -> None:
    target.send(changed(MESSAGES[name], made))


@fuzzing
@given(name=st.sampled_from([*BODIES]), made=changes(IN_BODIES))
def test_a_changed_body_is_answered_if_it_still_has_rows_and_refused_if_not(
    target: Target, name: str, made: list[Change]
) -> None:
    predict(target, changed(BODIES[name], made))


@fuzzing
@given(
    rows=st.sampled_from([1, 100]),
    named=st.booleans(),
    values=st.dictionaries(st.integers(0, 159), st.sampled_from(VALUES), min_size=1, max_size=2),
)
def test_other_values_in_the_last_row_are_answered_if_they_are_numbers_and_refused_if_not(
    target: Target, rows: int, named: bool, values: dict[int, bytes]
) -> None:
    row = [values.get(place, b"1.5") for place in range(len(FEATURES))]
    if named:
        pairs = zip(FEATURES, row, strict=True)
        last = b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in pairs)
    else:
        last = b"[%b]" % b",".join(row)
    predict(target, b'{"rows":[%b]}' % b",".join([*[orjson.dumps(ROW)] * (rows - 1), last]))


def predict(target: Target, body: bytes) -> None:
    """A body for `/predict` is answered where it has rows, and refused where it does not."""
    responses = target.send(POST % (b"POST /predict", len(body), body), finished=True)
    (status,) = responses.statuses
    answer = json.loads(responses.bodies[0])
    rows = rows_of(body)
    if rows is not None:
        assert status == 200
        assert len(answer["predictions"]) == len(rows)
    else:
        assert status in (400, 422)
        assert answer["status"] == status
        assert answer["detail"]


def rows_of(body: bytes) -> list[Any] | None:
    """The rows of a `/predict` body, read by another parser; none where it is not as promised."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def with_single_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    try:
        document = json.loads(
            body.decode(), parse_constant=refuse, object_pairs_hook=with_single_names
        )
        assert set(document) == {"rows"}
        for row in document["rows"]:
            values = row
            if isinstance(row, dict):
                others = {name: value for name, value in row.items() if name not in FEATURES}
                assert others.keys() <= {LINE_COLUMN, *LABEL_COLUMNS}
                assert not any(isinstance(value, list | dict) for value in others.values())
                values = [row[name] for name in FEATURES]
                texts = [value for value in values if isinstance(value, str)]
                assert not any("_" in text for text in texts)
                values = [float(value) if isinstance(value, str) else value for value in values]
            assert len(values) == len(FEATURES)
            assert all(type(value) in (int, float) and isfinite(value) for value in values)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, AssertionError):
        return None
    return list(document["rows"])
