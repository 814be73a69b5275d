"""Rows unlike those of the training are told, by whatever route and in whatever form they come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from eeg_letters.models import ENSEMBLE, LDA, MLP, MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.store import FAMILIARITY_FILE
from eeg_letters.settings import DATA
from tests.conftest import latest_entry, samples, serve
from tests.scoring.test_hostile_stores import without_familiarity
from tests.shipped import FEATURES

BOTH_WAYS = True

ROWS = read_recording(DATA / "test.json").features[::4].copy()
# Of another unit.
ROWS[5] *= 1e6
ROWS[9] *= 1e-6
TITLES = [model.title for model in MODELS]
NO_LABELS: frozenset[tuple[str, str]] = frozenset()


@pytest.fixture(scope="module")
def familiar(trained_home: Path) -> list[bool]:
    """Whether each of the rows is familiar to the stored models."""
    content = (latest_entry(trained_home, LDA) / FAMILIARITY_FILE).read_bytes()
    found = Familiarity.load(content, len(FEATURES), are_powers=True).are_familiar(ROWS).tolist()
    assert 0.6 < np.mean(found) < 0.99
    assert not found[5]
    assert not found[9]
    return found


def as_csv(rows: np.ndarray) -> bytes:
    return "\n".join(
        [",".join(FEATURES), *(",".join(map(repr, r)) for r in rows.tolist())]
    ).encode()


def named(rows: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(FEATURES, row, strict=True)) for row in rows.tolist()]


def as_lines(rows: list[Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


FORMS: dict[str, tuple[str, Callable[[np.ndarray], bytes]]] = {
    "rows": ("application/json", lambda rows: json.dumps({"rows": rows.tolist()}).encode()),
    "rows by name": ("application/json", lambda rows: json.dumps({"rows": named(rows)}).encode()),
    "a list": ("application/json", lambda rows: json.dumps(rows.tolist()).encode()),
    "records": ("application/json", lambda rows: json.dumps(named(rows)).encode()),
    "columns": (
        "application/json",
        lambda rows: json.dumps(dict(zip(FEATURES, rows.T.tolist(), strict=True))).encode(),
    ),
    "split": (
        "application/json",
        lambda rows: json.dumps({"columns": list(FEATURES), "data": rows.tolist()}).encode(),
    ),
    "CSV": ("text/csv", as_csv),
    "JSON Lines": ("application/x-ndjson", lambda rows: as_lines(rows.tolist())),
    "JSON Lines by name": ("application/jsonl", lambda rows: as_lines(named(rows))),
}


# One row, few, many in one part, many in several.
@pytest.mark.parametrize("some", [slice(5, 6), slice(4, 7), slice(0, 40), slice(0, None)])
@pytest.mark.parametrize("query", ["", "?values=true"])
@pytest.mark.parametrize("form", FORMS)
def test_predict_tells_it_of_each_row_in_any_form(
    client: httpx.Client, familiar: list[bool], form: str, query: str, some: slice
) -> None:
    kind, write = FORMS[form]
    headers = {"Content-Type": kind}
    response = client.post(f"/predict{query}", content=write(ROWS[some]), headers=headers)
    assert response.status_code == 200, response.text
    predictions = response.json()["predictions"]
    assert [row["familiar"] for row in predictions] == familiar[some]
    # After the models, and before what the row itself says.
    assert {tuple(row)[:3] for row in predictions} == {(*TITLES, "familiar")}


def test_stored_rows_are_answered_as_before(client: httpx.Client) -> None:
    before = samples(client)
    assert set(client.get("/prediction/5").json()) == {f"prediction {title}" for title in TITLES}
    assert (
        samples(client)["eeg_rows_judged_total", NO_LABELS]
        == (before["eeg_rows_judged_total", NO_LABELS])
    )


def test_bentomls_client_is_told(server: str, familiar: list[bool]) -> None:
    with bentoml.SyncHTTPClient(server) as client:
        answer = client.predict(rows=ROWS[3:10].tolist())
    assert [row["familiar"] for row in answer["predictions"]] == familiar[3:10]


def test_rows_that_are_judged_are_counted(client: httpx.Client, familiar: list[bool]) -> None:
    def counts() -> tuple[float, float]:
        found = samples(client)
        return (
            found["eeg_rows_judged_total", NO_LABELS],
            found["eeg_rows_unfamiliar_total", NO_LABELS],
        )

    unfamiliar = familiar.count(False)
    judged, unlike = counts()
    client.post("/predict", json={"rows": ROWS.tolist()})
    assert counts() == (judged + len(ROWS), unlike + unfamiliar)
    client.post("/predict", content=as_csv(ROWS), headers={"Content-Type": "text/csv"})
    assert counts() == (judged + 2 * len(ROWS), unlike + 2 * unfamiliar)
    client.post("/predict", json={"rows": ROWS[5:6].tolist()})
    assert counts() == (judged + 2 * len(ROWS) + 1, unlike + 2 * unfamiliar + 1)
    infer(client, LDA.name, ROWS[5:6])
    assert counts() == (judged + 2 * len(ROWS) + 1, unlike + 2 * unfamiliar + 1)
    infer(client, LDA.name, ROWS[5:6], [{"name": "familiar"}])
    assert counts() == (judged + 2 * len(ROWS) + 2, unlike + 2 * unfamiliar + 2)


def infer(
    client: httpx.Client, model: str, rows: np.ndarray, outputs: Any = None, **more: Any
) -> httpx.Response:
    tensor = {"name": "rows", "datatype": "FP64", "shape": list(rows.shape), "data": rows.tolist()}
    document = {"inputs": [tensor], **({} if outputs is None else {"outputs": outputs}), **more}
    return client.post(f"/v2/models/{model}/infer", json=document)


V2_NAMES = (LDA.name, MLP.name, ENSEMBLE)


@pytest.mark.parametrize("name", V2_NAMES)
def test_v2_lists_the_output_as_one_on_request(client: httpx.Client, name: str) -> None:
    *others, last = client.get(f"/v2/models/{name}").json()["outputs"]
    assert last == {
        "name": "familiar",
        "datatype": "BOOL",
        "shape": [-1],
        "parameters": {"on_request": True},
    }
    asked: tuple[Any, ...] = (None, [])
    for outputs in asked:
        answered = infer(client, name, ROWS[:2], outputs).json()["outputs"]
        assert [output["name"] for output in answered] == [output["name"] for output in others]


@pytest.mark.parametrize("n_rows", [0, 1, 3, len(ROWS)])
@pytest.mark.parametrize("name", V2_NAMES)
def test_v2_answers_it_where_it_is_named(
    client: httpx.Client, familiar: list[bool], name: str, n_rows: int
) -> None:
    answer = infer(client, name, ROWS[:n_rows], [{"name": "familiar"}]).json()
    assert answer["outputs"] == [
        {"name": "familiar", "datatype": "BOOL", "shape": [n_rows], "data": familiar[:n_rows]}
    ]


@pytest.mark.parametrize("by", ["the output", "the request"])
def test_v2_answers_it_in_binary_with_a_byte_a_row(
    client: httpx.Client, familiar: list[bool], by: str
) -> None:
    wanted: dict[str, Any] = {"name": "familiar"}
    more: dict[str, Any] = {}
    if by == "the output":
        wanted["parameters"] = {"binary_data": True}
    else:
        more["parameters"] = {"binary_data_output": True}
    response = infer(
        client,
        MLP.name,
        ROWS,
        [{"name": "label", "parameters": {"binary_data": False}}, wanted],
        **more,
    )
    length = int(response.headers["inference-header-content-length"])
    *_, output = json.loads(response.content[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": len(ROWS)}
    assert response.content[length:] == bytes(familiar)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", V2_NAMES)
def test_tritonclient_reads_it(server: str, familiar: list[bool], name: str, binary: bool) -> None:
    rows = triton.InferInput("rows", list(ROWS.shape), "FP64").set_data_from_numpy(ROWS)
    wanted = [triton.InferRequestedOutput("familiar", binary_data=binary)]
    with triton.InferenceServerClient(server.removeprefix("http://")) as client:
        found = client.infer(name, [rows], outputs=wanted).as_numpy("familiar")
    assert found.dtype == np.bool_
    assert found.tolist() == familiar


def test_the_document_has_the_member_and_does_not_demand_it(client: httpx.Client) -> None:
    schemas = client.get("/docs.json").json()["components"]["schemas"]
    (rows,) = [
        schema["properties"]["predictions"]["items"]
        for schema in schemas.values()
        if "predictions" in schema.get("properties", {})
    ]
    assert rows["properties"]["familiar"]["type"] == "boolean"
    assert rows["required"] == TITLES


@pytest.fixture(scope="module")
def client_without(
    trained_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a service whose models cannot tell."""
    home = tmp_path_factory.mktemp("without")
    shutil.copytree(trained_home / "models", home / "models")
    for model in MODELS:
        without_familiarity(latest_entry(home, model))
    with serve(home) as (url, _), httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_models_that_cannot_tell_are_served_without(client_without: httpx.Client) -> None:
    for form, (kind, write) in FORMS.items():
        headers = {"Content-Type": kind}
        for rows in (ROWS[:1], ROWS):
            answer = client_without.post("/predict", content=write(rows), headers=headers).json()
            assert {tuple(row) for row in answer["predictions"]} == {tuple(TITLES)}, form
    for name in V2_NAMES:
        outputs = client_without.get(f"/v2/models/{name}").json()["outputs"]
        assert "familiar" not in [output["name"] for output in outputs]
        refused = infer(client_without, name, ROWS[:1], [{"name": "familiar"}])
        assert refused.status_code == 400
        names = ", ".join(output["name"] for output in outputs)
        assert refused.json() == {"error": f'There is no output "familiar"; there are {names}.'}
    found = samples(client_without)
    assert found["eeg_rows_judged_total", NO_LABELS] == 0
    assert found["eeg_rows_unfamiliar_total", NO_LABELS] == 0
