"""The log of predictions: what was kept, newest first, and all of one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, or_, select, true

from eeg_letters.database.answered import Floats, Served, from_bytes
from eeg_letters.database.kept import load_served, stored_powers
from eeg_letters.database.tables import class_column, predictions, probabilities_column, served
from eeg_letters.labels import Labels
from eeg_letters.models import MODELS

# All columns but the band powers, which a list of rows has no use for.
_LISTED = tuple(column for column in predictions.c if column.name != "powers")


@dataclass(frozen=True)
class Wanted:
    """Which predictions; all where nothing is said.

    Attributes
    ----------
    since : int or None
        Not older than a time, in microseconds since 1970-01-01.
    session : str or None
        Of a session.
    classes : mapping of int to int, or None
        Those to which a model gave a class: the class by the number of what was served.
    familiar : bool or None
        Whether the row was like those of the training.
    """

    since: int | None = None
    session: str | None = None
    classes: dict[int, int] | None = None
    familiar: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same in SQL, to be met together."""
        c = predictions.c
        found: list[ColumnElement[bool]] = []
        if self.since is not None:
            found.append(c.at >= self.since)
        if self.session is not None:
            found.append(c.session == self.session)
        if self.familiar is not None:
            found.append(c.familiar.is_(self.familiar))
        if self.classes is not None:
            by_class: defaultdict[int, list[int]] = defaultdict(list)
            for number, place in self.classes.items():
                by_class[place].append(number)
            given = (
                and_(
                    c.served_id.in_(numbers),
                    or_(*(c[class_column(model)] == place for model in MODELS)),
                )
                for place, numbers in by_class.items()
            )
            found.append(or_(false(), *given))
        return found


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that was answered, as it was kept.

    Attributes
    ----------
    id, at, request_id, row, route, session, recording_sha256, recording_scale, line
        As the table has them.
    familiar, true_class
        The same.
    served : Served
        What answered: its labels are those of the classes.
    classes : tuple of (int or None)
        By each of `MODELS`; None where it was not asked.
    probabilities : tuple of (ndarray of float64, shape (n_labels,), or None)
        The same.
    powers : ndarray of float64, shape (n_features,), or None
        None where they were neither kept nor are in a recording of the database, or not read.
    """

    id: int
    at: int
    request_id: str
    row: int
    route: str
    session: str | None
    served: Served
    recording_sha256: str | None
    recording_scale: str | None
    line: int | None
    classes: tuple[int | None, ...]
    probabilities: tuple[Floats | None, ...]
    familiar: bool | None
    true_class: int | None
    powers: Floats | None


class ServedByNumber:
    """What the numbers in the table `served` stand for; each schema is read once."""

    def __init__(self) -> None:
        self._known: dict[str, Served] = {}

    def of(self, connection: Connection, numbers: Iterable[int]) -> dict[int, Served]:
        """What some numbers stand for."""
        return self._find(connection, served.c.id.in_(set(numbers)))

    def all(self, connection: Connection) -> dict[int, Served]:
        """What all numbers stand for."""
        return self._find(connection, true())

    def _find(self, connection: Connection, which: ColumnElement[bool]) -> dict[int, Served]:
        # Asked each time: a database that was restored may have given them to others.
        digests = {
            row.id: row.digest
            for row in connection.execute(select(served.c.id, served.c.digest).where(which))
        }
        missing = [number for number, digest in digests.items() if digest not in self._known]
        if missing:
            found = load_served(connection, missing)
            self._known |= {digests[number]: each for number, each in found.items()}
        return {number: self._known[digest] for number, digest in digests.items()}

    def classes(self, connection: Connection, label: str) -> dict[int, int]:
        """The class that a label, or a letter, stands for, by number; without those that lack it.

        Parameters
        ----------
        label : str
            As answers have it, as text.
        """
        found = {}
        for number, each in self.all(connection).items():
            place = spelled_classes(each.schema.labels).get(label)
            if place is not None:
                found[number] = place
        return found


def spelled_classes(labels: Labels) -> dict[str, int]:
    """Each class by its label as text, and by its name."""
    by_label = {str(value): place for place, value in enumerate(labels.values)}
    return by_label | {name: place for place, name in enumerate(labels.names)}


def newest(
    connection: Connection,
    known: ServedByNumber,
    wanted: Wanted,
    limit: int,
    before: int | None = None,
) -> list[Kept]:
    """Predictions without their band powers, newest first.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction.
    known : ServedByNumber
        Finds out what answered.
    wanted : Wanted
        Which.
    limit : int
        How many at most.
    before : int or None
        Only those whose `id` is lower: that of the last one that was read before.
    """
    conditions = wanted.conditions()
    if before is not None:
        conditions.append(predictions.c.id < before)
    asked = select(*_LISTED).where(*conditions).order_by(predictions.c.id.desc()).limit(limit)
    rows = connection.execute(asked).all()
    return _kept(known.of(connection, (row.served_id for row in rows)), rows)


def of_request(
    connection: Connection,
    known: ServedByNumber,
    request_id: str,
    limit: int,
    after: int | None = None,
    only_row: int | None = None,
    at: int | None = None,
) -> list[Kept]:
    """All rows that a request id was given for, with their band powers, oldest first.

    Parameters
    ----------
    connection, known, limit
        As of `newest`.
    request_id : str
        Any number of requests may have had it.
    after : int or None
        Only those whose `id` is higher.
    only_row : int or None
        Only that row of a request.
    at : int or None
        Only those that were answered then, in microseconds since 1970-01-01.
    """
    conditions = [predictions.c.request_id == request_id]
    if after is not None:
        conditions.append(predictions.c.id > after)
    if only_row is not None:
        conditions.append(predictions.c.row == only_row)
    if at is not None:
        conditions.append(predictions.c.at == at)
    asked = select(predictions).where(*conditions).order_by(predictions.c.id).limit(limit)
    rows = connection.execute(asked).all()
    by_number: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_number[row.served_id].append(row)
    powers: dict[int, bytes | None] = {}
    answered = known.of(connection, by_number)
    for number, served_ in answered.items():
        of_number = by_number[number]
        found = stored_powers(connection, served_.schema, of_number)
        powers |= {row.id: each for row, each in zip(of_number, found, strict=True)}
    return _kept(answered, rows, powers)


def _kept(
    by_number: Mapping[int, Served],
    rows: Sequence[Row[Any]],
    powers: Mapping[int, bytes | None] = MappingProxyType({}),
) -> list[Kept]:
    found = []
    for row in rows:
        columns = row._mapping
        found.append(
            Kept(
                row.id,
                row.at,
                row.request_id,
                row.row,
                row.route,
                row.session,
                by_number[row.served_id],
                row.recording_sha256,
                row.recording_scale,
                row.line,
                tuple(columns[class_column(model)] for model in MODELS),
                tuple(_array(columns[probabilities_column(model)]) for model in MODELS),
                row.familiar,
                row.true_class,
                _array(powers.get(row.id)),
            )
        )
    return found


def _array(stored: bytes | None) -> Floats | None:
    return None if stored is None else from_bytes([stored])[0]
