"""Instructions of a start, of stages and of requests, compared with an earlier commit's.

Run it from the repository root with models in the store: ``make test-speed``. Times differ by the
load of a machine, and instructions by its processor: Callgrind counts both trees in one run on one
machine.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
# The last commit whose counts were accepted on purpose.
ACCEPTED = ROOT / "benchmarks" / "results" / "accepted-speed"
MOST_PERCENT = 3.0

Counts = Mapping[str, float]


class CannotCount(Exception):
    """The message says in one sentence what is missing."""


def main() -> int:
    """Print a table; 1 where something takes too many instructions more."""
    try:
        base = find_base(ROOT, ACCEPTED.read_text(encoding="ascii").strip())
        check_tools()
        with TemporaryDirectory() as folder:
            earlier = Path(folder, "earlier")
            check_out(ROOT, base, earlier)
            with ThreadPoolExecutor() as pool:
                before, after = pool.map(count, (earlier, ROOT), (False, True))
    except CannotCount as error:
        sys.exit(f"test-speed: {error}")
    Console(width=100).print(table(before, after, base))
    said = verdict(before, after)
    print(said, file=sys.stderr)
    return 1 if grown(before, after) else 0


def find_base(root: Path, commit: str) -> str:
    """The accepted commit, if this clone has it."""
    if subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"],
        cwd=root,
        capture_output=True,
        check=False,
    ).returncode:
        raise CannotCount(
            f"the accepted commit {commit[:12]} is not in this clone; where it is a shallow one,"
            " `git fetch --unshallow` brings it."
        )
    return commit


def check_tools() -> None:
    """Make sure that there is something to count with, and models."""
    if shutil.which("valgrind") is None:
        raise CannotCount("valgrind must be installed.")
    store = subprocess.run(
        [sys.executable, "-m", "eeg_letters.scoring.store"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if store.returncode:
        said = store.stderr.strip().splitlines() or ["the store has no models"]
        raise CannotCount(f"{said[-1]} `make models` trains where there are none.")


def check_out(root: Path, commit: str, target: Path) -> None:
    """Write the files of a commit into a folder; the clone knows nothing of it."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=root, stdout=subprocess.PIPE, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="data")


def count(tree: Path, is_this: bool) -> Counts:
    """Instructions of whatever can be counted in a tree, for each time that it is done.

    Raises
    ------
    CannotCount
        When the tree does not start, or is this one and lacks something.
    """
    # Of a start both would otherwise count what one of them compiles.
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "eeg_letters", "service.py"],
        cwd=tree,
        check=True,
    )
    with TemporaryDirectory() as folder:
        output, told = Path(folder, "counts"), Path(folder, "told.json")
        done = subprocess.run(
            [
                # Addresses are the same in every run.
                *("setarch", "--addr-no-randomize"),
                *("valgrind", "--tool=callgrind", f"--callgrind-out-file={output}"),
                *("--zero-before=sched_get_priority_max", "--dump-before=sched_get_priority_min"),
                *(sys.executable, "-P", str(ROOT / "benchmarks" / "counted.py"), str(told)),
            ],
            cwd=tree,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode or not told.exists():
            whose = "this tree" if is_this else "the accepted commit"
            raise CannotCount(f"{whose} does not start under Callgrind:\n{done.stdout[-2000:]}")
        counted = json.loads(told.read_text(encoding="utf-8"))
        dumps = [Path(f"{output}.{n}").read_text() for n in range(1, len(counted) + 1)]
    return read_counts(counted, dumps, is_this)


def read_counts(
    counted: list[tuple[str, int, str]], dumps: list[str], is_this: bool
) -> dict[str, float]:
    """Counts by name, from what was done and Callgrind's dumps of it."""
    counts = {}
    for (name, times, reason), dump in zip(counted, dumps, strict=True):
        if reason and is_this:
            raise CannotCount(f"{name} cannot be counted: {reason}")
        if not reason:
            counts[name] = int(re.findall(r"^summary: (\d+)", dump, re.MULTILINE)[0]) / times
    return counts


def table(before: Counts, after: Counts, base: str) -> Table:
    """Both counts, in thousands."""
    made = Table(title=f"Thousands of instructions, since {base[:12]}", title_justify="left")
    for heading in ("", "before", "after", "change"):
        made.add_column(heading, justify="right" if heading else "left")
    for name, now in after.items():
        if name in before:
            was, change = f"{before[name] / 1e3:,.1f}", f"{percent(before[name], now):+.1f} %"
        else:
            was, change = "", "new"
        made.add_row(name, was, f"{now / 1e3:,.1f}", change)
    return made


def grown(before: Counts, after: Counts) -> list[str]:
    """What takes too many instructions more than it did."""
    return [
        name
        for name, now in after.items()
        if name in before and percent(before[name], now) > MOST_PERCENT
    ]


def verdict(before: Counts, after: Counts) -> str:
    """What to do, in a sentence or two."""
    accept = (
        f"commit the output of `git rev-parse HEAD`, once the change is committed, as"
        f" {ACCEPTED.relative_to(ROOT)}"
    )
    if more := grown(before, after):
        return (
            f"More than {MOST_PERCENT:g} % more instructions: {'; '.join(more)}. Take them back, or"
            f" accept them on purpose: {accept}, and say in its message why."
        )
    if less := grown(after, before):
        return (
            f"More than {MOST_PERCENT:g} % fewer instructions: {'; '.join(less)}. To keep it so,"
            f" {accept}."
        )
    return f"Nothing takes more than {MOST_PERCENT:g} % more instructions."


def percent(before: float, after: float) -> float:
    """By how much it has grown."""
    return 100 * (after / before - 1)


if __name__ == "__main__":
    sys.exit(main())
