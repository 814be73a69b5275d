"""MLServer beside this service on the same models: equal answers, and all differences there are.

docs/protocol.md argues each of the differences. MLServer is installed as for the benchmarks.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from benchmarks.environments import install, prepare_models, python_of
from benchmarks.paths import BENTOML_HOME
from benchmarks.process import serving, wait_until_ready
from benchmarks.servers import NAMES, PEERS_MEASURED, Request, v2_binary
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from tests.conftest import serve

MODELS = (*NAMES, "eeg-letters")
RECORDING = read_recording(DATA / "test.json")
POWERS = RECORDING.features
# In debug mode, which is MLServer's default; its own words for an error are those of one process.
(MLSERVER,) = [
    replace(peer, environment=(*peer.environment, ("BENCH_DEBUG", "true")))
    for peer in PEERS_MEASURED
    if peer.name == "mlserver-one-process"
]

# What a client of MLServer does, in MLServer's environment: encode by a codec, send, decode.
CODECS = """
import json, sys, urllib.request
import numpy as np, pandas as pd
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse

codec, url = sys.argv[1:]
given = json.load(sys.stdin)
if codec == "pandas":
    frame = pd.DataFrame(given["rows"], columns=given["names"]).astype(given["dtypes"])
    request = PandasCodec.encode_request(frame, use_bytes=False)
else:
    rows = np.array(given["rows"]).astype(codec)
    request = InferenceRequest(inputs=[NumpyCodec.encode_input("rows", rows)])
headers = {"content-type": "application/json"}
asked = urllib.request.Request(url, request.json().encode(), headers)
response = InferenceResponse.parse_raw(urllib.request.urlopen(asked).read())
outputs = {output.name: output for output in response.outputs}
print(json.dumps({
    "datatypes": sorted({tensor.datatype for tensor in request.inputs}),
    "content_type": response.parameters and response.parameters.content_type,
    "labels": NumpyCodec.decode_output(outputs["label"]).ravel().tolist(),
    "probabilities": NumpyCodec.decode_output(outputs["probabilities"]).tolist(),
}))
"""


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Base URLs of this service and of MLServer."""
    document = prepare_models()
    install(MLSERVER, document["scikit-learn"])
    with serve(BENTOML_HOME) as (url, _), serving(MLSERVER) as other:
        wait_until_ready(MLSERVER, other, Request("GET", "/v2/health/ready"))
        yield url, f"http://127.0.0.1:{other.port}"


def ask(urls: tuple[str, str], method: str, path: str, **body: Any) -> list[httpx.Response]:
    """Both answers to one request. MLServer breaks its connection after a fault of its own."""
    return [httpx.request(method, url + path, timeout=30, **body) for url in urls]


def request(n_rows: int = 1, data: Any = None, **changes: Any) -> dict[str, Any]:
    rows = POWERS[:n_rows].ravel().tolist() if data is None else data
    shape = [n_rows, POWERS.shape[1]]
    return {
        "inputs": [{"name": "rows", "datatype": "FP64", "shape": shape, "data": rows, **changes}]
    }


ANSWERED = {
    "one row": {**request(), "id": "42"},
    "many rows": {**request(1000), "id": "42"},
    "a list of rows": {**request(3, POWERS[:3].tolist()), "id": "42"},
    "FP32": {**request(3, datatype="FP32"), "id": "42"},
    "parameters": {**request(parameters={"x": 1}), "id": "42", "parameters": {}},
    "nulls": {**request(parameters=None), "id": "42", "outputs": None, "parameters": None},
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("document", ANSWERED.values(), ids=ANSWERED.keys())
def test_predictions_are_equal_field_by_field(
    urls: tuple[str, str], name: str, document: Any
) -> None:
    own, other = (r.json() for r in ask(urls, "POST", f"/v2/models/{name}/infer", json=document))
    assert own.keys() ^ other.keys() == {"model_version", "parameters"}
    assert other["parameters"] == {}
    assert (own["model_name"], own["id"]) == (other["model_name"], other["id"]) == (name, "42")
    assert len(own["outputs"]) == len(other["outputs"])
    for ours, theirs in zip(own["outputs"], other["outputs"], strict=True):
        assert theirs.pop("parameters").keys() == {"content_type"}
        assert ours.keys() == theirs.keys()
        if ours["datatype"] == "FP64":
            # scikit-learn and the compiled scorers, which training lets differ by as much.
            np.testing.assert_allclose(ours.pop("data"), theirs.pop("data"), rtol=0, atol=1e-9)
        assert ours == theirs


@pytest.mark.parametrize("name", MODELS)
def test_requested_outputs_come_in_their_order(urls: tuple[str, str], name: str) -> None:
    prefix = "eeg-mlp." if name == "eeg-letters" else ""
    asked = [f"{prefix}letter", f"{prefix}label"]
    document = {**request(), "outputs": [{"name": output} for output in asked]}
    for answer in ask(urls, "POST", f"/v2/models/{name}/infer", json=document):
        assert [output["name"] for output in answer.json()["outputs"]] == asked


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2", 200),
        ("/v2/health/live", 200),
        ("/v2/health/ready", 200),
        *((f"/v2/models/{name}{path}", 200) for name in MODELS for path in ("", "/ready")),
        ("/v2/models/x", 404),
        ("/v2/models/x/ready", 404),
        ("/v2/models/eeg-lda/versions/1", 404),
        ("/v2/models/eeg-lda/versions/1/ready", 404),
    ],
)
def test_statuses_and_members_are_equal(urls: tuple[str, str], path: str, status: int) -> None:
    own, other = ask(urls, "GET", path)
    assert own.status_code == other.status_code == status
    if other.content:  # MLServer's health has none.
        assert own.json().keys() == other.json().keys()


