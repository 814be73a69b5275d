"""What the tests share: a store with both models trained, and services served from it."""

from __future__ import annotations

import csv
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from prometheus_client.parser import text_string_to_metric_families

from eeg_letters.models import Model
from eeg_letters.settings import DATA, Settings

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
CGROUPS = Path("/sys/fs/cgroup")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# How Chromium begins to complain of a request, and of a connection, that fails.
FAILURES = ("Failed to load resource", "WebSocket connection to")


def pytest_configure() -> None:
    """Let what tests start hear Ctrl-C, which a shell's jobs in the background ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment, for a process that uses the model store in `home`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("EEG_", "OTEL_"))
    }
    return {
        **inherited,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "OPENBLAS_NUM_THREADS": "1",
        **settings,
    }


def run_train(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run train.py to its end; reports go beside the models."""
    return subprocess.run(
        [sys.executable, "train.py", "--reports", home / "reports", *map(str, arguments)],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )


def select_rows(path: Path, letters: Sequence[int], rows: slice) -> Path:
    """Write some rows of some letters of the simulated training recording as a recording."""
    with (DATA / "train.csv").open(newline="") as file:
        header, *everything = csv.reader(file)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for letter in letters:
            writer.writerows([row for row in everything if row[1] == str(letter)][rows])
    return path


def run_python(home: Path, script: str, **settings: str) -> str:
    """What a script prints, run from the root of the project with the model store in `home`."""
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def begin_predict(url: str, length: int, path: str = "/predict") -> socket.socket:
    """A connection on which the service has begun to read a request's body, none of it sent yet."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), 30)
    connection.sendall(
        b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % (path.encode(), length)
    )
    continued = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.recv(len(continued), socket.MSG_WAITALL) == continued
    return connection


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """A cgroup, of version 1 or 2, whose processes have so much memory; only root may make it."""
    if (CGROUPS / "memory").is_dir():
        group, setting = CGROUPS / "memory" / f"eeg-letters-{os.getpid()}", "memory.limit_in_bytes"
    else:
        group, setting = CGROUPS / f"eeg-letters-{os.getpid()}", "memory.max"
        (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    group.mkdir()
    try:
        (group / setting).write_text(str(limit))
        yield group
    finally:
        deadline = time.monotonic() + 10
        while (group / "cgroup.procs").read_text():
            assert time.monotonic() < deadline, "processes are left in the cgroup"
        group.rmdir()


@contextmanager
def full_memory(url: str) -> Iterator[None]:
    """Hold all the memory of a service with ``EEG_MAX_CONCURRENCY=1``: large bodies get 503."""
    size = Settings().max_body_bytes
    with begin_predict(url, size) as connection:
        connection.sendall(b" " * (size - 1))
        deadline = time.monotonic() + 30
        while large_request(url).status_code != 503:
            assert time.monotonic() < deadline
        yield


def large_request(url: str, **headers: str) -> httpx.Response:
    """Ask for something whose body counts in the memory; it is wrong, but that is seen later."""
    headers = {"content-type": "application/json", **headers}
    return httpx.post(f"{url}/predict", content=b" " * 100_000, headers=headers, timeout=30)


@contextmanager
def _once(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that all workers share, while no other of them makes it."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared / name


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME whose store has both models, trained on the simulated recordings."""
    with _once(tmp_path_factory, "trained") as home:
        if not home.exists():
            finished = run_train(home)
            assert finished.returncode == 0, finished.stderr
    return home


