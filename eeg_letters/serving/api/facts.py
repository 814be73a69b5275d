"""What a table says of a row besides its features: line number and label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.labels import find_label_column
from eeg_letters.recordings.columns import Columns, find_line_column
from eeg_letters.recordings.values import class_index, whole_number
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.refusals import refused

Fact = dict[str, Any]
# Names of columns that are told of.
_MOST_TOLD = 20


# Not frozen, as `eeg_letters.serving.routing.Response`.
@dataclass(slots=True)
class Part:
    """Some rows of a request.

    Attributes
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
        Finite, in the order of the schema; no band power is negative. There may be none, where
        others are to have their turn.
    facts : sequence of dict, or None
        For each row what answers are to tell of it besides; None where they are not.
    """

    rows: Floats
    facts: Sequence[Fact] | None = None

    def __getitem__(self, some: slice) -> Part:
        return Part(self.rows[some], None if self.facts is None else self.facts[some])


class Batches:
    """Parts as batches of one size: sums of many rows are rounded by how many there are.

    So an answer is the same for the same rows, however they were sent.

    Parameters
    ----------
    size : int
        Rows of a batch; the last one may have fewer.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: list[Part] = []
        self._n_held = 0

    def add(self, part: Part) -> Iterator[Part]:
        """The batches that are full with a part more."""
        if not len(part.rows):
            return
        self._held.append(part)
        self._n_held += len(part.rows)
        if self._n_held < self._size:
            return
        whole = self.rest()
        full = self._n_held - self._n_held % self._size
        for start in range(0, full, self._size):
            yield whole[start : start + self._size]
        self._n_held -= full
        self._held = [whole[full:]] if self._n_held else []

    def rest(self) -> Part:
        """What no batch has had yet, at least one row."""
        if len(self._held) == 1:
            return self._held[0]
        rows = np.concatenate([part.rows for part in self._held])
        if self._held[0].facts is None:
            return Part(rows)
        return Part(rows, [fact for part in self._held for fact in part.facts or ()])

    def __bool__(self) -> bool:
        return bool(self._held)


def turn(width: int) -> Part:
    """No rows: others have their turn."""
    return Part(np.empty((0, width)))


class Facts:
    """Finds line numbers and labels.

    Parameters
    ----------
    schema : Schema
        Whose labels they are.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._features = frozenset(schema.features.names)

    def of(self, where: str, row: Mapping[str, Any], line: str | None, label: str | None) -> Fact:
        """What a row says; what is missing is left out.

        Parameters
        ----------
        where : str
            What messages call the row.
        row : mapping of str to object
            Values by column.
        line, label : str or None
            The columns that have them.

        Raises
        ------
        RecordingError
            When the line is no whole number, or the label stands for no class.
        """
        found: Fact = {}
        if line is not None and _is_there(row.get(line)):
            found["line"] = whole_number(where, row, line)
        if label is not None and _is_there(row.get(label)):
            labels = self._schema.labels
            place = class_index(where, row, label, labels)
            found["label"] = labels.values[place]
            if labels.are_letters:
                found["letter"] = labels.names[place]
        return found

    def of_rows(self, rows: Iterable[Any], places: Iterable[str]) -> list[Fact]:
        """What rows say that have names of their own; those in order say nothing.

        Parameters
        ----------
        rows : iterable of object
            Objects by column name, or lists.
        places : iterable of str
            What messages call each row.

        Raises
        ------
        Problem
            422.
        """
        try:
            return [
                self._of_row(where, row) if isinstance(row, dict) else {}
                for row, where in zip(rows, places, strict=False)
            ]
        except RecordingError as error:
            raise unreadable(error) from None

    def _of_row(self, where: str, row: Mapping[str, Any]) -> Fact:
        others = [name for name in row if name not in self._features]
        try:
            label = find_label_column(others, self._schema.label_column)
        except SchemaError as error:
            raise RecordingError(f"{where}, {error}") from None
        return self.of(where, row, find_line_column(others), label)


def _is_there(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def unreadable(error: RecordingError) -> Exception:
    """What a client is told of a table that cannot be read: 422."""
    return refused(f"{printable(str(error))}.")


def printable(text: str) -> str:
    """A text that may quote what is no UTF-8, as an answer can have it."""
    return text.encode(errors="replace").decode()


def told(columns: Columns) -> list[str]:
    """What was found out about columns, in words."""
    notes = list(columns.notes)
    ignored = columns.ignored
    if ignored:
        more = f" and {len(ignored) - _MOST_TOLD} more" if len(ignored) > _MOST_TOLD else ""
        notes.append(f"ignored: {', '.join(ignored[:_MOST_TOLD])}{more}")
    return notes
