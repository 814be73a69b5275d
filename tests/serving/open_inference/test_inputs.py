"""Inputs of every datatype, and frames of one tensor for each feature, by client and by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from eeg_letters.models import LDA
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from tests.shipped import FEATURES

PATH = f"/v2/models/{LDA.name}/infer"
POWERS = read_recording(DATA / "test.json").features
NUMPY_TYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    **{f"INT{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


@pytest.fixture
def client_of_triton(server: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.removeprefix("http://")) as client:
        yield client


def as_type(rows: np.ndarray, datatype: str) -> np.ndarray:
    """Rows that the datatype has, many of them different."""
    if datatype == "BOOL":
        return np.asarray(rows > 1)
    if "INT" in datatype:
        return np.minimum(rows * 10, 127).astype(NUMPY_TYPES[datatype])
    return rows.astype(NUMPY_TYPES[datatype])


def right(client: httpx.Client, rows: np.ndarray) -> np.ndarray:
    """The probabilities that /predict answers with."""
    body = {"rows": rows.astype(float).tolist()}
    answers = client.post("/predict", json=body).json()["predictions"]
    return np.array([answer[LDA.title]["probabilities"] for answer in answers])


def assert_right(result: triton.InferResult, probabilities: np.ndarray) -> None:
    got = result.as_numpy("probabilities")
    np.testing.assert_allclose(got, probabilities, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 300])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", NUMPY_TYPES)
def test_tritonclient_may_send_every_numeric_datatype(
    client: httpx.Client,
    client_of_triton: triton.InferenceServerClient,
    datatype: str,
    binary: bool,
    n_rows: int,
) -> None:
    rows = as_type(POWERS[:n_rows], datatype)
    sent = triton.InferInput("rows", list(rows.shape), datatype)
    sent.set_data_from_numpy(rows, binary_data=binary)
    assert_right(client_of_triton.infer(LDA.name, [sent]), right(client, rows))


def in_binary(client: httpx.Client, tensors: list[dict[str, Any]], rest: bytes) -> httpx.Response:
    head = json.dumps({"inputs": tensors}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    return client.post(PATH, content=head + rest, headers=headers)


def test_bf16_is_the_upper_half_of_fp32(client: httpx.Client) -> None:
    halves = (POWERS[:300].astype("<f4").view("<u4") >> 16).astype("<u2")
    widened = (halves.astype("<u4") << 16).view("<f4")
    size = {"binary_data_size": halves.nbytes}
    tensor = {"name": "rows", "datatype": "BF16", "shape": [300, 160], "parameters": size}
    answer = in_binary(client, [tensor], halves.tobytes())
    assert answer.status_code == 200, answer.text
    labels = right(client, widened).argmax(axis=1).tolist()
    assert answer.json()["outputs"][0]["data"] == labels
    in_json = {**tensor, "parameters": {}, "data": [1.0] * 300 * 160}
    refused = client.post(PATH, json={"inputs": [in_json]})
    assert refused.status_code == 400
    assert "BF16 is taken in binary only" in refused.json()["error"]


def one_bad(datatype: str, bad: Any, n_rows: int, as_rows: bool = False) -> dict[str, Any]:
    data: list[Any] = [1] * 160 * n_rows
    data[-2] = bad
    if as_rows:
        data = [data[first : first + 160] for first in range(0, len(data), 160)]
    return {"name": "rows", "datatype": datatype, "shape": [n_rows, 160], "data": data}


@pytest.mark.parametrize("as_rows", [True, False])
@pytest.mark.parametrize("n_rows", [1, 300])
@pytest.mark.parametrize(
    ("datatype", "bad", "fragment"),
    [
        ("INT8", 128, "128"),
        ("INT8", 1.5, "1.5 is no INT8"),
        ("INT16", -32769, "-32769"),
        ("INT32", 2**31, str(2**31)),
        ("INT64", 2**53 + 1, f"{2**53 + 1} is no INT64 within 2^53"),
        ("INT64", -(2**53) - 1, "2^53"),
        ("INT64", 1.5, "1.5 is no INT64"),
        ("UINT8", 256, "256"),
        ("UINT16", -1, "-1"),
        ("UINT64", 2**53 + 1, "2^53"),
        ("UINT64", 2**64 - 1, "2^53"),
        ("UINT64", -1, "-1"),
        ("BOOL", 2, "2 is no BOOL"),
        ("BOOL", "true", '"true" is not a number'),
        ("INT8", True, "true is not a number"),
        ("FP64", True, "true is not a number"),
        ("FP16", 70000, "finite FP16"),
        ("FP32", 1e39, "finite FP32"),
        ("INT64", None, "null is not a number"),
    ],
)
def test_a_value_that_a_datatype_does_not_have_is_named(
    client: httpx.Client, datatype: str, bad: Any, fragment: str, n_rows: int, as_rows: bool
) -> None:
    response = client.post(PATH, json={"inputs": [one_bad(datatype, bad, n_rows, as_rows)]})
    assert response.status_code == 400, response.text
    assert f"Row {n_rows - 1}, feature {FEATURES[-2]}" in response.json()["error"]
    assert fragment in response.json()["error"]


@pytest.mark.parametrize(
    ("datatype", "bad"),
    [("INT64", 2**53 + 1), ("UINT64", 2**53 + 1), ("INT64", -(2**53) - 1), ("BOOL", 2),
     ("FP16", np.nan), ("FP64", np.inf), ("INT8", -1)],
)  # fmt: skip
def test_a_value_in_binary_that_cannot_be_taken_is_named(
    client: httpx.Client, datatype: str, bad: Any
) -> None:
    rows = np.ones((300, 160), "<u1" if datatype == "BOOL" else NUMPY_TYPES[datatype])
    rows[299, 158] = bad
    size = {"binary_data_size": rows.nbytes}
    tensor = {"name": "rows", "datatype": datatype, "shape": [300, 160], "parameters": size}
    response = in_binary(client, [tensor], rows.tobytes())
    assert response.status_code == 400, response.text
    assert f"Row 299, feature {FEATURES[-2]}" in response.json()["error"]


@pytest.mark.parametrize("datatype", ["INT64", "UINT64"])
@pytest.mark.parametrize("n_rows", [1, 300])
def test_the_largest_whole_number_of_fp64_is_taken(
    client: httpx.Client, datatype: str, n_rows: int
) -> None:
    document = {"inputs": [one_bad(datatype, 2**53, n_rows)]}
    assert client.post(PATH, json=document).status_code == 200


def frame(
    rows: np.ndarray, datatypes: tuple[str, ...] = ("FP64",), two: bool = False, binary: str = ""
) -> list[triton.InferInput]:
    """A tensor for each feature, in another order than the features have."""
    tensors = []
    for place in np.random.default_rng(1).permutation(len(FEATURES)):
        datatype = datatypes[place % len(datatypes)]
        column = rows[:, [place]] if two else rows[:, place]
        tensor = triton.InferInput(FEATURES[place], list(column.shape), datatype)
        column = np.ascontiguousarray(column.astype(NUMPY_TYPES[datatype]))
        in_binary = binary == "all" or (binary == "some" and place % 2 == 0)
        tensors.append(tensor.set_data_from_numpy(column, binary_data=in_binary))
    return tensors


@pytest.mark.parametrize("n_rows", [1, 3, 40, 1500])
@pytest.mark.parametrize("two", [True, False])
@pytest.mark.parametrize("binary", ["none", "some", "all"])
def test_one_tensor_for_each_feature_is_a_frame(
    client: httpx.Client,
    client_of_triton: triton.InferenceServerClient,
    n_rows: int,
    two: bool,
    binary: str,
) -> None:
    rows = POWERS[np.arange(n_rows) % len(POWERS)]
    if n_rows == 3:
        rows = np.round(rows)
    datatypes = ("FP64", "INT64", "FP32", "UINT8") if n_rows == 3 else ("FP64",)
    result = client_of_triton.infer(LDA.name, frame(rows, datatypes, two, binary))
    assert_right(result, right(client, rows))


def test_a_frame_without_rows_has_no_answers(
    client_of_triton: triton.InferenceServerClient,
) -> None:
    result = client_of_triton.infer(LDA.name, frame(POWERS[:0]))
    assert result.get_response()["outputs"][0]["shape"] == [0]


def columns(n_rows: int = 2) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": "FP64", "shape": [n_rows, 1], "data": [1.5] * n_rows}
        for name in FEATURES
    ]


def changed(place: int, **members: Any) -> list[dict[str, Any]]:
    given = columns()
    given[place] = {**given[place], **members}
    return given


BAD_FRAMES: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "a feature missing": (columns()[:-1], (f'"{FEATURES[-1]}" is missing',)),
    "a feature twice": ([*columns(), columns()[7]], (f'"{FEATURES[7]}" is there twice',)),
    "another name": (changed(3, name="x"), ('no input "x"', FEATURES[0])),
    "the line number": ([{**columns()[0], "name": "Line"}, *columns()], ('no input "Line"',)),
    "no name": (changed(3, name=None), ("no input null",)),
    "rows as well": (changed(3, name="rows"), ('"rows"', "one for each feature")),
    "no object": ([*columns()[:-1], 5], ('"inputs"',)),
    "another number of rows": (changed(3, shape=[3]), (f'"{FEATURES[3]}" has 3 rows', "2")),
    "two columns": (changed(3, shape=[2, 2]), (FEATURES[3], "[2,2]", "[n] or [n, 1]")),
    "no shape": (changed(3, shape=[]), (FEATURES[3], "[]")),
    "no number": (changed(3, data=[1, "x"]), (f"Row 1, feature {FEATURES[3]}", '"x"')),
    "missing": (changed(3, data=[1, None]), (f"Row 1, feature {FEATURES[3]}", "null")),
    "too few": (changed(3, data=[1]), (FEATURES[3], "1 values", "needs 2")),
    "too many": (changed(3, data=[1, 2, 3]), (FEATURES[3], "more than 2")),
    "negative": (changed(3, data=[1, -2]), (f"Row 1, feature {FEATURES[3]}: -2.0 is negative",)),
    "text": (changed(3, datatype="BYTES"), (FEATURES[3], '"BYTES"')),
    "no data": (changed(3, data="x"), (FEATURES[3], "no list")),
}


@pytest.mark.parametrize(("inputs", "fragments"), BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_a_bad_frame_is_refused(
    client: httpx.Client, inputs: list[Any], fragments: tuple[str, ...]
) -> None:
    response = client.post(PATH, json={"inputs": inputs})
    assert response.status_code == 400, response.text
    for fragment in fragments:
        assert fragment in response.json()["error"]


@pytest.mark.parametrize("bad", [None, "x", [1], True, -1.0])
def test_a_bad_value_in_a_large_frame_is_named(client: httpx.Client, bad: Any) -> None:
    inputs = columns(300)
    inputs[5]["data"][211] = bad
    response = client.post(PATH, json={"inputs": inputs})
    assert response.status_code == 400
    if isinstance(bad, list):  # The end of the list of numbers is not found.
        assert "list of numbers" in response.json()["error"]
    else:
        assert f"Row 211, feature {FEATURES[5]}" in response.json()["error"]


def test_a_frame_of_more_rows_than_the_limit_is_refused(client: httpx.Client) -> None:
    inputs = [{**column, "shape": [2001]} for column in columns()]
    assert client.post(PATH, json={"inputs": inputs}).status_code == 413


def test_a_frame_in_binary_of_which_bytes_are_missing_is_refused(client: httpx.Client) -> None:
    size = {"binary_data_size": 16}
    tensors = [
        {"name": name, "datatype": "FP64", "shape": [2], "parameters": size} for name in FEATURES
    ]
    rest = np.ones(2 * len(FEATURES)).tobytes()
    assert in_binary(client, tensors, rest).status_code == 200
    for wrong in (rest[:-1], rest + b"x", b""):
        response = in_binary(client, tensors, wrong)
        assert response.status_code == 400
        assert f"{len(wrong)} bytes, not {len(rest)}" in response.json()["error"]


@pytest.mark.parametrize("n_rows", [1, 300])
def test_binary_data_without_the_length_of_the_json_name_the_header(
    client: httpx.Client, n_rows: int
) -> None:
    rows = POWERS[:n_rows]
    sent = triton.InferInput("rows", list(rows.shape), "FP64").set_data_from_numpy(rows)
    body, length = triton.InferenceServerClient.generate_request_body([sent])
    assert length
    for content in (body, body[:length]):
        response = client.post(PATH, content=content)
        assert response.status_code == 400
        assert "header Inference-Header-Content-Length is missing" in response.json()["error"]


@pytest.mark.parametrize("binary", [True, False])
def test_a_form_of_output_that_there_is_not_is_refused(
    client_of_triton: triton.InferenceServerClient, binary: bool
) -> None:
    sent = triton.InferInput("rows", [1, 160], "FP64").set_data_from_numpy(POWERS[:1])
    classes = triton.InferRequestedOutput("probabilities", binary, class_count=3)
    shared = triton.InferRequestedOutput("probabilities", binary)
    shared.set_shared_memory("region", 208)
    for output, name in ((classes, "classification"), (shared, "shared_memory_region")):
        with pytest.raises(InferenceServerException, match=f'"{name}" is not supported') as refused:
            client_of_triton.infer(LDA.name, [sent], outputs=[output])
        assert refused.value.status() == "400"
