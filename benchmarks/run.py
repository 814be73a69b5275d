"""Compare this service with other ways to serve the same two models.

``make bench`` or, with ``requirements/bench.txt`` installed, ``python -m benchmarks.run``.
With ``QUICK=1`` in the environment it measures once and briefly.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException
from subprocess import SubprocessError

from rich.console import Console

from benchmarks import plot, report
from benchmarks.environments import (
    Unavailable,
    install,
    measure_parts,
    prepare_models,
    versions,
)
from benchmarks.load import put_under_load
from benchmarks.paths import RESULTS, shown
from benchmarks.process import ask, check_machine, run_command, serving, wait_until_ready
from benchmarks.report import MOST_SPREAD, Result, Results, Settings
from benchmarks.servers import FLOOR, PEERS_MEASURED, Peer
from benchmarks.workloads import WORKLOADS, Reference, check_answers

QUICK = Settings(rounds=1, seconds=4, warm_up_seconds=1, slow_seconds=15, own_seconds=4, restarts=0)
FULL = Settings(rounds=3, seconds=5, warm_up_seconds=1, slow_seconds=20, own_seconds=10, restarts=2)

BREAKS = (Unavailable, OSError, ValueError, LookupError, HTTPException, SubprocessError)


def main() -> None:
    """Install, measure in turn, and write down what came out."""
    console = Console()
    check_machine("wrk")
    settings = QUICK if os.environ.get("QUICK") else FULL
    peers = {peer.name: Result() for peer in PEERS_MEASURED}
    results = Results(datetime.now(UTC), report.machine(), settings, peers)
    document = prepare_models()
    reference = Reference.of(document)
    for peer in PEERS_MEASURED:
        result = results.of(peer)
        with console.status(f"Installing {peer.name}"):
            try:
                install(peer, document["scikit-learn"])
                result.versions = versions(peer)
            except BREAKS as error:
                result.failure = _reason(error)

    def measure(peer: Peer) -> None:
        with console.status(f"Measuring {peer.name}"):
            _measure(peer, reference, settings, results.of(peer))

    measure_rounds(results, measure, console.print)
    with console.status("Measuring the parts of a request"):
        results.parts = measure_parts()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(report.as_json(results))
    (RESULTS / "latest.md").write_text(report.as_markdown(results))
    plot.draw(results, RESULTS / "latest.png")
    plot.draw_parts(results, RESULTS / "parts.png")
    for table in report.tables(results):
        Console(width=max(console.width, 130)).print(table)
    if settings.rounds > 1:
        console.print(report.steadiness(results))
    console.print(f"Written to {shown(RESULTS)}: latest.json, latest.md, latest.png, parts.png")


def measure_rounds(
    results: Results, measure: Callable[[Peer], None], say: Callable[[str], None]
) -> None:
    """Measure all peers once in each round, and anew where the floor says that it is noisy.

    The floor is measured first in each round, so that little is lost.

    Parameters
    ----------
    results : Results
        Gets what was measured.
    measure : callable
        Measures a peer and adds to its result.
    say : callable
        Told what happens.
    """
    settings = results.settings
    number = 0
    while number < settings.rounds:
        number += 1
        for peer in PEERS_MEASURED:
            result = results.of(peer)
            if result.failure or (peer.slow and number > 1):
                continue
            try:
                measure(peer)
            except BREAKS as error:
                # It does not start, breaks off, or answers in another shape than it should.
                result.failure = _reason(error)
            say(f"Round {number} of {settings.rounds}: {peer.name}: {result.failure or 'measured'}")
            if peer is FLOOR and results.spread > MOST_SPREAD:
                noise = f"The floor differs by {100 * results.spread:.0f} % between rounds"
                if results.restarts == settings.restarts:
                    say(f"{noise}; this is a noisy run.")
                    continue
                say(f"{noise}: all is measured anew.")
                results.restarts += 1
                for other in results.peers.values():
                    other.runs.clear()
                    other.ready_seconds.clear()
                number = 0
                break


def _measure(peer: Peer, reference: Reference, settings: Settings, result: Result) -> None:
    first = reference.request(peer, WORKLOADS[0])
    with serving(peer) as server:
        port = server.port
        result.ready_seconds.append(wait_until_ready(peer, server, first))
        check_answers(peer, port, reference)
        for workload in WORKLOADS:
            if workload.key not in peer.answers:
                continue
            request = reference.request(peer, workload)
            if not peer.slow:
                put_under_load(port, request, workload.connections, settings.warm_up_seconds)
                ask(port, first)  # What the warm-up left unanswered is done when this is.
            measured = put_under_load(
                port, request, workload.connections, settings.seconds_of(peer)
            )
            result.runs.setdefault(workload.key, []).append(measured)
            ask(port, first)


def _reason(error: Exception) -> str:
    # One short line without folders: it is published.
    name = "" if isinstance(error, Unavailable) else f"{type(error).__name__}: "
    return " ".join((name + re.sub(r"(?<!\w)/(?:[\w.@-]+/)+", "", str(error))).split())[:100]


if __name__ == "__main__":
    run_command(main)
