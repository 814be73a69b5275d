"""Predictions on the rows of some files, written to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
from rich.progress import Progress, TaskID

from eeg_letters.atomic import atomic_write
from eeg_letters.batch.outputs import Predictions, make_schema, to_batch
from eeg_letters.batch.workers import Workers
from eeg_letters.errors import RecordingError
from eeg_letters.labels import listed
from eeg_letters.models import MODELS
from eeg_letters.recordings.chunks import Rejected, Table, counted
from eeg_letters.recordings.sources import STDIN, display_name
from eeg_letters.recordings.tables import open_table
from eeg_letters.recordings.writing import write


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes
    ----------
    keep : sequence of str
        Columns of the input to carry through.
    all_probabilities : bool
        Write the probabilities of all labels.
    familiar : bool
        Write whether each row is like those of the training.
    skip : bool
        Write bad rows to a file of their own instead of stopping at the first one.
    verbose : bool
        Say how each file was read.
    """

    keep: Sequence[str]
    all_probabilities: bool
    familiar: bool
    skip: bool
    verbose: bool = False


@dataclass
class Tally:
    """Counts of rows for one output."""

    told: list[str] = field(default_factory=list)
    rows: int = 0
    rejected: int = 0
    labelled: int = 0
    judged: int = 0
    unfamiliar: int = 0
    right: list[int] = field(default_factory=lambda: [0] * len(MODELS))

    def count(self, predictions: Predictions, rejected: int) -> None:
        """Add a chunk."""
        self.rows += len(predictions.lines)
        self.rejected += rejected
        if predictions.familiar is not None:
            self.judged += len(predictions.familiar)
            self.unfamiliar += int(np.count_nonzero(~predictions.familiar))
        if predictions.classes is not None:
            self.labelled += int(np.sum(predictions.classes >= 0))
            for index, scores in enumerate(predictions.scores):
                self.right[index] += int(np.sum(scores.labels == predictions.classes))

    def tell(self, table: Table, verbose: bool) -> None:
        """Keep what is to be said of a file."""
        columns = table.columns
        if verbose:
            notes = "; ".join((*table.notes, *columns.notes))
            self.told.append(f"Read {table.name}: {notes or 'as usual'}")
        if columns.ignored:
            self.told.append(f"Unused columns of {table.name}: {listed(columns.ignored)}")

    def report(self, output: Path) -> Iterator[str]:
        """Lines that are printed at the end."""
        yield from self.told
        yield f"{output}: {self.rows} rows"
        if self.rejected:
            yield f"{_rejects_of(output)}: {self.rejected} rows could not be read"
        if self.labelled:
            shares = (
                f"{model.title} {right / self.labelled:.4f}"
                for model, right in zip(MODELS, self.right, strict=True)
            )
            yield f"Accuracy over {self.labelled} rows: {', '.join(shares)}"
        if self.judged:
            yield (
                f"{self.unfamiliar} of {self.judged} rows"
                f" ({100 * self.unfamiliar / self.judged:.1f} %) are far from every class of the"
                " training"
            )


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
        What the command line asks for.
    workers : Workers
        The processes that score.
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
        When a worker process was killed; names the file whose rows it had.
    """
    tally = Tally()
    total = None if STDIN in inputs else sum(map(_size, inputs))
    task = progress.add_task(str(output), total=total, rate="")
    rejects = _rejects_of(output)
    with atomic_write(output) as partial:
        with ExitStack() as stack:
            first = stack.enter_context(open_table(inputs[0], workers.schema, options.keep))
            labels = workers.schema.labels
            schema = make_schema(
                MODELS,
                labels,
                first.columns.label,
                options.all_probabilities,
                options.familiar,
                name_files,
                first.kept_fields(),
            )
            reject = _Rejects(rejects, stack) if options.skip else _stop
            batches = (
                to_batch(predictions, labels, schema, display_name(path) if name_files else None)
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
        with (
            nullcontext(first)
            if path is inputs[0]
            else open_table(path, workers.schema, options.keep)
        ) as table:
            _check_alike(first, table, inputs[0], path)
            tally.tell(table, options.verbose)
            place = n_rows = 0
            for chunk, (parsed, scores, familiar) in workers.answers(table):
                for row in parsed.rejected:
                    number = table.first_place + place + row.place + 1
                    reject(f"{table.where} {number}", row)
                predictions = Predictions(
                    parsed.lines if table.columns.line is not None else counted(parsed, n_rows),
                    None if table.columns.label is None else parsed.classes,
                    scores,
                    familiar,
                    table.take_kept(parsed),
                )
                place += chunk.places
                n_rows += len(parsed.lines) + len(parsed.rejected)
                tally.count(predictions, len(parsed.rejected))
                display.update(tally.rows + tally.rejected, table.bytes_read())
                yield path, predictions
            display.next_file(table.bytes_read())


def _check_alike(first: Table, table: Table, first_path: str, path: str) -> None:
    columns = [one.columns.label for one in (first, table)]
    if None in columns and columns[0] != columns[1]:
        name = columns[0] or columns[1]
        raise RecordingError(
            f"{path}, column {name}: one of this file and {first_path} has labels, the other has"
            " not"
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
            partial = self._stack.enter_context(atomic_write(self._path))
            self._file = self._stack.enter_context(partial.open("wb"))
        document = {"where": where, "reason": row.reason, "content": row.content}
        self._file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def _stop(where: str, row: Rejected) -> None:
    raise RecordingError(f"{where}, {row.reason}")


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0


def _rejects_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.rejects")
