"""What streams take and cost: ``make bench-live``.

One worker on one core, the load on the other: the most rows a second with few and with many
streams, beside ``POST /predict`` of one row and beside two peers; requests beside streams that send
without pause; a thousand streams at eight rows a second, spread evenly in time, for as many seconds
as SECONDS says; and streams through restarts of the service. ``QUICK=1`` for a brief run.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.environments import install, prepare_models, python_of
from benchmarks.load import LOAD_CORE, Measured, put_under_load
from benchmarks.paths import PEERS, ROWS_FILE
from benchmarks.process import (
    ANSWER_SECONDS,
    Server,
    check_machine,
    free_port,
    run_command,
    serving,
    serving_own,
    wait_until_ready,
)
from benchmarks.restarting import Survived, survive
from benchmarks.servers import OWN, PEERS_MEASURED, REST, Peer
from benchmarks.streaming import IN_FLIGHT, Streamed, row_frames, streams
from benchmarks.vitals import SETTLING_SECONDS, Watch, growth
from benchmarks.workloads import LINE

PATH = "/live"
MANY, RATE = 1000, 8.0
NUMBERS = (1, 16, MANY)
# Not the same over and over; few enough to be made before.
ROWS = 64
MOST_P99_MS = 20.0
RESTARTED = 100
POSTED = "POST /predict"
# Connections of requests beside streams.
BESIDE = 2
STREAMING = replace(
    OWN,
    name=f"{OWN.name}-streams",
    twin=OWN.name,
    environment=(("EEG_MAX_STREAMS", str(MANY)),),
)


@dataclass(frozen=True)
class Settings:
    """How long and how often is measured."""

    rounds: int
    round_seconds: int
    restarts: int
    seconds: int


class Cost(NamedTuple):
    """Rows a second, and microseconds of the server's processes a row."""

    rate: float
    cpu_us: float


class Beside(NamedTuple):
    """A request beside so many streams, and rows a second of those."""

    name: str
    streams: int
    requests: Measured
    rows: float


# By server and by number of clients, one a round.
Costs = dict[tuple[str, int], list[Cost]]


def main() -> None:
    """Measure all, print tables, and say which promise was not kept."""
    settings = _settings()
    check_machine("wrk")
    reference = prepare_models()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    peers = {peer.name: peer for peer in PEERS_MEASURED}
    fastapi, mlserver = peers["fastapi"], peers["mlserver-one-process"]
    for peer in (fastapi, mlserver):
        install(peer, reference["scikit-learn"])
    rows = [*reference["rows"].values()][:ROWS]
    costs: Costs = {}
    console = Console(width=110)
    for number in range(settings.rounds):
        with console.status(f"Round {number + 1} of {settings.rounds}"):
            measure_own(rows, settings.round_seconds, costs)
            measure_fastapi(fastapi, rows, settings.round_seconds, costs)
            measure_mlserver(mlserver, settings.round_seconds, costs)
    console.print(costs_table(costs, settings.rounds))
    with console.status("Requests beside streams"):
        beside = measure_beside(rows, settings.round_seconds)
    console.print(beside_table(beside))
    with console.status(f"{MANY:,} streams for {settings.seconds} s"):
        steady, watch, cores = stream_steadily(rows, settings.seconds)
    console.print(steady_table(steady, watch, cores))
    with console.status(f"{settings.restarts} restarts"):
        survived = asyncio.run(
            survive(STREAMING, free_port(), PATH, rows, RESTARTED, RATE, settings.restarts)
        )
    console.print(restarts_table(survived, settings.restarts))
    if broken := [*promises_broken(beside, steady, watch, survived)]:
        sys.exit(f"benchmarks: {'; '.join(broken)}")


def measure_own(rows: Sequence[Sequence[float]], seconds: int, costs: Costs) -> None:
    """The most rows a second of this service, over streams and one a request."""
    request = REST.ask_rows(rows[:1])
    with serving_own(STREAMING) as server:
        wait_until_ready(STREAMING, server, REST.ask_line(LINE))
        for number in NUMBERS:
            _measure_streams(server, STREAMING.name, rows, number, seconds, costs)
        for number in NUMBERS[:-1]:
            put_under_load(server.port, request, number, 1)

            def post(number: int = number) -> tuple[int, float]:
                measured = put_under_load(server.port, request, number, seconds)
                return measured.requests - measured.errors, measured.seconds

            costs.setdefault((POSTED, number), []).append(_cost(server, post))


