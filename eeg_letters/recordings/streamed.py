"""A recording that is read twice: for its schema, and for its rows, which never are all there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.any_format import any_rows
from eeg_letters.recordings.layouts import Layout, Row, Survey
from eeg_letters.recordings.recording import Numbered, check_rows, check_source
from eeg_letters.recordings.sources import display_name, open_source
from eeg_letters.scales import Scale

_CHUNK_ROWS = 1000


class Chunk(NamedTuple):
    """Some rows, as `eeg_letters.recordings.recording.Recording` has all of them."""

    lines: Sequence[int]
    documents: Sequence[bytes]
    labels: NDArray[np.int64]
    features: NDArray[np.float64]


@dataclass(frozen=True)
class StreamedRecording:
    """A recording of which everything is known but the rows.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sha256 : str
        Checksum of the file's bytes, hexadecimal.
    n_rows : int
        How many rows it has.
    layout : Layout
        Its schema and columns.
    notes : tuple of str
        What was found out of how the file is written, in words.
    """

    path: Path
    sha256: str
    n_rows: int
    layout: Layout
    notes: tuple[str, ...]
    _label: str | None
    _scale: Scale | None

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows, in order.

        Raises
        ------
        RecordingError
            When one is bad, or the file is no longer the same.
        """
        name = display_name(str(self.path))
        numbered = Numbered(name, self.layout.line or "")
        lines: list[int] = []
        rows: list[Row] = []
        with open_source(str(self.path)) as source:
            for key, row in any_rows(source, _Second(self._label, self._scale, self.layout)):
                lines.append(numbered.line(key, row))
                rows.append(row)
                if len(rows) == _CHUNK_ROWS:
                    yield self._chunk(lines, rows)
                    lines, rows = [], []
        if rows:
            yield self._chunk(lines, rows)
        if _checksum(self.path) != self.sha256:
            raise RecordingError(f"{name}: it was changed while it was read")

    def _chunk(self, lines: Sequence[int], rows: Sequence[Row]) -> Chunk:
        return Chunk(
            lines,
            [row.as_json for row in rows],
            np.array([row.label for row in rows], np.int64),
            self.layout.to_powers(np.array([row.features for row in rows], np.float64)),
        )


class _Second(Survey):
    # Makes rows by the layout that the first reading found.
    def __init__(self, label: str | None, scale: Scale | None, layout: Layout) -> None:
        super().__init__(label, scale)
        self._layout = layout

    def convert(self, where: str, row: dict[str, object]) -> Row:
        return self._layout.convert(where, row)


def open_streamed(
    path: str | Path, label: str | None = None, scale: Scale | None = None
) -> StreamedRecording:
    """Find the schema of a recording in any format.

    Parameters and errors are those of `eeg_letters.recordings.recording.read_recording`. Of CSV,
    a thousand rows are in memory at a time; of other formats what the file has.
    """
    path = Path(path)
    check_source(path)
    survey = Survey(label, scale)
    with open_source(str(path)) as source:
        sha256 = _checksum(path)
        n_rows = sum(1 for _ in any_rows(source, survey))
        check_rows(source.name, n_rows, survey)
        notes = (*source.notes, *survey.notes)
    layout = survey.layout(survey.features())
    return StreamedRecording(path, sha256, n_rows, layout, notes, label, scale)


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RecordingError(
            f"{display_name(str(path))}: cannot be read: {error.strerror}"
        ) from None
