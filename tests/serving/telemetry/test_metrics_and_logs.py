"""Metrics and logs of a service that is asked all sorts of things."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from eeg_letters.database.engine import open_engine
from eeg_letters.database.revisions import upgrade
from eeg_letters.labels import LabelKind, Labels
from eeg_letters.models import MODELS
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import read_settings
from tests.conftest import ROOT, free_port, full_memory, samples, serve_process
from tests.serving.telemetry.traceparents import INVALID_TRACEPARENTS, TRACEPARENT

ROW = [12345.678] + [1.0] * 159


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "stdout"


@pytest.fixture(scope="module")
def client(bento: Path, log: Path) -> Iterator[httpx.Client]:
    with (
        serve_process(bento, log=log) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def value(client: httpx.Client, name: str, **labels: str) -> float:
    return samples(client).get((name, frozenset(labels.items())), 0.0)


def entries(log: Path) -> list[dict[str, Any]]:
    """The log's lines from the worker's readiness on; before it, BentoML has its own."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_answers_are_counted_by_template_method_and_status(client: httpx.Client) -> None:
    labels = {"route": "/line/{line}", "method": "GET", "status": "200"}
    before = value(client, "eeg_http_requests_total", **labels)
    for line in range(5):
        client.get(f"/line/{line}")
    assert value(client, "eeg_http_requests_total", **labels) == before + 5
    count = value(client, "eeg_http_request_duration_seconds_count", route="/line/{line}")
    assert count >= 5
    bucket = value(
        client, "eeg_http_request_duration_seconds_bucket", route="/line/{line}", le="+Inf"
    )
    assert bucket == count


def test_predictions_are_counted_by_model_and_letter(client: httpx.Client) -> None:
    before = samples(client)
    (prediction,) = client.post("/predict", json={"rows": [ROW]}).json()["predictions"]
    after = samples(client)
    for model in MODELS:
        letter = prediction[model.title]["letter"]
        labels = frozenset({("model", model.title), ("letter", letter)})
        key = ("eeg_predictions_total", labels)
        assert after[key] == before[key] + 1
    rows = ("eeg_rows_scored_total", frozenset[tuple[str, str]]())
    assert after[rows] == before[rows] + 1


def test_classes_of_any_name_are_counted() -> None:
    names = ('left "hand"', "right\\n", "both\nhands", "é…", "feet\\")
    metrics = Metrics({"LDA": "1", "Neural Network": "2"}, Labels(LabelKind.TEXT, names))
    metrics.count_predictions([[0, 1, 2, 3, 4], [4, 4]])
    families = text_string_to_metric_families(metrics.exposition().decode())
    (predictions,) = [family for family in families if family.name == "eeg_predictions"]
    counts = {
        (sample.labels["model"], sample.labels["class"]): sample.value
        for sample in predictions.samples
    }
    assert counts == {
        **{("LDA", name): 1 for name in names},
        **{("Neural Network", name): 0 for name in names[:-1]},
        ("Neural Network", names[-1]): 2,
    }


def test_the_models_versions_are_told(client: httpx.Client, trained_home: Path) -> None:
    version = (trained_home / "models" / "eeg-lda" / "latest").read_text()
    assert value(client, "eeg_model_info", model="LDA", version=version) == 1


def test_ten_thousand_distinct_urls_make_one_series(client: httpx.Client) -> None:
    client.get("/nothing")
    client.request("PROPFIND", "/nothing")
    before = len(samples(client))
    ask_for_distinct_urls(str(client.base_url), 10_000)
    assert len(samples(client)) == before
    count = value(client, "eeg_http_requests_total", route="unmatched", method="GET", status="404")
    assert count > 10_000


def ask_for_distinct_urls(url: str, count: int) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 30) as connection:
        for start in range(0, count, 100):
            connection.sendall(
                b"".join(
                    b"GET /%d/x HTTP/1.1\r\nhost: x\r\n\r\n" % n for n in range(start, start + 100)
                )
            )
            answers = b""
            while answers.count(b"nothing at this path") < 100:
                answers += connection.recv(65536)


