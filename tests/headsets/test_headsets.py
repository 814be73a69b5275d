"""Other headsets and other classes, from a recording to every kind of answer."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from arro3.core import Array, DataType, RecordBatch
from arro3.io import read_parquet, write_parquet
from playwright.sync_api import Browser, expect

from eeg_letters.models import LDA, MODELS
from tests.conftest import ROOT, environment, run_python, samples, watched
from tests.headsets.conftest import Served

TITLES = [model.title for model in MODELS]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def features_of(served: Served) -> list[dict[str, float]]:
    return [
        {name: float(row[name]) for name in served.trial.features} for row in rows_of(served.test)
    ]


def by_position(served: Served, some: slice) -> list[list[float]]:
    return [list(row.values()) for row in features_of(served)[some]]


def batch(served: Served, source: Path, target: Path, *options: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "eeg_letters.batch", source, target, *options],
        cwd=ROOT,
        env=environment(served.home),
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout if finished.returncode == 0 else finished.stderr


def test_the_service_says_what_it_serves(served: Served, client: httpx.Client) -> None:
    ready = next(
        entry
        for entry in map(json.loads, served.log.read_text().splitlines())
        if entry["message"] == "ready"
    )
    assert ready["serves"].startswith(served.trial.described.partition(",")[0])
    for model in client.get("/models").json():
        assert model["feature_names"] == list(served.trial.features)
        assert model["classes"] == list(served.trial.answers)


def test_stored_rows_and_the_score(served: Served, client: httpx.Client) -> None:
    rows = rows_of(served.test)
    assert client.get("/line/3").json() == rows[3]
    predictions = client.get("/predictions").json()
    assert predictions["lines"] == list(range(len(rows)))
    of_label = dict(zip(served.trial.labels, served.trial.answers, strict=True))
    truth = [of_label[row[served.trial.label_column]] for row in rows]
    assert predictions["truth"] == truth
    for line in (0, 3, len(rows) - 1):
        assert client.get(f"/prediction/{line}").json() == {
            f"prediction {title}": labels[line] for title, labels in predictions["labels"].items()
        }
    score = client.get("/score").json()
    for title in TITLES:
        right = np.mean(
            [label == true for label, true in zip(predictions["labels"][title], truth, strict=True)]
        )
        assert score[f"Score {title}"] == pytest.approx(right)
        assert right > 0.75


def test_rows_of_ones_own_by_position_and_by_name(served: Served, client: httpx.Client) -> None:
    named = features_of(served)[:3]
    lists = client.post("/predict", json={"rows": by_position(served, slice(3))}).json()
    objects = client.post(
        "/predict", json={"rows": [dict(reversed(row.items())) for row in named]}
    ).json()
    assert lists == objects
    (model, _) = client.get("/models").json()
    stored = client.get("/predictions").json()["labels"]
    for line, answer in enumerate(lists["predictions"]):
        for title in TITLES:
            probabilities = answer[title]["probabilities"]
            assert len(probabilities) == len(model["class_names"])
            assert sum(probabilities) == pytest.approx(1)
            assert answer[title]["label"] == stored[title][line]
            name = model["class_names"][int(np.argmax(probabilities))]
            letters = served.trial.label_column == "# Letter"
            assert answer[title].get("letter") == (name if letters else None)
            assert letters or name == str(answer[title]["label"])


def test_metrics_count_by_the_name_of_the_class(served: Served, client: httpx.Client) -> None:
    client.get("/prediction/0")
    (model, _) = client.get("/models").json()
    label = "letter" if served.trial.label_column == "# Letter" else "class"
    counted = {
        dict(labels)[label]: value
        for (name, labels), value in samples(client).items()
        if name == "eeg_predictions_total" and dict(labels)["model"] == LDA.title
    }
    assert list(counted) == model["class_names"]
    assert sum(counted.values()) >= 1


@pytest.mark.parametrize("binary", [False, True])
def test_tritonclient(served: Served, client: httpx.Client, binary: bool) -> None:
    rows = np.array(by_position(served, slice(5)))
    with triton.InferenceServerClient(served.url.removeprefix("http://")) as of_triton:
        metadata = of_triton.get_model_metadata(LDA.name)
        tensor = triton.InferInput("rows", list(rows.shape), "FP64")
        tensor.set_data_from_numpy(rows, binary_data=binary)
        asked = [
            triton.InferRequestedOutput(name, binary_data=binary)
            for name in ("label", "probabilities")
        ]
        answer = of_triton.infer(LDA.name, [tensor], outputs=asked)
    expected = client.post("/predict", json={"rows": rows.tolist()}).json()["predictions"]
    labels = [
        label.decode() if isinstance(label, bytes) else label
        for label in answer.as_numpy("label").tolist()
    ]
    assert labels == [row[LDA.title]["label"] for row in expected]
    np.testing.assert_allclose(
        answer.as_numpy("probabilities"), [row[LDA.title]["probabilities"] for row in expected]
    )
    (rows_in,) = metadata["inputs"]
    assert rows_in["shape"] == [-1, len(served.trial.features)]
    outputs = {output["name"]: output for output in metadata["outputs"]}
    is_text = isinstance(served.trial.answers[0], str)
    assert outputs["label"]["datatype"] == ("BYTES" if is_text else "INT64")
    (model, _) = client.get("/models").json()
    names = json.loads(outputs["probabilities"]["parameters"]["class_names"])
    assert names == model["class_names"]


def to_parquet(served: Served, path: Path) -> Path:
    rows = rows_of(served.test)
    columns = {}
    for name in rows[0]:
        cells = [row[name] for row in rows]
        if name in served.trial.features:
            columns[name] = Array.from_numpy(np.array(cells, np.float64))
        elif all(cell.lstrip("-").isdecimal() for cell in cells):
            columns[name] = Array.from_numpy(np.array(cells, np.int64))
        else:
            columns[name] = Array(cells, DataType.string())
    batch = RecordBatch.from_arrays([*columns.values()], names=[*columns])
    write_parquet(batch, path)
    return path


def test_batch_on_csv_and_parquet(served: Served, client: httpx.Client, tmp_path: Path) -> None:
    predictions = client.get("/predictions").json()
    score = client.get("/score").json()
    outputs = []
    for source, target in (
        (served.test, tmp_path / "from_csv.parquet"),
        (to_parquet(served, tmp_path / "rows.parquet"), tmp_path / "from_parquet.parquet"),
    ):
        said = batch(served, source, target, "--probabilities")
        assert f"{TITLES[0]} {score[f'Score {TITLES[0]}']:.4f}" in said
        table = read_parquet(target).read_all()
        outputs.append({name: table.column(name).to_pylist() for name in table.column_names})
        assert outputs[-1]["Line"] == predictions["lines"]
        assert outputs[-1][served.trial.label_column] == predictions["truth"]
        for title in TITLES:
            assert outputs[-1][f"{title} label"] == predictions["labels"][title]
    assert outputs[0] == outputs[1]
    (model, _) = client.get("/models").json()
    of_one = "" if served.trial.label_column == "# Letter" else "probability of "
    first = [outputs[0][f"{LDA.title} {of_one}{name}"][0] for name in model["class_names"]]
    assert sum(first) == pytest.approx(1)


def test_a_notebook(served: Served, client: httpx.Client) -> None:
    script = f"""