def measure_fastapi(
    peer: Peer, rows: Sequence[Sequence[float]], seconds: int, costs: Costs
) -> None:
    """The most rows a second of FastAPI's WebSockets with scikit-learn."""
    with serving(peer) as server:
        wait_until_ready(peer, server, peer.dialect.ask_line(LINE))
        for number in NUMBERS[:-1]:
            _measure_streams(server, peer.name, rows, number, seconds, costs)


def measure_mlserver(peer: Peer, seconds: int, costs: Costs) -> None:
    """The most rows a second of MLServer's gRPC ``ModelStreamInfer``.

    It streams only without inference workers.
    """
    client = str(peer.folder / "stream.py")
    with serving(peer) as server:
        wait_until_ready(peer, server, peer.dialect.ask_line(LINE))
        for number in NUMBERS[:-1]:

            def stream(number: int = number) -> tuple[int, float]:
                told = subprocess.run(
                    [
                        *(str(python_of(peer)), client, str(server.port + 1)),
                        *(str(number), str(IN_FLIGHT), str(seconds)),
                    ],
                    env=os.environ
                    | {"PYTHONPATH": str(PEERS), "BENCH_ROWS": str(ROWS_FILE), "BENCH_PORT": "0"},
                    check=True,
                    stdout=subprocess.PIPE,
                    timeout=seconds + ANSWER_SECONDS,
                ).stdout
                document = json.loads(told)
                return document["answered"], document["seconds"]

            costs.setdefault((peer.name, number), []).append(_cost(server, stream))


def measure_beside(rows: Sequence[Sequence[float]], seconds: int) -> list[Beside]:
    """Requests without streams, and beside few and many that send without pause."""
    requests = {
        f"GET {REST.ask_line(LINE).path}": REST.ask_line(LINE),
        POSTED: REST.ask_rows(rows[:1]),
    }
    found = []
    with serving_own(STREAMING) as server, ThreadPoolExecutor(1) as threads:
        wait_until_ready(STREAMING, server, REST.ask_line(LINE))
        for name, request in requests.items():
            for number in (0, *NUMBERS[1:]):
                with streams(server.port, PATH, row_frames(rows), number) as opened:
                    loading = threads.submit(put_under_load, server.port, request, BESIDE, seconds)
                    streamed = opened.send_without_pause(seconds)
                    found.append(Beside(name, number, loading.result(), streamed.rate))
    return found


def stream_steadily(rows: Sequence[Sequence[float]], seconds: int) -> tuple[Streamed, Watch, float]:
    """Many streams at the rate of a headset; also how many cores the service took."""
    with serving_own(STREAMING) as server:
        wait_until_ready(STREAMING, server, REST.ask_line(LINE))
        watch = Watch(server.process.pid)
        watch.look(0.0)
        with streams(server.port, PATH, row_frames(rows), MANY) as opened:
            before = _cpu_seconds(server)
            streamed = opened.send_at_rate(RATE, seconds, watch.look)
            cores = (_cpu_seconds(server) - before) / streamed.seconds
            watch.look(streamed.seconds)
    return streamed, watch, cores


def promises_broken(
    beside: Sequence[Beside], streamed: Streamed, watch: Watch, survived: Survived
) -> Iterator[str]:
    """Every promise that was not kept, one clause each."""
    for name, number, requests, _ in beside:
        if requests.errors:
            yield f"{requests.errors} of {name} beside {number:,} streams were not answered"
    p99 = float(np.percentile(streamed.latencies, 99)) * 1000
    if p99 > MOST_P99_MS:
        yield f"p99 of {MANY:,} streams is {p99:.1f} ms, not {MOST_P99_MS:.0f}"
    if lost := streamed.sent - streamed.answered:
        yield f"{lost} rows were lost"
    if streamed.errors:
        yield f"{streamed.errors} rows were refused"
    for name, seen in watch.seen.items():
        if seen[-1].seconds >= 2 * SETTLING_SECONDS:
            yield from growth(name, seen)
    if survived.lost or survived.twice or survived.errors:
        yield (
            f"through restarts {survived.lost} rows were lost, {survived.twice} answered twice"
            f" and {survived.errors} refused"
        )


def costs_table(costs: Costs, rounds: int) -> Table:
    """The most rows a second, and what a row costs."""
    table = Table(
        title=f"Rows a second, {IN_FLIGHT} in flight in each stream; µs of CPU a row"
        f" (medians of {rounds} rounds)",
        title_justify="left",
    )
    table.add_column("Server")
    for number in NUMBERS:
        table.add_column(f"{number:,} {'client' if number == 1 else 'clients'}", justify="right")
        table.add_column("µs a row", justify="right")
    for name in dict.fromkeys(name for name, _ in costs):
        cells = [name]
        for number in NUMBERS:
            measured = costs.get((name, number), [])
            cells.append(f"{median(cost.rate for cost in measured):,.0f}" if measured else "")
            cells.append(f"{median(cost.cpu_us for cost in measured):,.0f}" if measured else "")
        table.add_row(*cells)
    return table


