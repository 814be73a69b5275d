"""What was measured, as tables, Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from rich.table import Table

from benchmarks.load import Measured
from benchmarks.servers import FLOOR, PEERS_MEASURED, Peer
from benchmarks.workloads import WORKLOADS, Workload

YARDSTICKS = ("fastapi", "bentoml-default")
# By how much the floor may differ between rounds, as a share of the highest.
MOST_SPREAD = 0.2


@dataclass(frozen=True)
class Settings:
    """How often and for how long is measured.

    Attributes
    ----------
    slow_seconds : int
        Length of a run for a peer that answers few requests a second.
    own_seconds : int
        Length of a run for this service, whose longest stall is looked for.
    restarts : int
        How often all is measured anew where the floor differs too much between rounds.
    """

    rounds: int
    seconds: int
    warm_up_seconds: int
    slow_seconds: int
    own_seconds: int
    restarts: int

    def seconds_of(self, peer: Peer) -> int:
        """Length of a peer's runs."""
        if peer.locked:
            return self.own_seconds
        return self.slow_seconds if peer.slow else self.seconds


@dataclass
class Result:
    """One peer's runs by workload, or why there are none."""

    runs: dict[str, list[Measured]] = field(default_factory=dict)
    ready_seconds: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True)
class Summary:
    """A peer's fastest run of a workload, with the errors of all.

    Whatever else a machine has to do makes a run slower, never faster.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int


@dataclass
class Results:
    """Everything that is reported.

    Attributes
    ----------
    parts : mapping of str to mapping of str to float
        Microseconds that each part of a small request takes, as `benchmarks.stages` measured them.
    restarts : int
        How often all was measured anew, since the floor differed too much between rounds.
    """

    date: datetime
    machine: Mapping[str, str | int]
    settings: Settings
    peers: dict[str, Result]
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    restarts: int = 0

    def of(self, peer: Peer) -> Result:
        """One peer's result."""
        return self.peers[peer.name]

    def summary(self, name: str, workload: Workload) -> Summary | None:
        """A peer's figures for a workload, where there are any."""
        result = self.peers[name]
        runs = result.runs.get(workload.key)
        if result.failure or not runs:
            return None
        best = max(runs, key=lambda run: run.rate)
        return Summary(
            best.rate * workload.rows,
            best.p50_ms,
            best.p99_ms,
            best.max_ms,
            sum(run.errors for run in runs),
        )

    @property
    def spread(self) -> float:
        """By how much the floor differed between rounds, as a share of the highest rate."""
        rates = ([run.rate for run in runs] for runs in self.of(FLOOR).runs.values())
        return max((1 - min(of) / max(of) for of in rates if max(of)), default=0.0)

    def ratio(self, name: str, yardstick: str, workload: Workload) -> float | None:
        """A peer's rate as a multiple of another's."""
        own, other = self.summary(name, workload), self.summary(yardstick, workload)
        return own.rate / other.rate if own and other and other.rate else None


def machine() -> dict[str, str | int]:
    """What the figures depend on; nothing that names the machine."""
    try:
        found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "cpu": found[1] if found else platform.processor(),
        "cores": os.cpu_count() or 0,
        "system": platform.system(),
        "python": platform.python_version(),
        "wrk": " ".join(wrk.split()[1:2]),
    }


def described(results: Results) -> str:
    """Machine, date and method in two sentences."""
    settings, computer = results.settings, results.machine
    return (
        f"{computer['cpu']}, {computer['cores']} cores, Python {computer['python']},"
        f" {results.date:%d %B %Y}. One worker on one core, wrk on the other;"
        f" {_times(settings.rounds)} of {settings.seconds} s."
    )


def titled(workload: Workload) -> str:
    """What is asked for, and by how many clients at once."""
    return f"{workload.title}, {workload.connections} connections"


def header(workload: Workload) -> list[str]:
    """Headings of a workload's table."""
    ratios = [f"× {name}" for name in YARDSTICKS]
    return ["Server", workload.unit, f"% of {FLOOR.name}", *ratios, "p50 ms", "p99 ms", "max ms"]


