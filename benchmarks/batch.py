"""How fast a file goes through `python -m eeg_letters.batch`, and what its parser alone could do.

Run it from the repository root, with both models trained: ``python -m benchmarks.batch [ROWS]``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import read_csv, read_parquet, write_csv, write_parquet
from rich.console import Console
from rich.table import Table

from benchmarks.paths import ROOT
from eeg_letters.labels import LETTER_COLUMN
from eeg_letters.recordings.chunks import MOST_CHUNK_ROWS as CHUNK_ROWS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.schema import LINE_COLUMN

ROWS = 1_000_000
PART = 10_000

TYPES = {LINE_COLUMN: DataType.int64(), LETTER_COLUMN: DataType.int64()}
COLUMNS = read_recording(ROOT / "data" / "train.csv").columns
SCHEMA = Schema([Field(name, TYPES.get(name, DataType.float64())) for name in COLUMNS])


# In a small process of its own: a child's peak counts what its parent had when it was started.
MEASURE = """
import json, os, resource, subprocess, sys, time
os.sched_setaffinity(0, json.loads(sys.argv[1]))
started = time.perf_counter()
subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, check=True)
seconds = time.perf_counter() - started
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


class Run(NamedTuple):
    """What a run took: seconds on the clock, seconds of all cores, the most memory of a process."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float


def main(n_rows: int) -> None:
    """Make both files, measure, and print a table."""
    table = Table("File", "MB", "Cores", "Rows/s", "Rows/s a core", "Rows/CPU-s", "Peak MB")
    cores = sorted(os.sched_getaffinity(0))
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as folder:
        parquet, text = Path(folder) / "rows.parquet", Path(folder) / "rows.csv"
        with console.status("Making files"):
            write_parquet(simulated(n_rows), str(parquet), compression="snappy")
            write_csv(simulated(n_rows), str(text))
        for path in (parquet, text):
            size = f"{path.stat().st_size / 1e6:.0f}"
            with console.status(f"Reading {path.name}"):
                seconds = parse(path, n_rows)
            rate = f"{n_rows / seconds:,.0f}"
            table.add_row(f"{path.suffix}, parser alone", size, "1", rate, rate, "", "")
            for used in sorted({1, len(cores)}):
                with console.status(f"Predicting on {path.name} by {used} cores"):
                    run = predict(path, Path(folder) / "out.parquet", cores[:used])
                table.add_row(
                    f"{path.suffix}, whole command",
                    size,
                    str(used),
                    f"{n_rows / run.seconds:,.0f}",
                    f"{n_rows / run.seconds / used:,.0f}",
                    f"{n_rows / run.cpu_seconds:,.0f}",
                    f"{run.peak_megabytes:.0f}",
                )
    console.print(table)


def simulated(n_rows: int) -> RecordBatchReader:
    """Rows of the simulated recording, again and again, each with a jitter of its own."""
    recording = read_recording(ROOT / "data" / "train.csv")
    generator = np.random.default_rng(0)

    def batches() -> Iterator[RecordBatch]:
        for start in range(0, n_rows, PART):
            lines = np.arange(start, min(start + PART, n_rows))
            rows = lines % len(recording)
            jitter = generator.normal(1, 0.01, (len(rows), recording.features.shape[1]))
            powers = np.round(recording.features[rows] * jitter, 3)
            columns = [lines, recording.labels[rows], *np.ascontiguousarray(powers.T)]
            yield RecordBatch.from_arrays(
                [Array.from_numpy(column) for column in columns], schema=SCHEMA
            )

    return RecordBatchReader.from_batches(SCHEMA, batches())


def parse(path: Path, n_rows: int) -> float:
    """Seconds that reading a file takes, and nothing else."""
    started = time.perf_counter()
    if path.suffix == ".parquet":
        reader = read_parquet(str(path), batch_size=CHUNK_ROWS)
    else:
        reader = read_csv(str(path), SCHEMA, has_header=True, batch_size=CHUNK_ROWS)
    if sum(batch.num_rows for batch in reader) != n_rows:
        raise ValueError(f"{path.name} has not the rows that were written")
    return time.perf_counter() - started


def predict(path: Path, output: Path, cores: list[int]) -> Run:
    """Run the command on some cores."""
    command = [sys.executable, "-m", "eeg_letters.batch", str(path), str(output)]
    finished = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(cores), *command],
        cwd=ROOT,
        env={**os.environ, "BENTOML_DO_NOT_TRACK": "True"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Run(*json.loads(finished.stdout))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