def test_promtool_is_content(client: httpx.Client) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=client.get("/metrics").text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@contextmanager
def scraping(url: str, folder: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that scrapes a service every second; skips the test without one."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed (Debian's package prometheus)")
    target = urlsplit(url).netloc
    job = {"job_name": "eeg-letters", "static_configs": [{"targets": [target]}]}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                prometheus,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def found(prometheus: httpx.Client, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers to an expression: an instant vector."""
    response = prometheus.get("/query", params={"query": expression})
    assert response.status_code == 200, response.text
    result: list[dict[str, Any]] = response.json()["data"]["result"]
    return result


def await_found(prometheus: httpx.Client, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers to an expression once it finds something."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if result := found(prometheus, expression):
                return result
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"Prometheus finds nothing: {expression}")


def alerts() -> list[str]:
    """The expressions in the table of alerts in docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text()
    _, _, after = text.partition("\n| What | Expression |\n")
    table, _, _ = after.partition("\n\n")
    return re.findall(r"^\| [^|]+ \| `([^`]+)`", table, re.MULTILINE)


def test_prometheus_scrapes_it_and_finds_what_the_alerts_are_about(
    bento: Path, tmp_path: Path
) -> None:
    # Some are of a database.
    settings = {"EEG_DATABASE": f"sqlite:///{tmp_path / 'letters.sqlite'}"}
    engine = open_engine(read_settings(settings))
    upgrade(engine)
    engine.dispose()
    settings |= {"EEG_LOG_FORMAT": "text", "EEG_MAX_CONCURRENCY": "1"}
    with (
        serve_process(bento, log=tmp_path / "log", **settings) as (url, _),
        scraping(url, tmp_path) as prometheus,
    ):
        for _ in range(3):
            assert httpx.get(f"{url}/prediction/232").status_code == 200
        with full_memory(url):
            await_found(prometheus, "up == 1")
        await_found(prometheus, 'eeg_http_requests_total{status="503"} >= 1')
        (answers,) = found(prometheus, 'sum(eeg_http_requests_total{route!="/metrics"})')
        assert int(answers["value"][1]) >= 4
        models = found(prometheus, "eeg_model_info")
        assert {each["metric"]["model"] for each in models} == {"LDA", "Neural Network"}
        (quantile,) = found(
            prometheus,
            "histogram_quantile(0.5, sum by (le) "
            '(eeg_http_request_duration_seconds_bucket{route="/prediction/{line}"}))',
        )
        assert 0 < float(quantile["value"][1]) < 2.5
        assert alerts()
        for expression in alerts():
            found(prometheus, expression)
            selectors = re.findall(r'eeg_\w+(?:\{(?:"[^"]*"|[^"}])*\})?', expression)
            assert selectors, expression
            for selector in selectors:
                assert found(prometheus, selector), selector


def test_a_request_id_is_kept_and_logged(client: httpx.Client, log: Path) -> None:
    headers = {"x-request-id": "abc-123_x.y", "traceparent": TRACEPARENT}
    response = client.get("/prediction/232", headers=headers)
    assert response.headers["x-request-id"] == "abc-123_x.y"
    (entry,) = [entry for entry in entries(log) if entry.get("request_id") == "abc-123_x.y"]
    assert entry["route"] == "/prediction/{line}"
    assert entry["method"] == "GET"
    assert entry["status"] == 200
    assert entry["level"] == "info"
    assert entry["traceparent"] == TRACEPARENT
    assert 0 < entry["duration_ms"] < 10_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", entry["time"])


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "é"])
def test_a_malformed_request_id_is_replaced(client: httpx.Client, given: str) -> None:
    response = client.get("/score", headers={b"x-request-id": given.encode()})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


