"""Where the service listens, and by which names it may be asked."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import (
    PROCESS_COMMAND,
    ROOT,
    environment,
    make_command,
    make_serve,
    process_environment,
    serve,
)
from tests.serving.test_connection import answer, connect

# Serves as the image does, in a network of its own, and says which addresses get an answer.
SERVE = """
import json, subprocess, sys, time, urllib.error, urllib.request
service = subprocess.Popen(sys.argv[1:], stdout=2)
def status(address):
    try:
        with urllib.request.urlopen(f"http://{address}:3000/prediction/232", timeout=5) as answer:
            return answer.status
    except OSError as error:
        return str(error)
deadline = time.monotonic() + 60
while status("127.0.0.1") != 200 and service.poll() is None and time.monotonic() < deadline:
    time.sleep(0.1)
print(json.dumps([status("127.0.0.1"), status("[::1]")]))
service.terminate()
sys.exit(service.wait(20))
"""
# In a folder of its own on PYTHONPATH: what a kernel without IPv6 answers.
NO_IPV6 = """
import socket, errno
class IPv4(socket.socket):
    def __init__(self, family=-1, *others, **named):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, *others, **named)
socket.socket = IPv4
"""
ONLY_V6 = "echo 1 > /proc/sys/net/ipv6/bindv6only"
DISABLED = "for each in all lo; do echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; done"


@pytest.mark.parametrize(
    ("prepared", "by_ipv6"),
    [("true", True), (ONLY_V6, True), (DISABLED, False), ("no IPv6", False)],
    ids=["with IPv6", "IPv6 by itself", "IPv6 disabled", "kernel without IPv6"],
)
def test_the_image_takes_clients_by_ipv4_and_where_there_is_ipv6_by_ipv6(
    bento: Path, tmp_path: Path, prepared: str, by_ipv6: bool
) -> None:
    unshare = ["unshare", "--net", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of its own can be made")
    variables = process_environment(bento)
    if prepared == "no IPv6":
        (tmp_path / "sitecustomize.py").write_text(NO_IPV6)
        variables["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
        prepared = "true"
    finished = subprocess.run(
        [
            *(*unshare, "sh", "-ec", f'ip link set lo up; {prepared}; exec "$@"', "sh"),
            *(sys.executable, "-c", SERVE, *PROCESS_COMMAND),
        ],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    by_4, by_6 = json.loads(finished.stdout)
    assert by_4 == 200, finished.stderr
    assert (by_6 == 200) == by_ipv6, finished.stderr


@pytest.fixture(scope="module")
def made(trained_home: Path) -> Iterator[str]:
    """Base URL of the service that `make serve` starts."""
    with make_serve(trained_home) as (url, _):
        yield url


def status(url: str, host: str, path: str = "/prediction/232") -> tuple[int, Any]:
    """Status and body of the answer to a request with a ``Host`` header."""
    with connect(url) as (connection, reader):
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        return answer(reader)


def test_make_serve_listens_on_loopback_alone(made: str) -> None:
    assert httpx.get(f"{made}/readyz").status_code == 200
    # Reaches what listens on all interfaces, and nothing that listens on 127.0.0.1 alone.
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{made.replace('127.0.0.1', '127.0.0.2')}/readyz")


def test_make_serve_takes_another_address_and_its_name(trained_home: Path) -> None:
    with make_serve(trained_home, host="127.0.0.2") as (url, _):
        assert httpx.get(f"{url}/prediction/232").status_code == 200
        assert status(url, "localhost")[0] == 200
        assert status(url, "127.0.0.3")[0] == 421
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url.replace('127.0.0.2', '127.0.0.1')}/readyz")


def cannot_serve(home: Path, *variables: str) -> str:
    """What `make serve` says where it cannot listen; it is no more than a sentence."""
    made = subprocess.run(
        [*make_command("serve"), *variables],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode != 0
    assert made.stdout == ""
    sentence, of_make = made.stderr.splitlines()
    assert re.match(r"make(\[\d+\])?: \*\*\*", of_make)
    return sentence


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("PORT=http", "the port is no number"),
        ("PORT=65536", "a port is at most 65535"),
        ("HOST=192.0.2.1", "Cannot assign requested address"),
        ("HOST=é..x", "encoding of hostname failed"),
    ],
)
def test_make_serve_ends_with_a_sentence_where_it_cannot_listen(
    trained_home: Path, variable: str, reason: str
) -> None:
    sentence = cannot_serve(trained_home, variable)
    assert variable in sentence
    assert sentence.endswith(reason)


def test_make_serve_on_a_port_that_is_taken_ends_with_a_sentence_and_trains_nothing(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = cannot_serve(tmp_path, f"PORT={port}")
    assert sentence == f"eeg-letters: HOST=127.0.0.1, PORT={port}: Address already in use"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:3000", "localhost:", "127.0.0.1:1", "[::1]", "[::1]:65535"]
)
def test_make_serve_answers_to_the_names_of_this_machine(made: str, host: str) -> None:
    assert status(made, host)[0] == 200


FOREIGN = [
    *("evil.example", "evil.example:3000", "localhost.evil.example", "evil.example:localhost"),
    *("localhost@evil.example", "127.0.0.1.evil.example:80", "[::2]", "[::1", "::1", "127.0.0.2"),
    *("localhost:3000:80", "[::1]evil.example", "localhost, evil.example", "", "\xe9"),
]


@pytest.mark.parametrize("path", ["/prediction/232", "/livez", "/metrics", "/nothing", "/docs"])
def test_a_name_that_someone_else_points_here_is_refused_everywhere(made: str, path: str) -> None:
    code, problem = status(made, "evil.example:3000", path)
    assert code == 421
    assert "'evil.example:3000'" in problem["detail"]
    assert "EEG_ALLOWED_HOSTS" in problem["detail"]


@pytest.mark.parametrize("host", FOREIGN)
def test_what_is_no_name_of_this_machine_is_refused(made: str, host: str) -> None:
    assert status(made, host)[0] == 421


def test_a_foreign_name_is_refused_in_the_form_of_the_v2_protocol(made: str) -> None:
    response = httpx.get(f"{made}/v2/health/live", headers={"host": "evil.example"})
    assert response.status_code == 421
    assert set(response.json()) == {"error"}


def test_unset_any_name_will_do(server: str) -> None:
    for host in ("10.42.0.7:3000", "evil.example", ""):
        assert status(server, host)[0] == 200


def test_named_hosts_are_allowed_and_no_others(trained_home: Path) -> None:
    allowed = "Letters.example:80, [2001:DB8::1]"
    with serve(trained_home, EEG_ALLOWED_HOSTS=f"{allowed},127.0.0.1") as (url, _):
        assert status(url, "letters.EXAMPLE:3000")[0] == 200
        assert status(url, "[2001:db8::1]:3000")[0] == 200
        assert status(url, "localhost")[0] == 421