@pytest.fixture(scope="session")
def bento(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Bento, with its models in it as in the image."""
    with _once(tmp_path_factory, "built") as home:
        folder = home / "bentos" / "eeg-letters" / "test"
        if not home.exists():
            shutil.copytree(trained_home / "models", home / "models")
            subprocess.run(
                bentoml_command("build", "--version", "test"),
                cwd=ROOT,
                env=environment(home),
                check=True,
                capture_output=True,
                timeout=120,
            )
            (home / "models").rename(folder / "models")
    return folder


def latest_entry(home: Path, model: Model) -> Path:
    """The folder of a model's latest entry in the store in `home`."""
    versions = home / "models" / model.name
    return versions / (versions / "latest").read_text()


def stored_metadata(home: Path, model: Model) -> dict[str, Any]:
    """What training wrote down of a model, as the store has it."""
    text = (latest_entry(home, model) / "model.yaml").read_text()
    metadata: dict[str, Any] = yaml.safe_load(text)["metadata"]
    return metadata


def flip_a_bit(file: Path) -> None:
    """Damage a file by one bit in its middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def real_recordings() -> Path:
    """The folder of the real recordings; skips the test where there is none."""
    named = os.environ.get("EEG_REAL_RECORDINGS")
    if not named:
        pytest.skip("EEG_REAL_RECORDINGS names no folder of the real recordings")
    return Path(named)


def samples(client: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What /metrics tells, by name and labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bentoml_command(*arguments: str) -> list[str]:
    """The command line of this interpreter's BentoML."""
    return [sys.executable, "-m", "bentoml", *arguments]


@contextmanager
def serve(
    home: Path,
    target: str = "service:EEGLetters",
    log: Path | None = None,
    before: str = "true",
    **settings: str,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve a target with `bentoml serve`, on loopback, until the block ends.

    What it prints goes to the file `log`, or to where this process prints. The shell's command
    `before` is run first in the process that serves.
    Yields the base URL and the process, once the service is ready.
    """
    port = free_port()
    command = bentoml_command("serve", target, "--host", "127.0.0.1", "--port", str(port))
    command = ["sh", "-c", f'{before} && exec "$@"', "sh", *command]
    url = f"http://127.0.0.1:{port}"
    with _running(command, url, log, environment(home, **settings)) as process:
        yield url, process


# What the image runs; -P, because this one is run from where the package is, too.
PROCESS_COMMAND = (sys.executable, "-P", "-m", "eeg_letters.serving")


def process_environment(bento: Path, **settings: str) -> dict[str, str]:
    """The environment in which `PROCESS_COMMAND` serves a Bento."""
    return environment(bento.parent, PYTHONPATH=str(bento / "src"), **settings)


@contextmanager
def serve_process(
    bento: Path, log: Path | None = None, **settings: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve a Bento as the image does until the block ends; otherwise as `serve`."""
    port = str(free_port())
    variables = process_environment(bento, BENTOML_HOST="127.0.0.1", BENTOML_PORT=port, **settings)
    url = f"http://127.0.0.1:{port}"
    with _running(PROCESS_COMMAND, url, log, variables) as process:
        yield url, process


@contextmanager
def make_serve(home: Path, host: str = "") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve with `make serve` until the block ends; yields what `serve` does."""
    port = free_port()
    command = [*make_command("serve"), f"PORT={port}", *([f"HOST={host}"] if host else [])]
    url = f"http://{host or '127.0.0.1'}:{port}"
    with _running(command, url, None, environment(home)) as process:
        yield url, process


def make_command(target: str) -> list[str]:
    """The command line of a target of the Makefile, in this interpreter's environment.

    As it is: the target asks for packages by files' times.
    """
    venv = Path(sys.prefix)
    return ["make", "--no-print-directory", f"VENV={venv}", "-o", f"{venv}/train.done", target]


@contextmanager
def _running(
    command: Sequence[str], url: str, log: Path | None, variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with nullcontext() if log is None else log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await_ready(url, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            _kill_group(process)


def _await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the service ended with status {process.returncode}"
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the service was not ready within {START_SECONDS} s")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return


@pytest.fixture(scope="session")
def server(trained_home: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Base URL of the service as `make serve` starts it, or with settings as a parameter."""
    with serve(trained_home, **getattr(request, "param", {})) as (url, _):
        yield url


# With origins, each request has a task of its own.
WAYS: dict[str, dict[str, str]] = {
    "at once": {},
    "by tasks": {"EEG_CORS_ORIGINS": "https://elsewhere.example"},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module with `BOTH_WAYS` against a service that answers at once or not."""
    if getattr(metafunc.module, "BOTH_WAYS", False) and "server" in metafunc.fixturenames:
        metafunc.parametrize("server", WAYS.values(), indirect=True, ids=WAYS, scope="session")


@pytest.fixture(scope="session")
def client(server: str) -> Iterator[httpx.Client]:
    """An HTTP client of `server`."""
    with httpx.Client(base_url=server, timeout=30) as client:
        yield client


# Of a module: while Playwright runs, asyncio.run() fails in its thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@contextmanager
def watched(
    browser: Browser, server: str, refusals: bool = False, **options: Any
) -> Iterator[Page]:
    """A tab that must neither complain on its console nor ask another host than `server`.

    Chromium complains of each request that fails, which it may where `refusals` are what is tested.
    The options are those of a Playwright browser context.
    """
    complaints: list[str] = []
    context: BrowserContext = browser.new_context(base_url=server, **options)
    page = context.new_page()
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type in {"error", "warning"}
            and not (refusals and message.text.startswith(FAILURES))
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((f"{server}/", "data:", "blob:"))
            else complaints.append(f"asked {request.url}")
        ),
    )
    try:
        yield page
        assert complaints == []
    finally:
        context.close()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL of this process's own."""
    from tests.postgresql import postgresql

    with postgresql() as server:
        yield server
