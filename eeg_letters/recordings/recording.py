"""Reading a whole recording into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.columns import find_line_column
from eeg_letters.recordings.layouts import Collector, Converter, Row
from eeg_letters.recordings.sources import Source, bytes_source, display_name
from eeg_letters.recordings.whole_text import Reader, text_rows
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema


@dataclass(frozen=True)
class Recording:
    """A recording as it was read, checked.

    Attributes
    ----------
    path : pathlib.Path
        The file it came from.
    sha256 : str
        Checksum of the file's bytes, hexadecimal.
    schema : Schema
        Its features and classes, or those that it was read by.
    columns : tuple of str
        The file's columns, in its order.
    unused : tuple of str
        Those that are neither line number nor label nor feature.
    label_column : str
        The one that has the labels.
    rows : dict of int to bytes
        Each row as the file has it, by its line number: a JSON object of values by column.
    labels : ndarray of int64, shape (n_rows,)
        Index of the class of each row, in the order of the schema's labels.
    features : ndarray of float64, shape (n_rows, n_features)
        Values in the order of the schema's features, in the unit of the file (band powers: µV²);
        logarithms have become powers.
    notes : tuple of str
        What was found out of how the file is written, in words.
    ordered_by : str
        What tells the order of its rows where it is not the file's, in words; else empty.
    """

    path: Path
    sha256: str
    schema: Schema
    columns: tuple[str, ...]
    unused: tuple[str, ...]
    label_column: str
    rows: dict[int, bytes]
    labels: NDArray[np.int64]
    features: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    ordered_by: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def in_order(self) -> Recording:
        """The same with its rows in the order of their line numbers.

        Spreadsheets sort rows, and JSON's keys may be sorted as text: what takes neighbours for
        neighbours in time cannot go by the file.
        """
        lines = [*self.rows]
        order = sorted(range(len(lines)), key=lines.__getitem__)
        if order == [*range(len(lines))]:
            return self
        return replace(
            self,
            rows={lines[place]: self.rows[lines[place]] for place in order},
            labels=self.labels[order],
            features=self.features[order],
            ordered_by=find_line_column(self.columns) or "its keys",
        )


# Makes the rows of a file, each with its key where the file has keys, having told of the columns.
RowsOf = Callable[[Source, Reader], Iterable[tuple[str | None, Any]]]


def read_recording(
    path: str | Path,
    schema: Schema | None = None,
    label: str | None = None,
    scale: Scale | None = None,
    rows_of: RowsOf = text_rows,
) -> Recording:
    """Read a recording, as a rule from CSV or JSON; its first bytes tell which.

    Parameters
    ----------
    path : str or pathlib.Path
        Text with a header, in any dialect of CSV, or JSON (`eeg_letters.recordings.documents` says
        in which forms).
    schema : Schema, optional
        What to read it by: its features must be there, its labels are those of the schema's
        classes. Without it, the recording's own schema is found.
    label : str, optional
        The column of the labels, where no schema is given; by default one of `LABEL_COLUMNS`.
    scale : Scale, optional
        What the values of band powers are, where no schema is given; by default what the file
        tells, or powers.
    rows_of : callable
        Reads the rows; `eeg_letters.recordings.any_format` has one for more formats.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        When the file is missing or empty, lacks a column or has a duplicate, has a feature that is
        no finite number, a band power below 0, a label that stands for no class, or a duplicate
        line number. The message names file, line and column.
    """
    path = Path(path)
    content = _read_bytes(path)
    source = bytes_source(display_name(str(path)), content)
    reader = Collector(label, scale) if schema is None else Converter(schema)
    read = list(rows_of(source, reader))
    check_rows(source.name, len(read), reader)
    layout, by_key = reader.finish(read)
    numbered = Numbered(source.name, layout.line or "")
    rows = {numbered.line(key, row): row for key, row in by_key}
    return Recording(
        path,
        hashlib.sha256(content).hexdigest(),
        layout.schema,
        layout.columns,
        layout.unused,
        layout.label_column,
        {line: row.as_json for line, row in rows.items()},
        np.array([row.label for row in rows.values()], np.int64),
        layout.to_powers(np.array([row.features for row in rows.values()], np.float64)),
        (*source.notes, *reader.notes),
    )


class Numbered:
    """Tells the line numbers of rows as they come.

    Parameters
    ----------
    name, column : str
        The file, and its column of line numbers, empty where it has none.
    """

    def __init__(self, name: str, column: str) -> None:
        self._name = name
        self._column = column
        self._lines: set[int] = set()

    def line(self, key: str | None, row: Row) -> int:
        """The line number of the next row, which has a key where the file has keys.

        Raises
        ------
        RecordingError
            When the key is no line number, or another row has that number.
        """
        line = len(self._lines) if row.line is None else row.line
        if key is not None and row.line is None:
            if not (key.isascii() and key.isdecimal()):
                raise RecordingError(f"{self._name}, row {key!r}: the row's key is no line number")
            line = int(key)
        elif key is not None and str(line) != key:
            raise RecordingError(
                f"{row.where}, column {self._column}: {line} differs from the row's key {key!r}"
            )
        if line in self._lines:
            where = f"{row.where}, column {self._column}" if self._column else row.where
            raise RecordingError(f"{where}: duplicate line {line}")
        self._lines.add(line)
        return line


def check_rows(name: str, n_rows: int, reader: Reader) -> None:
    """Make sure that a file has rows.

    Raises
    ------
    RecordingError
        When it has none.
    """
    if not n_rows:
        what = "rows with a label" if reader.is_export else "rows"
        raise RecordingError(f"{name}: the file has no {what}")


def check_source(path: Path) -> None:
    """Make sure that a path is that of no pipe, folder or device.

    Raises
    ------
    RecordingError
        When it is.
    """
    try:
        if path.exists() and not path.is_file():
            name = display_name(str(path))
            raise RecordingError(f"{name}: cannot be read: not a regular file")
    except OSError as error:
        raise _unreadable(path, error) from None


def _read_bytes(path: Path) -> bytes:
    check_source(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise RecordingError(f"{display_name(str(path))}: there is no such file") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{display_name(str(path))}: cannot be read: {error.strerror}")
