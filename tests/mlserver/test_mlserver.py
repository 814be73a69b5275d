"""MLServer beside this service on the same models: equal answers, and all differences there are.

docs/protocol.md argues each of the differences. MLServer is installed as for the benchmarks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from benchmarks.environments import install, prepare_models
from benchmarks.paths import BENTOML_HOME
from benchmarks.process import serving, wait_until_ready
from benchmarks.servers import NAMES, PEERS_MEASURED, Request, v2_binary
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from tests.conftest import serve

MODELS = (*NAMES, "eeg-letters")
POWERS = read_recording(DATA / "test.json").features


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Base URLs of this service and of MLServer."""
    (mlserver,) = [peer for peer in PEERS_MEASURED if peer.name == "mlserver"]
    document = prepare_models()
    install(mlserver, document["scikit-learn"])
    with serve(BENTOML_HOME) as (url, _), serving(mlserver) as other:
        wait_until_ready(mlserver, other, Request("GET", "/v2/health/ready"))
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


def test_tritonclient_as_it_is_works_here_alone(urls: tuple[str, str]) -> None:
    rows = triton.InferInput("rows", [1, 160], "FP64").set_data_from_numpy(POWERS[:1])
    own, other = (triton.InferenceServerClient(url.removeprefix("http://")) for url in urls)
    with own, other:
        assert own.infer("eeg-lda", [rows]).as_numpy("label").shape == (1,)
        assert len(own.get_model_repository_index()) == 3
        for refused in (lambda: other.infer("eeg-lda", [rows]), other.get_model_repository_index):
            with pytest.raises(InferenceServerException, match="while decoding"):
                refused()
