"""Clients that mean ill, and one that measures what the others get meanwhile."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.conftest import ROOT

GET = b"GET /prediction/232 HTTP/1.1\r\nhost: x\r\n\r\n"
# Requests of a client that means well, and the quantile of their times that is promised.
REQUESTS = 300
QUANTILE = 0.99
SECONDS = 0.05
# As the Deployment has them for its readiness probe.
PROBE_SECONDS = 3
PROBE_FAILURES = 2


def allow_descriptors(count: int) -> None:
    """Let this process have so many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 1024
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def open_connection(url: str, receives: int | None = None) -> socket.socket:
    """A connection, perhaps with a small buffer for what it receives."""
    address = urlsplit(url)
    connection = socket.socket()
    if receives is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    connection.settimeout(30)
    connection.connect((address.hostname, address.port))
    return connection


@contextmanager
def attackers(url: str, count: int, receives: int | None = None) -> Iterator[list[socket.socket]]:
    """Connections that are open until the block ends."""
    connections: list[socket.socket] = []
    try:
        connections.extend(open_connection(url, receives) for _ in range(count))
        yield connections
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def holding(url: str, count: int, data: bytes, seconds: float) -> Iterator[None]:
    """A process that holds connections, as `tests.attack.hold` says."""
    command = [sys.executable, "-m", "tests.attack.hold", url, str(count), str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(data)
            process.stdin.close()
            assert process.stdout.readline() == b"holding\n"
            yield
        finally:
            process.kill()


def send_all(connections: Sequence[socket.socket], data: bytes) -> int:
    """Send to each that is still open; gives how many that are."""
    sent = 0
    for connection in connections:
        try:
            connection.sendall(data)
            sent += 1
        except (ConnectionError, TimeoutError):
            continue
    return sent


def probe(url: str) -> None:
    """Ask as a kubelet does: on a new connection, with little time, and some failures allowed."""
    failures = 0
    while True:
        try:
            assert _status(url, "/readyz", PROBE_SECONDS) == 200
        except OSError:
            failures += 1
            assert failures < PROBE_FAILURES
        else:
            return


def others_wait(url: str, path: str = "/prediction/232") -> float:
    """Seconds that `QUANTILE` of many requests did not exceed, each on a new connection.

    All must be answered.
    """
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        assert _status(url, path, 10) == 200
        times.append(time.perf_counter() - started)
        # So that the attack has the service to itself, too.
        time.sleep(min(0.02, times[-1]))
    return sorted(times)[int(REQUESTS * QUANTILE)]


def metric(url: str, name: str) -> float:
    """The value of a metric without labels."""
    metrics = httpx.get(f"{url}/metrics", timeout=30).text
    (value,) = re.findall(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return float(value)


def resident(url: str) -> float:
    """Memory of the process in bytes; the most of what some requests leave."""
    return max(metric(url, "process_resident_memory_bytes") for _ in range(10))


def faults(log: Path) -> list[str]:
    """Lines of a service's log that complain of something, but refusals."""
    lines = log.read_text().splitlines()
    return [
        line
        for line in lines
        if "Traceback" in line or ('"level":"error"' in line and '"status":503' not in line)
    ]


def _status(url: str, path: str, seconds: float) -> int:
    address = urlsplit(url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
