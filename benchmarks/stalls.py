"""How long small requests wait while others send the largest bodies: ``make stalls``.

Small requests come at a constant rate, on connections of their own. Large ones come one after
another, each of as many bytes as the service reads at most, from no, one and several clients.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.client import Question, Tally, ask_at_rate
from benchmarks.environments import Unavailable, prepare_models
from benchmarks.load import LOAD_CORE
from benchmarks.paths import ROWS_FILE
from benchmarks.process import (
    ask,
    check_machine,
    run_command,
    serving_own,
    wait_until_ready,
)
from benchmarks.servers import OWN, REST, Request
from benchmarks.workloads import LINE

LARGE_BYTES = 8 * 1024 * 1024
LARGE_CLIENTS = (0, 1, 4)
GOAL_MS = {1: 50}
RATE = 200
SMALL_CONNECTIONS = 8
SECONDS = 20


def main() -> None:
    """Measure with more and more large clients, and print a table."""
    check_machine()
    prepare_models()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    console = Console()
    table = Table(
        *("Large clients", "Answers", "p50 ms", "p99 ms", "max ms", "Goal for max", ""),
        title=f"GET /prediction/{LINE}, {RATE} a second, beside bodies of 8 MiB",
    )
    with serving_own() as server:
        wait_until_ready(OWN, server, REST.ask_line(LINE))
        small = Question.of(server.port, REST.ask_line(LINE))
        large = largest_request()
        for clients in LARGE_CLIENTS:
            tally = Tally()
            with (
                console.status(f"Beside {clients} large clients"),
                sending(server.port, large, clients) as answers,
            ):
                asyncio.run(
                    ask_at_rate(server.port, lambda: small, SMALL_CONNECTIONS, SECONDS, RATE, tally)
                )
            check(answers, tally)
            table.add_row(*cells(clients, len(answers), tally))
    console.print(table)


def largest_request() -> Request:
    """Rows as objects of numbers with all their digits, as many as the largest body holds."""
    numbers = random.Random(1)
    names = [*json.loads(ROWS_FILE.read_bytes())["0"]][2:]
    rows: list[dict[str, float]] = []
    size = len('{"rows":[]}')
    while True:
        row = {name: numbers.uniform(0, 130) for name in names}
        size += len(json.dumps(row, separators=(",", ":"))) + 1
        if size > LARGE_BYTES:
            return Request("POST", "/predict", {"rows": rows})
        rows.append(row)


@contextmanager
def sending(port: int, request: Request, clients: int) -> Iterator[list[int]]:
    """Send large requests one after another from each of some clients, and list the answers."""
    stopped = threading.Event()
    answers: list[int] = []

    def send() -> None:
        while not stopped.is_set():
            answers.append(ask(port, request)[0])

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def check(answers: list[int], tally: Tally) -> None:
    """Make sure that every request was answered.

    Raises
    ------
    Unavailable
        When one was not.
    """
    failed = [*tally.errors, *(f"a large one: {status}" for status in answers if status != 200)]
    if failed:
        raise Unavailable(failed[0])


def cells(clients: int, answers: int, tally: Tally) -> list[str]:
    """A row of the table."""
    latencies = np.array(tally.latencies) * 1000
    p50, p99 = np.percentile(latencies, [50, 99])
    goal = GOAL_MS.get(clients)
    said = (
        ["", ""]
        if goal is None
        else [f"at most {goal} ms", "met" if latencies.max() <= goal else "not met"]
    )
    figures = [f"{value:.1f}" for value in (p50, p99, latencies.max())]
    return [str(clients), str(answers), *figures, *said]


if __name__ == "__main__":
    run_command(main)
