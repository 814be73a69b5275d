"""Recordings and predictions in the database that EEG_DATABASE or EEG_DATABASE_FILE names."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from eeg_letters.database import revisions
from eeg_letters.database.engine import display_url, explained, open_engine
from eeg_letters.database.exporting import WHERE_GONE, export_rows
from eeg_letters.database.importing import add_recording, check_name, remove_recording
from eeg_letters.database.kept import RECORDING_GONE, FileRows
from eeg_letters.database.pruning import delete_older, delete_session, empty_wal
from eeg_letters.database.replaying import replay
from eeg_letters.database.status import read_status, wait_for_tables
from eeg_letters.database.times import parse_duration, parse_when
from eeg_letters.errors import DatabaseError, DatabaseFailed, OutputError, RecordingError, UserError
from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.progress import show_progress
from eeg_letters.recordings.sources import display_name, open_source
from eeg_letters.scales import Scale
from eeg_letters.settings import SHIPPED, Settings, read_settings

PROGRAM = "eeg_letters.database"
# In a recording's name, the place of the file's name.
_STAR = "*"
_OF_A_FILE = (
    "Rows of the file that the service had by EEG_TEST_DATA, as `make serve TEST=` sets it, are"
    " there where it is set here too."
)


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the command line asks for; returns the exit status."""
    engine = open_engine(settings)
    try:
        if arguments.do not in (_upgrade, _status):
            with explained(engine):
                revisions.check(engine)
        status: int = arguments.do(engine, settings, arguments)
    finally:
        engine.dispose()
    return status


def _upgrade(engine: Engine, _: Settings, __: argparse.Namespace) -> int:
    before = revisions.upgrade(engine)
    if before == revisions.NEEDED:
        print(f"{display_url(engine.url)}: the tables are of revision {before} already")
    else:
        print(
            f"{display_url(engine.url)}: the tables went from"
            f" {'nothing' if before is None else f'revision {before}'} to revision"
            f" {revisions.NEEDED}"
        )
    return 0


def _status(engine: Engine, _: Settings, arguments: argparse.Namespace) -> int:
    try:
        if arguments.wait is not None and not wait_for_tables(engine, arguments.wait, _complain):
            return 1
        _print(read_status(engine).table())
    except DatabaseError as error:
        _complain(error)
        return 1
    return 0


def _import(engine: Engine, _: Settings, arguments: argparse.Namespace) -> int:
    status = 0
    for path, name in _names(arguments.files, arguments.name):
        try:
            with _progress(display_name(path)) as told:
                imported = add_recording(
                    engine,
                    path,
                    name,
                    replace=arguments.replace,
                    label=arguments.label,
                    scale=arguments.scale,
                    progress=told,
                )
        except (DatabaseError, OutputError):
            raise
        except UserError as error:
            # The other files may be good.
            status = 2
            _complain(error)
            continue
        if not imported.is_new:
            print(f"{name}: there already")
            continue
        print(f"{name}: {imported.n_rows:,} rows of {display_name(path)}")
        if imported.notes:
            print(f"  read with {'; '.join(imported.notes)}")
    return status


def _names(files: Sequence[str], pattern: str) -> list[tuple[str, str]]:
    if len(files) > 1 and _STAR not in pattern:
        raise UserError(
            f"--name {pattern}: with several files it needs a {_STAR}, whose place each file's name"
            " takes"
        )
    seen: dict[str, str] = {}
    for path in files:
        name = pattern.replace(_STAR, Path(path).stem)
        try:
            check_name(name)
        except UserError as error:
            raise UserError(f"{display_name(path)}: {error}; --name gives it one") from None
        if name in seen:
            raise UserError(f"{display_name(path)} and {display_name(seen[name])} are both {name}")
        seen[name] = path
    return [(path, name) for name, path in seen.items()]


def _remove(engine: Engine, _: Settings, arguments: argparse.Namespace) -> int:
    remove_recording(engine, arguments.name)
    print(f"{arguments.name}: removed")
    return 0


def _check_file(settings: Settings) -> None:
    # All rows of a file that cannot be opened would count as gone.
    if settings.test_data is None:
        return
    try:
        with open_source(str(settings.test_data)):
            pass
    except RecordingError as error:
        raise UserError(f"EEG_TEST_DATA: {error}") from None


