"""Predict on whole files: ``python -m eeg_letters.batch INPUT OUTPUT``."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
from pathlib import Path

# Read when NumPy is imported: cores are shared out to processes, not to threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from eeg_letters.batch.jobs import is_pattern, plan
from eeg_letters.batch.prediction import Options, predict_files
from eeg_letters.batch.workers import WorkerLost, Workers
from eeg_letters.errors import OutputError, RecordingError, UserError
from eeg_letters.progress import show_progress

PROGRAM = "eeg_letters.batch"


def main(source: str, target: str, shard: tuple[int, int], options: Options) -> int:
    """Predict on all files and say how it went; returns the exit status."""
    jobs = plan(source, target, shard)
    if not jobs:
        print(f"none of the files is for shard {shard[0]}")
    each = "*" in Path(target).name
    name_files = not each and is_pattern(source)
    status = 0
    workers = Workers(options.all_probabilities, options.familiar)
    try:
        for job in jobs:
            if each and job.output.exists():
                print(f"{job.output}: there already")
                continue
            try:
                with show_progress() as progress:
                    tally = predict_files(
                        job.inputs, job.output, options, workers, progress, name_files
                    )
            except RecordingError as error:
                if not each:
                    raise
                # The other files may be good.
                status = 2
                print(f"{PROGRAM}: {error}", file=sys.stderr)
            except WorkerLost as error:
                if not each:
                    raise
                status = 1
                print(f"{PROGRAM}: {error}", file=sys.stderr)
                workers.stop()
                workers = Workers(options.all_probabilities, options.familiar)
            else:
                for line in tally.report(job.output):
                    print(line)
    finally:
        workers.stop()
    return status


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    parser.add_argument(
        "input",
        help="CSV, JSON, Parquet, Feather or Excel: a file, a quoted pattern of files, or - for"
        " stdin",
    )
    parser.add_argument(
        "output",
        help="a .csv or .parquet file; with a * in its name one for each input, whose name takes"
        " the star's place; a file that exists is not written again",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="carry a column of the input through; can be given again",
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="write the probabilities of all labels"
    )
    parser.add_argument(
        "--familiar",
        action="store_true",
        help="write whether each row is like those of the training, and say how many are not",
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
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="say how each file was read: separator, decimal mark, encoding, labels",
    )
    return parser.parse_args()


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text} is not an index below a count, such as 0/3")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    arguments = parse_arguments()
    assert isinstance(sys.stdout, io.TextIOWrapper)  # noqa: S101
    sys.stdout.reconfigure(errors="backslashreplace")  # A file's name may be any bytes.
    # As Ctrl-C: temporary files are deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asked = Options(
            arguments.keep,
            arguments.probabilities,
            arguments.familiar,
            arguments.on_error == "skip",
            arguments.verbose,
        )
        sys.exit(main(arguments.input, arguments.output, arguments.shard, asked))
    except (OutputError, WorkerLost) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(1)
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted, nothing unfinished is left", file=sys.stderr)
        sys.exit(130)
