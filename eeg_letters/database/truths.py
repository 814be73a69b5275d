"""What predictions turned out to be: told, kept with its history, and compared with them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from eeg_letters.database.log import ServedByNumber
from eeg_letters.database.tables import class_column, feedback, predictions
from eeg_letters.models import MODELS

# Asked for in one statement.
_SOME = 200
# Of groups of the accuracy; of the others is told how many there are.
MOST_GROUPS = 100
# Of the normal distribution, 97.5 %.
_Z = 1.959963984540054

# What a group is called: a version, a session (None where there was none), or a label and, of
# letters, the letter.
Key = str | None | tuple[int | str, str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Which row of which request.

    Attributes
    ----------
    request_id : str
        Of the request; the newest that has it, unless a time is told.
    row : int or None
        Its place in the request; None where the request had no other.
    at : int or None
        When it was answered, in microseconds since 1970-01-01.
    """

    request_id: str
    row: int | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A prediction that has a place: its number, and that of what was served."""

    id: int
    served_id: int


class Unknown(Exception):
    """There is no such request, or it has no such row.

    Parameters
    ----------
    number : int
        Which of the places.
    is_row : bool
        Whether it is the row that there is not.
    """

    def __init__(self, number: int, is_row: bool) -> None:
        super().__init__(number, is_row)
        self.number = number
        self.is_row = is_row


class SeveralRows(Exception):
    """A place has no row, and its request had several.

    Parameters
    ----------
    number : int
        Which of the places.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def find(connection: Connection, places: Sequence[Place]) -> list[Found]:
    """The predictions that have some places.

    Raises
    ------
    Unknown, SeveralRows
    """
    found: list[Found] = []
    remaining = iter(places)
    while some := list(islice(remaining, _SOME)):
        found += _find(connection, some, len(found))
    return found


def _find(connection: Connection, places: Sequence[Place], first: int) -> Iterator[Found]:
    c = predictions.c
    ids = {place.request_id for place in places}
    last = select(func.max(c.id)).where(c.request_id.in_(ids)).group_by(c.request_id)
    newest = select(c.request_id, c.at).where(c.id.in_(last.scalar_subquery()))
    times = {row.request_id: int(row.at) for row in connection.execute(newest)}
    asked = [times.get(place.request_id) if place.at is None else place.at for place in places]
    # The second row tells whether a request had several.
    rows = {0, 1, *(place.row for place in places if place.row is not None)}
    wanted = select(c.id, c.request_id, c.at, c.row, c.served_id).where(
        c.request_id.in_(ids), c.at.in_({at for at in asked if at is not None}), c.row.in_(rows)
    )
    by_place = {
        (row.request_id, row.at, row.row): Found(row.id, row.served_id)
        for row in connection.execute(wanted.order_by(c.id))
    }
    for number, (place, at) in enumerate(zip(places, asked, strict=True), first):
        if at is None:
            raise Unknown(number, False)
        request = place.request_id, at
        if place.row is None and (*request, 1) in by_place:
            raise SeveralRows(number)
        one = by_place.get((*request, place.row or 0))
        if one is None:
            raise Unknown(number, place.at is None and place.row is not None)
        yield one


@dataclass(frozen=True, slots=True)
class Changed:
    """A prediction of which something new was told: what models had said, and what is true."""

    classes: tuple[int | None, ...]
    true_class: int


def tell(
    connection: Connection, truths: Mapping[int, int], at: int, told_by: str | None
) -> list[Changed] | None:
    """Write the true classes of predictions, all or nothing.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that writes.
    truths : mapping of int to int
        True class by the prediction's number.
    at : int
        Now, in microseconds since 1970-01-01.
    told_by : str or None
        Name of the token.

    Returns
    -------
    list of Changed, or None
        Without those whose truth had been told already; None where a prediction was deleted.
    """
    c = predictions.c
    before: dict[int, Any] = {}
    remaining = iter(sorted(truths))
    while some := list(islice(remaining, _SOME)):
        asked = select(c.id, c.true_class, *(c[class_column(model)] for model in MODELS))
        # In one order, and locked: of two who tell of the same rows one waits.
        locked = asked.where(c.id.in_(some)).order_by(c.id).with_for_update()
        before |= {row.id: row for row in connection.execute(locked)}
    if len(before) < len(truths):
        return None
    new = {id_: true for id_, true in truths.items() if before[id_].true_class != true}
    if new:
        connection.execute(
            insert(feedback),
            [
                {"prediction_id": id_, "at": at, "true_class": true, "told_by": told_by}
                for id_, true in new.items()
            ],
        )
        connection.execute(
            update(predictions)
            .where(c.id == bindparam("prediction"))
            .values(true_class=bindparam("true")),
            [{"prediction": id_, "true": true} for id_, true in new.items()],
        )
    return [Changed(tuple(before[id_][2:]), true) for id_, true in new.items()]


