"""Train both models, save them to the BentoML model store, and report how well they do."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

from eeg_letters.errors import CompilationError, UserError
from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.models import MODELS
from eeg_letters.scales import Scale
from eeg_letters.settings import DATA
from eeg_letters.training.checks import check_reports, check_store, check_trainable
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.gathering import find_files, read_test, read_training
from eeg_letters.training.holding_out import make_plan
from eeg_letters.training.recipes import AUTO, PREPROCESSING_CHOICES, candidates
from eeg_letters.training.terminal import (
    counting,
    fitting,
    how_read,
    notes,
    recordings_used,
    test_table,
    training_table,
)

SHIPPED_TRAIN = DATA / "train.csv"
SHIPPED_TEST = DATA / "test.json"
REPORTS = Path(__file__).resolve().parent / "reports"
LEAVE_SECONDS = 5


def main(arguments: argparse.Namespace, console: Console) -> None:
    """Read and check what is given, then train and report."""
    preprocessing: str = arguments.preprocessing
    training = read_training(
        find_files("--train", arguments.train),
        find_files("--adapt", arguments.adapt),
        arguments.label,
        arguments.scale,
    )
    test = read_test(find_files("--test", arguments.test), training.schema)
    if arguments.verbose:
        console.print(how_read(training, test))
    check_trainable(training)
    for model in MODELS:
        candidates(model, training.schema.features, preprocessing)
    check_reports(arguments.reports)
    check_store()
    train_and_report(training, test, preprocessing, arguments.reports, console)


def train_and_report(
    training: Dataset, test: Dataset, preprocessing: str, reports: Path, console: Console
) -> None:
    """Fit both models, save both or neither, and report how they do."""
    # These take seconds to import, for which nobody who made a mistake waits.
    from eeg_letters.training.workers import Workers

    with Workers(training, test) as workers:
        from eeg_letters.training.choosing import (
            begin_estimates,
            choose_all,
            choose_weight,
            count_estimates,
        )
        from eeg_letters.training.familiarity import fit_familiarity
        from eeg_letters.training.finishing import finish
        from eeg_letters.training.judging import judge
        from eeg_letters.training.report.experiments import begin, begin_early
        from eeg_letters.training.report.findings import investigate
        from eeg_letters.training.report.writing import write_report
        from eeg_letters.training.saving import make_entry, save_entries

        weight = 1
        if training.n_adapting:
            with counting(console, "Weights") as count:
                weight = choose_weight(training, preprocessing, count)
        plan = make_plan(training, weight)
        estimates = begin_estimates(workers, training, preprocessing, plan)
        early = begin_early(workers, preprocessing, training)
        with counting(console, "Fits for the estimate") as count:
            count_estimates(estimates, count)
        choices = choose_all(estimates, training, preprocessing, plan)
        begun = begin(workers, choices, training, early)
        with fitting(console) as progress:
            trained = [finish(choice, training, test, weight, progress) for choice in choices]
        judgement = judge(trained, training, test)
        familiarity = fit_familiarity(training)
        entries = [make_entry(model, judgement, weight, familiarity) for model in trained]
        save_entries(entries)
        with models_are_saved():
            console.print(recordings_used(training, test), soft_wrap=True)
            console.print(test_table(judgement))
            console.print(training_table(trained, training, weight))
            for note in notes(judgement):
                console.print(note)
            for entry in entries:
                console.print(f"Saved {entry.tag}", highlight=False)
            with counting(console, "Fits for the report") as count:
                findings = investigate(
                    judgement, entries, familiarity, preprocessing, workers, begun, count
                )
            console.print(Text(f"Report {write_report(reports, findings)}"), soft_wrap=True)


@contextmanager
def models_are_saved() -> Iterator[None]:
    """Add to an error or an interruption that the models are saved and the report is not."""
    state = "the models are saved, the report is not"
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}; {state}") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(state) from None


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    files: dict[str, Any] = {"metavar": "FILE", "nargs": "+", "action": "extend"}
    parser.add_argument(
        "--train",
        **files,
        help="recordings to fit, or patterns such as 'sessions/*.csv'; the option may come again"
        f" ({SHIPPED_TRAIN})",
    )
    parser.add_argument(
        "--adapt",
        **files,
        default=[],
        help="recordings with some labelled rows of the session to come, which count more than"
        " the others: how much more is chosen among two or more recordings to fit, and else"
        " tenfold",
    )
    parser.add_argument(
        "--test",
        **files,
        help=f"recordings to score, each by itself and all together ({SHIPPED_TEST})",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help=f"column that has the labels (by default {', '.join(LABEL_COLUMNS[:-1])} or"
        f" {LABEL_COLUMNS[-1]})",
    )
    parser.add_argument(
        "--scale",
        type=Scale,
        choices=list(Scale),
        help="what the values of band powers are: powers, or logarithms of them, which become"
        " powers (by default what the program that wrote the recording is known to write, or"
        f" {Scale.POWER})",
    )
    parser.add_argument(
        "--preprocessing",
        choices=PREPROCESSING_CHOICES,
        default=AUTO,
        help="what is done to each row first: scaled to unit length (l2), logarithms of one plus"
        " each band power over the median of all (log1p), each feature standardised where features"
        " are no band powers, or, for each model, whichever of those that fit does better on rows"
        " that are held out: recordings where there are two or more to fit, else the second half"
        " of each class's rows (%(default)s)",
    )
    parser.add_argument(
        "--reports",
        metavar="DIRECTORY",
        type=Path,
        default=REPORTS,
        help="where the report goes, as report.html and model-card.md in a folder named for the"
        " training (%(default)s)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="say how each recording was read: separator, decimal mark, encoding, labels",
    )
    arguments = parser.parse_args()
    arguments.train = arguments.train or [str(SHIPPED_TRAIN)]
    arguments.test = arguments.test or [str(SHIPPED_TEST)]
    return arguments


def leave(status: int) -> NoReturn:
    """End, within some seconds whatever happens.

    Of a process that was killed while it wrote a result, the executor's thread waits for the rest
    for ever, and Python for the thread.
    """
    end = Timer(LEAVE_SECONDS, os._exit, (status,))
    end.daemon = True
    end.start()
    sys.exit(status)


if __name__ == "__main__":
    arguments = parse_arguments()
    # What was trained is not lost for a name that cannot be printed.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Named, for fitting puts its own file in place of sys.stdout.
    console = Console(file=sys.stdout)
    try:
        main(arguments, console)
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        leave(2)
    except CompilationError as error:
        print(f"train.py: nothing saved: {error}", file=sys.stderr)
        leave(1)
    except KeyboardInterrupt as interrupt:
        print(f"train.py: interrupted, {str(interrupt) or 'nothing saved'}", file=sys.stderr)
        leave(130)
