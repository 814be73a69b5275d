"""Answers that stay what they are, byte for byte: models whose weights depend on no training, and
what is asked of them.

``python -m tests.held_answers`` records them anew, in ``held_answers.json`` beside this file.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from arro3.io import read_parquet

from eeg_letters.models import LDA, MLP
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import PIPELINE_FILE, SCORER_FILE
from eeg_letters.settings import DATA
from eeg_letters.training.saving import Entry, save_entries
from tests.conftest import ROOT, environment, select_rows, serve

RECORDED = Path(__file__).with_suffix(".json")
STORED_LINES = (0, 232, 1299)

Answer = dict[str, Any]


def scorers() -> dict[str, Scorer]:
    """Class means of the simulated training recording, as discriminant and as perceptron.

    Rounded, so that they are the same on every processor.
    """
    recording = read_recording(DATA / "train.csv")
    labels = np.unique(recording.labels)
    found = {}
    for name, rows in (
        ("log1p", np.log1p(recording.features)),
        ("l2", recording.features / np.linalg.norm(recording.features, axis=1)[:, None]),
    ):
        centre = rows.mean(axis=0)
        means = np.stack([rows[recording.labels == label].mean(axis=0) for label in labels])
        weight = np.round((means - centre).T, 4)
        bias = np.round((centre @ centre - (means * means).sum(axis=1)) / 2, 4)
        if name == "log1p":
            found[LDA.name] = Scorer(name, 1.0, labels, (weight,), (bias,))
        else:
            weights = weight, 40 * np.eye(len(labels))
            found[MLP.name] = Scorer(name, 1.0, labels, weights, (bias + 1, np.zeros(len(labels))))
    return found


def save() -> None:
    """Put the models into the store that ``BENTOML_HOME`` names; print `arithmetic`."""
    entries = []
    for model in (LDA, MLP):
        file = io.BytesIO()
        scorers()[model.name].save(file)
        files = {PIPELINE_FILE: b"", SCORER_FILE: file.getvalue()}
        schema = read_recording(DATA / "train.csv").schema.to_metadata()
        metadata = {"schema": schema, "versions": {"scikit-learn": "0"}}
        entries.append(Entry(model, files, metadata))
    save_entries(entries)
    print(arithmetic())


def arithmetic() -> str:
    """Digest of what this processor's NumPy makes of products, logarithms and exponentials."""
    powers = np.arange(1, 300 * 160 + 1).reshape(300, 160) / 977
    weight = np.asfortranarray((np.arange(160 * 26).reshape(160, 26) % 37 - 18) / 51)
    digest = hashlib.sha256()
    for rows in (powers[0], powers[:3], powers):
        product = np.log1p(rows).dot(weight)
        for part in (product, np.exp(-np.abs(product)), np.einsum("...j,...j", rows, rows)):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def collect(home: Path) -> tuple[str, dict[str, Answer]]:
    """Digest of the arithmetic here, and every answer by name, from a store in `home`."""
    digest = subprocess.run(
        [sys.executable, "-c", "from tests.held_answers import save; save()"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with serve(home) as (url, _), httpx.Client(base_url=url, timeout=30) as client:
        return digest, {**_http(client), **_batch(home)}


def _http(client: httpx.Client) -> dict[str, Answer]:
    recording = read_recording(DATA / "test.json")
    some = recording.features[[3, 500, 1111]]
    named = [
        {name: float(value) for name, value in json.loads(recording.rows[line]).items()}
        for line in (3, 500)
    ]
    for row in named:
        del row["Line"], row["# Letter"]
    tensor = {"name": "rows", "datatype": "FP64", "shape": [3, 160]}
    as_json = {"id": "held", "inputs": [{**tensor, "data": some.tolist()}]}
    as_binary = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": some.nbytes}}],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(as_binary).encode()
    v2 = "/v2/models"
    asked: dict[str, tuple[str, str, dict[str, Any]]] = {
        **{f"line {n}": ("GET", f"/line/{n}", {}) for n in STORED_LINES},
        **{f"prediction {n}": ("GET", f"/prediction/{n}", {}) for n in STORED_LINES},
        "line by body": ("POST", "/line", {"json": {"line": 232}}),
        "prediction by body": ("POST", "/prediction", {"json": {"line": 232}}),
        "line unknown": ("GET", "/line/1300", {}),
        "score": ("GET", "/score", {}),
        "predictions": ("GET", "/predictions", {}),
        "predict one": ("POST", "/predict", {"json": {"rows": some[:1].tolist()}}),
        "predict by position": ("POST", "/predict", {"json": {"rows": some.tolist()}}),
        "predict by name": ("POST", "/predict", {"json": {"rows": named}}),
        "predict none": ("POST", "/predict", {"json": {"rows": []}}),
        "predict short": ("POST", "/predict", {"json": {"rows": [[1, 2]]}}),
        "V2 JSON": ("POST", f"{v2}/eeg-letters/infer", {"json": as_json}),
        "V2 JSON, one model": ("POST", f"{v2}/eeg-mlp/infer", {"json": as_json}),
        "V2 binary": (
            "POST",
            f"{v2}/eeg-letters/infer",
            {
                "content": head + some.tobytes(),
                "headers": {"Inference-Header-Content-Length": str(len(head))},
            },
        ),
    }
    return {
        name: _held(client.request(method, path, **more))
        for name, (method, path, more) in asked.items()
    }


def _held(response: httpx.Response) -> Answer:
    # Versions and the wording of errors may change.
    body = re.sub(rb'("model_version":")[0-9a-f]+', rb"\1", response.content)
    body = re.sub(rb'("detail":")[^"]*', rb"\1", body)
    answer: Answer = {"status": response.status_code, "type": response.headers["content-type"]}
    length = response.headers.get("inference-header-content-length")
    if length is None:
        return {**answer, "text": body.decode()}
    tensors = base64.b64encode(response.content[int(length) :]).decode()
    return {**answer, "text": body[: len(body) - len(response.content) + int(length)].decode(),
            "tensors": tensors}  # fmt: skip


def _batch(home: Path) -> dict[str, Answer]:
    source = select_rows(home / "some.csv", [0, 7, 25], slice(0, 5))
    outputs = home / "held.csv", home / "held.parquet"
    for output in outputs:
        subprocess.run(
            [sys.executable, "-m", "eeg_letters.batch", source, output, "--probabilities"],
            cwd=ROOT,
            env=environment(home),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    table = read_parquet(outputs[1]).read_all()
    columns = {
        name: [str(table.schema.field(name).type), table.column(name).to_pylist()]
        for name in table.schema.names
    }
    return {
        "batch CSV": {"text": outputs[0].read_text()},
        "batch Parquet": {"text": json.dumps(columns)},
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        os.environ["BENTOML_DO_NOT_TRACK"] = "True"
        digest, answers = collect(Path(made))
    document = {"arithmetic": digest, "answers": answers}
    RECORDED.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
