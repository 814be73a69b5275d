"""Starting the service, and the one sentence with which it ends where it cannot start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from eeg_letters.models import LDA, MODELS
from eeg_letters.scoring.store import SCORER_FILE
from eeg_letters.settings import DATA
from tests.conftest import (
    ROOT,
    bentoml_command,
    environment,
    flip_a_bit,
    free_port,
    latest_entry,
    memory_cgroup,
    run_python,
    serve,
)


def failing_start(home: Path, before: Sequence[str] = (), **settings: str) -> str:
    """What the service says when it cannot start; its exit status must not be zero."""
    finished = subprocess.run(
        [*before, *bentoml_command("serve", "service:EEGLetters", "--port", str(free_port()))],
        cwd=ROOT,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode != 0
    assert "Traceback" not in finished.stdout + finished.stderr
    (sentence,) = finished.stderr.splitlines()
    return sentence


@pytest.fixture
def home(trained_home: Path, tmp_path: Path) -> Path:
    """A copy of the trained store, to be damaged."""
    return Path(shutil.copytree(trained_home, tmp_path / "home"))


def test_no_model_in_the_store(tmp_path: Path) -> None:
    assert "make train" in failing_start(tmp_path)


@pytest.mark.parametrize("name", [SCORER_FILE, "saved_model.pkl"])
def test_a_damaged_model_file(home: Path, name: str) -> None:
    flip_a_bit(latest_entry(home, LDA) / name)
    sentence = failing_start(home)
    assert name in sentence
    assert "checksum" in sentence
    assert "make train" in sentence


def test_an_entry_without_a_scorer(home: Path) -> None:
    (latest_entry(home, LDA) / SCORER_FILE).unlink()
    sentence = failing_start(home)
    assert SCORER_FILE in sentence
    assert "make train" in sentence


def test_a_missing_recording(trained_home: Path) -> None:
    assert "no such file" in failing_start(trained_home, EEG_TEST_DATA="nowhere.json")


def test_a_broken_recording(trained_home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text((DATA / "test.json").read_text()[:100_000])
    assert "broken.json, line 1, column" in failing_start(trained_home, EEG_TEST_DATA=str(broken))


def test_a_setting_that_is_no_number(trained_home: Path) -> None:
    assert "EEG_MAX_BODY_BYTES=8MiB" in failing_start(trained_home, EEG_MAX_BODY_BYTES="8MiB")


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """What a process writes its number to, to have 96 MiB from then on; skips without the right."""
    with ExitStack() as stack:
        try:
            group = stack.enter_context(memory_cgroup(96 << 20))
        except OSError as error:
            pytest.skip(f"no memory cgroup can be made: {error}")
        yield group / "cgroup.procs"


def test_a_check_that_is_killed_for_want_of_memory_says_so(
    trained_home: Path, small_memory: Path
) -> None:
    # Without measured lines, which take memory of their own.
    without = "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START"
    enter = ["sh", "-c", f'{without}; echo $$ > {small_memory} && exec "$@"', "sh"]
    sentence = failing_start(trained_home, before=enter)
    assert sentence.startswith("eeg-letters: ")
    assert "killed by signal 9 (SIGKILL)" in sentence
    assert "out of memory" in sentence


def test_a_check_that_gets_no_memory_says_so(trained_home: Path) -> None:
    # Of address space; the library of linear algebra has a complaint of its own below this.
    script = (
        "import resource; from eeg_letters.serving import bento;"
        "bento.load_inference = lambda _: bytearray(1 << 40);"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33)); bento.check_start()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(trained_home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    (sentence,) = finished.stderr.splitlines()
    assert sentence.startswith("eeg-letters: out of memory")


def test_rows_to_serve_can_be_another_recording_as_csv(trained_home: Path, tmp_path: Path) -> None:
    lines = (DATA / "train.csv").read_text().splitlines(keepends=True)
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "".join([lines[0], *lines[400:402], lines[402].replace("401,", f"{2**63 - 1},", 1)])
    )
    with serve(trained_home, EEG_TEST_DATA=os.path.relpath(rows, ROOT)) as (url, _):
        assert httpx.get(f"{url}/predictions").json()["lines"] == [399, 400, 2**63 - 1]
        assert httpx.get(f"{url}/line/399").json()["Line"] == "399"
        assert httpx.get(f"{url}/line/0").status_code == 404


def test_the_body_limit_can_be_set(trained_home: Path) -> None:
    with serve(trained_home, EEG_MAX_BODY_BYTES="100") as (url, _):
        response = httpx.post(f"{url}/predict", json={"rows": [[1.0] * 160]})
    assert response.status_code == 413
    assert "100 bytes" in response.text


def test_sigterm_ends_it_with_status_zero(trained_home: Path) -> None:
    with serve(trained_home) as (_, process):
        process.terminate()
        assert process.wait(20) == 0


def test_serving_imports_neither_scikit_learn_nor_pandas_nor_arrow(trained_home: Path) -> None:
    script = (
        "import sys, service; service.EEGLetters(); "
        "print(*{'sklearn', 'scipy', 'pandas', 'joblib', 'arro3', 'matplotlib'} & set(sys.modules))"
    )
    assert run_python(trained_home, script).strip() == ""


def test_the_methods_of_the_service_say_what_its_routes_do(
    trained_home: Path, client: httpx.Client
) -> None:
    script = (
        "import json, service; s = service.EEGLetters(); row = [1.5] * 160; "
        "predictions = s.predict(rows=[row]); "
        "print(json.dumps([s.line(line=7), s.prediction(line=7), s.score(), predictions]))"
    )
    printed = run_python(trained_home, script)
    assert json.loads(printed.splitlines()[-1]) == [
        client.get("/line/7").json(),
        client.get("/prediction/7").json(),
        client.get("/score").json(),
        client.post("/predict", json={"rows": [[1.5] * 160]}).json(),
    ]


def test_a_built_bento_serves_the_models_it_was_built_with(home: Path) -> None:
    subprocess.run(
        bentoml_command("build", "--version", "test"),
        cwd=ROOT,
        env=environment(home),
        check=True,
        capture_output=True,
        timeout=120,
    )
    manifest = (home / "bentos" / "eeg-letters" / "test" / "bento.yaml").read_text()
    for model in MODELS:
        version = (home / "models" / model.name / "latest").read_text()
        assert f"{model.name}:{version}" in manifest
        # Whatever becomes the latest later on, the Bento stays with its own.
        (home / "models" / model.name / "latest").write_text("none")
        shutil.copytree(
            home / "models" / model.name / version, home / "models" / model.name / "none"
        )
        (home / "models" / model.name / "none" / SCORER_FILE).unlink()
    with serve(home, "eeg-letters:test") as (url, _):
        assert httpx.get(f"{url}/prediction/232").status_code == 200
        page = httpx.get(f"{url}/", headers={"accept": "text/html"}).text
        assert "</script>" in page
        assert httpx.get(f"{url}/docs").status_code == 200
