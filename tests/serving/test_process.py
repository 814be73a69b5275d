"""The one process that the image runs: it serves a Bento as `bentoml serve` does."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import (
    PROCESS_COMMAND,
    ROOT,
    begin_predict,
    free_port,
    process_environment,
    serve_process,
)

ROW = [1.5] * 160


def failing_start(bento: Path, *command: str, **settings: str) -> str:
    """The one sentence with which it ends, with status 1, where it cannot start."""
    finished = subprocess.run(
        command or PROCESS_COMMAND,
        cwd=ROOT,
        env=process_environment(bento, **{"BENTOML_PORT": str(free_port()), **settings}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    (sentence,) = finished.stderr.splitlines()
    assert sentence.startswith("eeg-letters: ")
    return sentence


def test_it_answers_what_bentoml_serve_answers(bento: Path, server: str) -> None:
    paths = ("/schema.json", "/docs.json", "/line/7", "/prediction/7", "/score", "/models", "/v2")
    with serve_process(bento) as (url, _):
        for path in paths:
            assert httpx.get(f"{url}{path}").json() == httpx.get(f"{server}{path}").json()
        mine, other = (
            httpx.post(f"{base}/predict", json={"rows": [ROW]}).json() for base in (url, server)
        )
        assert mine == other


def test_it_is_one_process_without_bentoml(bento: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve_process(bento, log=log, PYTHONPROFILEIMPORTTIME="1") as (url, process):
        assert httpx.get(f"{url}/prediction/232").status_code == 200
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        assert children == ""
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in log.read_text().splitlines()
        if line.startswith("import time:")
    }
    assert {"eeg_letters", "uvicorn"} <= imported
    assert not {"bentoml", "_bentoml_sdk", "circus", "sklearn", "pandas", "arro3"} & imported


def test_it_serves_the_models_of_its_bento(bento: Path, tmp_path: Path) -> None:
    # Whatever the store has, as the latest too.
    with serve_process(bento, BENTOML_HOME=str(tmp_path)) as (url, _):
        served = {model["name"]: model["version"] for model in httpx.get(f"{url}/models").json()}
    versions = {
        folder.name: [each.name for each in folder.iterdir() if each.is_dir()]
        for folder in (bento / "models").iterdir()
    }
    assert {name: [version] for name, version in served.items()} == versions


def test_its_log_is_json_from_the_first_line_on(bento: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve_process(bento, log=log) as (_, process):
        process.terminate()
        assert process.wait(20) == 0
    assert [json.loads(line)["message"] for line in log.read_text().splitlines()] == ["ready"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_end_and_then_ends_it_with_status_zero(
    bento: Path, number: signal.Signals
) -> None:
    body = json.dumps({"rows": [ROW]}).encode()
    with serve_process(bento) as (url, process), begin_predict(url, len(body)) as begun:
        process.send_signal(number)
        deadline = time.monotonic() + 10
        with suppress(httpx.TransportError):
            while httpx.get(f"{url}/readyz").status_code == 200:
                assert time.monotonic() < deadline
        begun.sendall(body)
        assert begun.recv(15) == b"HTTP/1.1 200 OK"
        assert process.wait(20) == 0


def test_a_signal_while_it_starts_ends_it_with_status_zero(bento: Path) -> None:
    port = free_port()
    variables = process_environment(bento, BENTOML_HOST="127.0.0.1", BENTOML_PORT=str(port))
    with subprocess.Popen(
        PROCESS_COMMAND, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                # It listens before it loads the models.
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.005)
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"Traceback" not in output


def test_a_model_that_is_not_there(bento: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(bento, tmp_path / "bento"))
    shutil.rmtree(damaged / "models" / "eeg-mlp")
    assert "there is no model eeg-mlp" in failing_start(damaged)


@pytest.mark.parametrize("content", ["{", "a: 1", "models: [{}]"])
def test_a_damaged_manifest(bento: Path, tmp_path: Path, content: str) -> None:
    damaged = Path(shutil.copytree(bento, tmp_path / "bento"))
    (damaged / "bento.yaml").write_text(content)
    assert f"{damaged / 'bento.yaml'} cannot be read" in failing_start(damaged)


def test_what_is_no_bento(tmp_path: Path) -> None:
    (tmp_path / "src").symlink_to(ROOT)
    sentence = failing_start(tmp_path)
    assert f"{ROOT.parent / 'apis' / 'schema.json'}: No such file or directory: " in sentence
    assert "make serve" in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EEG_MAX_BODY_BYTES", "8MiB"),
        ("EEG_TEST_DATA", "nowhere.json"),
        ("BENTOML_PORT", "http"),
        ("BENTOML_PORT", "65536"),
        ("BENTOML_HOST", "192.0.2.1"),
        ("BENTOML_HOST", "300.1.1.1"),
    ],
)
def test_a_setting_that_cannot_be_followed(bento: Path, name: str, value: str) -> None:
    sentence = failing_start(bento, **{name: value})
    assert value in sentence
    if name != "EEG_TEST_DATA":
        assert f"{name}={value}" in sentence


def test_a_port_that_is_taken(bento: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        sentence = failing_start(bento, BENTOML_HOST="127.0.0.1", BENTOML_PORT=port)
    assert f"BENTOML_PORT={port}" in sentence
    assert "in use" in sentence


def test_a_start_that_gets_no_memory_says_so(bento: Path) -> None:
    # Of address space; the library of linear algebra has a complaint of its own below this.
    script = (
        "import resource; from eeg_letters.serving import process;"
        "process.load_inference = lambda _: bytearray(1 << 40);"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33)); process.serve()"
    )
    sentence = failing_start(bento, sys.executable, "-P", "-c", script)
    assert sentence.startswith("eeg-letters: out of memory")


def test_it_starts_without_a_byte_of_space(bento: Path) -> None:
    # Where coverage is measured, its file would be one more that cannot be written.
    without = "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START"
    port = free_port()
    variables = process_environment(bento, BENTOML_HOST="127.0.0.1", BENTOML_PORT=str(port))
    command = ["sh", "-c", f'{without}; exec prlimit --fsize=0 "$@"', "sh", *PROCESS_COMMAND]
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/prediction/232").status_code == 200
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        finally:
            process.terminate()
    assert process.returncode == 0
