"""Does the service hold under steady load? ``make soak``, for as many seconds as SECONDS says.

The service is started as it ships, its capacity for a mix of requests measured, and 70 % of that
sent at a constant rate. Nothing may go wrong, and after the first minute nothing may grow.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks import plot
from benchmarks.client import Question, Tally, ask_at_rate, ask_without_pause
from benchmarks.environments import Unavailable, prepare_models
from benchmarks.load import LOAD_CORE
from benchmarks.paths import SOAK, shown
from benchmarks.process import check_machine, run_command, serving_own, wait_until_ready
from benchmarks.servers import OWN, REST, Request
from benchmarks.vitals import SETTLING_SECONDS, Watch, growth, settled
from benchmarks.workloads import CHECKED, LINE, MANY, Reference, check_answers

SHARE_OF_CAPACITY = 0.7
CAPACITY_SECONDS = 8
# The service answers as many at a time and refuses the next.
CONNECTIONS = 16
LEAST_SECONDS = SETTLING_SECONDS + 40
REPORTS = 10


def main() -> None:
    """Start, measure, load, and say whether every promise was kept."""
    seconds = _seconds()
    check_machine()
    reference = Reference.of(prepare_models())
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    console = Console()
    tally = Tally()
    with serving_own() as server:
        port = server.port
        wait_until_ready(OWN, server, REST.ask_line(LINE))
        check_answers(OWN, port, reference)
        choose = mixed(port, reference)
        capacity = measure_capacity(port, choose)
        rate = SHARE_OF_CAPACITY * capacity
        console.print(f"{capacity:,.0f} requests/s at most; {rate:,.0f} a second for {seconds} s")
        watch = Watch(server.process.pid)
        asyncio.run(soak(port, choose, rate, seconds, tally, watch, console))
    SOAK.mkdir(parents=True, exist_ok=True)
    draw(tally, watch, SOAK / "soak.png")
    console.print(table(rate, tally, watch))
    console.print(f"Written to {shown(SOAK)}: soak.png")
    if broken := [*promises_broken(tally, watch)]:
        sys.exit(f"soak: {'; '.join(broken)}")


def mixed(port: int, reference: Reference) -> Callable[[], Question]:
    """What chooses among requests that are answered and requests that are refused."""
    row, many = reference.rows[LINE], [*reference.rows.values()][:MANY]
    weights = {
        **{Question.of(port, REST.ask_line(line)): 150 for line in CHECKED},
        Question.of(port, Request("GET", f"/line/{LINE}")): 50,
        Question.of(port, Request("GET", "/score")): 50,
        Question.of(port, REST.ask_rows([row])): 200,
        Question.of(port, REST.ask_line(99_999), 404): 25,
        Question.of(port, Request("GET", "/nothing"), 404): 25,
        Question.of(port, REST.ask_rows([row[:2]]), 422): 50,
        Question.of(port, REST.ask_rows(many)): 0.3,
    }
    questions, chances = [*weights], [*weights.values()]
    chance = random.Random(1)
    return lambda: chance.choices(questions, chances)[0]


def measure_capacity(port: int, choose: Callable[[], Question]) -> float:
    """Requests a second that are answered without a pause between them.

    Raises
    ------
    Unavailable
        When one is not.
    """
    tally = Tally()
    asyncio.run(ask_without_pause(port, choose, CONNECTIONS, CAPACITY_SECONDS, tally))
    if tally.errors:
        raise Unavailable(_most_common(tally))
    return len(tally.ended) / max(tally.ended)


async def soak(
    port: int,
    choose: Callable[[], Question],
    rate: float,
    seconds: int,
    tally: Tally,
    watch: Watch,
    console: Console,
) -> None:
    """Send requests at a constant rate, look at the processes every second, report on the way."""
    started = perf_counter()
    load = asyncio.create_task(ask_at_rate(port, choose, CONNECTIONS, seconds, rate, tally))
    reported = 0
    try:
        while not load.done():
            elapsed = perf_counter() - started
            watch.look(elapsed)
            if elapsed >= (reported + 1) * seconds / REPORTS:
                reported += 1
                console.print(_progress(elapsed, tally, watch))
            await asyncio.wait({load}, timeout=1)
        await load
    finally:
        load.cancel()


def promises_broken(tally: Tally, watch: Watch) -> Iterator[str]:
    """Every promise that was not kept, one clause each."""
    if tally.errors:
        yield f"{tally.errors.total()} requests went wrong, such as {_most_common(tally)}"
    for name, seen in watch.seen.items():
        yield from growth(name, seen)


def table(rate: float, tally: Tally, watch: Watch) -> Table:
    """The closing figures."""
    latencies = np.array(tally.latencies) * 1000
    p50, p99 = np.percentile(latencies, [50, 99])
    closing = Table("Measured", "After a minute", "At the end")
    closing.add_row("Requests answered", "", f"{len(latencies):,}")
    closing.add_row("Requests that went wrong", "", str(tally.errors.total()))
    closing.add_row("Requests due, but no connection free", "", f"{tally.unsent:,}")
    closing.add_row("Requests/s asked for", "", f"{rate:,.0f}")
    closing.add_row("Requests/s answered", "", f"{len(latencies) / max(tally.ended):,.0f}")
    for name, value in (("p50", p50), ("p99", p99), ("max", latencies.max())):
        closing.add_row(f"Latency, {name}", "", f"{value:.1f} ms")
    for name, seen in watch.seen.items():
        first, last = settled(seen)
        memory = (f"{vitals.memory_mb:.1f} MB" for vitals in (first, last))
        closing.add_row(f"Resident, {name}", *memory)
        descriptors = (f"{vitals.descriptors:.0f}" for vitals in (first, last))
        closing.add_row(f"File descriptors, {name}", *descriptors)
        threads = (f"{vitals.threads:.0f}" for vitals in (first, last))
        closing.add_row(f"Threads, {name}", *threads)
    return closing


def draw(tally: Tally, watch: Watch, target: Path) -> None:
    """Draw latency and memory over time and save it to every target."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    ended, latencies = np.array(tally.ended).astype(int), np.array(tally.latencies) * 1000
    seconds = np.unique(ended)
    each = [latencies[ended == second] for second in seconds]
    for name, percent in (("max", 100), ("p99", 99), ("p50", 50)):
        above.plot(seconds, [np.percentile(one, percent) for one in each], label=name)
    above.set_yscale("log")
    above.set_ylabel("latency in ms, by the second")
    for name, seen in watch.seen.items():
        moments = [vitals.seconds for vitals in seen]
        below.plot(moments, [vitals.memory_mb for vitals in seen], label=name)
    below.axvline(SETTLING_SECONDS, color="#999999", linestyle=":")
    below.set_ylim(bottom=0)
    below.set_ylabel("resident MB")
    below.set_xlabel("seconds")
    for axes in (above, below):
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
        axes.grid(color="#e5e5e5")
        axes.spines[["top", "right"]].set_visible(False)
    plot.save(figure, target)


def _progress(elapsed: float, tally: Tally, watch: Watch) -> str:
    worker = watch.seen["worker"][-1]
    return (
        f"{elapsed:5.0f} s: {len(tally.ended):,} answered, {tally.errors.total()} went wrong,"
        f" worker {worker.memory_mb:.0f} MB"
    )


def _most_common(tally: Tally) -> str:
    ((error, _),) = tally.errors.most_common(1)
    return error


def _seconds() -> int:
    text = os.environ.get("SECONDS") or "600"
    if not text.isdecimal() or int(text) < LEAST_SECONDS:
        sys.exit(f"soak: SECONDS={text}: not a whole number from {LEAST_SECONDS} on")
    return int(text)


if __name__ == "__main__":
    run_command(main)
