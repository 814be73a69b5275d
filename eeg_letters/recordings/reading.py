"""Rows of a file for a notebook: read by a schema, all at once."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.chunks import SLOT_BYTES, Parsed, counted
from eeg_letters.recordings.columns import Columns
from eeg_letters.recordings.tables import open_table
from eeg_letters.schema import Schema


@dataclass(frozen=True)
class Rows:
    """Rows of a file, as models take them.

    Attributes
    ----------
    features : ndarray of float64, shape (n_rows, n_features)
        In the order of the schema's features; logarithms have become powers.
    lines : ndarray of int64, shape (n_rows,)
        Line numbers; where the file has none, the rows' places.
    labels : ndarray, shape (n_rows,), or None
        The true labels as the models answer them, int64 or text; None where the file has none. Of
        an export, whose markers begin somewhere, a masked array.
    notes : tuple of str
        How the file is written, where that is not the usual.
    ignored : tuple of str
        Columns that were not used.
    """

    features: NDArray[np.float64]
    lines: NDArray[np.int64]
    labels: NDArray[Any] | None
    notes: tuple[str, ...]
    ignored: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lines)


def read_rows(path: str, schema: Schema) -> Rows:
    """Read the rows of a file.

    Parameters
    ----------
    path : str
        CSV, JSON, Parquet, Feather or Excel.
    schema : Schema
        What it is read by.

    Raises
    ------
    RecordingError
        When it cannot be read, or a row is bad; names file, line and column.
    """
    parts: list[Parsed] = []
    with mmap.mmap(-1, SLOT_BYTES) as slot, open_table(path, schema, ()) as table:
        columns = table.columns
        place = n_rows = 0
        for chunk in table.chunks([slot]):
            parsed = chunk.parse(slot, chunk)
            for row in parsed.rejected:
                number = table.first_place + place + row.place + 1
                raise RecordingError(f"{table.where} {number}, {row.reason}")
            lines = counted(parsed, n_rows) if columns.line is None else parsed.lines.copy()
            # The slot, which features may be a view of, is used again for the next chunk.
            parts.append(replace(parsed, features=parsed.features.copy(), lines=lines))
            place += chunk.places
            n_rows += len(lines)
            del parsed
    if not any(len(part.lines) for part in parts):
        raise RecordingError(f"{table.name}: there are no rows")
    features = np.vstack([part.features.T for part in parts])
    lines = np.concatenate([part.lines for part in parts])
    return Rows(
        features if columns.scale is None else columns.scale.to_power(features),
        lines,
        _labels(np.concatenate([part.classes for part in parts]), columns),
        table.notes,
        columns.ignored,
    )


def _labels(classes: NDArray[np.int64], columns: Columns) -> NDArray[Any] | None:
    if columns.label is None:
        return None
    labels: NDArray[Any] = columns.schema.labels.array[classes]
    return np.ma.array(labels, mask=classes < 0) if columns.is_sparse else labels