def _export(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    _check_file(settings)
    output = Path(arguments.output)
    with _progress(str(output)) as told:
        exported = export_rows(
            engine,
            output,
            FileRows(settings.test_data or SHIPPED),
            labelled=arguments.labelled,
            since=arguments.since,
            progress=told,
        )
    print(f"{output}: {exported.n_rows:,} rows")
    if exported.left_out:
        print(f"left out: {exported.reasons}")
    return 0


def _replay(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    _check_file(settings)
    with _progress("replay") as told:
        replayed = replay(engine, settings, arguments.since, told)
    _print(replayed.table())
    if replayed.not_replayable[RECORDING_GONE]:
        print(f"{RECORDING_GONE}: {WHERE_GONE}")
    _print(replayed.different)
    if replayed.n_different > len(replayed.different):
        print("…")
    return 1 if replayed.n_different else 0


def _prune(engine: Engine, _: Settings, arguments: argparse.Namespace) -> int:
    if arguments.session is None:
        parts = delete_older(engine, _now() - arguments.older_than)
    else:
        parts = delete_session(engine, arguments.session)
    deleted = 0
    with explained(engine):
        for some in parts:
            deleted += some
        if not empty_wal(engine):
            _complain(
                DatabaseError("what was deleted is in the file -wal until others have let go of it")
            )
    print(f"{deleted:,} rows deleted")
    return 0


def _print(lines: Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        print(line)


def _complain(error: Exception) -> None:
    print(f"{PROGRAM}: {error}", file=sys.stderr)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many rows are done, and of how many."""
    with show_progress() as progress:
        task = progress.add_task(what, total=None, rate="")

        def told(done: int, of_all: int) -> None:
            elapsed = progress.tasks[task].elapsed or 1
            rate = f"{done / elapsed:,.0f} rows/s"
            progress.update(task, completed=done, total=of_all, rate=rate)

        yield told


def _now() -> int:
    return time.time_ns() // 1000


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, do: Callable[[Engine, Settings, argparse.Namespace], int], told: str
    ) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(name, help=told, description=told)
        added.set_defaults(do=do)
        return added

    command("upgrade", _upgrade, "make the tables, or bring them up to date")

    status = command("status", _status, "say what is in the database")
    status.add_argument(
        "--wait",
        type=_seconds,
        metavar="SECONDS",
        help="wait so long for a database that answers and has the tables that are needed",
    )

    importing = command("import", _import, "write recordings into the database")
    importing.add_argument(
        "files", nargs="+", metavar="FILE", help="CSV, JSON, Parquet, Feather or Excel"
    )
    importing.add_argument(
        "--name",
        default=_STAR,
        help="what the recording is called; a file's name without its ending takes the place of a *"
        " (%(default)s)",
    )
    importing.add_argument(
        "--replace", action="store_true", help="in place of another recording of that name"
    )
    importing.add_argument(
        "--label",
        metavar="COLUMN",
        help=f"the column of the labels (default: {', '.join(LABEL_COLUMNS)})",
    )
    importing.add_argument(
        "--scale",
        type=Scale,
        choices=list(Scale),
        help="what the values of band powers are (default: what the file tells, or power)",
    )

    remove = command("remove", _remove, "delete a recording")
    remove.add_argument("name", metavar="NAME")

    export = command(
        "export", _export, "write rows that were answered, and what they turned out to be"
    )
    export.add_argument(
        "output", metavar="OUT", help="a .csv or .parquet file; training reads labelled rows"
    )
    export.add_argument("--labelled", action="store_true", help="only rows that have feedback")
    export.epilog = _OF_A_FILE
    _add_since(export)

    replaying = command(
        "replay", _replay, "score what was kept with the versions that answered it, and compare"
    )
    replaying.epilog = _OF_A_FILE
    _add_since(replaying)

    prune = command("prune", _prune, "delete predictions")
    which = prune.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--older-than", type=_argument(parse_duration), metavar="AGE", help="such as 30d, 12h, 90m"
    )
    which.add_argument("--session", metavar="ID", help="all that was kept of a session")
    return parser.parse_args()


def _add_since(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        type=_argument(lambda text: parse_when(text, _now())),
        metavar="WHEN",
        help="only rows from then on: a date or time of ISO 8601, UTC unless it says otherwise, or"
        " how long ago, such as 30d",
    )


def _argument(parse: Callable[[str], int]) -> Callable[[str], int]:
    def parsed(text: str) -> int:
        try:
            return parse(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds")
    return float(text)


if __name__ == "__main__":
    asked = parse_arguments()
    assert isinstance(sys.stdout, io.TextIOWrapper)  # noqa: S101
    sys.stdout.reconfigure(errors="backslashreplace")  # A file's name may be any bytes.
    # As Ctrl-C: what is unfinished is taken back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(asked, read_settings(os.environ)))
    except (OutputError, DatabaseFailed) as error:
        _complain(error)
        sys.exit(1)
    except UserError as error:
        _complain(error)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted, nothing unfinished is left", file=sys.stderr)
        sys.exit(130)
