"""Rows that were answered, as a recording that training reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch
from arro3.core import Schema as TableSchema
from sqlalchemy import ColumnElement, Connection, Engine, Row, select

from eeg_letters.atomic import atomic_write
from eeg_letters.database.answered import Served, from_bytes
from eeg_letters.database.engine import explained
from eeg_letters.database.kept import (
    NOT_KEPT,
    RECORDING_GONE,
    FileRows,
    count_kept,
    kept_chunks,
    load_served,
    powers_of,
)
from eeg_letters.database.tables import class_column, predictions
from eeg_letters.database.times import to_iso
from eeg_letters.errors import UserError
from eeg_letters.labels import LABEL_COLUMNS, LETTER_COLUMN
from eeg_letters.models import MODELS
from eeg_letters.recordings.writing import ENDINGS, label_array, label_type, name_array, write
from eeg_letters.schema import LINE_COLUMN, Schema, difference

# The label column of what are no letters.
_OTHER_LABELS = LABEL_COLUMNS[1]
# What is told of an answer, after the features.
_ABOUT = ("Time", "Session", "Request", "Row in request")

# What brings back rows whose recording is gone.
WHERE_GONE = "EEG_TEST_DATA must name the file as it did for the service, or it must be imported"
_OTHER_SCHEMA = "of other features or classes than the newest"


@dataclass
class Exported:
    """What became of the rows.

    Attributes
    ----------
    n_rows : int
        Those that were written.
    left_out : Counter of str
        The others, by the reason.
    """

    n_rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def reasons(self) -> str:
        """How many were left out, and why, in words."""
        return ", ".join(
            f"{count} {reason}{f' ({WHERE_GONE})' if reason == RECORDING_GONE else ''}"
            for reason, count in self.left_out.items()
        )


def export_rows(
    engine: Engine,
    output: Path,
    file: FileRows,
    *,
    labelled: bool = False,
    since: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write rows that were answered, with what they turned out to be, as a recording.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of a database with the tables that are needed.
    output : pathlib.Path
        A .csv or .parquet; it appears whole or not at all.
    file : FileRows
        What the service has its stored rows from.
    labelled : bool
        Whether rows without feedback are left out; otherwise their label is empty.
    since : int, optional
        The earliest time, in microseconds since 1970-01-01.
    progress : callable, optional
        Told how many rows were looked at, and of how many.

    Raises
    ------
    UserError
        When the output has another ending, or there are no rows.
    OutputError
        When it cannot be written.
    DatabaseError
        When the database fails.
    """
    if output.suffix not in ENDINGS:
        raise UserError(f"{output}: an output ends in {' or '.join(ENDINGS)}")
    which: list[ColumnElement[bool]] = []
    if labelled:
        which.append(predictions.c.true_class.is_not(None))
    if since is not None:
        which.append(predictions.c.at >= since)
    with explained(engine):
        of_all = count_kept(engine, which)
        with engine.connect() as connection:
            known = load_served(connection)
            newest = connection.execute(
                select(predictions.c.served_id)
                .where(*which)
                .order_by(predictions.c.id.desc())
                .limit(1)
            ).scalar()
        if newest is None:
            what = "rows with feedback" if labelled else "rows"
            raise UserError(f"{output}: no {what} are kept{'' if since is None else ' since then'}")
        rows = _Rows(known, known[newest].schema, file)
        with atomic_write(output) as partial:
            batches = _batches(engine, which, rows, of_all, progress)
            write(partial, rows.columns, batches)
            if not rows.told.n_rows:
                raise UserError(
                    f"{output}: none of {of_all} rows can be written: {rows.told.reasons}"
                )
    return rows.told


def _batches(
    engine: Engine,
    which: Sequence[ColumnElement[bool]],
    rows: _Rows,
    of_all: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[RecordBatch]:
    for connection, chunk in kept_chunks(engine, which):
        yield rows.batch(connection, chunk)
        if progress is not None:
            progress(rows.told.n_rows + rows.told.left_out.total(), of_all)


class _Rows:
    # Makes rows of a recording of those of the database.
    def __init__(self, known: Mapping[int, Served], schema: Schema, file: FileRows) -> None:
        self._schema = schema
        self._file = file
        self._fitting = {
            number for number, served in known.items() if difference(schema, served.schema) is None
        }
        self.columns = _columns(schema)
        self.told = Exported()

    def batch(self, connection: Connection, chunk: Sequence[Row[Any]]) -> RecordBatch:
        fitting = [row for row in chunk if row.served_id in self._fitting]
        found = list(powers_of(connection, self._schema, fitting, self._file))
        rows = [row for row, powers in zip(fitting, found, strict=True) if powers is not None]
        self.told.left_out.update(_missing(fitting, found))
        if len(fitting) < len(chunk):
            self.told.left_out[_OTHER_SCHEMA] += len(chunk) - len(fitting)
        first = self.told.n_rows
        self.told.n_rows += len(rows)
        return RecordBatch.from_arrays(
            [
                Array.from_numpy(np.arange(first, first + len(rows))),
                label_array(_classes(rows, "true_class"), self._schema.labels),
                *self._features([powers for powers in found if powers is not None]),
                *_about(rows),
                *(
                    name_array(_classes(rows, class_column(model)), self._schema.labels)
                    for model in MODELS
                ),
            ],
            schema=self.columns,
        )

    def _features(self, powers: Sequence[bytes]) -> list[Array]:
        if not powers:
            return [Array([], DataType.float64()) for _ in self._schema.features.names]
        values = from_bytes(powers)
        scale = self._schema.values_scale
        if scale is not None:
            values = scale.from_power(values)
        return [Array.from_numpy(column) for column in np.ascontiguousarray(values.T)]


def _missing(rows: Sequence[Row[Any]], powers: Sequence[bytes | None]) -> Counter[str]:
    return Counter(
        NOT_KEPT if row.recording_sha256 is None else RECORDING_GONE
        for row, found in zip(rows, powers, strict=True)
        if found is None
    )


def _columns(schema: Schema) -> TableSchema:
    labels = schema.labels
    usual = LETTER_COLUMN if labels.are_letters else _OTHER_LABELS
    features = schema.features.names
    text = DataType.string()
    # A feature may have any name.
    taken = {name.casefold() for name in features}
    about = [f"{name} of the answer" if name.casefold() in taken else name for name in _ABOUT]
    return TableSchema(
        [
            Field(LINE_COLUMN, DataType.int64()),
            Field(schema.label_column or usual, label_type(labels)),
            *(Field(name, DataType.float64()) for name in features),
            *(Field(name, text) for name in about),
            *(Field(f"{model.title} prediction", text) for model in MODELS),
        ]
    )


def _classes(rows: Sequence[Row[Any]], column: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = (row._mapping[column] for row in rows)
    return np.array([-1 if place is None else place for place in found], np.int64)


def _about(rows: Sequence[Row[Any]]) -> list[Array]:
    text = DataType.string()
    return [
        Array([to_iso(row.at) for row in rows], text),
        Array([row.session for row in rows], text),
        Array([row.request_id for row in rows], text),
        Array([str(row.row) for row in rows], text),
    ]