def logged_traceparent(client: httpx.Client, log: Path, *given: str) -> str | None:
    """What the log has of a request's ``traceparent`` headers."""
    request_id = uuid4().hex
    headers = [("x-request-id", request_id), *(("traceparent", value) for value in given)]
    client.get("/score", headers=headers)
    deadline = time.monotonic() + 10
    # The line may come just after the answer.
    while f'"{request_id}"' not in log.read_text():
        assert time.monotonic() < deadline
    (entry,) = [entry for entry in entries(log) if entry.get("request_id") == request_id]
    logged: str | None = entry.get("traceparent")
    return logged


@pytest.mark.parametrize("given", INVALID_TRACEPARENTS)
def test_an_invalid_traceparent_is_not_logged(
    client: httpx.Client, log: Path, given: list[str]
) -> None:
    assert logged_traceparent(client, log, *given) is None


@pytest.mark.parametrize("more", ["", "-", "-what-the-future-will-bring", "-\t{}"])
def test_a_later_version_of_traceparent_is_logged_as_far_as_it_is_known(
    client: httpx.Client, log: Path, more: str
) -> None:
    later = f"cc{TRACEPARENT[2:]}"
    assert logged_traceparent(client, log, later + more) == later


def test_nothing_of_a_row_or_a_path_is_logged(client: httpx.Client, log: Path) -> None:
    client.post("/predict", json={"rows": [ROW]})
    client.post("/predict", json={"rows": [[12345.678]]})
    client.get("/someone/secret?name=12345.678")
    text = log.read_text()
    assert "12345.678" not in text
    assert "secret" not in text


def test_every_line_of_the_worker_is_json(client: httpx.Client, log: Path) -> None:
    # Its squares overflow, which NumPy would tell on standard error.
    (answers,) = client.post("/predict", json={"rows": [[1e308] * 160]}).json()["predictions"]
    for model in MODELS:
        assert sum(answers[model.title]["probabilities"]) == pytest.approx(1)
    assert answers["familiar"] is False
    client.get("/score")
    lines = log.read_text().splitlines()
    ready = next(number for number, line in enumerate(lines) if '"ready"' in line)
    for line in lines[ready:]:
        assert {"time", "level", "message"} <= set(json.loads(line))


def test_probes_are_not_logged(client: httpx.Client, log: Path) -> None:
    client.get("/livez", headers={"x-request-id": "a-probe"})
    client.get("/score", headers={"x-request-id": "after-the-probe"})
    text = log.read_text()
    assert "after-the-probe" in text
    assert "a-probe" not in text


def test_logs_can_be_text_for_people(bento: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve_process(bento, log=log, EEG_LOG_FORMAT="text") as (url, _):
        httpx.get(f"{url}/score")
        with connect(f"{url.replace('http', 'ws', 1)}/live", compression=None):
            pass
        while "stream ended" not in log.read_text():
            pass
    for line in (
        r"GET /score 200 \d+\.\d ms",
        r"stream ended request_id=\w+ code=1000 rows=0 refused=0 seconds=\S+",
    ):
        assert re.search(rf"^\d\d:\d\d:\d\d {line}$", log.read_text(), re.MULTILINE)


def test_security_headers_are_on_every_answer(client: httpx.Client) -> None:
    for response in (
        client.get("/"),
        client.get("/score"),
        client.get("/nothing"),
        client.get("/metrics"),
        client.put("/score"),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "server" not in response.headers


def test_only_models_discloses_versions_of_libraries(client: httpx.Client) -> None:
    # /models tells those that training ran with, for people to compare.
    for path in ("/", "/metrics", "/docs", "/docs.json", "/schema.json", "/nothing"):
        text = client.get(path, headers={"accept": "text/html"}).text.lower()
        for secret in ("python_info", "/home/", "site-packages", "uvicorn", "numpy"):
            assert secret not in text
