"""Instructions of a start and of requests, of this tree and of an earlier commit, by callgrind.

Run it from the repository root with models in the store: ``make test-speed``. Times differ by the
load of a machine, and instructions by its processor: both are counted in one run on one machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.counted import TIMES

ROOT = Path(__file__).resolve().parent.parent
# The last commit whose counts were accepted on purpose.
ACCEPTED = ROOT / "benchmarks" / "results" / "accepted-speed"
START = "start"
MOST_PERCENT = 3.0


def main() -> int:
    """Print a table; 1 where something takes too many instructions more."""
    base = find_base()
    with TemporaryDirectory() as folder:
        earlier = Path(folder, "earlier")
        git("worktree", "add", "--detach", "--force", str(earlier), base)
        try:
            with ThreadPoolExecutor() as pool:
                before, after = pool.map(count, (earlier, ROOT))
        finally:
            git("worktree", "remove", "--force", str(earlier))
    Console(width=100).print(table(before, after, base))
    grown = [name for name in after if percent(before[name], after[name]) > MOST_PERCENT]
    if not grown:
        return 0
    print(
        f"More than {MOST_PERCENT:g} % more instructions: {', '.join(grown)}. Take them back, or"
        f" accept them: commit the output of `git rev-parse HEAD`, once the change is committed, as"
        f" {ACCEPTED.relative_to(ROOT)}, and say in its message why.",
        file=sys.stderr,
    )
    return 1


def find_base() -> str:
    """The commit to compare with: the accepted one, or the merge base with origin's, if later."""
    accepted = ACCEPTED.read_text(encoding="ascii").strip()
    head = git("rev-parse", "HEAD")
    forked = git("merge-base", "HEAD", "origin/HEAD", check=False)
    if not forked or forked == head:
        return accepted
    is_later = subprocess.run(
        ["git", "merge-base", "--is-ancestor", accepted, forked],
        cwd=ROOT,
        check=False,
    )
    return accepted if is_later.returncode else forked


def count(tree: Path) -> dict[str, float]:
    """Instructions for a start, and for each request, in a tree."""
    with TemporaryDirectory() as folder:
        output = Path(folder, "counts")
        counted = subprocess.run(
            [
                *(shutil.which("valgrind") or "valgrind", "--tool=callgrind"),
                *(f"--callgrind-out-file={output}", "--zero-before=sched_get_priority_max"),
                *("--dump-before=sched_get_priority_min", sys.executable, "-P"),
                str(ROOT / "benchmarks" / "counted.py"),
            ],
            cwd=tree,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if counted.returncode:
            sys.exit(f"{tree}: {counted.stdout[-2000:]}")
        dumps = [output.with_name(f"{output.name}.{n}") for n in range(1, len(TIMES) + 2)]
        counts = [
            int(re.findall(r"^summary: (\d+)", d.read_text(), re.MULTILINE)[0]) for d in dumps
        ]
    return {START: counts[0]} | {
        name: instructions / times
        for (name, times), instructions in zip(TIMES.items(), counts[1:], strict=True)
    }


def table(before: dict[str, float], after: dict[str, float], base: str) -> Table:
    """Both counts, in thousands."""
    made = Table(title=f"Thousands of instructions, since {base[:12]}", title_justify="left")
    for heading in ("", "before", "after", "change"):
        made.add_column(heading, justify="right" if heading else "left")
    for name, count_ in after.items():
        change = percent(before[name], count_)
        made.add_row(name, f"{before[name] / 1e3:,.1f}", f"{count_ / 1e3:,.1f}", f"{change:+.1f} %")
    return made


def percent(before: float, after: float) -> float:
    """By how much it has grown."""
    return 100 * (after / before - 1)


def git(*command: str, check: bool = True) -> str:
    """What git prints."""
    told = subprocess.run(
        ["git", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=None if check else subprocess.DEVNULL,
        text=True,
        check=check,
    )
    return told.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
