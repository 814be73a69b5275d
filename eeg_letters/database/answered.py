"""Rows that were answered, on their way into the table of predictions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from eeg_letters.database.tables import class_column, probabilities_column, served
from eeg_letters.models import MODELS
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema

Floats = NDArray[np.float64]

# The columns that are written, in the order of `records`.
COLUMNS = (
    *("at", "request_id", "row", "route", "session", "served_id"),
    *("recording_sha256", "recording_scale", "line", "powers", "familiar"),
    *(name(model) for model in MODELS for name in (class_column, probabilities_column)),
)
# What a row takes in memory besides its arrays: measured, and rounded up.
_ROW_BYTES = 400


@dataclass(frozen=True)
class Served:
    """The models that answer, and what they take and answer.

    Attributes
    ----------
    schema : Schema
        Of all of them.
    versions : mapping of str to str
        By the model's name in the store.
    """

    schema: Schema
    versions: Mapping[str, str]

    @cached_property
    def _values(self) -> dict[str, str]:
        return {
            "schema": self.schema.to_metadata(),
            "versions": json.dumps(dict(self.versions), sort_keys=True),
        }

    @cached_property
    def digest(self) -> str:
        """What they are known by in the table `served`."""
        text = json.dumps(self._values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def number(self, connection: Connection) -> int:
        """Its number in the table `served`, where it is put if it is not there."""
        wanted = select(served.c.id).where(served.c.digest == self.digest)
        found = connection.execute(wanted).scalar()
        if found is None:
            put = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            values = put(served).values(digest=self.digest, **self._values)
            # Another process may be as far.
            connection.execute(values.on_conflict_do_nothing(index_elements=["digest"]))
            found = connection.execute(wanted).scalar_one()
        return int(found)


@dataclass(frozen=True, slots=True)
class Told:
    """What a row truly was, told with the row.

    Attributes
    ----------
    true_class : int
        Index in the labels of what answered.
    by : str or None
        Name of the token; None where anybody may tell.
    """

    true_class: int
    by: str | None


# Not frozen: that would make it twice as slow to make, and one is made for each request.
@dataclass(slots=True)
class Answered:
    """Rows of one request, and what was answered.

    Attributes
    ----------
    at : int
        When, in microseconds since 1970-01-01.
    request_id, route : str
        The request's id, and the template of its path.
    session : str or None
        Of the person, as the client named it.
    rows : ndarray of float64, shape (n_rows, n_features)
        The band powers that were scored.
    classes : sequence of (list of int or None)
        Of each row, for each of `MODELS`; None where a model was not asked.
    probabilities : sequence of (ndarray of float64, shape (n_rows, n_labels), or None), or None
        The same; None where they are still to be found out.
    familiar : ndarray of bool, shape (n_rows,), or None
        Whether each row is like those of the training, where that is known.
    recording_sha256, recording_scale, line
        Of a stored row: checksum of the recording's file, scale by which it was read, and line. Its
        band powers are not kept.
    told : Told or None
        What the only row truly was, where the client told.
    """

    at: int
    request_id: str
    route: str
    session: str | None
    rows: Floats
    classes: Sequence[Sequence[int] | None]
    probabilities: Sequence[Floats | None] | None
    familiar: NDArray[np.bool_] | None
    recording_sha256: str | None = None
    recording_scale: Scale | None = None
    line: int | None = None
    told: Told | None = None

    @property
    def n_rows(self) -> int:
        """How many rows they are."""
        return len(self.rows)

    @property
    def n_bytes(self) -> int:
        """About what it takes in memory."""
        arrays = (self.rows, *(self.probabilities or ()))
        return self.n_rows * _ROW_BYTES + sum(array.nbytes for array in arrays if array is not None)

    def records(self, served_id: int, keep_rows: bool) -> Iterator[tuple[Any, ...]]:
        """Each row as a record of `COLUMNS`."""
        powers: Sequence[bytes | None] = [None] * self.n_rows
        if keep_rows and self.recording_sha256 is None:
            powers = to_bytes(self.rows)
        familiar: Sequence[bool | None] = [None] * self.n_rows
        if self.familiar is not None:
            familiar = self.familiar.tolist()
        scale = None if self.recording_scale is None else self.recording_scale.value
        answers: list[Sequence[Any]] = []
        for classes, probabilities in zip(self.classes, self.probabilities or (), strict=True):
            answers.append([None] * self.n_rows if classes is None else classes)
            answers.append(
                [None] * self.n_rows if probabilities is None else to_bytes(probabilities)
            )
        for row, (power, is_familiar, *of_models) in enumerate(
            zip(powers, familiar, *answers, strict=True)
        ):
            yield (
                *(self.at, self.request_id, row, self.route, self.session, served_id),
                *(self.recording_sha256, scale, self.line, power, is_familiar, *of_models),
            )


def to_bytes(rows: Floats) -> list[bytes]:
    """The bytes of each row of an array."""
    array = np.ascontiguousarray(rows, "<f8")
    width = array.shape[1] * array.itemsize
    whole = array.tobytes()
    return [whole[start : start + width] for start in range(0, len(whole), width)]


def from_bytes(stored: Sequence[bytes]) -> Floats:
    """The rows that `to_bytes` gave the bytes of, shape (n_rows, n_values)."""
    return np.frombuffer(b"".join(stored), "<f8").reshape(len(stored), -1)
