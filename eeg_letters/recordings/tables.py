"""Tables of rows in files, a chunk at a time, in whichever format a file has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.arrow import open_arrow
from eeg_letters.recordings.chunks import Table
from eeg_letters.recordings.csv_chunks import open_csv
from eeg_letters.recordings.json_chunks import RowsTable, open_json
from eeg_letters.recordings.sources import STDIN, Source, arrow_format, open_source
from eeg_letters.recordings.workbooks import MAGIC, read_workbook
from eeg_letters.schema import Schema


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
    with open_source(path) as source:
        if kind := arrow_format(source.file.peek(8)):
            _check_seekable(path, kind, source)
            with open_arrow(source.name, path, schema, keep) as table:
                yield table
        else:
            yield _open(source, schema, keep)


def _check_seekable(path: str, kind: str, source: Source) -> None:
    if path == STDIN or not Path(path).is_file():
        raise RecordingError(f"{source.name}: {kind} is read from a file, not from a pipe")
    if source.notes:
        raise RecordingError(f"{source.name}: {kind} is read as it is, not compressed again")


def _open(source: Source, schema: Schema, keep: Sequence[str]) -> Table:
    start = source.file.peek(8)
    if start.startswith(MAGIC):
        header, _, rows = read_workbook(source.name, source.file.read())
        return RowsTable(source, rows, schema, keep, f"{source.name}, row", header)
    if start.lstrip()[:1] in (b"{", b"["):
        return open_json(source, schema, keep)
    return open_csv(source, schema, keep)
