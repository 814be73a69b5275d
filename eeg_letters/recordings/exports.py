"""Exports of headsets' programs: rows between power samples, markers as labels, scales."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.labels import find_label_column
from eeg_letters.recordings.columns import Columns
from eeg_letters.recordings.dialects import Dialect, split_line
from eeg_letters.scales import Scale
from eeg_letters.schema import parse_band_power

_MARKER = re.compile(r"/Marker/(.+)")
# The column that has the markers' labels, in the place of the one that has the markers.
MARKED = "label"


@dataclass(frozen=True)
class Export:
    """A program's own way to write a recording.

    Attributes
    ----------
    title : str
        The program.
    scale : Scale
        What its values are.
    marker_column : str
        The one that has markers.
    label_of : callable
        The label that a marker stands for; None where its text is no marker.
    """

    title: str
    scale: Scale
    marker_column: str
    label_of: Callable[[str], str | None]


def _emotiv_label(cell: str) -> str | None:
    return cell.strip() or None


def _monitor_label(cell: str) -> str | None:
    found = _MARKER.fullmatch(cell.strip())
    return found[1] if found else None


EMOTIVPRO = Export("EmotivPRO", Scale.POWER, "MarkerValueInt", _emotiv_label)
MIND_MONITOR = Export("Mind Monitor", Scale.LOG10, "Elements", _monitor_label)


@dataclass(frozen=True)
class ExportReader:
    """Makes the lines of an export those of a usual table.

    Attributes
    ----------
    export : Export
        The program's.
    dialect : Dialect
        How the table is written.
    has_labels : bool
        Whether markers are the labels: there are any, and no column of labels.
    """

    export: Export
    dialect: Dialect
    has_labels: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The columns; the one that has the markers becomes one of labels."""
        return tuple(
            MARKED if self.has_labels and name.strip() == self.export.marker_column else name
            for name in self.dialect.names
        )

    def known(self, columns: Columns) -> Columns:
        """The same columns, with what is known of the export."""
        scale = None if columns.scale is None else self.export.scale
        return replace(columns, scale=scale, is_sparse=self.has_labels)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out, in words."""
        notes = [f"{self.export.title} export"]
        if self.export.scale is not Scale.POWER:
            notes.append(f"values are {self.export.scale} of powers")
        if self.has_labels:
            notes.append(f"labels from {self.export.marker_column}, held until the next marker")
        return tuple(notes)

    def converter(self) -> Callable[[bytes], bytes]:
        """A function that makes each line after the header one of a usual table, in order.

        A line without any band power, such as one between two power samples, becomes an empty one.
        In the place of a marker stands the label that holds. Lines are without their line feeds.
        """
        separator, names = self.dialect.separator, [name.strip() for name in self.dialect.names]
        powers = [place for place, name in enumerate(names) if parse_band_power(name) is not None]
        marker = names.index(self.export.marker_column) if self.has_labels else None
        held = ""

        def convert(line: bytes) -> bytes:
            nonlocal held
            text = line.decode(errors="surrogateescape").removesuffix("\r")
            try:
                cells = split_line(text, separator)
            except csv.Error:
                return line
            if marker is not None and marker < len(cells):
                held = self.export.label_of(cells[marker]) or held
            if not any(cells[place].strip() for place in powers if place < len(cells)):
                return b""
            if marker is None or len(cells) != len(names):
                return line
            cells[marker] = held
            return _joined(cells, separator).encode(errors="surrogateescape")

        return convert


def find_export(where: str, dialect: Dialect, label: str | None) -> ExportReader | None:
    """Reads the export that a table's columns tell; None where it is none.

    Parameters
    ----------
    where : str
        The file and the header's line, for messages.
    dialect : Dialect
        How the table is written.
    label : str or None
        The column of the labels, where one is named.

    Raises
    ------
    RecordingError
        When two columns may have the labels.
    """
    names = [name.strip() for name in dialect.names]
    if any(name.startswith("POW.") for name in names):
        export = EMOTIVPRO
    elif "TimeStamp" in names and MIND_MONITOR.marker_column in names:
        export = MIND_MONITOR
    else:
        return None
    try:
        own = find_label_column(names, label)
    except SchemaError as error:
        raise RecordingError(f"{where}, {error}") from None
    return ExportReader(export, dialect, export.marker_column in names and own is None)


def _joined(cells: Sequence[str], separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
    return text.getvalue()


class ExportStream(io.RawIOBase):
    """Lines as a file.

    Parameters
    ----------
    lines : iterable of bytes
        Without the line feeds at their ends.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._pending = b""

    def readable(self) -> bool:
        """It is read from front to back."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end."""
        if not self._pending:
            line = next(self._lines, None)
            if line is None:
                return 0
            self._pending = line + b"\n"
        taken, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
