"""Tables of rows in files, a chunk at a time: CSV, JSON lines or Parquet, as the file has it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.chunks import Table
from eeg_letters.recordings.parquet import MAGIC, open_parquet
from eeg_letters.recordings.text import open_csv, open_json_lines
from eeg_letters.schema import Schema

STDIN = "-"


@contextmanager
def open_table(path: str, schema: Schema, keep: Sequence[str]) -> Iterator[Table]:
    """Open a table; its first bytes tell its format.

    Parameters
    ----------
    path : str
        A file, or `STDIN`.
    schema : Schema
        What the table is read by.
    keep : sequence of str
        Names of columns to carry through.

    Yields
    ------
    Table

    Raises
    ------
    RecordingError
        When the file cannot be read, or lacks a column.
    UserError
        When a column is to be kept that is read anyway.
    """
    name = "standard input" if path == STDIN else display_name(path)
    with _open(path) as file:
        start = file.peek(len(MAGIC))
        if start.startswith(MAGIC):
            if path == STDIN or not Path(path).is_file():
                raise RecordingError(f"{name}: Parquet is read from a file, not from a pipe")
            yield open_parquet(name, path, schema, keep)
        elif start.lstrip()[:1] in (b"{", b"["):
            yield open_json_lines(name, file, schema, keep)
        else:
            yield open_csv(name, file, schema, keep)


def display_name(path: str) -> str:
    """A file's name as text; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


@contextmanager
def _open(path: str) -> Iterator[io.BufferedReader]:
    if path == STDIN:
        assert isinstance(sys.stdin.buffer, io.BufferedReader)  # noqa: S101
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        yield file
