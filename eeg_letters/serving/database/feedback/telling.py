"""Feedback: what predictions turned out to be."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from eeg_letters.database.log import ServedByNumber
from eeg_letters.database.truths import Changed, Place, SeveralRows, Unknown, find, tell
from eeg_letters.errors import Problem, SchemaError
from eeg_letters.labels import parse_label
from eeg_letters.models import MODELS
from eeg_letters.serving.api.names import check_names
from eeg_letters.serving.api.queries import parse_query
from eeg_letters.serving.api.refusals import not_json, quoted, refused
from eeg_letters.serving.database.access import Access
from eeg_letters.serving.database.feedback.log import REQUEST_ID, Answer
from eeg_letters.serving.database.feedback.parameters import ROWS, parse_time
from eeg_letters.serving.database.feedback.tokens import Gate, Scope
from eeg_letters.serving.routing import Request, Response

# How long a request may be on its way into the database: another process may have answered it.
WRITTEN_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.1
_MEMBERS = ("request_id", "row", "label", "time")


@dataclass(frozen=True, slots=True)
class Told:
    """A piece of feedback: which row, and its label as the client has it."""

    place: Place
    label: Any


class FeedbackCounts(Collector):
    """Counts feedback as this process hears it."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, bool]] = Counter()

    def add(self, changed: Sequence[Changed]) -> None:
        """Count what was new."""
        for one in changed:
            for model, given in zip(MODELS, one.classes, strict=True):
                if given is not None:
                    self._rows[model.title, given == one.true_class] += 1

    def collect(self) -> Iterator[Metric]:
        """Make the metric; called by the registry."""
        family = CounterMetricFamily(
            "eeg_feedback_rows",
            "Rows by whether a model was right, of the feedback that this process was given; once"
            " more where it was changed.",
            labels=("model", "correct"),
        )
        for model in MODELS:
            for is_correct in (True, False):
                count = self._rows[model.title, is_correct]
                family.add_metric((model.title, str(is_correct).lower()), count)
        yield family


def build_feedback(
    access: Access, known: ServedByNumber, gate: Gate, counts: FeedbackCounts, max_rows: int
) -> Answer:
    """The handler of feedback.

    Parameters
    ----------
    access : Access
        Asks the database.
    known : ServedByNumber
        Finds out what answered.
    gate : callable
        Lets requests pass.
    counts : FeedbackCounts
        Told of what is new.
    max_rows : int
        The most pieces of feedback in a request.
    """

    def resolve(connection: Connection, told: Sequence[Told], is_list: bool) -> dict[int, int]:
        # The true class by the number of the prediction.
        found = find(connection, [each.place for each in told])
        served = known.of(connection, (one.served_id for one in found))
        truths: dict[int, int] = {}
        for number, (each, one) in enumerate(zip(told, found, strict=True)):
            try:
                place = served[one.served_id].schema.labels.index(each.label)
            except SchemaError as error:
                raise refused(f"{_where(number, is_list)}, label: {error}.") from None
            if truths.setdefault(one.id, place) != place:
                raise refused(
                    f"{_where(number, is_list)} has another label for a row that is there before."
                )
        return truths

    async def look_up(told: Sequence[Told], is_list: bool) -> dict[int, int]:
        until = time.monotonic() + WRITTEN_SECONDS
        is_written = await await_written(access, WRITTEN_SECONDS)
        if not is_written and any(each.place.at is None for each in told):
            # The newest request of its id is meant, which may be among the rows that wait.
            raise _not_yet()
        while True:
            try:
                return await access.read(partial(resolve, told=told, is_list=is_list))
            except SeveralRows as error:
                raise refused(
                    f'{_where(error.number, is_list)}: the member "row" is missing, and the request'
                    " had several rows."
                ) from None
            except Unknown as error:
                if time.monotonic() > until:
                    raise (_unknown(error, told, is_list) if is_written else _not_yet()) from None
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def feedback(request: Request) -> Response:
        told_by = gate(request, Scope.FEEDBACK)
        parse_query(request.query, ())
        # Other requests have their turn meanwhile.
        told, is_list = await asyncio.to_thread(parse_feedback, request.body, max_rows)
        truths = await look_up(told, is_list)
        now = time.time_ns() // 1000
        changed = await access.write(partial(tell, truths=truths, at=now, told_by=told_by))
        if changed is None:
            raise Problem(HTTPStatus.NOT_FOUND, "A row that there is feedback for was deleted.")
        counts.add(changed)
        return Response(orjson.dumps({"accepted": len(told)}), status=HTTPStatus.ACCEPTED)

    return feedback