def test_the_index_has_the_same_models(urls: tuple[str, str]) -> None:
    own, other = (r.json() for r in ask(urls, "POST", "/v2/repository/index", json={}))
    for entry in own:
        assert entry.pop("version")
    assert sorted(own, key=str) == sorted(other, key=str)


def test_metadata_are_full_here_and_empty_there(urls: tuple[str, str]) -> None:
    own, other = (r.json() for r in ask(urls, "GET", "/v2/models/eeg-lda"))
    for member in ("versions", "platform", "inputs", "outputs", "parameters"):
        assert own[member]
        assert not other[member]


ROW = POWERS[0].tolist()
# What is refused here with 400 and a sentence, and the status there.
REFUSED = {
    "another shape": (request(2, ROW), 500),
    "a narrow row": (request(1, ROW[:-1], shape=[1, 159]), 500),
    "another datatype": (request(datatype="FP99"), 422),
    "another input": (request(name="x"), 200),
    "no input": ({"inputs": []}, 500),
    "no inputs": ({}, 422),
    "another output": ({**request(), "outputs": [{"name": "x"}]}, 500),
    "letters for numbers": (request(1, ["a"] * 160), 500),
    "nulls for numbers": (request(1, [None] * 160), 500),
    "NaN": (request(1, [float("nan"), *ROW[1:]]), 422),
    "binary": (v2_binary([ROW]), 500),
}


@pytest.mark.parametrize(("asked", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_requests_are_client_errors_unlike_in_mlserver(
    urls: tuple[str, str], asked: Any, status: int
) -> None:
    path = "/v2/models/eeg-letters/infer"
    if isinstance(asked, Request):
        own, other = ask(urls, "POST", path, content=asked.body, headers=asked.headers)
        assert own.status_code == 200
    else:
        headers = {"content-type": "application/json"}
        own, other = ask(urls, "POST", path, content=json.dumps(asked), headers=headers)
        assert own.status_code == 400
        assert set(own.json()) == {"error"}
    assert other.status_code == status
    assert "Traceback" not in own.text
    assert ("Traceback" in other.text) == (status == 500)


def test_no_rows_are_accepted_unlike_by_mlserver(urls: tuple[str, str]) -> None:
    own, other = ask(urls, "POST", "/v2/models/eeg-lda/infer", json=request(0))
    assert (own.status_code, other.status_code) == (200, 500)


def test_without_an_id_only_mlserver_makes_one(urls: tuple[str, str]) -> None:
    own, other = ask(urls, "POST", "/v2/models/eeg-lda/infer", json=request())
    assert "id" not in own.json()
    assert other.json()["id"]


def by_codec(url: str, codec: str, rows: np.ndarray, dtypes: Any = "float64") -> dict[str, Any]:
    names = RECORDING.schema.features.names
    given = {"rows": rows.tolist(), "names": names, "dtypes": dtypes}
    finished = subprocess.run(
        [str(python_of(MLSERVER)), "-W", "ignore", "-c", CODECS, codec,
         f"{url}/v2/models/eeg-lda/infer"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    decoded: dict[str, Any] = json.loads(finished.stdout)
    return decoded


@pytest.mark.parametrize("n_rows", [2, 300])
@pytest.mark.parametrize(
    ("codec", "datatypes"),
    [("pandas", ["BOOL", "FP32", "FP64", "INT64"]), ("int64", ["INT64"]), ("float16", ["FP16"]),
     ("uint8", ["UINT8"]), ("bool", ["BOOL"])],
)  # fmt: skip
def test_what_mlservers_codecs_send_is_answered_and_decoded(
    urls: tuple[str, str], codec: str, datatypes: list[str], n_rows: int
) -> None:
    whole = np.round(POWERS[:n_rows])
    rows = POWERS[:n_rows].copy()
    dtypes = dict(zip(RECORDING.schema.features.names, ["float64"] * 160, strict=True))
    if codec == "pandas":
        rows[:, 1], rows[:, 2], rows[:, 3] = whole[:, 1], np.float32(rows[:, 2]), whole[:, 3] > 1
        of_some = zip([*dtypes][1:4], ("int64", "float32", "bool"), strict=True)
        dtypes |= dict(of_some)
    else:
        rows = whole.clip(0, 255).astype(codec).astype(float)
    decoded = by_codec(urls[0], codec, rows, dtypes)
    assert decoded["datatypes"] == datatypes
    # With the request's own, the decoder would take the outputs for the columns of a frame.
    assert decoded["content_type"] is None
    response = httpx.post(
        f"{urls[0]}/v2/models/eeg-lda/infer", json=request(n_rows, rows.ravel().tolist())
    )
    right = {output["name"]: output for output in response.json()["outputs"]}
    assert decoded["labels"] == right["label"]["data"]
    probabilities = np.reshape(right["probabilities"]["data"], (n_rows, 26))
    np.testing.assert_allclose(decoded["probabilities"], probabilities, rtol=0, atol=1e-12)


def test_tritonclient_as_it_is_works_here_alone(urls: tuple[str, str]) -> None:
    rows = triton.InferInput("rows", [1, 160], "FP64").set_data_from_numpy(POWERS[:1])
    own, other = (triton.InferenceServerClient(url.removeprefix("http://")) for url in urls)
    with own, other:
        assert own.infer("eeg-lda", [rows]).as_numpy("label").shape == (1,)
        assert len(own.get_model_repository_index()) == 3
        for refused in (lambda: other.infer("eeg-lda", [rows]), other.get_model_repository_index):
            with pytest.raises(InferenceServerException, match="while decoding"):
                refused()
