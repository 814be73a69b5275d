"""Thousands of connections whose heads never end, against little memory and few descriptors."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from eeg_letters.serving.connection import HEAD_BYTES, HEAD_FIELDS, HEAD_SECONDS
from tests.attack.clients import GET, attackers, holding, metric, probe
from tests.conftest import memory_cgroup, serve

# The Deployment's limit, and more connections than it has memory for.
MEMORY_BYTES = 400 * 1024 * 1024
ATTACKERS = 3_000
# Half of what is left of them is for streams.
DESCRIPTORS = 384

# What takes most memory for its bytes: as many fields as there may be, all but the last.
HALF_HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * (HEAD_FIELDS - 2) + b"a: "
HALF_HEADS = {"fields": HALF_HEAD, "bytes": HALF_HEAD + b"x" * (HEAD_BYTES - len(HALF_HEAD))}


@pytest.mark.parametrize("head", HALF_HEADS.values(), ids=HALF_HEADS)
def test_half_heads_leave_the_service_alive_in_its_memory(
    trained_home: Path, tmp_path: Path, head: bytes
) -> None:
    log = tmp_path / "log"
    with (
        memory_cgroup(MEMORY_BYTES) as group,
        serve(trained_home, log=log, before=f"echo $$ > {group}/cgroup.procs") as (url, process),
    ):
        for _ in range(50):
            probe(url)
        rest = metric(url, "process_resident_memory_bytes")
        started = metric(url, "process_start_time_seconds")
        with holding(url, ATTACKERS, head, HEAD_SECONDS):
            for _ in range(50):
                probe(url)
            held = metric(url, "eeg_http_connections")
            assert 100 < held < ATTACKERS
            most = metric(url, "process_resident_memory_bytes")
        print(f"{held:.0f} connections, {(most - rest) / held:.0f} bytes each")
        deadline = time.monotonic() + 30
        while metric(url, "eeg_http_connections") > 1:
            assert time.monotonic() < deadline
        assert metric(url, "process_resident_memory_bytes") - rest < 40e6
        assert metric(url, "process_start_time_seconds") == started
        assert process.poll() is None
    assert '"level":"error"' not in log.read_text()


def test_probes_get_in_where_descriptors_are_few(trained_home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve(trained_home, log=log, before=f"ulimit -n {DESCRIPTORS}") as (url, process):
        with holding(url, ATTACKERS, HALF_HEAD, HEAD_SECONDS):
            for _ in range(50):
                probe(url)
            assert metric(url, "process_max_fds") == DESCRIPTORS
            assert 100 < metric(url, "eeg_http_connections") < DESCRIPTORS
        assert process.poll() is None
    assert '"level":"error"' not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_pipelined_requests_whose_answers_nobody_reads_are_bounded_together(
    trained_home: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    # 2.5 MB in all, and half a megabyte for what waits on each connection.
    settings = {"EEG_MAX_CONCURRENCY": "1", "EEG_MAX_BODY_BYTES": "1000"}
    with serve(trained_home, log=log, **settings) as (url, _):
        rest = metric(url, "process_resident_memory_bytes")
        for _ in range(3):
            with attackers(url, 120, receives=4096) as connections:
                for connection in connections:
                    connection.setblocking(False)
                deadline = time.monotonic() + 30
                while metric(url, "eeg_http_connections") > 20:
                    assert time.monotonic() < deadline
                    push(connections, GET * 2_000)
                probe(url)
                assert metric(url, "process_resident_memory_bytes") - rest < 15e6
        # What they held is given back: another may send as many.
        with attackers(url, 1) as (connection,):
            connection.sendall(GET * 6_000)
            answers = 0
            rest_of_last = b""
            while answers < 6_000:
                received = connection.recv(100_000)
                assert received, f"cut off after {answers} answers"
                found = rest_of_last + received
                answers += len(re.findall(b"HTTP/1.1 200 ", found))
                rest_of_last = found[-12:]
    assert '"level":"error"' not in log.read_text()


def push(connections: list[socket.socket], data: bytes) -> None:
    """Send what the service takes, and read nothing."""
    for connection in connections:
        with suppress(BlockingIOError, ConnectionError):
            connection.send(data)
