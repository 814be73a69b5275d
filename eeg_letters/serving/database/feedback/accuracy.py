"""How often models were right, by what was told of their predictions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from eeg_letters.database.engine import limited
from eeg_letters.database.log import ServedByNumber
from eeg_letters.database.truths import (
    Accuracy,
    Key,
    Share,
    accuracy_by_class,
    accuracy_by_session,
    accuracy_by_version,
)
from eeg_letters.models import MODELS
from eeg_letters.serving.api.queries import parse_query
from eeg_letters.serving.api.refusals import quoted, refused
from eeg_letters.serving.database.access import SECONDS, Access, unavailable
from eeg_letters.serving.database.feedback.log import Answer
from eeg_letters.serving.database.feedback.parameters import since_of
from eeg_letters.serving.database.feedback.tokens import Gate, Scope
from eeg_letters.serving.routing import Request, Response, json_response

_Count = Callable[[Connection, ServedByNumber, int | None], list[Accuracy]]
BY: dict[str, _Count] = {
    "version": accuracy_by_version,
    "session": accuracy_by_session,
    "class": accuracy_by_class,
}


def build_accuracy(access: Access, known: ServedByNumber, gate: Gate) -> Answer:
    """The handler of the accuracy; parameters are those of `build_log` beside this module."""
    # All labelled rows are counted, for anybody who asks: one at a time, so that the database has
    # time for others.
    counting = asyncio.Lock()

    async def accuracy(request: Request) -> Response:
        parameters = parse_query(request.query, ("since", "by"))
        since, by = since_of(parameters), parameters.get("by", "version")
        if by not in BY:
            raise refused(f"by is {quoted(by)}; it must be one of {', '.join(BY)}.")
        if by == "session":
            gate(request, Scope.LOG)

        def count(connection: Connection) -> list[Accuracy]:
            with limited(connection, SECONDS):
                return BY[by](connection, known, since)

        try:
            async with asyncio.timeout(SECONDS):
                await counting.acquire()
        except TimeoutError:
            raise unavailable("Others ask for the accuracy, and are first.") from None
        try:
            found = await access.read(count)
        finally:
            counting.release()
        models = {model.title: _document(by, of) for model, of in zip(MODELS, found, strict=True)}
        return json_response({"by": by, "models": models})

    return accuracy


def _document(by: str, accuracy: Accuracy) -> dict[str, Any]:
    return {
        **_share(accuracy.total),
        "groups": [{**_key(by, key), **_share(share)} for key, share in accuracy.groups.items()],
        "more_groups": accuracy.n_groups - len(accuracy.groups),
    }


def _key(by: str, key: Key) -> dict[str, int | str | None]:
    if not isinstance(key, tuple):
        return {by: key}
    label, letter = key
    return {"label": label} if letter is None else {"label": label, "letter": letter}


def _share(share: Share) -> dict[str, Any]:
    if not share.rows:
        return {"rows": 0}
    return {"rows": share.rows, "accuracy": share.accuracy, "interval": share.interval}
