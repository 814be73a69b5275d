"""Where the time of a request goes inside this service, and the time and memory of its start.

Run it from the repository root with models in the store: ``python -m benchmarks.stages [FILE]``.
The file gets the parts of small requests as JSON, as `benchmarks.plot` draws them.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, process_time
from typing import Any

import httptools
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.counted import (
    GET,
    KEEP,
    LDA,
    MANY,
    MLP,
    ONE,
    READ,
    STAGES,
    TELL,
    WRITE,
    Connection,
    Given,
    Step,
    connections,
    requests,
)
from eeg_letters.serving.telemetry import logs

REPEATS = 7
SECONDS_A_REPEAT = 0.1
CLIENTS = 16
# Of each client, in one repeat.
ASKED = 100

FLOOR, CANNED = "a constant by a bare protocol and a socket", "a ready answer, by a socket"
APPLICATION = "whole application, without a connection"
CONNECTION, SOCKET = "whole request, without a socket", "whole request, by a socket"
# In the order of the table.
SHOWN = (READ, LDA, MLP, WRITE, TELL, KEEP, APPLICATION, CONNECTION, SOCKET, CANNED, FLOOR)

START = {
    "Python": "",
    "NumPy": "import numpy",
    "BentoML": "import bentoml",
    "the service": "import service",
    "models and rows, ready": "service.EEGLetters()",
}

# Sends each request by one connection after another, then takes the answers, all of one length.
CLIENT = """
import socket, sys
port, clients, asked = map(int, sys.argv[1:])
request = sys.stdin.buffer.read()
connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
def ask():
    for connection in connections:
        connection.sendall(request)
    for connection in connections:
        answer = connection.recv(65536)
        while b"\\r\\n\\r\\n" not in answer:
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\\r\\n\\r\\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        while len(body) < length:
            body += connection.recv(65536)
        assert head.startswith(b"HTTP/1.1 200"), head
ask()
print("begin", flush=True)
sys.stdin.close()
for _ in range(asked):
    ask()