def beside_table(beside: Sequence[Beside]) -> Table:
    """What requests take beside streams."""
    table = Table(
        title=f"Requests from {BESIDE} connections beside streams that send without pause",
        title_justify="left",
    )
    for title in ("Request", "Streams", "p50", "p99", "Requests a second", "Rows a second"):
        table.add_column(title, justify="left" if title == "Request" else "right")
    for name, number, requests, rows in beside:
        table.add_row(
            name,
            f"{number:,}",
            f"{requests.p50_ms:.1f} ms",
            f"{requests.p99_ms:.1f} ms",
            f"{requests.rate:,.0f}",
            f"{rows:,.0f}",
        )
    return table


def steady_table(streamed: Streamed, watch: Watch, cores: float) -> Table:
    """Latencies and memory of many streams."""
    latencies = np.array(streamed.latencies) * 1000
    table = Table(
        title=f"{MANY:,} streams, {RATE:.0f} rows a second each, spread evenly, for"
        f" {streamed.seconds:,.0f} s",
        title_justify="left",
    )
    table.add_column("Measured")
    table.add_column("", justify="right")
    table.add_row("Rows sent", f"{streamed.sent:,}")
    table.add_row("Rows lost", f"{streamed.sent - streamed.answered:,}")
    table.add_row("Rows refused", f"{streamed.errors:,}")
    for name, percent in (("p50", 50), ("p99", 99), ("p99.9", 99.9), ("max", 100)):
        table.add_row(f"Latency, {name}", f"{np.percentile(latencies, percent):.1f} ms")
    table.add_row("Cores that the service took", f"{cores:.2f}")
    worker = watch.seen["worker"]
    settled = next((seen for seen in worker if seen.seconds >= SETTLING_SECONDS), worker[-1])
    for name, vitals in (
        ("before the streams", worker[0]),
        (f"after {settled.seconds:.0f} s", settled),
        ("at the end", worker[-1]),
    ):
        table.add_row(f"Resident, {name}", f"{vitals.memory_mb:.1f} MB")
    return table


def restarts_table(survived: Survived, restarts: int) -> Table:
    """What became of rows through restarts."""
    table = Table(
        title=f"{RESTARTED} streams at {RATE:.0f} rows a second through {restarts} restarts",
        title_justify="left",
    )
    table.add_column("Measured")
    table.add_column("", justify="right")
    table.add_row("Rows sent", f"{survived.rows:,}")
    table.add_row("Rows lost", f"{survived.lost:,}")
    table.add_row("Rows answered twice", f"{survived.twice:,}")
    table.add_row("Rows refused", f"{survived.errors:,}")
    table.add_row("Rows that waited for a service and were sent then", f"{survived.sent_again:,}")
    for code, number in sorted(survived.codes.items()):
        table.add_row(f"Streams closed with {code}", f"{number:,}")
    table.add_row("Longest wait for an answer", f"{survived.longest_seconds:.1f} s")
    return table


def _measure_streams(
    server: Server,
    name: str,
    rows: Sequence[Sequence[float]],
    number: int,
    seconds: int,
    costs: Costs,
) -> None:
    with streams(server.port, PATH, row_frames(rows), number) as opened:

        def stream() -> tuple[int, float]:
            streamed = opened.send_without_pause(seconds)
            return streamed.answered - streamed.errors, streamed.seconds

        costs.setdefault((name, number), []).append(_cost(server, stream))


def _cost(server: Server, load: Callable[[], tuple[int, float]]) -> Cost:
    before = _cpu_seconds(server)
    answered, seconds = load()
    return Cost(answered / seconds, (_cpu_seconds(server) - before) / max(answered, 1) * 1e6)


def _cpu_seconds(server: Server) -> float:
    first = psutil.Process(server.process.pid)
    times = (process.cpu_times() for process in (first, *first.children(recursive=True)))
    return sum(taken.user + taken.system for taken in times)


def _settings() -> Settings:
    brief = bool(os.environ.get("QUICK"))
    text = os.environ.get("SECONDS") or "600"
    if not text.isdecimal() or int(text) == 0:
        sys.exit(f"benchmarks: SECONDS={text}: not a whole number from 1 on")
    return Settings(1, 3, 2, 15) if brief else Settings(3, 8, 20, int(text))


if __name__ == "__main__":
    run_command(main)