@dataclass(slots=True)
class Share:
    """How many labelled rows a model labelled rightly.

    Attributes
    ----------
    rows, right : int
        Rows, and those of them that are right.
    """

    rows: int = 0
    right: int = 0

    def add(self, rows: int, right: int) -> None:
        """Add some more."""
        self.rows += rows
        self.right += right

    @property
    def accuracy(self) -> float:
        """Share of the rows that are right; there must be one."""
        return self.right / self.rows

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy, 95 %: Wilson's score interval.

        It takes rows for independent. Rows that follow each other are alike, so what it gives is
        rather too narrow.
        """
        n, p = self.rows, self.accuracy
        scale = 1 + _Z**2 / n
        middle = (p + _Z**2 / (2 * n)) / scale
        half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / scale
        # Where all are right, or none, rounding would leave the accuracy out.
        return min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half))


@dataclass(slots=True)
class Accuracy:
    """Of one model.

    Attributes
    ----------
    total : Share
        Of all labelled rows.
    groups : dict of Key to Share
        Those with most rows first, `MOST_GROUPS` at most.
    n_groups : int
        How many there are.
    """

    total: Share = field(default_factory=Share)
    groups: dict[Key, Share] = field(default_factory=dict)
    n_groups: int = 0


def accuracy_by_version(
    connection: Connection, known: ServedByNumber, since: int | None
) -> list[Accuracy]:
    """Accuracy of each of `MODELS` over labelled predictions, by the version that answered.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction.
    known : ServedByNumber
        Finds out what answered.
    since : int or None
        Of predictions not older than that time, in microseconds since 1970-01-01.
    """
    rows = connection.execute(_counted(since, predictions.c.served_id)).all()
    by_number = known.of(connection, (row.served_id for row in rows))
    found = []
    for place, model in enumerate(MODELS):
        groups: defaultdict[Key, Share] = defaultdict(Share)
        for row in rows:
            version = by_number[row.served_id].versions.get(model.name)
            groups[version].add(*_counts(row, 1, place))
        found.append(_accuracy(groups))
    return found


def accuracy_by_class(
    connection: Connection, known: ServedByNumber, since: int | None
) -> list[Accuracy]:
    """The same by the true label."""
    c = predictions.c
    rows = connection.execute(_counted(since, c.served_id, c.true_class)).all()
    by_number = known.of(connection, (row.served_id for row in rows))
    found = []
    for place, _ in enumerate(MODELS):
        groups: defaultdict[Key, Share] = defaultdict(Share)
        for row in rows:
            labels = by_number[row.served_id].schema.labels
            letter = labels.names[row.true_class] if labels.are_letters else None
            label = labels.values[row.true_class], letter
            groups[label].add(*_counts(row, 2, place))
        found.append(_accuracy(groups))
    return found


def accuracy_by_session(
    connection: Connection, _: ServedByNumber, since: int | None
) -> list[Accuracy]:
    """The same by session; there may be any number of them, and `MOST_GROUPS` are read."""
    session = predictions.c.session
    each = _counted(since, session).add_columns(func.count().label("n_rows")).subquery()
    of_all: list[ColumnElement[int]] = []
    for place, _model in enumerate(MODELS):
        rows, right = each.c[f"rows{place}"], each.c[f"right{place}"]
        of_all += [
            func.sum(rows).over().label(f"all_rows{place}"),
            func.sum(right).over().label(f"all_right{place}"),
            # A session may have rows that one of the models was not asked for.
            func.count(case((rows > 0, 1))).over().label(f"n_groups{place}"),
        ]
    # In one statement: between two more may be told.
    counted = select(each, *of_all).order_by(each.c.n_rows.desc(), each.c.session)
    largest = connection.execute(counted.limit(MOST_GROUPS)).all()
    if not largest:
        return [Accuracy() for _ in MODELS]
    totals = largest[0]._mapping
    found = []
    for place, _model in enumerate(MODELS):
        groups = {row.session: Share(*_counts(row, 1, place)) for row in largest}
        total = Share(int(totals[f"all_rows{place}"]), int(totals[f"all_right{place}"]))
        found.append(Accuracy(total, _accuracy(groups).groups, totals[f"n_groups{place}"]))
    return found


def _counted(since: int | None, *by: ColumnElement[Any]) -> Select[Any]:
    # For each group, of each model: rows that it labelled, and rightly.
    true = predictions.c.true_class
    counts: list[ColumnElement[int]] = []
    for place, model in enumerate(MODELS):
        given = predictions.c[class_column(model)]
        counts += [
            func.count(given).label(f"rows{place}"),
            func.count(case((given == true, 1))).label(f"right{place}"),
        ]
    labelled = select(*by, *counts).where(true.is_not(None)).group_by(*by)
    return labelled if since is None else labelled.where(predictions.c.at >= since)


def _counts(row: Sequence[Any], n_keys: int, place: int) -> tuple[int, int]:
    start = n_keys + 2 * place
    return int(row[start]), int(row[start + 1])


def _accuracy(groups: Mapping[Key, Share]) -> Accuracy:
    there = {key: share for key, share in groups.items() if share.rows}
    largest = sorted(there.items(), key=lambda item: (-item[1].rows, str(item[0])))[:MOST_GROUPS]
    total = Share()
    for share in there.values():
        total.add(share.rows, share.right)
    return Accuracy(total, dict(largest), len(there))