async def await_written(access: Access, seconds: float) -> bool:
    """Wait until what this process answered before is in the database; whether it is."""
    is_written = access.keeper.put_until_now()
    until = time.monotonic() + seconds
    while not is_written():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(_LOOK_AGAIN_SECONDS / 10)
    return True


def parse_feedback(body: bytes, max_rows: int) -> tuple[list[Told], bool]:
    """Feedback as a client sends it, and whether it is a list.

    Raises
    ------
    Problem
        400 when the body is no JSON; 413 when it is more than so many rows; 404 for what can be no
        request's id; 422 for all else, naming the first piece that is wrong.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise not_json(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    is_list = isinstance(document, list)
    items: list[Any] = document if is_list else [document]
    if not items:
        raise refused("The list has no feedback.")
    if len(items) > max_rows:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"There is feedback on more than {max_rows} rows; send it in several requests.",
        )
    told = [_parse(item, _where(number, is_list)) for number, item in enumerate(items)]
    # A dict hides a duplicate name; a colon may be escaped.
    if b"\\" in body or body.count(b":") != sum(map(_count_colons, items)):
        check_names(body)
    return told, is_list


def _parse(item: Any, where: str) -> Told:
    if not isinstance(item, dict):
        raise refused(f"{where} is no object.")
    for name in item:
        if name not in _MEMBERS:
            raise refused(
                f"{where}: there is no member {quoted(name)}; there are {', '.join(_MEMBERS)}."
            )
    for name in ("request_id", "label"):
        if name not in item:
            raise refused(f'{where}: the member "{name}" is missing.')
    request_id, label = item["request_id"], item["label"]
    if not isinstance(request_id, str):
        raise refused(f"{where}, request_id: {quoted(request_id)} is no text.")
    if not isinstance(label, int | float | str) or isinstance(label, bool):
        raise refused(f"{where}, label: {quoted(label)} is no label.")
    try:
        parse_label(label)
    except SchemaError as error:
        raise refused(f"{where}, label: {error}.") from None
    place = Place(request_id, _row(item, where), _time(item, where))
    if not REQUEST_ID.fullmatch(request_id) or (place.row is not None and place.row not in ROWS):
        raise _no_such(place, where, bool(REQUEST_ID.fullmatch(request_id)))
    return Told(place, label)


def _row(item: dict[str, Any], where: str) -> int | None:
    if "row" not in item:
        return None
    row = item["row"]
    # 2.0 is a whole number to JSON Schema, and true is none.
    if isinstance(row, float) and row.is_integer():
        row = int(row)
    if isinstance(row, bool) or not isinstance(row, int) or row < 0:
        raise refused(f"{where}, row: {quoted(item['row'])} is no whole number from 0.")
    return row


def _time(item: dict[str, Any], where: str) -> int | None:
    if "time" not in item:
        return None
    text = item["time"]
    at = parse_time(text) if isinstance(text, str) else None
    if at is None:
        raise refused(
            f"{where}, time: {quoted(text)} is no time as the log has it, such as"
            " 2026-01-31T12:00:00.000000Z."
        )
    return at


def _count_colons(item: dict[str, Any]) -> int:
    return len(item) + sum(text.count(":") for text in item.values() if isinstance(text, str))


def _where(number: int, is_list: bool) -> str:
    return f"Feedback {number}" if is_list else "The feedback"


def _not_yet() -> Problem:
    # It may be among the rows that wait.
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Rows that were answered are not in the database yet; send the feedback again.",
        ((b"retry-after", b"1"),),
    )


def _unknown(error: Unknown, told: Sequence[Told], is_list: bool) -> Problem:
    place = told[error.number].place
    return _no_such(place, _where(error.number, is_list), error.is_row)


def _no_such(place: Place, where: str, is_row: bool) -> Problem:
    request_id = quoted(place.request_id)
    if is_row:
        detail = f"{where}: the request {request_id} has no row {place.row}."
    elif place.at is not None:
        detail = f"{where}: no such row of a request {request_id} was kept with that time."
    else:
        detail = f"{where}: no request {request_id} was kept."
    return Problem(HTTPStatus.NOT_FOUND, detail)