print("end", flush=True)
"""

# Microseconds by request and stage.
Figures = Mapping[str, Mapping[str, float]]


def main() -> None:
    """Print both tables."""
    import service

    console = Console(width=125)
    logs.STDOUT = os.open(os.devnull, os.O_WRONLY)
    made: Any = service.EEGLetters
    figures = uvloop.run(measure(made.to_asgi()))
    if sys.argv[1:]:
        told = {request: parts(figures[request]) for request in (GET, ONE)}
        Path(sys.argv[1]).write_text(json.dumps(told), encoding="utf-8")
    console.print(table(figures))
    console.print(start())


async def measure(application: Any) -> dict[str, dict[str, float]]:
    """CPU time of each stage of three requests, and of the whole."""
    given = Given()
    figures: dict[str, dict[str, float]] = {request: {} for request in (GET, ONE, MANY)}
    for (stage, request), build in STAGES.items():
        figures[request][stage] = least(build(given))
    for request, of in figures.items():
        of[TELL] = figures[GET][TELL]
        message, make = requests()[request], connections(application)
        of[CONNECTION] = await least_awaited(partial(Connection(make()).ask, message))
        if request != MANY:
            answer = partial(application.answer, *as_answered(message))
            of[APPLICATION] = least(answer)
            of[SOCKET] = await by_socket(make, message)
            ready = answer()
            application.answer = lambda *_, ready=ready: ready
            of[CANNED] = await by_socket(make, message)
            del application.answer
            of[FLOOR] = await by_socket(Constant, message)
    return figures


def as_answered(message: bytes) -> tuple[str, str, str, list[tuple[bytes, bytes]], bytes]:
    """What the connection makes of a request before it asks the application."""
    head, _, body = message.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, path, _ = line.decode().split(" ")
    pairs = [field.partition(b": ") for field in fields]
    return method, path, "http", [(name, value) for name, _, value in pairs], body


def parts(of: Mapping[str, float]) -> dict[str, float]:
    """What a request that comes in by a socket consists of, in its order; together all of it.

    The rest is what parts take longer in a request than by themselves, where they find more in the
    processor's caches.
    """
    stages = {stage: of[stage] for stage in (READ, LDA, MLP, WRITE, TELL) if stage in of}
    return {
        "socket and parser": of[FLOOR],
        "connection": of[CANNED] - of[FLOOR],
        "routing, limits and headers": of[APPLICATION] - sum(stages.values()),
        **stages,
        "rest": of[SOCKET] - of[CANNED] - of[APPLICATION],
    }


class Constant(asyncio.Protocol):
    """The floor: the parser that uvicorn uses, and a constant for each request."""

    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(self.ANSWER)


def table(figures: Figures) -> Table:
    """A column for each request."""
    made = Table(title="CPU time in µs, the least of several repeats", title_justify="left")
    for heading in ("Stage", *figures):
        made.add_column(heading, justify="left" if heading == "Stage" else "right")
    for stage in SHOWN:
        cells = (of.get(stage) for of in figures.values())
        made.add_row(stage, *("" if cell is None else f"{cell:,.1f}" for cell in cells))
    return made


async def by_socket(make: Callable[[], Any], message: bytes) -> float:
    """Microseconds of CPU for a request that comes in by a socket, at best.

    The clients are a process of their own.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    figures = []
    for _ in range(REPEATS):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, str(port), str(CLIENTS), str(ASKED)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(message)
        client.stdin.close()
        first = await client.stdout.readline()
        begun = process_time()
        if (first, await client.stdout.readline()) != (b"begin\n", b"end\n"):
            raise ValueError("requests by a socket were not answered")
        figures.append((process_time() - begun) / CLIENTS / ASKED)
        await client.wait()
    server.close()
    return min(figures) * 1e6


def start() -> Table:
    """Time and resident memory after each step of a start."""
    table = Table(title="Start of a process", title_justify="left")
    for heading in ("After", "s", "resident MB"):
        table.add_column(heading, justify="left" if heading == "After" else "right")
    script = (
        "import json, re, sys, time; told = []\n"
        "for step in json.loads(sys.argv[1]):\n"
        "    exec(step)\n"
        "    kib = re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "    told.append((time.monotonic(), int(kib) / 1000 * 1.024))\n"
        "print(json.dumps(told))\n"
    )
    runs = []
    for _ in range(REPEATS):
        begun = monotonic()
        printed = subprocess.run(
            [sys.executable, "-c", script, json.dumps([*START.values()])],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        runs.append([(at - begun, mb) for at, mb in json.loads(printed.splitlines()[-1])])
    for number, name in enumerate(START):
        seconds, megabytes = (median(run[number][part] for run in runs) for part in (0, 1))
        table.add_row(name, f"{seconds:.2f}", f"{megabytes:.0f}")
    return table


def least(step: Step) -> float:
    """Microseconds of CPU that a step takes, at best."""
    times = calls(step)
    figures = []
    for _ in range(REPEATS):
        begun = process_time()
        for _ in range(times):
            step()
        figures.append((process_time() - begun) / times)
    return min(figures) * 1e6


async def least_awaited(step: Callable[[], Awaitable[None]]) -> float:
    """As `least`, of a step that is awaited."""
    figures = []
    for _ in range(REPEATS):
        times, begun = 0, process_time()
        while process_time() - begun < SECONDS_A_REPEAT:
            await step()
            times += 1
        figures.append((process_time() - begun) / times)
    return min(figures) * 1e6


def calls(step: Step) -> int:
    """How often a step is called in one repeat; the first calls warm it up."""
    times, begun = 0, process_time()
    while process_time() - begun < SECONDS_A_REPEAT:
        step()
        times += 1
    return times


if __name__ == "__main__":
    main()
