"""Request bodies: compressed, and in pieces."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from eeg_letters.models import LDA
from eeg_letters.serving.bodies import INFLATED_BYTES, LARGE_BYTES, Hold, Memory
from eeg_letters.settings import Settings
from tests.conftest import samples
from tests.shipped import FEATURES

BOTH_WAYS = True

ROWS: dict[str, Any] = {"rows": [[1.0 + 0.01 * number for number in range(len(FEATURES))]] * 400}
BODY = json.dumps(ROWS).encode()
JSON = {"content-type": "application/json"}
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
    "Identity": bytes,
}


def send(
    client: httpx.Client, body: bytes | Iterator[bytes], encoding: str, path: str = "/predict"
) -> httpx.Response:
    return client.post(path, content=body, headers={**JSON, "content-encoding": encoding})


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_compressed_body_is_answered_as_any(client: httpx.Client, encoding: str) -> None:
    for document in (ROWS, {"rows": ROWS["rows"][:1]}):
        body = json.dumps(document).encode()
        plain = client.post("/predict", content=body, headers=JSON)
        assert plain.status_code == 200
        assert send(client, ENCODINGS[encoding](body), encoding).json() == plain.json()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_compressed_body_may_come_in_chunks(client: httpx.Client, size: int) -> None:
    packed = gzip.compress(json.dumps({"line": 232}).encode())
    pieces = (packed[start : start + size] for start in range(0, len(packed), size))
    answered = send(client, pieces, "gzip", "/prediction")
    assert answered.json() == client.get("/prediction/232").json()


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_triton_client_may_compress(server: str, algorithm: str, binary: bool) -> None:
    rows = np.array(ROWS["rows"], np.float64)
    tensor = triton.InferInput("rows", rows.shape, "FP64")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    with triton.InferenceServerClient(server.removeprefix("http://")) as asked:
        plain = asked.infer(LDA.name, [tensor])
        packed = asked.infer(LDA.name, [tensor], request_compression_algorithm=algorithm)
    np.testing.assert_array_equal(packed.as_numpy("label"), plain.as_numpy("label"))
    assert len(packed.as_numpy("label")) == len(rows)


BROKEN = {
    "not compressed": BODY,
    "nothing": b"",
    "half": gzip.compress(BODY)[:-100],
    "checksum": gzip.compress(BODY)[:-8] + bytes(8),
    "more": gzip.compress(BODY) + b"x",
    "twice": gzip.compress(BODY) * 2,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    client: httpx.Client, broken: str
) -> None:
    answer = send(client, BROKEN[broken], "gzip")
    assert answer.status_code == 400
    assert "not compressed as its Content-Encoding says" in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "", "chunked"])
def test_another_encoding_is_refused_with_those_that_are_read(
    client: httpx.Client, encoding: str
) -> None:
    answer = send(client, BODY, encoding)
    assert answer.status_code == 415
    assert "gzip" in answer.headers["accept-encoding"]
    assert "gzip and deflate" in answer.json()["detail"]


def test_the_limit_is_on_what_is_decompressed(client: httpx.Client) -> None:
    limit = Settings().max_body_bytes
    assert send(client, gzip.compress(b" " * limit), "gzip").status_code == 422
    answer = send(client, gzip.compress(b" " * (limit + 1)), "gzip")
    assert answer.status_code == 413
    assert answer.json()["detail"] == f"The body is larger than {limit} bytes, decompressed."


def test_a_bomb_takes_no_memory(client: httpx.Client) -> None:
    # A gigabyte in a megabyte.
    packer = zlib.compressobj(9)
    zeros = bytes(1_000_000)
    bomb = b"".join([*(packer.compress(zeros) for _ in range(1_000)), packer.flush()])
    assert len(bomb) < Settings().max_body_bytes
    before = resident_bytes(client)
    for _ in range(3):
        assert send(client, bomb, "deflate").status_code == 413
    assert resident_bytes(client) - before < 30e6


def test_the_smallest_route_limit_holds_for_what_is_decompressed(client: httpx.Client) -> None:
    body = json.dumps({"line": 232}).encode() + b" " * INFLATED_BYTES
    assert send(client, gzip.compress(body), "gzip", "/prediction").status_code == 413


def resident_bytes(client: httpx.Client) -> float:
    return samples(client)["process_resident_memory_bytes", frozenset()]


def test_a_hold_is_for_the_body_and_then_for_the_answer() -> None:
    memory = Memory(Settings())
    with Hold(memory) as hold:
        for size in (LARGE_BYTES, 0):
            hold.set_answer(size)
            assert memory.held == 0
        hold.set_body(LARGE_BYTES + 1)
        assert memory.held == LARGE_BYTES + 1 + memory.of_an_answer
        hold.set_answer(LARGE_BYTES + 2)
        assert memory.held == LARGE_BYTES + 2
        hold.set_answer(LARGE_BYTES)
        assert memory.held == 0
        hold.set_answer(LARGE_BYTES + 3)
    assert memory.held == 0
