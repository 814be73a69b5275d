"""What the processes of the service hold over time, and whether it grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import psutil

from benchmarks.environments import Unavailable

# What the first minute fills is kept: buffers, arenas, connections.
SETTLING_SECONDS = 60
# Growth of the memory that is noise, whichever is more.
NOISE_SHARE = 0.03
NOISE_MB = 4.0


@dataclass(frozen=True)
class Vitals:
    """What a process holds at a time; memory is what is resident, in megabytes."""

    seconds: float
    memory_mb: float
    descriptors: float
    threads: float


class Watch:
    """The supervisor and the worker of a service, and what they have held.

    Attributes
    ----------
    seen : dict of str to list of Vitals
        By the process' name, in the order of time.
    """

    def __init__(self, pid: int) -> None:
        supervisor = psutil.Process(pid)
        (worker,) = supervisor.children()
        self._processes = {"supervisor": supervisor, "worker": worker}
        self.seen: dict[str, list[Vitals]] = {name: [] for name in self._processes}

    def look(self, seconds: float) -> None:
        """Note what the processes hold at this second.

        Raises
        ------
        Unavailable
            When one has ended.
        """
        for name, process in self._processes.items():
            try:
                memory_mb = process.memory_info().rss / 1e6
                vitals = Vitals(seconds, memory_mb, process.num_fds(), process.num_threads())
            except psutil.NoSuchProcess:
                raise Unavailable(f"the {name} ended after {seconds:.0f} s") from None
            self.seen[name].append(vitals)


def settled(seen: Sequence[Vitals]) -> tuple[Vitals, Vitals]:
    """Medians of the first and of the last quarter of what was seen after the first minute."""
    after = [vitals for vitals in seen if vitals.seconds >= SETTLING_SECONDS]
    quarter = -(-len(after) // 4)
    return _median(after[:quarter]), _median(after[-quarter:])


def growth(name: str, seen: Sequence[Vitals]) -> Iterator[str]:
    """What a process holds more of in the last quarter than in the first, one clause each."""
    first, last = settled(seen)
    noise_mb = max(NOISE_MB, NOISE_SHARE * first.memory_mb)
    if last.memory_mb > first.memory_mb + noise_mb:
        yield f"memory of the {name} grew from {first.memory_mb:.1f} to {last.memory_mb:.1f} MB"
    if last.descriptors > first.descriptors:
        yield (
            f"file descriptors of the {name} grew"
            f" from {first.descriptors:.0f} to {last.descriptors:.0f}"
        )
    if last.threads > first.threads:
        yield f"threads of the {name} grew from {first.threads:.0f} to {last.threads:.0f}"


def _median(seen: Sequence[Vitals]) -> Vitals:
    return Vitals(
        seen[0].seconds,
        median(vitals.memory_mb for vitals in seen),
        median(vitals.descriptors for vitals in seen),
        median(vitals.threads for vitals in seen),
    )
