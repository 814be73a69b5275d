"""The log of predictions: what was answered, newest first, and all of one request."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from sqlalchemy import Connection

from eeg_letters.database.engine import limited
from eeg_letters.database.log import Kept, ServedByNumber, Wanted, newest, of_request
from eeg_letters.database.times import to_iso
from eeg_letters.errors import Problem
from eeg_letters.labels import Labels
from eeg_letters.models import MODELS
from eeg_letters.serving.api.queries import parse_query
from eeg_letters.serving.api.refusals import quoted, refused
from eeg_letters.serving.database.access import SECONDS, Access
from eeg_letters.serving.database.feedback.parameters import (
    MOST_ENTRIES,
    after_of,
    cursor,
    limit_of,
    row_of,
    since_of,
    time_of,
)
from eeg_letters.serving.database.feedback.tokens import Gate, Scope
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.keeping import SESSION
from eeg_letters.serving.routing import Request, Response

DEFAULT_ENTRIES = 100
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRUTH = {"true": True, "false": False}

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


def named(labels: Labels, place: int) -> dict[str, int | str]:
    """A class as answers have it: its label and, of letters, the letter."""
    label = {"label": labels.values[place]}
    return {**label, "letter": labels.names[place]} if labels.are_letters else label


def build_log(access: Access, known: ServedByNumber, gate: Gate) -> Answer:
    """The handler of the log.

    Parameters
    ----------
    access : Access
        Asks the database.
    known : ServedByNumber
        Finds out what answered.
    gate : callable
        Lets requests pass.
    """

    async def log(request: Request) -> Response:
        gate(request, Scope.LOG)
        names = ("since", "session", "label", "familiar", "limit", "after")
        parameters = parse_query(request.query, names)
        since, session = since_of(parameters), _session_of(parameters)
        familiar, label = _familiar_of(parameters), parameters.get("label")
        limit, after = limit_of(parameters, DEFAULT_ENTRIES), after_of(parameters)

        def read(connection: Connection) -> Response:
            with limited(connection, SECONDS):
                classes = None if label is None else known.classes(connection, label)
                if classes is not None and not classes:
                    raise refused(f"label is {quoted(label)}, which is no class of any model.")
                wanted = Wanted(since, session, classes, familiar)
                rows = newest(connection, known, wanted, limit + 1, after)
            return _page(rows, limit, [orjson.dumps(_entry(row)) for row in rows[:limit]])

        return await access.read(read)

    return log


def build_request_log(
    access: Access, known: ServedByNumber, gate: Gate, inference: Inference
) -> Answer:
    """The handler of all rows of a request.

    Parameters
    ----------
    access, known, gate
        As of `build_log`.
    inference : Inference
        Whose stored rows may have been answered.
    """

    def values(row: Kept) -> dict[str, float] | None:
        # By feature; None where they are not known.
        schema, powers = row.served.schema, row.powers
        if (
            powers is None
            and row.line is not None
            and row.recording_sha256 == inference.rows_sha256
            and row.recording_scale == inference.schema.scale
        ):
            schema, powers = inference.schema, inference.rows.get(row.line)
        if powers is None:
            return None
        return dict(zip(schema.features.names, powers.tolist(), strict=True))

    async def request_log(request: Request) -> Response:
        gate(request, Scope.LOG)
        (request_id,) = request.parameters
        parameters = parse_query(request.query, ("limit", "after", "row", "time"))
        limit, after = limit_of(parameters, MOST_ENTRIES), after_of(parameters)
        wanted, at = row_of(parameters), time_of(parameters)
        if not REQUEST_ID.fullmatch(request_id):
            raise Problem(HTTPStatus.NOT_FOUND, "The path has no request id.")

        def read(connection: Connection) -> Response:
            with limited(connection, SECONDS):
                rows = of_request(connection, known, request_id, limit + 1, after, wanted, at)
            if not rows and after is None:
                of_row = "" if wanted is None else f", row {wanted},"
                of_time = "" if at is None else " with that time"
                raise Problem(
                    HTTPStatus.NOT_FOUND,
                    f"No request {quoted(request_id)}{of_row} was kept{of_time}.",
                )
            entries = []
            for row in rows[:limit]:
                entry = _entry(row, True)
                found = values(row)
                if found is not None:
                    entry["values"] = found
                entries.append(orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY))
            return _page(rows, limit, entries)

        return await access.read(read)

    return request_log


def _page(rows: Sequence[Kept], limit: int, entries: Sequence[bytes]) -> Response:
    after = b'"%b"' % cursor(rows[limit - 1].id).encode() if len(rows) > limit else b"null"
    return Response(b'{"entries":[%b],"next":%b}' % (b",".join(entries), after))


def _entry(row: Kept, with_all: bool = False) -> dict[str, Any]:
    labels = row.served.schema.labels
    entry: dict[str, Any] = {
        "request_id": row.request_id,
        "row": row.row,
        "time": to_iso(row.at),
        "route": row.route,
    }
    if row.session is not None:
        entry["session"] = row.session
    if row.recording_sha256 is not None:
        entry |= {"recording": row.recording_sha256, "line": row.line}
    for model, place, probabilities in zip(MODELS, row.classes, row.probabilities, strict=True):
        if place is None:
            continue
        entry[model.title] = {
            "version": row.served.versions[model.name],
            **named(labels, place),
        }
        if probabilities is not None:
            entry[model.title]["probability"] = float(probabilities[place])
            if with_all:
                entry[model.title]["probabilities"] = probabilities
    if row.familiar is not None:
        entry["familiar"] = row.familiar
    if row.true_class is not None:
        entry["truth"] = named(labels, row.true_class)
    return entry


def _session_of(parameters: Mapping[str, str]) -> str | None:
    session = parameters.get("session")
    if session is not None and not SESSION.fullmatch(session.encode()):
        raise refused(
            f"session is {quoted(session)}; it must be 1 to 128 letters, digits, dots, hyphens and"
            " underscores."
        )
    return session


def _familiar_of(parameters: Mapping[str, str]) -> bool | None:
    text = parameters.get("familiar")
    if text is not None and text not in _TRUTH:
        raise refused(f"familiar is {quoted(text)}; it must be true or false.")
    return None if text is None else _TRUTH[text]