import json, eeg_letters, pandas
lda = eeg_letters.load("eeg-lda")
frame = pandas.read_csv({str(served.test)!r})
print(json.dumps([lda.classes_.tolist(), lda.predict(frame).tolist(),
                  lda.predict_proba(frame).max(axis=1).tolist()]))
"""
    classes, labels, surest = json.loads(run_python(served.home, script))
    assert classes == list(served.trial.answers)
    assert labels == client.get("/predictions").json()["labels"][LDA.title]
    assert min(surest) > 0


def test_rows_that_do_not_fit_are_refused_by_name(served: Served, client: httpx.Client) -> None:
    def detail(rows: list[Any]) -> str:
        answer = client.post("/predict", json={"rows": rows})
        assert answer.status_code == 422
        text: str = answer.json()["detail"]
        return text

    row = features_of(served)[0]
    first = served.trial.features[0]
    lacking = {name: value for name, value in row.items() if name != first}
    assert f"no feature {first}" in detail([lacking])
    assert 'no feature "Xx/delta"' in detail([{**row, "Xx/delta": 1}])
    width = len(served.trial.features)
    assert f"Row 1 has 1 values; a row has {width}" in detail([list(row.values()), [1]])
    assert f"Row 0, feature {first}" in detail([{**row, first: "high"}])
    negative = client.post("/predict", json={"rows": [{**row, first: -1}]})
    assert negative.status_code == (422 if served.trial.are_powers else 200)


def test_a_file_that_does_not_fit_is_refused_by_name(served: Served, tmp_path: Path) -> None:
    rows = rows_of(served.test)
    column, feature = served.trial.label_column, served.trial.features[-1]

    def attempt(changed: list[dict[str, str]]) -> str:
        source = tmp_path / "changed.csv"
        with source.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(changed[0]))
            writer.writeheader()
            writer.writerows(changed)
        return batch(served, source, tmp_path / "out.csv")

    said = attempt([{**rows[0], column: "nobody"}])
    assert f"column {column}: 'nobody' is" in said
    said = attempt([{name: value for name, value in rows[0].items() if name != feature}])
    assert f"column {feature}: the column is missing" in said
    other = "class" if column != "class" else "label"
    said = attempt([{**rows[0], other: rows[0][column]}])
    assert f"{column}" in said
    assert f"{other}" in said
    assert not (tmp_path / "out.csv").exists()


def test_the_report(served: Served) -> None:
    if not served.trial.has_report:
        return
    (report,) = (served.home / "reports").glob("*/report.html")
    text = report.read_text()
    if served.trial.label_column != "# Letter":
        assert all(label in text for label in served.trial.labels)
    assert served.trial.described.partition(",")[0] in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page(served: Served, browser: Browser, scheme: Any, width: int) -> None:
    viewport: Any = {"width": width, "height": 900}
    with watched(browser, served.url, color_scheme=scheme, viewport=viewport) as page:
        for view in ("line", "rows", "models"):
            page.goto(f"/?view={view}")
            expect(page.locator("header")).to_contain_text(served.trial.described)
            expect(page.locator("#problem")).to_be_empty()
            # Nothing is wider than the window.
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto("/?line=3")
        expect(page.locator("#line-reading .sentence")).not_to_be_empty()