def lines(results: Results, workload: Workload) -> Iterator[list[str]]:
    """Cells of a workload's table; a peer without figures has a reason in the second cell."""
    for peer in PEERS_MEASURED:
        summary = results.summary(peer.name, workload)
        if summary is None:
            without = "answers a constant" if peer.constant else "has no such route"
            reason = results.of(peer).failure or without
            yield [peer.name, "– " + reason, *[""] * (len(header(workload)) - 2)]
            continue
        ratios = [results.ratio(peer.name, name, workload) for name in YARDSTICKS]
        wrong = f" ({summary.errors} errors)" if summary.errors else ""
        yield [
            peer.name,
            _figure(summary.rate) + wrong,
            share(results, peer, workload),
            *("" if ratio is None else _figure(ratio) for ratio in ratios),
            *(_figure(value) for value in (summary.p50_ms, summary.p99_ms, summary.max_ms)),
        ]


def share(results: Results, peer: Peer, workload: Workload) -> str:
    """A peer's rate in percent of the floor's."""
    ratio = results.ratio(peer.name, FLOOR.name, workload)
    if ratio is None:
        return ""
    return f"{100 * ratio:.0f} %" if ratio >= 0.1 else f"{100 * ratio:.1f} %"


def steadiness(results: Results) -> str:
    """How much the floor differed between rounds, and what was done about it."""
    said = f"{100 * results.spread:.0f} % between rounds"
    again = {0: "", 1: "once, "}.get(results.restarts, f"{results.restarts} times, ")
    after = f" All was measured anew {again}since it had differed by more." if again else ""
    if results.spread > MOST_SPREAD:
        return f"A noisy run: the floor (`{FLOOR.name}`) differed by {said}.{after}"
    return f"The floor (`{FLOOR.name}`) differed by {said}.{after}"


def tables(results: Results) -> Iterator[Table]:
    """One table a workload, for a terminal."""
    for workload in WORKLOADS:
        table = Table(title=titled(workload), title_justify="left")
        for number, heading in enumerate(header(workload)):
            table.add_column(heading, justify="left" if number == 0 else "right")
        for cells in lines(results, workload):
            table.add_row(*cells)
        yield table


def as_markdown(results: Results) -> str:
    """Tables, what the peers are, and versions."""
    settings = results.settings
    parts = [
        "# Served requests compared",
        described(results),
        (
            f"Each peer is started anew in each round and warmed up for {settings.warm_up_seconds}"
            " s, with one BLAS thread. Of the rounds the fastest is shown, since other load can"
            " only slow one down; `latest.json` has all. All but the constants predict by both"
            " models, and their labels were compared with those of the stored pipelines before the"
            " timing. Where GET is not offered, the"
            " line number is POSTed."
        ),
        *([steadiness(results)] if settings.rounds > 1 else []),
        "![Requests per second and latencies](latest.png)",
    ]
    for workload in WORKLOADS:
        headings = header(workload)
        rule = ["---", *["---:"] * (len(headings) - 1)]
        parts += [
            f"## {titled(workload)}",
            "\n".join(_row(cells) for cells in (headings, rule, *lines(results, workload))),
        ]
    parts += ["## The peers", "\n".join(_about(peer, settings) for peer in PEERS_MEASURED)]
    parts += ["## Versions", "\n".join(_versions(results, peer) for peer in PEERS_MEASURED)]
    return "\n\n".join(parts) + "\n"


def as_json(results: Results) -> str:
    """Every run."""
    document = {
        "date": results.date.isoformat(timespec="seconds"),
        "machine": dict(results.machine),
        "settings": asdict(results.settings),
        "restarts": results.restarts,
        "parts": results.parts,
        "workloads": {workload.key: asdict(workload) for workload in WORKLOADS},
        "peers": {
            peer.name: {"about": peer.about, **asdict(results.of(peer))} for peer in PEERS_MEASURED
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _times(rounds: int) -> str:
    return "one run" if rounds == 1 else f"{rounds} runs"


def _figure(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _about(peer: Peer, settings: Settings) -> str:
    seconds = settings.seconds_of(peer)
    longer = f"; runs of {seconds} s" if seconds != settings.seconds else ""
    cold = " without a warm-up, in the first round only" if peer.slow else ""
    return f"- `{peer.name}`: {peer.about}{longer}{cold}"


def _versions(results: Results, peer: Peer) -> str:
    listed = results.of(peer).versions.items()
    return f"- `{peer.name}`: " + (", ".join(f"{name} {it}" for name, it in listed) or "none")
