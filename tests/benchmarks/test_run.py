"""Rounds of `make bench` on a noisy machine, and the floor's share in what it reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from benchmarks import plot
from benchmarks.environments import Unavailable
from benchmarks.load import Measured
from benchmarks.report import (
    Result,
    Results,
    Settings,
    as_json,
    as_markdown,
    header,
    lines,
    steadiness,
)
from benchmarks.run import measure_rounds
from benchmarks.servers import FLOOR, OWN, PEERS_MEASURED, Peer
from benchmarks.workloads import WORKLOADS

STORED, _, THOUSAND = WORKLOADS[:3]


def empty(rounds: int = 3, restarts: int = 2) -> Results:
    settings = Settings(
        rounds, seconds=1, warm_up_seconds=1, slow_seconds=1, own_seconds=1, restarts=restarts
    )
    peers = {peer.name: Result() for peer in PEERS_MEASURED}
    machine: dict[str, str | int] = {"cpu": "some", "cores": 2, "python": "3.11"}
    return Results(datetime(2026, 1, 1, tzinfo=UTC), machine, settings, peers)


def run(rate: float) -> Measured:
    return Measured(round(rate), 1, 0, 1, 2, 3)


class Machine:
    """One on which the floor has these rates in turn, and the last of them from then on."""

    def __init__(self, results: Results, floor: Sequence[float]) -> None:
        self.results = results
        self.rates = (floor[min(number, len(floor) - 1)] for number in count())
        self.said: list[str] = []
        self.measured: list[str] = []

    def measure(self, peer: Peer) -> None:
        self.measured.append(peer.name)
        rate = next(self.rates) if peer is FLOOR else 100
        for key in peer.answers:
            self.results.of(peer).runs.setdefault(key, []).append(run(rate))

    def go(self) -> None:
        measure_rounds(self.results, self.measure, self.said.append)


def test_a_steady_floor_makes_as_many_rounds_as_asked() -> None:
    machine = Machine(empty(), [1000, 810, 900])
    machine.go()
    assert machine.results.restarts == 0
    assert len(machine.results.of(OWN).runs["sent"]) == 3
    assert machine.measured.count("flask-seed") == 1
    assert steadiness(machine.results) == "The floor (`asgi`) differed by 19 % between rounds."


def test_a_floor_that_differs_by_more_than_a_fifth_starts_all_anew() -> None:
    machine = Machine(empty(), [1000, 790, 950, 900, 1000])
    machine.go()
    # Known from the floor at once: no other peer is measured before.
    assert machine.measured[: len(PEERS_MEASURED) + 2][-2:] == [FLOOR.name, FLOOR.name]
    assert [line for line in machine.said if "anew" in line] == [
        "The floor differs by 21 % between rounds: all is measured anew."
    ]
    assert [len(result.runs["stored"]) for result in machine.results.peers.values()].count(3) == (
        len(PEERS_MEASURED) - 1
    )
    assert len(machine.results.of(FLOOR).runs["stored"]) == 3
    assert (
        "differed by 10 % between rounds. All was measured anew once, since it had differed by"
        " more." in steadiness(machine.results)
    )


def test_it_starts_again_twice_and_then_says_that_the_run_was_noisy() -> None:
    machine = Machine(empty(), [1000, 500, 1000, 500, 1000, 500, 600])
    machine.go()
    assert machine.results.restarts == 2
    assert len(machine.results.of(FLOOR).runs["stored"]) == 3
    assert sum("all is measured anew" in line for line in machine.said) == 2
    assert any("this is a noisy run" in line for line in machine.said)
    expected = "A noisy run: the floor (`asgi`) differed by 50 % between rounds."
    assert expected in steadiness(machine.results)
    assert expected in as_markdown(machine.results)
    assert '"restarts": 2' in as_json(machine.results)


def test_a_peer_that_fails_once_is_left_out_and_the_others_are_not() -> None:
    machine = Machine(empty(), [1000])
    measure = machine.measure

    def fail(peer: Peer) -> None:
        if peer.name == "ray-serve":
            raise Unavailable("does not start")
        measure(peer)

    measure_rounds(machine.results, fail, machine.said.append)
    assert machine.said.count("Round 1 of 3: ray-serve: does not start") == 1
    assert machine.results.peers["ray-serve"].failure == "does not start"
    assert len(machine.results.of(OWN).runs["stored"]) == 3


@pytest.mark.parametrize(("rate", "share"), [(340, "34 %"), (12, "1.2 %"), (1000, "100 %")])
def test_the_floors_share_is_a_column(rate: float, share: str) -> None:
    results = empty()
    results.of(FLOOR).runs["stored"] = [run(1000)]
    results.of(OWN).runs |= {"stored": [run(rate)], "thousand": [run(rate)]}
    column = header(STORED).index("% of asgi")
    (cells,) = (cells for cells in lines(results, STORED) if cells[0] == OWN.name)
    assert cells[column] == share
    # The floor has no models, so there is none where a thousand rows are asked about.
    (cells,) = (cells for cells in lines(results, THOUSAND) if cells[0] == OWN.name)
    assert cells[column] == ""


def test_both_figures_are_drawn(tmp_path: Path) -> None:
    machine = Machine(empty(), [1000])
    machine.go()
    get = {"socket and parser": 7.0, "LDA": 3.0, "rest": -0.2}
    machine.results.parts = {"GET": get, "POST": {"read rows": 6.0, **get}}
    for draw in (plot.draw, plot.draw_parts):
        target = tmp_path / f"{draw.__name__}.png"
        draw(machine.results, target)
        assert target.read_bytes().startswith(b"\x89PNG")
