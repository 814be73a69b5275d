"""How many connections there may be, and which goes when there is one too many."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eeg_letters.database.keeping import MOST_BYTES
from eeg_letters.serving import admission
from eeg_letters.serving.admission import (
    CONNECTION_BYTES,
    DATABASE_BYTES,
    REST_BYTES,
    REST_DESCRIPTORS,
    STREAM_BYTES,
    Connections,
    memory_limit,
    most_connections,
    most_streams,
)
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings
from tests.conftest import run_python
from tests.shipped import SCHEMA


@dataclass(eq=False)
class Connection:
    """What the registry sees of a connection."""

    name: str
    slow: bool = False
    evicted: bool = field(default=False, init=False)

    def evict(self) -> None:
        self.evicted = True

    def waits_for_client(self) -> bool:
        return self.slow


@pytest.fixture
def metrics() -> Metrics:
    return Metrics({}, SCHEMA.labels)


@pytest.fixture
def connections(metrics: Metrics) -> Connections:
    return Connections(3, metrics)


def open_all(connections: Connections, *names: str, slow: bool = False) -> list[Connection]:
    opened = [Connection(name, slow) for name in names]
    for connection in opened:
        connections.opened(connection)
    return opened


def evicted(*opened: Connection) -> list[str]:
    return [connection.name for connection in opened if connection.evicted]


def test_the_one_that_has_waited_longest_goes(connections: Connections) -> None:
    one, two, three = open_all(connections, "one", "two", "three")
    connections.asked(one)
    assert evicted(one, two, three) == []
    open_all(connections, "four")
    assert evicted(one, two, three) == ["two"]
    connections.closed(two)
    open_all(connections, "five")
    assert evicted(one, two, three) == ["two", "three"]


def test_an_answered_connection_waits_from_then_on(connections: Connections) -> None:
    one, two, three = open_all(connections, "one", "two", "three")
    connections.asked(one)
    connections.answered(one)
    connections.asked(two)
    open_all(connections, "four")
    assert evicted(one, two, three) == ["three"]
    open_all(connections, "five")
    assert evicted(one, two, three) == ["one", "three"]


def test_where_none_waits_for_a_head_the_oldest_slow_one_goes(connections: Connections) -> None:
    busy, slow, slower = (
        *open_all(connections, "busy"),
        *open_all(connections, "slow", "slower", slow=True),
    )
    for connection in (busy, slow, slower):
        connections.asked(connection)
    (new,) = open_all(connections, "new")
    assert evicted(busy, slow, slower, new) == ["slow"]


def test_where_all_are_being_answered_the_new_one_goes(connections: Connections) -> None:
    busy = open_all(connections, "one", "two", "three")
    for connection in busy:
        connections.asked(connection)
    (new,) = open_all(connections, "new")
    assert evicted(*busy, new) == ["new"]


def test_a_connection_that_is_gone_does_not_wait_again(connections: Connections) -> None:
    one, two, three = open_all(connections, "one", "two", "three")
    connections.asked(one)
    connections.closed(one)
    connections.answered(one)
    four, five = open_all(connections, "four", "five")
    assert evicted(one, two, three, four, five) == ["two"]


def test_open_connections_are_counted(connections: Connections, metrics: Metrics) -> None:
    opened = open_all(connections, "one", "two", "three", "four")
    assert metrics.connections == 3
    for connection in opened:
        connections.closed(connection)
    assert metrics.connections == 0


def test_by_default_memory_limits_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    streams = settings.max_streams * STREAM_BYTES
    memory = REST_BYTES + settings.max_bytes_in_flight + streams + 100 * CONNECTION_BYTES
    monkeypatch.setattr(admission, "memory_limit", lambda: memory)
    assert most_connections(settings) == 100
    assert most_connections(Settings(max_concurrency=1)) > 1000
    assert most_connections(Settings(max_connections=7)) == 7
    more = settings.max_streams * CONNECTION_BYTES // STREAM_BYTES
    assert most_connections(Settings(max_streams=2 * settings.max_streams)) == max(16, 100 - more)
    assert most_connections(Settings(max_streams=1)) > 100
    with_database = Settings(database="postgresql://localhost/letters")
    assert most_connections(with_database) < 100
    monkeypatch.setattr(admission, "memory_limit", lambda: memory + DATABASE_BYTES)
    assert most_connections(with_database) == 100


def test_the_memory_of_a_database_has_room_for_its_queue() -> None:
    # Twice, since what is taken from it to be written makes room for more.
    assert 2 * MOST_BYTES < DATABASE_BYTES


def test_by_default_descriptors_limit_the_connections(tmp_path: Path) -> None:
    script = """
import resource
from eeg_letters.serving.admission import most_connections, most_streams
from eeg_letters.settings import Settings
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for soft in (256, 70):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for streams in (10, 10_000):
        settings = Settings(max_concurrency=1, max_streams=streams)
        print(most_streams(settings), most_connections(settings))
"""
    half = (256 - REST_DESCRIPTORS) // 2
    few = ["10", str(256 - REST_DESCRIPTORS - 10)]
    assert run_python(tmp_path, script).split() == [
        *few,
        *[str(half)] * 2,
        *["10", "16"],
        *["16", "16"],
    ]


def test_streams_are_as_many_as_the_setting_says_where_descriptors_are_many() -> None:
    assert most_streams(Settings(max_streams=7)) == 7


def test_the_memory_is_no_more_than_the_machine_has() -> None:
    pages = resource.getpagesize()
    with Path("/proc/meminfo").open() as lines:
        total = int(lines.readline().split()[1]) * 1024
    assert 0 < memory_limit() <= total + pages
