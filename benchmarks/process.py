"""Starting a peer on a core of its own, and leaving nothing of it behind."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.environments import Unavailable, python_of
from benchmarks.paths import BENTOML_HOME, LOGS, PEERS, PROJECT_PYTHON, ROOT, ROWS_FILE
from benchmarks.servers import OWN, Peer, Request

SERVER_CORE = "0"
HOST = "127.0.0.1"
READY_SECONDS = 120
ANSWER_SECONDS = 60
STOP_SECONDS = 15

_MARK = "BENCH_SERVER"
_PORTS = 3  # MLServer takes one for HTTP, one for gRPC, one for metrics.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


@dataclass(frozen=True)
class Server:
    """A peer that was started."""

    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def serving(peer: Peer) -> Iterator[Server]:
    """Serve a peer; all its processes are gone afterwards."""
    with (
        _log(peer).open("wb") as log,
        _started(python_of(peer), peer, log, log) as server,
    ):
        yield server


@contextmanager
def serving_own(peer: Peer = OWN, port: int | None = None) -> Iterator[Server]:
    """Serve this project's service from the project's own environment, as a peer has it set.

    On a free port, unless one is given. Of its log, which grows by a gigabyte an hour under load,
    only standard error is kept.
    """
    with (
        _log(peer).open("wb") as log,
        _started(PROJECT_PYTHON, peer, subprocess.DEVNULL, log, port) as server,
    ):
        yield server


def wait_until_ready(peer: Peer, server: Server, request: Request) -> float:
    """Seconds until the peer answers.

    Raises
    ------
    Unavailable
        When it ends, or does not answer within `READY_SECONDS`.
    """
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < READY_SECONDS:
        with suppress(OSError, http.client.HTTPException):
            status, _ = ask(server.port, request)
            if status == 200:
                return elapsed
        if server.process.poll() is not None:
            raise Unavailable(f"does not start: {_last_error(peer)}")
        time.sleep(0.1)
    raise Unavailable(f"not ready within {READY_SECONDS} s: {_last_error(peer)}")


def check_machine(*tools: str) -> None:
    """End with one sentence where something is missing that the benchmarks need."""
    missing = [tool for tool in ("taskset", *tools) if shutil.which(tool) is None]
    if missing:
        sys.exit(f"benchmarks: {' and '.join(missing)} must be installed.")
    if len(os.sched_getaffinity(0) & {0, 1}) < 2:
        sys.exit("benchmarks: cores 0 and 1 are needed, one for the server and one for the load.")
    if not PROJECT_PYTHON.exists():
        sys.exit(f"benchmarks: there is no {PROJECT_PYTHON.relative_to(ROOT)}; run `make bench`.")


def run_command(main: Callable[[], None]) -> None:
    """Run a benchmark; one that is stopped or cannot go on stops whatever it started."""
    # As Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (Unavailable, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
        sys.exit(f"benchmarks: {error}")


def ask(port: int, request: Request) -> tuple[int, bytes]:
    """Status and body of one answer."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)) as connection:
        connection.request(request.method, request.path, request.body or None, request.headers)
        response = connection.getresponse()
        return response.status, response.read()


@contextmanager
def _started(
    python: Path,
    peer: Peer,
    stdout: IO[bytes] | int,
    stderr: IO[bytes],
    port: int | None = None,
) -> Iterator[Server]:
    mark = uuid.uuid4().hex
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, str(python), str(peer.folder / "serve.py")],
            env=_environment(port, mark, scratch) | dict(peer.environment),
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            yield Server(port, process)
        finally:
            _stop(process, mark)


def _environment(port: int, mark: str, scratch: str) -> dict[str, str]:
    # Settings of whoever runs the benchmarks are not the defaults that are measured.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not re.match("EEG_|BENTOML_|PYTHON|MLSERVER_|RAY_|UVICORN_|GUNICORN_|.*_proxy$", name)
    }
    return inherited | {
        _MARK: mark,
        "BENCH_PORT": str(port),
        "BENCH_ROWS": str(ROWS_FILE),
        "BENTOML_HOME": str(BENTOML_HOME),
        "BENTOML_DO_NOT_TRACK": "True",
        # Ray listens on every interface of a machine that could be one of a cluster.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(PEERS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": scratch,
        **dict.fromkeys(_THREADS, "1"),
    }


def free_port() -> int:
    """A port that nothing listens on, nor on the next ones, which MLServer takes."""
    for port in range(18200, 19200, _PORTS):
        with suppress(OSError):
            for used in range(port, port + _PORTS):
                with closing(socket.socket()) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((HOST, used))
            return port
    raise Unavailable("no free port")


def _stop(process: subprocess.Popen[bytes], mark: str) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
    # Ray and others put children into groups of their own; they keep the environment.
    while marked := _marked(mark):
        for pid in marked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _marked(mark: str) -> list[int]:
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


def _log(peer: Peer) -> Path:
    return LOGS / f"{peer.name}.log"


def _last_error(peer: Peer) -> str:
    lines = _log(peer).read_text(errors="replace").split("\n")
    errors = [line.strip() for line in lines if re.search(r"^\s*[\w.]*(Error|Exception)\b", line)]
    said = errors or [line.strip() for line in lines if line.strip()] or ["nothing in its log"]
    return said[-1][:100]
