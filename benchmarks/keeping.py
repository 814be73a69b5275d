"""What it costs to keep what is answered: ``make bench-keeping``.

One worker on one core, 16 connections on the other, this service with and without a database, and
BentoML with every default left alone, with and without its own ``bentoml.monitor``, which writes
JSON lines into files. Then how much the databases take of the thread that writes, when nothing else
is to be done. ``BENCH_POSTGRESQL=postgresql://…`` names a database that may be written to.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.environments import install, prepare_models
from benchmarks.load import LOAD_CORE, put_under_load
from benchmarks.paths import BENTOML_HOME, PROJECT_PYTHON, ROOT
from benchmarks.process import (
    Server,
    ask,
    check_machine,
    run_command,
    serving,
    serving_own,
    wait_until_ready,
)
from benchmarks.servers import OWN, PEERS_MEASURED, Peer, Request
from benchmarks.workloads import LINE

ROUNDS = 3
SECONDS = 8
CONNECTIONS = 16
MONITORED = (("BENCH_MONITOR", "1"),)


def main() -> None:
    """Measure every server in turn, some rounds, and print a table."""
    check_machine("wrk")
    reference = prepare_models()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    (plain,) = (peer for peer in PEERS_MEASURED if peer.name == "bentoml-default")
    install(plain, reference["scikit-learn"])
    monitored = replace(plain, name="bentoml-monitor", twin=plain.name, environment=MONITORED)
    row = next(iter(reference["rows"].values()))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        peers = [*_own(folder), plain, monitored]
        asked = (
            Request("GET", f"/prediction/{LINE}"),
            Request("POST", "/predict", {"rows": [row]}),
        )
        rates: dict[tuple[str, int], list[float]] = {}
        dropped: dict[str, float] = {}
        console = Console(width=120)
        for number in range(ROUNDS):
            for peer in peers:
                with (
                    console.status(f"Round {number + 1} of {ROUNDS}: {peer.name}"),
                    _serving(peer) as server,
                ):
                    wait_until_ready(peer, server, asked[0])
                    for place, request in enumerate(asked):
                        rates.setdefault((peer.name, place), []).append(_rate(server, request))
                    if peer.environment and peer.locked:
                        dropped[peer.name] = _share_dropped(server)
        written = {peer.name: _written(peer) for peer in peers if peer.environment and peer.locked}
    console.print(_table(peers, rates, dropped))
    console.print(_written_table(written))


def _own(folder: str) -> Iterator[Peer]:
    yield OWN
    addresses = {"sqlite": f"sqlite:///{folder}/kept.sqlite"}
    if named := os.environ.get("BENCH_POSTGRESQL"):
        addresses["postgresql"] = named
    for name, address in addresses.items():
        variables = {"EEG_DATABASE": address, "EEG_KEEP_PREDICTIONS": "true"}
        subprocess.run(
            [str(PROJECT_PYTHON), "-m", "eeg_letters.database", "upgrade"],
            cwd=ROOT,
            env=os.environ | variables,
            check=True,
            timeout=60,
        )
        yield replace(
            OWN, name=f"{OWN.name}-{name}", twin=OWN.name, environment=(*variables.items(),)
        )


def _written(peer: Peer) -> dict[str, float]:
    finished = subprocess.run(
        [str(PROJECT_PYTHON), "-m", "benchmarks.writing", dict(peer.environment)["EEG_DATABASE"]],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(BENTOML_HOME)},
        check=True,
        stdout=subprocess.PIPE,
        timeout=300,
    )
    rates: dict[str, float] = json.loads(finished.stdout)
    return rates


def _written_table(written: dict[str, dict[str, float]]) -> Table:
    table = Table(title="Rows a second that are kept, by what was asked", title_justify="left")
    table.add_column("Server")
    for kind in next(iter(written.values())):
        table.add_column(kind, justify="right")
    for name, rates in written.items():
        table.add_row(name, *(f"{rate:,.0f}" for rate in rates.values()))
    return table


def _serving(peer: Peer) -> AbstractContextManager[Server]:
    return serving_own(peer) if peer.locked else serving(peer)


def _rate(server: Server, request: Request) -> float:
    put_under_load(server.port, request, CONNECTIONS, 1)
    return put_under_load(server.port, request, CONNECTIONS, SECONDS).rate


def _share_dropped(server: Server) -> float:
    # Of the rows that were answered, those that came faster than they were written.
    _, body = ask(server.port, Request("GET", "/metrics"))
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    counted = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return counted["eeg_rows_dropped_total"] / counted["eeg_rows_scored_total"]


def _table(
    peers: list[Peer], rates: dict[tuple[str, int], list[float]], dropped: dict[str, float]
) -> Table:
    table = Table(title=f"Answers a second, median of {ROUNDS} rounds", title_justify="left")
    headings = ("Server", f"GET /prediction/{LINE}", "of plain", "POST /predict, one row")
    for heading in (*headings, "of plain", "rows dropped"):
        table.add_column(heading, justify="left" if heading == "Server" else "right")
    for peer in peers:
        cells = [peer.name]
        for place in (0, 1):
            rate = median(rates[peer.name, place])
            plain = median(rates[OWN.name if peer.locked else "bentoml-default", place])
            cells += [f"{rate:,.0f}", f"{rate / plain:.0%}"]
        share = dropped.get(peer.name)
        table.add_row(*cells, "" if share is None else f"{share:.0%}")
    return table


if __name__ == "__main__":
    run_command(main)
