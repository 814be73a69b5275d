"""The figures in the documents are those of the run that is kept in benchmarks/results."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest

from benchmarks.load import Measured
from benchmarks.paths import RESULTS, ROOT
from benchmarks.report import Result, Results, Settings, Summary, as_markdown, share
from benchmarks.servers import PEERS_MEASURED
from benchmarks.workloads import MANY, WORKLOADS, Workload

STORED, SENT, THOUSAND, V2 = WORKLOADS[:4]
README = (ROOT / "README.md").read_text()
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text()

# As the README calls the peers that it has a line for.
PEERS = {
    "eeg-letters": "eeg-letters",
    "MLServer, one process": "mlserver-one-process",
    "FastAPI, scikit-learn": "fastapi",
    "BentoML, set for speed": "bentoml-tuned",
    "BentoML, default settings": "bentoml-default",
    "the floor: a raw ASGI function, no model": "asgi",
}


@pytest.fixture(scope="module")
def results() -> Results:
    """What latest.json holds."""
    document: dict[str, Any] = json.loads((RESULTS / "latest.json").read_text())
    peers = {}
    for name, peer in document["peers"].items():
        runs = {key: [Measured(**run) for run in runs] for key, runs in peer["runs"].items()}
        peers[name] = Result(runs, peer["ready_seconds"], peer["versions"], peer["failure"])
    return Results(
        datetime.fromisoformat(document["date"]),
        document["machine"],
        Settings(**document["settings"]),
        peers,
        document["parts"],
        document["restarts"],
    )


def summary(results: Results, workload: Workload, peer: str = "eeg-letters") -> Summary:
    found = results.summary(peer, workload)
    assert found is not None
    return found


def rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def test_the_tables_are_made_of_the_results(results: Results) -> None:
    assert (RESULTS / "latest.md").read_text() == as_markdown(results)


def test_the_readmes_table_is_that_of_the_results(results: Results) -> None:
    table = README.partition("| Server |")[2].partition("\n\n")[0].replace("*", "")
    shown = [re.split(r" *\| *", line)[1:-1] for line in table.splitlines()[2:]]
    expected = []
    for title, name in PEERS.items():
        cells = [title]
        peer = next(peer for peer in PEERS_MEASURED if peer.name == name)
        for workload in (STORED, SENT):
            found = results.summary(name, workload)
            cells.append("" if found is None else f"{rounded(found.rate)}/s")
            cells.append(share(results, peer, workload))
        found = results.summary(name, THOUSAND)
        cells.append("" if found is None else rounded(found.rate))
        expected.append(cells)
    assert shown == expected


def test_the_goals_are_told_by_the_figures_of_the_results(results: Results) -> None:
    own = next(peer for peer in PEERS_MEASURED if peer.name == "eeg-letters")
    stored, sent = summary(results, STORED), summary(results, SENT)
    constant = summary(results, STORED, "fastapi-constant")
    floor, floor_sent = summary(results, STORED, "asgi"), summary(results, SENT, "asgi")
    multiples = [
        results.ratio("eeg-letters", yardstick, workload)
        for yardstick in ("fastapi", "bentoml-default")
        for workload in (STORED, SENT)
    ]
    assert None not in multiples
    get, post, get_bentoml, post_bentoml = multiples
    many = sorted(run.rate * MANY for run in results.peers["eeg-letters"].runs[THOUSAND.key])
    for fragment in (
        f"| {share(results, own, STORED)} (GET), {share(results, own, SENT)} (POST, one row) |",
        f"| {get:.1f} times (GET), {post:.1f} times (POST, one row) |",
        f"| {get_bentoml:.1f} times, {post_bentoml:.1f} times |",
        f"| {stored.rate:,.0f}/s, of {constant.rate:,.0f}/s |",
        f"| {many[2]:,.0f} in the best round, {many[0]:,.0f} and {many[1]:,.0f} in the others |",
        f"| {stored.p99_ms:.1f} ms (GET), {sent.p99_ms:.1f} ms (POST); the floor has"
        f" {floor.p99_ms:.1f} and {floor_sent.p99_ms:.1f} ms |",
        f"| {stored.max_ms:.0f} ms (GET), {sent.max_ms:.0f} ms (POST); the floor has"
        f" {floor.max_ms:.0f} and {floor_sent.max_ms:.0f} ms |",
        f"| {summary(results, V2).rate:,.0f}/s of {sent.rate:,.0f}/s |",
    ):
        assert fragment in PERFORMANCE
