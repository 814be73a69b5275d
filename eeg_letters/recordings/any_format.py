"""The rows of a recording in whichever format a file has."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.recordings.sources import Source, arrow_format
from eeg_letters.recordings.whole_text import Reader, text_rows
from eeg_letters.recordings.workbooks import MAGIC, read_workbook
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema


def read_any(
    path: str | Path,
    schema: Schema | None = None,
    label: str | None = None,
    scale: Scale | None = None,
) -> Recording:
    """Read a recording from CSV, JSON, Parquet, Feather or Excel.

    Parameters, result and errors are those of `eeg_letters.recordings.recording.read_recording`.
    """
    return read_recording(path, schema, label, scale, any_rows)


def any_rows(source: Source, into: Reader) -> Iterator[tuple[str | None, Any]]:
    """What a reader makes of each row, with its key where the file has keys.

    Raises
    ------
    RecordingError
        When what is read is no row, or the reader refuses it.
    """
    start = source.file.peek(8)
    if arrow_format(start):
        return _arrow_rows(source, into)
    if start.startswith(MAGIC):
        return _workbook_rows(source, into)
    return text_rows(source, into)


def _arrow_rows(source: Source, into: Reader) -> Iterator[tuple[None, Any]]:
    # Imported for what needs it: most recordings are text, and training waits for nothing else.
    from eeg_letters.recordings.arrow import as_error, read_batches
    from eeg_letters.recordings.chunks import MOST_CHUNK_ROWS

    file = io.BytesIO(source.file.read())
    batches = read_batches(source.name, file, MOST_CHUNK_ROWS)
    names = [name.strip() for name in batches.schema.names]
    into.begin(source.name, names, (), None)
    number = 0
    damaged = f"{source.name}: damaged, cannot be read"
    while True:
        with as_error(damaged):
            batch = next(batches, None)
        if batch is None:
            return
        columns = [batch.column(place).to_pylist() for place in range(len(names))]
        for values in zip(*columns, strict=True):
            row = {name: _or_none(value) for name, value in zip(names, values, strict=True)}
            yield None, into.convert(f"{source.name}, row {number}", row)
            number += 1


def _or_none(value: Any) -> Any:
    # In a table NaN stands for a missing value.
    return None if isinstance(value, float) and math.isnan(value) else value


def _workbook_rows(source: Source, into: Reader) -> Iterator[tuple[None, Any]]:
    header, names, rows = read_workbook(source.name, source.file.read())
    into.begin(f"{source.name}, row {header}", names, (), None)
    for number, row in enumerate(rows, header + 1):
        if row is not None:
            stripped = {name.strip(): value for name, value in row.items()}
            yield None, into.convert(f"{source.name}, row {number}", stripped)
