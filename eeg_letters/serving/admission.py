"""How many connections are held open, and which one goes when there is one too many."""

from __future__ import annotations

import os
import resource
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

# What a connection takes that sends the largest head of the smallest fields: measured, and rounded
# up.
CONNECTION_BYTES = 64 * 1024
# What a stream takes at most with the largest messages by default: half a message, rows that wait
# for their answers, and answers that wait for their client (`make test-attack` measures it).
STREAM_BYTES = 64 * 1024
# Of the image's process at rest (75 MB), and what it takes to read, score and answer the largest
# bodies beside themselves and their answers (70 MB): measured, and rounded up.
REST_BYTES = 200_000_000
# What a database adds: its libraries (24 MB), the queue of rows that wait (34 MB at most), and what
# it takes to write them and to answer from it: measured, and rounded up.
DATABASE_BYTES = 100_000_000
# Files, pipes and sockets that are no connection: 30 at rest.
REST_DESCRIPTORS = 64
# Even where memory or descriptors are too few: a service that takes none is of no use.
_FEWEST = 16


class Evictable(Protocol):
    """A connection that can be ended without an answer."""

    def evict(self) -> None:
        """End it at once."""

    def waits_for_client(self) -> bool:
        """Whether its client must send or take something before it goes on."""


class Connections:
    """The connections that are open; above the most of them, the idlest one goes.

    That is the one that has waited longest without a complete head, so that clients which send
    their requests at once, such as probes, always get in. Where none but the new one waits for a
    head, it is the oldest whose client is slow to send a body or to take an answer.

    Parameters
    ----------
    most : int
        The most that are held open.
    metrics : Metrics
        Told how many there are.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        # In the order in which they were opened.
        self._open: dict[Evictable, None] = {}
        # In the order in which they began to wait.
        self._waiting: OrderedDict[Evictable, None] = OrderedDict()

    def opened(self, connection: Evictable) -> None:
        """Count a connection, which waits for a head; another one goes where it is one too many."""
        self._open[connection] = None
        self._waiting[connection] = None
        if len(self._open) > self._most:
            idlest = self._idlest()
            self.closed(idlest)
            idlest.evict()
        self._metrics.connections = len(self._open)

    def closed(self, connection: Evictable) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)
        self._waiting.pop(connection, None)
        self._metrics.connections = len(self._open)

    def asked(self, connection: Evictable) -> None:
        """A complete head has arrived."""
        self._waiting.pop(connection, None)

    def answered(self, connection: Evictable) -> None:
        """All that it asked is answered: it waits again."""
        if connection in self._open:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection)

    def _idlest(self) -> Evictable:
        newest = next(reversed(self._open))
        idlest = next(iter(self._waiting))
        if idlest is newest:
            return next((other for other in self._open if other.waits_for_client()), newest)
        return idlest


def most_connections(settings: Settings) -> int:
    """`Settings.max_connections`, or what memory and file descriptors allow."""
    if settings.max_connections is not None:
        return settings.max_connections
    left = memory_limit() - REST_BYTES - settings.max_bytes_in_flight
    left -= most_streams(settings) * STREAM_BYTES
    if settings.has_database:
        left -= DATABASE_BYTES
    descriptors = _free_descriptors() - most_streams(settings)
    return max(_FEWEST, min(left // CONNECTION_BYTES, descriptors))


def most_streams(settings: Settings) -> int:
    """`Settings.max_streams`, or half of the file descriptors: the others are for requests."""
    return min(settings.max_streams, max(_FEWEST, _free_descriptors() // 2))


def _free_descriptors() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return descriptors - REST_DESCRIPTORS


def memory_limit() -> int:
    """Bytes of memory that this process may take: its cgroups' limit, or all there is."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # Not Linux.
        return limits[0]
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers in {"", "memory"}:
            limits += _limits(Path("/sys/fs/cgroup") / controllers, Path(path.lstrip("/")))
    return min(limits)


def _limits(root: Path, path: Path) -> list[int]:
    # In a container the group may be mounted as the root, and its path be that of the host.
    found = []
    for folder in (path, *path.parents):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                text = (root / folder / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdecimal():
                found.append(int(text))
    return found
