"""Measure the image against its goals: ``python -m image.measure ENGINE IMAGE``."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from rich.console import Console
from rich.table import Table

from image.container import Container, running

SIZE_GOAL_MB = 430
READY_GOAL_SECONDS = 1.5
MEMORY_GOAL_MB = 120
STARTS = 3


def main(engine: str, image: str) -> None:
    """Print size, readiness and memory, and what the image is made of where it is too large."""
    size = unpacked_megabytes(engine, image)
    starts = [ready_seconds(engine, image) for _ in range(STARTS)]
    with running(engine, image) as container:
        table = Table("Measured", "Value", "Goal", "", title=image)
        add_row(table, "Unpacked", size, SIZE_GOAL_MB, "MB", 0)
        add_row(
            table, f"Ready after, median of {STARTS}", median(starts), READY_GOAL_SECONDS, "s", 1
        )
        memory = container.resident_megabytes()
        add_row(table, "Resident at rest, all processes", memory, MEMORY_GOAL_MB, "MB", 0)
        console = Console(width=100)
        console.print(table)
        if size > SIZE_GOAL_MB:
            console.print(largest_packages(container))


def ready_seconds(engine: str, image: str) -> float:
    """From the engine's start of the image to its first answer to ``/readyz``."""
    with running(engine, image) as container:
        return container.ready_seconds


def unpacked_megabytes(engine: str, image: str) -> float:
    """Size of all layers."""
    inspect = [engine, "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(inspect, capture_output=True, text=True, check=True).stdout) / 1e6


def add_row(table: Table, what: str, value: float, goal: float, unit: str, digits: int) -> None:
    """Add a figure, its goal and whether it is met."""
    met = "met" if value <= goal else "not met"
    table.add_row(what, f"{value:.{digits}f} {unit}", f"at most {goal} {unit}", met)


def largest_packages(container: Container) -> str:
    """What takes the most space among the Python packages, one a line."""
    command = "du -m -d 1 /opt/venv/lib/python3*/site-packages | sort -rn | head -20"
    return container.execute("sh", "-c", command)


if __name__ == "__main__":
    main(*sys.argv[1:])
