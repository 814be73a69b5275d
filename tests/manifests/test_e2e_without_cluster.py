"""The end-to-end suite itself: what it refuses, that it cleans up, and that its load sees failures.

kubectl is a script here, and the service a few fixed answers.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .rendered import ROOT

CONTEXT = "kind-eeg-letters"

# Pods have new names after each deletion and restart, as they would.
KUBECTL = """\
#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
case "$*" in
  "config current-context") cat "$here/context" ;;
  *" apply -k "*) test ! -e "$here/broken" || { echo "no space left" >&2; exit 1; } ;;
  *" get pods "*) echo "pod/after-$(grep -c -e 'delete pod/' -e 'rollout restart' "$here/calls")" ;;
  *" --dry-run=server "*)
    grep -q privileged || exit 0
    echo 'pods "admission" is forbidden: violates PodSecurity "restricted:latest"' >&2
    exit 1 ;;
esac
"""

ANSWERS: dict[str, tuple[str, Any]] = {
    "/": ("application/json", {"name": "eeg-letters"}),
    "/docs": ("text/html; charset=utf-8", "API reference"),
    "/line/232": ("application/json", {"Line": "232", "# Letter": "3", "Cz/theta": "0.5"}),
    "/prediction/232": ("application/json", {"prediction LDA": 3}),
    "/predict": ("application/json", {"predictions": [{"LDA": {"label": 3}, "familiar": True}]}),
    "/score": ("application/json", {"Score LDA": 0.7}),
    "/docs.json": ("application/json", {"openapi": "3.1.0"}),
    "/schema.json": ("application/json", {"routes": []}),
}


class Service(ThreadingHTTPServer):
    """Fixed answers; every hundredth request fails if told so."""

    fails = False
    requests = 0
    closing = True  # Whether each request so far asked for its connection to be closed.


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.requests += 1
        self.server.closing &= self.headers["Connection"] == "close"
        known = self.path in ANSWERS
        content_type, body = ANSWERS.get(self.path, ("text/plain", "nothing here"))
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        fails = self.server.fails and self.server.requests % 100 == 0
        self.send_response(503 if fails else 200 if known else 404)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Suite:
    """Runs the end-to-end suite with a kubectl of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "context").write_text(f"{CONTEXT}\n", encoding="utf-8")
        script = directory / "kubectl"
        script.write_text(KUBECTL, encoding="utf-8")
        script.chmod(0o755)

    def run(
        self, *arguments: str, cwd: Path = ROOT, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("E2E_", "PYTEST_"))}
        path = os.pathsep.join((str(self.directory), os.environ["PATH"]))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=cwd,
            env={**inherited, "PATH": path, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    @property
    def calls(self) -> list[str]:
        calls = self.directory / "calls"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.server_port}"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "E2E_CONTEXT is not set"),
        ({"E2E_CONTEXT": ""}, "E2E_CONTEXT is not set"),
        (
            {"E2E_CONTEXT": "production"},
            f"The current kubectl context is {CONTEXT}, but E2E_CONTEXT is production",
        ),
    ],
)
def test_another_context_is_refused(suite: Suite, variables: dict[str, str], message: str) -> None:
    done = suite.run("tests/e2e", cwd=ROOT, **variables)
    assert done.returncode == 2
    assert message in done.stdout
    assert set(suite.calls) <= {"config current-context"}  # Nothing that reaches a cluster.


def test_no_kubectl_is_refused(suite: Suite) -> None:
    (suite.directory / "kubectl").unlink()
    done = suite.run("tests/e2e", E2E_CONTEXT=CONTEXT, PATH=str(suite.directory))
    assert done.returncode == 2
    assert "kubectl is not on PATH" in done.stdout


def test_running_all_tests_does_not_touch_the_cluster(suite: Suite) -> None:
    tests = suite.directory / "tests"
    shutil.copytree(ROOT / "tests" / "e2e", tests / "e2e")
    (tests / "test_other.py").write_text("def test_other(): pass\n", encoding="utf-8")
    done = suite.run("tests", E2E_CONTEXT=CONTEXT, cwd=suite.directory)
    assert "1 passed" in done.stdout
    assert suite.calls == []


def test_it_cleans_up_when_the_installation_fails(suite: Suite) -> None:
    (suite.directory / "broken").touch()
    done = suite.run("tests/e2e", E2E_CONTEXT=CONTEXT)
    assert done.returncode == 1
    assert "no space left" in done.stdout
    assert " delete -k " in suite.calls[-1]


def test_it_passes_where_all_is_well(suite: Suite, service: Service) -> None:
    done = suite.run("tests/e2e", E2E_CONTEXT=CONTEXT, E2E_URL=url(service))
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    assert service.closing
    first, *others = suite.calls
    assert first == "config current-context"
    assert all(call.startswith(f"--context {CONTEXT} --namespace eeg-letters ") for call in others)
    assert f" apply -k {ROOT / 'k8s/overlays/local'}" in others[0]
    assert " delete -k " in others[-1]


def test_it_fails_where_requests_fail(suite: Suite, service: Service) -> None:
    service.fails = True
    done = suite.run(
        "tests/e2e", "-k", "no_request_fails", E2E_CONTEXT=CONTEXT, E2E_URL=url(service)
    )
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    assert "status 503" in done.stdout
    assert " delete -k " in suite.calls[-1]


@pytest.fixture(scope="module")
def load() -> Any:
    spec = importlib.util.spec_from_file_location("e2e_load", ROOT / "tests" / "e2e" / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Its dataclass looks itself up there.
    spec.loader.exec_module(module)
    return module


def test_load_counts_each_request_that_the_service_got(load: Any, service: Service) -> None:
    with load.Load(f"{url(service)}/score", pause=0.001) as steady:
        steady.wait_for(100)
    assert steady.failures == []
    assert steady.sent == service.requests >= 100


def test_load_counts_refused_connections(load: Any, service: Service) -> None:
    service.shutdown()
    service.server_close()
    with load.Load(f"{url(service)}/score", pause=0.001) as steady:
        steady.wait_for(10)
    assert len(steady.failures) == steady.sent
    assert "ConnectionRefusedError" in steady.failures[0]


@pytest.mark.parametrize("bound", [{"requests": 5}, {"seconds": 0.0}])
def test_load_that_ended_early_is_a_failure(
    load: Any, service: Service, bound: dict[str, float]
) -> None:
    with load.Load(f"{url(service)}/score", pause=0.001, **bound) as steady:
        steady.wait_for(10, seconds=0.2)
    assert "the load ended before what it was to go with" in steady.failures
    assert steady.sent <= 5
