"""Follow a headset live, or record by cue: ``python -m eeg_letters.live SOURCE [URL]``."""

from __future__ import annotations

import argparse
import asyncio
import io
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import orjson
from rich.console import Console, RenderableType
from rich.live import Live

from eeg_letters.errors import LiveError, OutputError, UserError
from eeg_letters.live.addresses import without_password
from eeg_letters.live.answers import Answer
from eeg_letters.live.connecting import URL
from eeg_letters.live.cues import cue_order, label_column, parse_classes
from eeg_letters.live.following import follow
from eeg_letters.live.prompter import PrintedPrompter, Prompter
from eeg_letters.live.sources.brainflow import Asked
from eeg_letters.live.sources.cortex import ask_credentials
from eeg_letters.live.sources.opening import FORMS, Named, split
from eeg_letters.live.sources.rows import Row
from eeg_letters.live.taking import Plan, Take, record
from eeg_letters.live.terminal import Board

PROGRAM = "eeg_letters.live"
_FRAMES_A_SECOND = 8


@contextmanager
def drawn(what: RenderableType) -> Iterator[None]:
    """Draw something again and again where there is a terminal."""
    console = Console()
    if not console.is_terminal:
        yield
        return
    with Live(what, console=console, refresh_per_second=_FRAMES_A_SECOND, transient=True):
        yield


def show(named: Named, url: str) -> None:
    """Follow a source, drawn on the terminal; the last state is printed."""
    board = Board(f"{named} → {without_password(url)}")
    try:
        with drawn(board):
            asyncio.run(follow(named, url, board.begin, board.take))
    finally:
        if board.has_answers:
            Console().print(board)


def print_lines(named: Named, url: str) -> None:
    """Follow a source; each answer is a line of JSON on standard output."""
    asyncio.run(follow(named, url, lambda _: None, _print_line))


def _print_line(row: Row, answer: Answer) -> None:
    document = {**answer.document, "latency_ms": round(answer.latency * 1000, 3)}
    if row.label is not None:
        document["truth"] = row.label
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def record_by_cue(named: Named, arguments: argparse.Namespace) -> None:
    """Show cues and record; says what the file has, also where it was interrupted."""
    classes = parse_classes(arguments.cues)
    column, labels = label_column(classes)
    order = cue_order(classes, arguments.rounds, np.random.default_rng())
    take = Take(arguments.record, column, labels)
    plan = Plan(order, arguments.seconds, arguments.rest)

    async def run() -> None:
        async with named.open_without_models() as source:
            with drawn(prompter):
                await record(source, plan, take, prompter)

    prompter = Prompter(plan) if Console().is_terminal else PrintedPrompter(plan)
    try:
        asyncio.run(run())
    finally:
        if take.cues:
            print(f"{take.path}: {take.rows} rows of {take.cues} cues, {len(classes)} classes")


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    parser.add_argument("source", type=_source, metavar="SOURCE", help=FORMS)
    parser.add_argument("url", nargs="?", metavar="URL", help=f"of the service ({URL})")
    parser.add_argument(
        "--rate",
        type=_not_negative,
        metavar="ROWS",
        help="of a replay, rows a second (8); 0 is as fast as they are answered",
    )
    parser.add_argument(
        "--electrodes",
        type=_names,
        metavar="NAMES",
        help="of a board that is recorded, such as Cz,Pz (all)",
    )
    parser.add_argument(
        "--bands",
        type=_names,
        metavar="NAMES",
        help=f"of a board that is recorded ({','.join(Asked().bands)})",
    )
    parser.add_argument(
        "--json", action="store_true", help="print each answer as a line of JSON, draw nothing"
    )
    recording = parser.add_argument_group("recording by cue, without a service")
    recording.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="a .csv or .parquet file for training, written anew after each cue",
    )
    recording.add_argument("--cues", metavar="CLASSES", help="such as A-Z, A,E,I or left,right")
    recording.add_argument("--rounds", type=_count, help="how often each class comes (10)")
    recording.add_argument("--seconds", type=_not_negative, help="how long a class is shown (3)")
    recording.add_argument("--rest", type=_not_negative, help="seconds before each class (1)")
    arguments = parser.parse_args(given)
    _check_together(parser, arguments)
    for name, default in (("rate", 8.0), ("rounds", 10), ("seconds", 3.0), ("rest", 1.0)):
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)
    return arguments


def _check_together(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    kind = arguments.source[0]
    if (arguments.record is None) != (arguments.cues is None):
        parser.error("--record and --cues go together")
    if arguments.record is None:
        unused = ("rounds", "seconds", "rest", "electrodes", "bands")
        without = "without --record"
    else:
        unused = ("url", "json", "rate", *(() if kind == "brainflow" else ("electrodes", "bands")))
        without = f"of a recording by cue from {kind}"
    for name in unused:
        if getattr(arguments, name):
            parser.error(f"{'URL' if name == 'url' else f'--{name}'} has no meaning {without}")
    if arguments.rate is not None and kind != "replay":
        parser.error(f"--rate has no meaning for {kind}, which has a rate of its own")


def _source(text: str) -> tuple[str, str]:
    try:
        return split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, map(str.strip, text.split(","))))
    if not names or len({name.casefold() for name in names}) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} has no name, or one twice")
    return names


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def main(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    asked = Asked(arguments.electrodes or (), arguments.bands or Asked().bands)
    kind, name = arguments.source
    credentials = ask_credentials() if kind == "cortex" else None
    named = Named(kind, name, arguments.rate, asked, credentials)
    url = arguments.url or URL
    if arguments.record is not None:
        record_by_cue(named, arguments)
    elif arguments.json:
        print_lines(named, url)
    else:
        if parse_qs(url.partition("?")[2]).get("probabilities") == ["all"]:
            raise UserError("probabilities=all is for --json: the terminal shows the likeliest")
        show(named, url)


def _interrupt(*_: object) -> None:
    # asyncio turns SIGINT into a cancellation; a shell has its background jobs ignore it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    parsed = parse_arguments()
    assert isinstance(sys.stdout, io.TextIOWrapper)  # noqa: S101
    sys.stdout.reconfigure(errors="backslashreplace")  # A file's name may be any bytes.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        main(parsed)
    except (LiveError, OutputError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(1)
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # Whoever read the lines has enough; nothing is left to be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        sys.exit(130)
