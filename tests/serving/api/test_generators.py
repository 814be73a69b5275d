"""Client generators read the OpenAPI document without a warning, and the Python client works."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from eeg_letters.labels import LabelKind, Labels
from eeg_letters.schema import Schema, find_band_powers, other_features
from eeg_letters.serving import openapi
from eeg_letters.serving.api.media import JSON_LINES, TABLES
from tests.conftest import ROOT
from tests.shipped import COLUMNS, FEATURES, SCHEMA

TYPESCRIPT = ROOT / ".cache" / "typescript" / "node_modules" / ".bin"
LINE = 232
ROW = [1.0 + 0.01 * place for place in range(len(FEATURES))]

POWERS = find_band_powers(["POW.AF3.Theta", "POW.AF3.Alpha", "Theta_TP9"])
assert POWERS is not None
OTHERS = other_features(["csp 1", "1", "línea", "class", "a-b", "a_b"])
DOCUMENTS = {
    "letters": openapi.document(SCHEMA, COLUMNS),
    "letters, without rows": openapi.document(SCHEMA),
    "text": openapi.document(
        Schema(POWERS, Labels(LabelKind.TEXT, ("tongue, left", "<img src=x>", "1", "None", "…"))),
        ("subject", "label", *POWERS.names),
    ),
    "numbers": openapi.document(
        Schema(OTHERS, Labels(LabelKind.NUMBERS, (-1, 0, 769))), ("Line", "line", *OTHERS.names)
    ),
    "many": openapi.document(
        Schema(OTHERS, Labels(LabelKind.TEXT, tuple(f"word {place}" for place in range(120))))
    ),
}


def generate(document: Any, folder: Path) -> Path:
    """The package that openapi-python-client makes of a document."""
    (folder / "openapi.json").write_text(json.dumps(document))
    package = folder / "eeg_client"
    tools = Path(sys.executable).parent
    finished = subprocess.run(
        [
            *(tools / "openapi-python-client", "generate", "--path", "openapi.json"),
            *("--meta", "none", "--output-path", package),
        ],
        cwd=folder,
        # It formats what it made with ruff.
        env={**os.environ, "PATH": os.pathsep.join([str(tools), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = finished.stdout + finished.stderr
    assert finished.returncode == 0, told
    # It has no bodies of text. There must be nothing else, not even what it calls no warning.
    left_out = re.findall("^Unsupported content type (.+)$", told, re.MULTILINE)
    warnings = re.findall("^(?:WARNING|ERROR) .+$", told, re.MULTILINE)
    assert left_out == [kind.decode() for kind in (*TABLES, *JSON_LINES)], told
    assert warnings == ["WARNING parsing POST /predict within predictions."] * len(left_out), told
    return package


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_openapi_python_client_has_no_complaint(document: Any, tmp_path: Path) -> None:
    package = generate(document, tmp_path)
    operations = sum(
        method in item for item in document["paths"].values() for method in ("get", "post")
    )
    modules = [path for path in package.glob("api/*/*.py") if path.name != "__init__.py"]
    assert len(modules) == operations
    for module in modules:
        # What it cannot read of an answer it leaves out.
        status = 426 if module.stem == "live" else 200
        assert f"response_{status} = " in module.read_text(), module


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_openapi_typescript_has_no_complaint(document: Any, tmp_path: Path) -> None:
    if not TYPESCRIPT.is_dir():
        if os.environ.get("CI"):
            pytest.fail("openapi-typescript is not installed: make .cache/typescript.done")
        pytest.skip("openapi-typescript is not installed (it needs npm)")
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    for command in (
        ("openapi-typescript", "openapi.json", "-o", "api.ts"),
        ("tsc", "--noEmit", "--strict", "api.ts"),
    ):
        finished = subprocess.run(
            [TYPESCRIPT / command[0], *command[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        told = finished.stdout + finished.stderr
        assert finished.returncode == 0, told
        assert "warn" not in told.lower()
    assert "unknown[]" not in (tmp_path / "api.ts").read_text()


def arrays_without_items(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        # A type may be a name or a list of names.
        if "array" in (value.get("type") or ()) and "items" not in value:
            yield path
        for name, member in value.items():
            yield from arrays_without_items(member, f"{path}/{name}")
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from arrays_without_items(member, f"{path}/{place}")


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_arrays_say_what_they_are_of(document: Any) -> None:
    assert list(arrays_without_items(document)) == []


@pytest.fixture(scope="module")
def generated(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package that is generated from what the service says of itself."""
    folder = tmp_path_factory.mktemp("generated")
    generate(client.get("/docs.json").json(), folder)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("eeg_client")
    sys.path.remove(str(folder))


def call(generated: Any, client: httpx.Client, operation: str, **arguments: Any) -> Any:
    """What an operation's function gives, such as ``predictions.predict``."""
    module = importlib.import_module(f"eeg_client.api.{operation}")
    with generated.Client(base_url=str(client.base_url), raise_on_unexpected_status=True) as own:
        return module.sync(client=own, **arguments)


def test_stored_rows_are_asked_for_by_the_generated_client(
    generated: Any, client: httpx.Client
) -> None:
    for operation, path in (
        ("line", f"/line/{LINE}"),
        ("prediction", f"/prediction/{LINE}"),
    ):
        answer = call(generated, client, f"predictions.{operation}", line=LINE)
        assert answer.to_dict() == client.get(path).json()
    for operation in ("score", "predictions"):
        answer = call(generated, client, f"predictions.{operation}")
        assert answer.to_dict() == client.get(f"/{operation}").json()
    models = call(generated, client, "predictions.models")
    assert [model.to_dict() for model in models] == client.get("/models").json()


def test_rows_are_predicted_by_the_generated_client(generated: Any, client: httpx.Client) -> None:
    models = importlib.import_module("eeg_client.models")
    named = dict(zip(FEATURES, ROW, strict=True))
    body = models.Rows(rows=[ROW, models.RowType1.from_dict(named)])
    answer = call(generated, client, "predictions.predict", body=body)
    expected = client.post("/predict", json={"rows": [ROW, named]}).json()
    assert answer.to_dict() == expected
    (first, _) = answer.predictions
    assert first.lda.label == expected["predictions"][0]["LDA"]["label"]


def test_tensors_are_predicted_by_the_generated_client(
    generated: Any, client: httpx.Client
) -> None:
    document = {
        "inputs": [{"name": "rows", "datatype": "FP64", "shape": [1, len(ROW)], "data": ROW}]
    }
    models = importlib.import_module("eeg_client.models")
    answer = call(
        generated,
        client,
        "open_inference_protocol.v_2_infer",
        model="eeg-letters",
        body=models.V2Request.from_dict(document),
    )
    expected = client.post("/v2/models/eeg-letters/infer", json=document).json()
    assert answer.to_dict() == expected
    assert [output.data for output in answer.outputs] == [
        output["data"] for output in expected["outputs"]
    ]


def test_refusals_are_told_by_the_generated_client(generated: Any, client: httpx.Client) -> None:
    models = importlib.import_module("eeg_client.models")
    problem = call(generated, client, "predictions.line", line=10**6)
    assert isinstance(problem, models.Problem)
    assert problem.detail == "There is no stored row with line 1000000."
    problem = call(generated, client, "predictions.predict", body=models.Rows(rows=[[1.0]]))
    assert (problem.status, problem.detail[:16]) == (422, "Row 0 has 1 valu")
