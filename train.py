"""Train both models, save them to the BentoML model store, and report how well they do."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from eeg_letters.errors import CompilationError, UserError
from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from eeg_letters.scales import Scale
from eeg_letters.settings import DATA
from eeg_letters.training.checks import (
    AUTO,
    PREPROCESSING_CHOICES,
    candidates,
    check_reports,
    check_store,
    check_trainable,
)
from eeg_letters.training.terminal import (
    accuracy_table,
    counting,
    fitting,
    how_read,
    recordings_used,
)

REPORTS = Path(__file__).resolve().parent / "reports"


def main(
    train_file: Path,
    test_file: Path,
    label: str | None,
    scale: Scale | None,
    preprocessing: str,
    reports: Path,
    verbose: bool,
    console: Console,
) -> None:
    """Read and check what is given, then train and report."""
    training = read_any(train_file, label=label, scale=scale)
    test = read_any(test_file, training.schema)
    if verbose:
        console.print(how_read(training, test))
    check_trainable(training)
    candidates(training.schema.features, preprocessing)
    check_reports(reports)
    check_store()
    train_and_report(training, test, preprocessing, reports, console)


def train_and_report(
    training: Recording, test: Recording, preprocessing: str, reports: Path, console: Console
) -> None:
    """Fit both models, save both or neither, and report how they do."""
    # These take seconds to import, for which nobody who made a mistake waits.
    from eeg_letters.training.workers import Workers

    with Workers(training, test) as workers:
        from eeg_letters.training.fitting import begin_estimates, choose_all, finish, make_entry
        from eeg_letters.training.report.experiments import begin, begin_early
        from eeg_letters.training.report.findings import investigate
        from eeg_letters.training.report.writing import write_report
        from eeg_letters.training.saving import save_entries

        with fitting(console) as progress:
            estimates = begin_estimates(workers, training, preprocessing)
            early = begin_early(workers, preprocessing, training)
            choices = choose_all(estimates, training, preprocessing)
            begun = begin(workers, choices, training, early)
            trained = [finish(choice, training, test, progress) for choice in choices]
        entries = [make_entry(model, training, test) for model in trained]
        save_entries(entries)
        with models_are_saved():
            console.print(recordings_used(training, test))
            console.print(accuracy_table(trained, training.schema.labels.noun))
            for entry in entries:
                console.print(f"Saved {entry.tag}", highlight=False)
            with counting(console) as count:
                findings = investigate(
                    trained, entries, training, test, preprocessing, workers, begun, count
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
    parser.add_argument(
        "--train", type=Path, default=DATA / "train.csv", help="recording to fit (%(default)s)"
    )
    parser.add_argument(
        "--test", type=Path, default=DATA / "test.json", help="recording to score (%(default)s)"
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
        " each band power (log1p), each feature standardised where features are no band powers, or,"
        " for each model, whichever of those that fit does better on the second half of each"
        " class's rows of the recording to fit when fitted to the first (%(default)s)",
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
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse_arguments()
    # What was trained is not lost for a name that cannot be printed.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Named, for fitting puts its own file in place of sys.stdout.
    console = Console(file=sys.stdout)
    try:
        main(
            arguments.train,
            arguments.test,
            arguments.label,
            arguments.scale,
            arguments.preprocessing,
            arguments.reports,
            arguments.verbose,
            console,
        )
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        sys.exit(2)
    except CompilationError as error:
        print(f"train.py: nothing saved: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        print(f"train.py: interrupted, {str(interrupt) or 'nothing saved'}", file=sys.stderr)
        sys.exit(130)
