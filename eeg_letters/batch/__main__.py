"""Predict on whole files: ``python -m eeg_letters.batch INPUT OUTPUT``."""

from __future__ import annotations

import argparse
import glob
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

# Read when NumPy is imported: cores are shared out to processes, not to threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from eeg_letters.atomic import aside
from eeg_letters.batch.outputs import (
    ENDINGS,
    Predictions,
    make_schema,
    to_batch,
    write,
)
from eeg_letters.batch.workers import WorkerLost, Workers
from eeg_letters.errors import OutputError, RecordingError, UserError
from eeg_letters.models import MODELS
from eeg_letters.recordings.chunks import Rejected, Table
from eeg_letters.recordings.tables import STDIN, open_table
from eeg_letters.schema import LETTER_COLUMN
from eeg_letters.scoring.store import use_own_bento

PROGRAM = "eeg_letters.batch"


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes
    ----------
    keep : sequence of str
        Columns of the input to carry through.
    every : bool
        Write the probabilities of all letters.
    skip : bool
        Put bad rows aside in place of stopping at the first one.
    """

    keep: Sequence[str]
    every: bool
    skip: bool


@dataclass
class Tally:
    """What was done so far for one output."""

    rows: int = 0
    rejected: int = 0
    with_letters: int = 0
    right: list[int] = field(default_factory=lambda: [0] * len(MODELS))

    def count(self, predictions: Predictions, rejected: int) -> None:
        """Add a chunk."""
        self.rows += len(predictions.lines)
        self.rejected += rejected
        if predictions.letters is not None:
            self.with_letters += len(predictions.lines)
            for index, scores in enumerate(predictions.scores):
                self.right[index] += int(np.sum(scores.labels == predictions.letters))

    def report(self, output: Path) -> Iterator[str]:
        """Closing lines."""
        yield f"{output}: {self.rows} rows"
        if self.rejected:
            yield f"{_rejects_of(output)}: {self.rejected} rows could not be read"
        if self.with_letters:
            shares = (
                f"{model.title} {right / self.with_letters:.4f}"
                for model, right in zip(MODELS, self.right, strict=True)
            )
            yield f"Accuracy over {self.with_letters} rows: {', '.join(shares)}"


def predict_files(
    inputs: Sequence[str],
    output: Path,
    options: Options,
    workers: Workers,
    progress: Progress,
    name_files: bool,
) -> Tally:
    """Write the predictions on the rows of some files to one file.

    Parameters
    ----------
    inputs : sequence of str
        The files, or `STDIN`.
    output : pathlib.Path
        Appears whole or not at all, as does the file of bad rows beside it.
    options : Options
        What is asked for.
    workers : Workers
        Who score.
    progress : rich.progress.Progress
        Told of rows and bytes.
    name_files : bool
        Name its file in each row.

    Returns
    -------
    Tally

    Raises
    ------
    RecordingError
        When an input cannot be read, a row is bad and none may be, or all rows are.
    OutputError
        When the output cannot be written.
    WorkerLost
        When a worker process was killed.
    """
    tally = Tally()
    total = None if STDIN in inputs else sum(map(_size, inputs))
    task = progress.add_task(str(output), total=total, rate="")
    rejects = _rejects_of(output)
    with aside(output) as partial:
        with ExitStack() as stack:
            first = stack.enter_context(open_table(inputs[0], options.keep))
            schema = make_schema(
                MODELS, first.columns.has_letters, options.every, name_files, first.kept_fields()
            )
            reject = _Rejects(rejects, stack) if options.skip else _stop
            batches = (
                to_batch(predictions, schema, path if name_files else None)
                for path, predictions in _predict(
                    first, inputs, options, workers, tally, reject, _Display(progress, task)
                )
            )
            write(partial, schema, batches)
        if not tally.rows and tally.rejected:
            raise RecordingError(
                f"{', '.join(inputs)}: none of {tally.rejected} rows could be read,"
                f" {rejects} says why"
            )
        if not tally.rows:
            raise RecordingError(f"{', '.join(inputs)}: there are no rows")
    if not tally.rejected:
        rejects.unlink(missing_ok=True)
    return tally


def _predict(
    first: Table,
    inputs: Sequence[str],
    options: Options,
    workers: Workers,
    tally: Tally,
    reject: Callable[[str, Rejected], None],
    display: _Display,
) -> Iterator[tuple[str, Predictions]]:
    for path in inputs:
        with nullcontext(first) if path is inputs[0] else open_table(path, options.keep) as table:
            _check_alike(first, table, inputs[0], path)
            place = 0
            for chunk, parsed, scores in workers.answers(table):
                for row in parsed.rejected:
                    number = table.first_place + place + row.place + 1
                    reject(f"{table.where} {number}", row)
                lines, letters = parsed.numbers.astype(np.int64)
                predictions = Predictions(
                    lines if table.columns.has_lines else lines + place,
                    letters if table.columns.has_letters else None,
                    scores,
                    table.kept(parsed),
                )
                place += chunk.places
                tally.count(predictions, len(parsed.rejected))
                display.update(tally.rows + tally.rejected, table.bytes_read())
                yield path, predictions
            display.next_file(table.bytes_read())


def _check_alike(first: Table, table: Table, first_path: str, path: str) -> None:
    if table.columns.has_letters != first.columns.has_letters:
        raise RecordingError(
            f"{path}, column {LETTER_COLUMN}: one of this file and {first_path} has it,"
            " the other has not"
        )
    for one, other in zip(first.kept_fields(), table.kept_fields(), strict=True):
        if one.type != other.type:
            raise RecordingError(
                f"{path}, column {one.name}: not of the type it has in {first_path}"
            )


class _Display:
    # What the progress bar shows.
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._before = 0

    def update(self, rows: int, bytes_read: int) -> None:
        elapsed = self._progress.tasks[-1].elapsed or 1
        self._progress.update(
            self._task, completed=self._before + bytes_read, rate=f"{rows / elapsed:,.0f} rows/s"
        )

    def next_file(self, bytes_read: int) -> None:
        self._before += bytes_read


class _Rejects:
    # The file of bad rows, which appears with the first of them.
    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._file: BinaryIO | None = None

    def __call__(self, where: str, row: Rejected) -> None:
        if self._file is None:
            partial = self._stack.enter_context(aside(self._path))
            self._file = self._stack.enter_context(partial.open("wb"))
        document = {"where": where, "reason": row.reason, "content": row.content}
        self._file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def _stop(where: str, row: Rejected) -> None:
    raise RecordingError(f"{where}, {row.reason}")


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0


def _rejects_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.rejects")


@dataclass(frozen=True)
class Job:
    """An output and the inputs it is made of."""

    inputs: list[str]
    output: Path


def plan(source: str, target: str, shard: tuple[int, int]) -> list[Job]:
    """Which inputs go into which outputs.

    Parameters
    ----------
    source : str
        A file, a pattern of files, or `STDIN`.
    target : str
        A file, or with ``*`` in its name a file for each input, whose name without its ending takes
        the star's place.
    shard : tuple of (int, int)
        Index and number of shards: of the inputs, sorted by name, each takes every so-manieth.

    Raises
    ------
    UserError
        When there is no input, or an output cannot be made of its inputs.
    """
    inputs = [source]
    if _is_pattern(source):
        inputs = sorted(glob.glob(source))  # noqa: PTH207 a Path's takes no absolute pattern
        if not inputs:
            raise UserError(f"{source}: there is no such file")
    name = Path(target).name
    if Path(target).suffix not in ENDINGS:
        raise UserError(f"{target}: an output ends in {' or '.join(ENDINGS)}")
    if "*" not in name:
        if shard[1] > 1:
            raise UserError(f"{target}: with --shard, each input has an output: give its name a *")
        jobs = [Job(inputs, Path(target))]
    elif source == STDIN:
        raise UserError(f"{target}: standard input has no name to take the place of the *")
    else:
        jobs = [Job([path], _output_for(path, target)) for path in inputs]
    _check_outputs(jobs)
    return jobs[shard[0] :: shard[1]]


def _is_pattern(source: str) -> bool:
    return glob.has_magic(source) and not Path(source).exists()


def _output_for(path: str, target: str) -> Path:
    return Path(target).with_name(Path(target).name.replace("*", Path(path).stem))


def _check_outputs(jobs: Sequence[Job]) -> None:
    sources = {os.path.realpath(path) for job in jobs for path in job.inputs if path != STDIN}
    seen: dict[Path, str] = {}
    for job in jobs:
        if os.path.realpath(job.output) in sources:
            raise UserError(f"{job.output}: the output is one of the inputs")
        if job.output in seen:
            raise UserError(f"{job.inputs[0]} and {seen[job.output]} have one output, {job.output}")
        seen[job.output] = job.inputs[0]


def main(source: str, target: str, shard: tuple[int, int], options: Options) -> int:
    """Predict on all files and say how it went; returns the exit status."""
    jobs = plan(source, target, shard)
    if not jobs:
        print(f"none of the files is for shard {shard[0]}")
    each = "*" in Path(target).name
    name_files = not each and _is_pattern(source)
    failed = False
    workers = Workers(options.every)
    try:
        for job in jobs:
            if each and job.output.exists():
                print(f"{job.output}: there already")
                continue
            try:
                with _progress() as progress:
                    tally = predict_files(
                        job.inputs, job.output, options, workers, progress, name_files
                    )
            except RecordingError as error:
                if not each:
                    raise
                # The other files may be well.
                failed = True
                print(f"{PROGRAM}: {error}", file=sys.stderr)
            else:
                for line in tally.report(job.output):
                    print(line)
    finally:
        workers.stop()
    return 2 if failed else 0


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    parser.add_argument(
        "input",
        help="CSV, JSON lines or Parquet: a file, a quoted pattern of files, or - for stdin",
    )
    parser.add_argument(
        "output",
        help="a .csv or .parquet file; with a * in its name one for each input, whose name takes"
        " the star's place, and what is there already is not done again",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="carry a column of the input through; can be given again",
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="write the probabilities of all letters"
    )
    parser.add_argument(
        "--on-error",
        choices=("fail", "skip"),
        default="fail",
        help="at a bad row stop, or put it into OUTPUT.rejects and go on (%(default)s)",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        default=(0, 1),
        metavar="INDEX/COUNT",
        help="take every COUNT-th of the files, from the one at INDEX on, 0 being the first",
    )
    return parser.parse_args()


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text} is not an index below a count, such as 0/3")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    arguments = parse_arguments()
    # As Ctrl-C: what was begun is tidied away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        use_own_bento()
        asked = Options(arguments.keep, arguments.probabilities, arguments.on_error == "skip")
        sys.exit(main(arguments.input, arguments.output, arguments.shard, asked))
    except OutputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(1)
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
    except WorkerLost:
        print(f"{PROGRAM}: a worker process was killed; is memory short?", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted, nothing unfinished is left", file=sys.stderr)
        sys.exit(130)
