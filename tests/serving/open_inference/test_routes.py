"""The Open Inference Protocol, by the client that people have for it and by hand."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from eeg_letters import __version__
from eeg_letters.models import ENSEMBLE, LDA, MLP, MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.store import StoredModel
from eeg_letters.settings import DATA, Settings
from tests.conftest import ROOT, latest_entry, samples, stored_metadata
from tests.shipped import FEATURES, LETTERS, SCHEMA

BOTH_WAYS = True

POWERS = read_recording(DATA / "test.json").features
KINDS = ("label", "letter", "probabilities")
NAMES = {
    **{model.name: {kind: (model, kind) for kind in KINDS} for model in MODELS},
    ENSEMBLE: {f"{model.name}.{kind}": (model, kind) for model in MODELS for kind in KINDS},
}
NP_TYPES = {"FP64": np.float64, "FP32": np.float32}
ROW = POWERS[232].tolist()


@pytest.fixture
def client_of_triton(server: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.removeprefix("http://")) as client:
        yield client


@pytest.fixture(scope="module")
def versions(trained_home: Path) -> dict[str, str]:
    return {model.name: latest_entry(trained_home, model).name for model in MODELS}


def expected(client: httpx.Client, rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """What /predict says, by model and kind of output."""
    answers = client.post("/predict", json={"rows": rows.tolist()}).json()["predictions"]
    return {
        model.name: {
            "label": np.array([answer[model.title]["label"] for answer in answers]),
            "letter": np.array([answer[model.title]["letter"] for answer in answers]),
            "probabilities": np.array([answer[model.title]["probabilities"] for answer in answers]),
        }
        for model in MODELS
    }


def assert_expected(
    name: str, result: triton.InferResult, right: dict[str, dict[str, np.ndarray]]
) -> None:
    assert [output["name"] for output in result.get_response()["outputs"]] == [*NAMES[name]]
    for output, (model, kind) in NAMES[name].items():
        values = result.as_numpy(output)
        if kind == "letter":
            # In binary the client gives bytes, in JSON str.
            values = np.array([v.decode() if isinstance(v, bytes) else v for v in values])
        if kind == "probabilities":
            np.testing.assert_allclose(values, right[model.name][kind], rtol=0, atol=1e-12)
        else:
            np.testing.assert_array_equal(values, right[model.name][kind])


def tensor(rows: np.ndarray, datatype: str, binary: bool) -> triton.InferInput:
    sent = triton.InferInput("rows", list(rows.shape), datatype)
    return sent.set_data_from_numpy(rows.astype(NP_TYPES[datatype]), binary_data=binary)


def requested(name: str, binary: bool | None) -> list[triton.InferRequestedOutput] | None:
    if binary is None:
        return None
    return [triton.InferRequestedOutput(output, binary_data=binary) for output in NAMES[name]]


@pytest.mark.parametrize("n_rows", [0, 1, 3, 300])
@pytest.mark.parametrize("binary_out", [None, True, False])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
@pytest.mark.parametrize("name", NAMES)
def test_tritonclient_gets_what_predict_answers(
    client: httpx.Client,
    client_of_triton: triton.InferenceServerClient,
    name: str,
    datatype: str,
    binary_in: bool,
    binary_out: bool | None,
    n_rows: int,
) -> None:
    rows = POWERS[:n_rows]
    result = client_of_triton.infer(
        name, [tensor(rows, datatype, binary_in)], outputs=requested(name, binary_out)
    )
    if n_rows == 0:
        shapes = [output["shape"] for output in result.get_response()["outputs"]]
        assert shapes == [
            [0, 26] if kind == "probabilities" else [0] for _, kind in NAMES[name].values()
        ]
        return
    assert_expected(name, result, expected(client, rows.astype(NP_TYPES[datatype])))
    for output in result.get_response()["outputs"]:
        assert ("data" in output) == (binary_out is False)


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_with_asyncio(server: str, client: httpx.Client, binary: bool) -> None:
    async def ask() -> list[triton.InferResult]:
        async with triton_aio.InferenceServerClient(server.removeprefix("http://")) as asked:
            assert await asked.is_server_live()
            assert await asked.is_model_ready(ENSEMBLE)
            assert (await asked.get_model_metadata(ENSEMBLE))["name"] == ENSEMBLE
            assert len(await asked.get_model_repository_index()) == 3
            requests = (
                asked.infer(
                    name, [tensor(POWERS[:5], "FP64", binary)], outputs=requested(name, binary)
                )
                for name in NAMES
            )
            return list(await asyncio.gather(*requests))

    right = expected(client, POWERS[:5])
    for name, result in zip(NAMES, asyncio.run(ask()), strict=True):
        assert_expected(name, result, right)


def test_tritonclient_asks_for_a_version(
    client_of_triton: triton.InferenceServerClient, versions: dict[str, str]
) -> None:
    version = versions[LDA.name]
    sent = [tensor(POWERS[:1], "FP64", True)]
    answer = client_of_triton.infer(LDA.name, sent, model_version=version).get_response()
    assert answer["model_name"] == LDA.name
    assert answer["model_version"] == version
    assert client_of_triton.is_model_ready(LDA.name, version)
    assert not client_of_triton.is_model_ready(LDA.name, "1")
    assert not client_of_triton.is_model_ready("eeg-svm")
    with pytest.raises(InferenceServerException, match=f"one version, {version}") as refused:
        client_of_triton.infer(LDA.name, sent, model_version="1")
    assert refused.value.status() == "404"
    with pytest.raises(InferenceServerException, match=r"no model .*eeg-svm.*eeg-lda, eeg-mlp"):
        client_of_triton.infer("eeg-svm", sent)


def test_tritonclient_is_told_the_server_and_its_models(
    client: httpx.Client,
    client_of_triton: triton.InferenceServerClient,
    versions: dict[str, str],
) -> None:
    assert client_of_triton.is_server_live()
    assert client_of_triton.is_server_ready()
    assert client_of_triton.get_server_metadata() == {
        "name": "eeg-letters",
        "version": __version__,
        "extensions": ["binary_tensor_data"],
    }
    assert client.get("/v2/models").json() == {"models": [*NAMES]}
    index = client_of_triton.get_model_repository_index()
    assert [entry["name"] for entry in index] == [*NAMES]
    assert {entry["state"] for entry in index} == {"READY"}
    assert {entry["name"]: entry["version"] for entry in index}.items() >= versions.items()


@pytest.mark.parametrize("name", NAMES)
def test_metadata_are_full(
    client_of_triton: triton.InferenceServerClient, trained_home: Path, name: str
) -> None:
    metadata = client_of_triton.get_model_metadata(name)
    (version,) = metadata["versions"]
    assert re.fullmatch("[0-9a-f]{16}", version)
    assert client_of_triton.get_model_metadata(name, version) == metadata
    (rows,) = metadata["inputs"]
    assert (rows["name"], rows["datatype"], rows["shape"]) == ("rows", "FP64", [-1, 160])
    assert rows["parameters"]["feature_names"].split(",") == list(FEATURES)
    types = {
        "label": ("INT64", [-1]),
        "letter": ("BYTES", [-1]),
        "probabilities": ("FP64", [-1, 26]),
    }
    assert [(t["name"], t["datatype"], t["shape"]) for t in metadata["outputs"]] == [
        (output, *types[kind]) for output, (_, kind) in NAMES[name].items()
    ] + [("familiar", "BOOL", [-1])]
    for model in MODELS if name == ENSEMBLE else [m for m in MODELS if m.name == name]:
        prefix = f"{model.name}." if name == ENSEMBLE else ""
        stored = stored_metadata(trained_home, model)
        assert metadata["parameters"][f"{prefix}test_accuracy"] == stored["accuracy"]["test"]
        for setting in ("preprocessing", "temperature"):
            assert metadata["parameters"][f"{prefix}{setting}"] == stored[setting]
        assert metadata["parameters"][f"{prefix}training_sha256"] == stored["training"]["sha256"]
    for parameters in (metadata["parameters"], rows["parameters"]):
        assert all(isinstance(value, str | int | float) for value in parameters.values())
    assert metadata["platform"] == ("ensemble" if name == ENSEMBLE else "sklearn_npz")


def test_the_ensembles_version_is_that_of_its_models() -> None:
    from eeg_letters.serving.inference import Inference
    from eeg_letters.serving.open_inference import routes as v2

    def version(*versions: str) -> str:
        models = [
            StoredModel(model, given, None, None, SCHEMA, {})  # type: ignore[arg-type]
            for model, given in zip(MODELS, versions, strict=True)
        ]
        inference = Inference(models, (), (), None, {}, {}, "", np.array([]), {}, "none")
        return v2._ensemble(inference, Settings()).version

    assert version("a", "b") == version("a", "b")
    assert len({version("a", "b"), version("a", "c"), version("c", "b"), version("b", "a")}) == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.5])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_a_number_in_binary_that_is_no_band_power_is_refused_by_row_and_feature(
    client_of_triton: triton.InferenceServerClient, datatype: str, bad: float
) -> None:
    rows = POWERS[:400].copy()
    rows[311, 7] = bad
    with pytest.raises(InferenceServerException, match=f"Row 311, feature {FEATURES[7]}"):
        client_of_triton.infer(LDA.name, [tensor(rows, datatype, True)])


def test_the_documented_script_prints_what_it_says(server: str) -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (script,) = [block for block in blocks if "tritonclient" in block]
    assert "localhost:3000" in script
    finished = subprocess.run(
        [sys.executable, "-c", script.replace("localhost:3000", server.removeprefix("http://"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == re.findall(r"print\(.*#\s*(.*)", script)


def request(rows: Any = ROW, **changes: Any) -> dict[str, Any]:
    """A request for one row, with members of the tensor changed; None leaves one out."""
    tensor = {"name": "rows", "datatype": "FP64", "shape": [1, 160], "data": rows, **changes}
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


def infer(client: httpx.Client, document: Any, name: str = LDA.name) -> httpx.Response:
    return client.post(f"/v2/models/{name}/infer", json=document)


def assert_error(response: httpx.Response, status: int, *fragments: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    for fragment in fragments:
        assert fragment in response.json()["error"]


def test_id_and_parameters_come_back(client: httpx.Client) -> None:
    parameters = {
        "priority": 1,
        "trace": "\u00e9",
        # Neither is so of the answer.
        "binary_data_output": False,
        "content_type": "pd",
    }
    answer = infer(client, {**request(), "id": 'a "b"', "parameters": parameters}).json()
    assert answer["id"] == 'a "b"'
    assert answer["parameters"] == {"priority": 1, "trace": "\u00e9"}
    assert {"id", "parameters"}.isdisjoint(infer(client, request()).json())


def test_requested_outputs_come_in_their_order_each_in_its_form(client: httpx.Client) -> None:
    outputs: list[dict[str, Any]] = [
        {"name": f"{MLP.name}.letter", "parameters": {"binary_data": True}},
        {"name": f"{LDA.name}.label"},
        {"name": f"{LDA.name}.label2"},
        {"name": f"{MLP.name}.label", "parameters": {"binary_data": True}},
    ]
    assert_error(
        infer(client, {**request(), "outputs": outputs}, ENSEMBLE), 400, f"{LDA.name}.label2"
    )
    del outputs[2]
    response = infer(client, {**request(), "outputs": outputs}, ENSEMBLE)
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    answer = json.loads(response.content[:length])
    assert [output["name"] for output in answer["outputs"]] == [o["name"] for o in outputs]
    letter, label = response.content[length : length + 5], response.content[length + 5 :]
    right = client.get("/prediction/232").json()
    assert answer["outputs"][1]["data"] == [right["prediction LDA"]]
    assert int.from_bytes(label, "little") == right["prediction Neural Network"]
    assert letter == b"\x01\x00\x00\x00" + LETTERS[right["prediction Neural Network"]].encode()


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("n_rows", [2, 1000])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")])
def test_data_may_be_nested_or_flat_however_it_is_written(
    client: httpx.Client, nested: bool, n_rows: int, separators: tuple[str, str]
) -> None:
    rows = POWERS[:n_rows]
    document = request((rows if nested else rows.ravel()).tolist(), shape=[n_rows, 160])
    document |= {"id": "1", "outputs": [{"name": "label"}]}
    response = client.post(
        f"/v2/models/{LDA.name}/infer", content=json.dumps(document, separators=separators)
    )
    labels = [client.get(f"/prediction/{line}").json()["prediction LDA"] for line in range(2)]
    assert response.json()["outputs"][0]["data"][:2] == labels
    assert response.json()["outputs"][0]["shape"] == [n_rows]


def test_fp32_means_the_same_number_in_json_as_in_binary(client: httpx.Client) -> None:
    widened = np.float32(ROW).astype(float).tolist()
    assert widened != ROW
    documents = request(datatype="FP32"), request(widened), request()
    outputs = [infer(client, asked).json()["outputs"] for asked in documents]
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_parameter_called_data_is_not_the_data(client: httpx.Client) -> None:
    document = {"parameters": {"data": [1, 2]}, **request()}
    assert infer(client, document).json()["parameters"] == {"data": [1, 2]}
    sent = {"parameters": {"data": [[7.0] * 160]}, **request()["inputs"][0]}
    assert infer(client, {"inputs": [sent]}).json() == infer(client, request()).json()
    assert_error(
        infer(client, {"inputs": [{"parameters": {"data": ROW}, **request(None)["inputs"][0]}]}),
        400,
        '"data" is missing',
    )


def changed(number: int, value: Any) -> list[Any]:
    return [*ROW[:number], value, *ROW[number + 1 :]]


BAD_REQUESTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "no object": ([], ("object",)),
    "no inputs": ({}, ('"inputs"',)),
    "no input": ({"inputs": []}, ('"inputs"',)),
    "two inputs": ({"inputs": request()["inputs"] * 2}, ("one tensor",)),
    "another input": (request(name="x"), ('"x"', '"rows"')),
    "no name": (request(name=None), ("null", '"rows"')),
    "a type": (request(datatype="BYTES"), ('"BYTES"', "FP64, FP32")),
    "no type": (request(datatype=["FP64"]), ("FP64, FP32",)),
    "a flat shape": (request(shape=[160]), ("[160]", "[n, 160]")),
    "a narrow shape": (request(shape=[1, 159]), ("[1,159]",)),
    "a negative shape": (request(shape=[-1, 160]), ("[-1,160]",)),
    "a true shape": (request(shape=[True, 160]), ("[true,160]",)),
    "no shape": (request(shape=None), ("null",)),
    "no data": (request(None), ('"data" is missing',)),
    "data no list": (request("1"), ("no list",)),
    "too few values": (request(ROW[:-1]), ("159 values", "needs 160")),
    "too many values": (request([*ROW, 1]), ("more than 160",)),
    "too few rows": (request([ROW], shape=[2, 160]), ("160 values", "needs 320")),
    "ragged rows": (
        request([ROW[:-1], [*ROW, 1]], shape=[2, 160]),
        ("Row 0 has 159 values",),
    ),
    "rows and numbers": (request([ROW, 5], shape=[2, 160]), ("Row 1 is 5",)),
    "numbers and rows": (
        request([5, ROW], shape=[2, 160]),
        ("feature Cz/alpha: a list is not a number",),
    ),
    "too deep": (request([[ROW]]), ("Row 0 has 1 values",)),
    "a value nested": (request(changed(1, [1])), ("Row 0, feature Cz/alpha: a list is not",)),
    "a string": (request(changed(1, "1.5")), ("Row 0, feature Cz/alpha", '"1.5"')),
    "true": (request(changed(159, True)), ("Row 0, feature Fp2/gamma", "true")),
    "null": (request([ROW, changed(2, None)], shape=[2, 160]), ("Row 1, feature Cz/betaL", "null")),
    "an object": (request(changed(0, {"x": [1]})), ("Row 0, feature Cz/theta: an object is not",)),
    "too large for FP32": (
        request(changed(3, 1e300), datatype="FP32"),
        ("Row 0, feature Cz/betaH", "finite"),
    ),
    "negative": (request(changed(3, -0.5)), ("Row 0, feature Cz/betaH: -0.5 is negative",)),
    "an id of a number": ({**request(), "id": 42}, ('"id"', "42")),
    "parameters in a list": ({**request(), "parameters": [1]}, ('"parameters"',)),
    "outputs no list": ({**request(), "outputs": "label"}, ('"outputs"',)),
    "an output no object": ({**request(), "outputs": ["label"]}, ("label, letter",)),
    "an output twice": ({**request(), "outputs": [{"name": "label"}] * 2}, ("twice",)),
    "binary that is not there": (
        request(None, parameters={"binary_data_size": 1280}),
        ("0 bytes", "1280"),
    ),
    "binary and JSON": (request(parameters={"binary_data_size": 1280}), ("both",)),
}  # fmt: skip


@pytest.mark.parametrize(("document", "fragments"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_bad_request_is_refused(
    client: httpx.Client, document: Any, fragments: tuple[str, ...]
) -> None:
    assert_error(infer(client, document), 400, *fragments)


@pytest.mark.parametrize(
    ("body", "fragments"),
    [
        (b"", ("not JSON",)),
        (b"[" * 100_000, ()),
        (b'{"parameters": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}", ()),
        (b'{"inputs": [{"name": "rows", "data": [1,', ()),
        (b'{"id": "1", ' + json.dumps({"id": "2", **request()})[1:].encode(), ('name "id"',)),
        (
            json.dumps({"id": "a:b", **request()})
            .replace('"shape"', '"data": [1], "shape"')
            .encode(),
            ('name "data"',),
        ),
        (
            json.dumps(request()).replace("{", '{"\\u0069d": "1", "id": "::::", ', 1).encode(),
            ('name "id"',),
        ),
        (
            json.dumps(request([1.5] * 160 * 1000))
            .replace("{", '{"x": {"a": 1, "a": 2}, ', 1)
            .encode(),
            ('name "a"',),
        ),
        (b'{"parameters": ' + b'{"a":' * 1000 + b'"\\n"' + b"}" * 1000 + b"}", ()),
        (json.dumps(request([[[1.5] * 160]] * 1000)).encode(), ("or of rows",)),
        (json.dumps(request([["]], ["] * 160] * 1000)).encode(), ("or of rows",)),
        (json.dumps(request(["], ["] * 160 * 1000)).encode(), ("list of numbers",)),
        (
            json.dumps(request()).replace(f"{ROW[0]}", "NaN", 1).encode(),
            ("Row 0, feature Cz/theta",),
        ),
        (json.dumps(request([*ROW[:-1]]))[:-3].encode() + b",]}]}", ()),
        (json.dumps(request([1.5] * 160 * 1000)).encode(), ("needs 160",)),
        (json.dumps({"id": "x" * 100_000, **request()}).encode(), ("longer than",)),
    ],
)
def test_a_body_that_is_no_request_is_refused(
    client: httpx.Client, body: bytes, fragments: tuple[str, ...]
) -> None:
    assert_error(client.post(f"/v2/models/{LDA.name}/infer", content=body), 400, *fragments)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    ("bad", "fragment"),
    [(None, "null is not a number"), ("NaN", "not JSON"), (True, "true is not"), ("", "not JSON")],
)
def test_a_bad_number_among_many_is_named(
    client: httpx.Client, nested: bool, bad: Any, fragment: str
) -> None:
    rows = POWERS[:1000].tolist()
    rows[777][5] = 1234.125
    data = rows if nested else [value for row in rows for value in row]
    body = json.dumps(request(data, shape=[1000, 160]))
    body = body.replace("1234.125", bad if isinstance(bad, str) else json.dumps(bad))
    response = client.post(f"/v2/models/{LDA.name}/infer", content=body)
    assert_error(response, 400, f"Row 777, feature {FEATURES[5]}", fragment)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("n_rows", [82, 164, 400])
def test_a_comma_after_the_last_value_is_refused(
    client: httpx.Client, nested: bool, n_rows: int
) -> None:
    data = [[1.0] * 160] * n_rows if nested else [1.0] * 160 * n_rows
    body = json.dumps(request(data, shape=[n_rows, 160]))
    cut = "]]" if nested else "]"
    body = body.replace(f"1.0{cut}", f"1.0{cut[:-1]},]")
    assert_error(client.post(f"/v2/models/{LDA.name}/infer", content=body), 400)


def binary(
    client: httpx.Client, rest: bytes, size: Any = 1280, length: str | None = None, **changes: Any
) -> httpx.Response:
    document = request(None, parameters={"binary_data_size": size}, **changes)
    head = json.dumps(document).encode()
    headers = {"inference-header-content-length": length or str(len(head))}
    return client.post(f"/v2/models/{LDA.name}/infer", content=head + rest, headers=headers)


def test_binary_is_refused_where_lengths_disagree(client: httpx.Client) -> None:
    rest = np.array(ROW).tobytes()
    assert binary(client, rest).status_code == 200
    assert_error(binary(client, rest, size=1279), 400, "1279", "1280")
    assert_error(binary(client, rest, size="1280"), 400, '"1280"')
    assert_error(binary(client, rest, datatype="FP32"), 400, "640")
    assert_error(binary(client, rest[:-1]), 400, "1279 bytes")
    assert_error(binary(client, rest + b"x"), 400, "1281 bytes")
    for length in ("-1", "x", "1e3", "9999999", "9" * 5000):
        response = binary(client, rest, length=length)
        assert_error(response, 400, "Inference-Header-Content-Length")
    head = json.dumps(request(None)).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = client.post(f"/v2/models/{LDA.name}/infer", content=head + rest, headers=headers)
    assert_error(response, 400, "binary_data_size")


def test_more_rows_than_the_limit_are_refused_before_they_are_read(client: httpx.Client) -> None:
    assert_error(infer(client, request([], shape=[2001, 160])), 413, "2000")
    assert_error(binary(client, b"", shape=[2001, 160]), 413, "2000")
    response = client.post(f"/v2/models/{LDA.name}/infer", content=b" " * (8 * 1024 * 1024 + 1))
    assert_error(response, 413, str(8 * 1024 * 1024))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/eeg-svm", 404),
        ("GET", "/v2/models/eeg-lda/versions/1", 404),
        ("GET", "/v2/models/eeg-lda/config", 404),
        ("POST", "/v2/models/eeg-svm/infer", 404),
        ("GET", "/v2/models/eeg-lda/infer", 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/repository/index", 405),
        ("POST", "/v2/repository/models/eeg-lda/unload", 404),
    ],
)
def test_all_refusals_have_the_protocols_form(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    assert_error(client.request(method, path), status)


def test_only_the_model_that_was_asked_is_counted(client: httpx.Client) -> None:
    def told(model: str, letter: str) -> tuple[float, float]:
        found = samples(client)
        labels = frozenset({("model", model), ("letter", letter)})
        rows = found["eeg_rows_scored_total", frozenset[tuple[str, str]]()]
        return found["eeg_predictions_total", labels], rows

    for name, titles in ((LDA.name, ["LDA"]), (ENSEMBLE, ["LDA", "Neural Network"])):
        labels = client.get("/prediction/232").json()
        letters = {m.title: LETTERS[labels[f"prediction {m.title}"]] for m in MODELS}
        before = {title: told(title, letter) for title, letter in letters.items()}
        infer(client, request(), name)
        for title, letter in letters.items():
            predictions, rows = told(title, letter)
            assert predictions == before[title][0] + (title in titles)
            assert rows == before[title][1] + 1


def test_any_number_of_model_names_makes_one_series(client: httpx.Client) -> None:
    def ask(name: str) -> None:
        for path in ("", "/ready", "/versions/1"):
            assert client.get(f"/v2/models/{quote(name)}{path}").status_code == 404
        infer(client, {}, name)

    ask("x")
    before = samples(client).keys()
    for number in range(50):
        ask(f"model-{number}")
    assert samples(client).keys() == before
