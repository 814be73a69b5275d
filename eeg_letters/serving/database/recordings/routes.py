"""Routes of recordings in the database: rows, predictions and scores, as those of the file."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import parse_qs

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from eeg_letters.database.engine import limited
from eeg_letters.database.stored import (
    Stored,
    all_recordings,
    find_document,
    find_powers,
    find_recording,
    rows_after,
)
from eeg_letters.database.tables import INT64
from eeg_letters.database.times import to_iso
from eeg_letters.errors import Problem
from eeg_letters.scales import Scale
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.limits import PART_ROWS
from eeg_letters.serving.api.refusals import quoted, refused
from eeg_letters.serving.api.stored import (
    BOTH,
    LINE_BYTES,
    build_named,
    by_column,
    line_in_body,
    line_number,
    no_line,
)
from eeg_letters.serving.database.access import SECONDS, Access
from eeg_letters.serving.database.recordings.fitting import Fit, Known, Memory
from eeg_letters.serving.database.recordings.scores import Job, Scores
from eeg_letters.serving.inference import SCORE, Inference
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.routing import Body, Request, Response, Route, json_response
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import RECORDING_NAME, Settings

# How long a request waits for the score of a recording that has at most so many rows.
_PATIENCE_SECONDS = 1.0
_FEW_ROWS = 10_000
# What a client is told to wait at most for that of a larger one.
_LONGEST_WAIT_SECONDS = 60

Found = TypeVar("Found")
# Name of the recording that a request asks for, and line or nothing.
Asked = Callable[[Request], tuple[str, str]]


def build_routes(
    inference: Inference,
    metrics: Metrics,
    settings: Settings,
    access: Access,
    scores: Scores,
    keep: Keep | None,
) -> list[Route]:
    """The routes of recordings.

    Parameters
    ----------
    inference : Inference
        What answers are made of.
    metrics : Metrics
        Told of every prediction.
    settings : Settings
        Limits, and the recording that routes without a name mean.
    access : Access
        Asks the database.
    scores : Scores
        Works out scores.
    keep : Keep or None
        Told of every prediction.
    """
    rooms = _Recordings(inference, metrics, settings.max_rows, access, scores, keep)
    routes = [
        Route("/recordings", ("GET",), rooms.all),
        *_routes("/recordings/{name}", rooms, lambda request: request.parameters[0]),
    ]
    if (name := settings.recording) is not None:
        routes += _routes("", rooms, lambda _: name)
    return routes


def _routes(prefix: str, of: _Recordings, name_of: Callable[[Request], str]) -> list[Route]:
    def by_path(request: Request) -> tuple[str, str]:
        return name_of(request), request.parameters[-1]

    def by_body(request: Request) -> tuple[str, str]:
        return name_of(request), line_in_body(request.body)

    def whole(request: Request) -> tuple[str, str]:
        return name_of(request), ""

    return [
        Route(f"{prefix}/line/{{line}}", BOTH, partial(of.line, by_path)),
        Route(f"{prefix}/line", ("POST",), partial(of.line, by_body), Body.JSON, LINE_BYTES),
        Route(f"{prefix}/prediction/{{line}}", BOTH, partial(of.prediction, by_path)),
        Route(
            *(f"{prefix}/prediction", ("POST",), partial(of.prediction, by_body)),
            *(Body.JSON, LINE_BYTES),
        ),
        Route(f"{prefix}/score", BOTH, partial(of.score, whole)),
        Route(f"{prefix}/predictions", ("GET",), partial(of.predictions, whole)),
    ]


@dataclass(frozen=True)
class _Part:
    # Some rows of a recording, and what models give them.
    stored: Stored
    lines: list[int]
    truth: NDArray[np.int64]
    classes: dict[str, NDArray[np.int64]]
    is_last: bool


class _Recordings:
    # Answers of recordings; parameters are those of `build_routes`.
    def __init__(
        self,
        inference: Inference,
        metrics: Metrics,
        max_rows: int,
        access: Access,
        scores: Scores,
        keep: Keep | None,
    ) -> None:
        self._inference = inference
        self._metrics = metrics
        self._max_rows = max_rows
        self._access = access
        self._scores = scores
        self._keep = keep
        self._memory = Memory(inference.schema)
        self._named = build_named(inference)

    async def all(self, _: Request) -> Response:
        return json_response(await self._access.read(_list))

    async def line(self, asked: Asked, request: Request) -> Response:
        name, line = _checked(asked, request)

        def find(connection: Connection) -> bytes | None:
            found = find_document(connection, name, number)
            if found is None:
                raise _no_recording(name)
            return found[1]

        number = _line_number(line)
        document = await self._access.read(find)
        if document is None:
            raise no_line(line)
        return Response(document)

    async def prediction(self, asked: Asked, request: Request) -> Response:
        name, line = _checked(asked, request)

        def find(connection: Connection) -> tuple[Stored, Scale, Floats | None]:
            stored, known, row = self._find(
                connection, name, partial(find_powers, connection, name, number)
            )
            fit = known.fitting(name)
            return stored, known.scale, None if row is None else fit.rows(row)

        number = _line_number(line)
        stored, scale, row = await self._access.read(find)
        if row is None:
            raise no_line(line)
        classes = self._inference.classify(row)
        self._metrics.count_prediction(classes)
        if self._keep is not None:
            self._keep.stored_row(request, stored.sha256, scale, number, row, classes)
        return self._named(*classes)

    async def score(self, asked: Asked, request: Request) -> Response:
        name, _ = _checked(asked, request)

        def find(connection: Connection) -> tuple[Stored, Fit, dict[str, float] | None]:
            stored, known = self._one(connection, name)
            return stored, known.fitting(name), self._scores.find(connection, stored)

        until = monotonic() + _PATIENCE_SECONDS
        # Again, where it was worked out, or the recording was replaced meanwhile.
        for is_last in (False, False, True):
            stored, fit, score = await self._access.read(find)
            if score is not None:
                return json_response({f"{SCORE} {title}": share for title, share in score.items()})
            job = self._scores.work_out(stored, fit)
            left = until - monotonic()
            if is_last or left < 0 or stored.n_rows > _FEW_ROWS:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job.ended)), left)
        raise _not_yet(name, job)

    async def predictions(self, asked: Asked, request: Request) -> Response:
        name, _ = _checked(asked, request)
        first = _after(request.query)
        parts: list[_Part] = []
        left, after = self._max_rows, first
        while left > 0:
            read = partial(self._part, name=name, after=after, most=min(left, PART_ROWS))
            part = await self._access.read(read)
            if parts and part.stored != parts[0].stored:
                # It was replaced in the middle.
                parts, left, after = [], self._max_rows, first
                continue
            parts.append(part)
            if part.is_last:
                break
            left -= len(part.lines)
            after = part.lines[-1]
        return await self._access.run(partial(self._joined, parts))

    def _find(
        self,
        connection: Connection,
        name: str,
        look_up: Callable[[], tuple[Stored, Found] | None],
    ) -> tuple[Stored, Known, Found]:
        while True:
            found = look_up()
            if found is None:
                raise _no_recording(name)
            stored, what = found
            known = self._memory.of(connection, stored)
            # Otherwise it was replaced meanwhile.
            if known is not None:
                return stored, known, what

    def _one(self, connection: Connection, name: str) -> tuple[Stored, Known]:
        def look_up() -> tuple[Stored, None] | None:
            stored = find_recording(connection, name)
            return None if stored is None else (stored, None)

        stored, known, _ = self._find(connection, name, look_up)
        return stored, known

    def _part(self, connection: Connection, name: str, after: int | None, most: int) -> _Part:
        while True:
            stored, known = self._one(connection, name)
            fit = known.fitting(name)
            # One more, to know whether there is one.
            rows = rows_after(connection, stored, after, most + 1)
            if rows is not None:
                some = slice(most)
                classes = self._inference.classify_rows(fit.rows(rows.powers[some]))
                truth = fit.classes[rows.classes[some]]
                is_last = len(rows.lines) <= most
                return _Part(stored, rows.lines[some], truth, classes, is_last)
            # None follows, unless it was replaced meanwhile.
            if find_recording(connection, name) == stored:
                nothing = np.empty(0, np.int64)
                titles = [model.model.title for model in self._inference.models]
                return _Part(stored, [], nothing, dict.fromkeys(titles, nothing), True)

    def _joined(self, parts: list[_Part]) -> Response:
        return by_column(
            self._inference,
            [line for part in parts for line in part.lines],
            np.concatenate([part.truth for part in parts]),
            {
                title: np.concatenate([part.classes[title] for part in parts])
                for title in parts[0].classes
            },
            **({} if parts[-1].is_last else {"next": parts[-1].lines[-1]}),
        )


def _list(connection: Connection) -> list[dict[str, Any]]:
    with limited(connection, SECONDS):
        found = all_recordings(connection)
    return [
        {
            "name": stored.name,
            "rows": stored.n_rows,
            "classes": schema.labels.names,
            "sha256": stored.sha256,
            "imported_at": to_iso(stored.imported_at),
        }
        for stored, schema in found
    ]


def _checked(asked: Asked, request: Request) -> tuple[str, str]:
    name, line = asked(request)
    # None other is ever asked of the database, which does not take any text.
    if not RECORDING_NAME.fullmatch(name):
        raise _no_recording(name)
    return name, line


def _line_number(text: str) -> int:
    number = line_number(text)
    if number not in INT64:
        raise no_line(text)
    return number


def _after(query: bytes) -> int | None:
    named = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("after")
    if named is None:
        return None
    try:
        return _line_number(named[-1])
    except Problem:
        raise refused("The query's parameter after must be the number of a line.") from None


def _no_recording(name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no recording {quoted(name)}.")


def _not_yet(name: str, job: Job) -> Problem:
    wait = min(max(math.ceil(job.seconds_left), 1), _LONGEST_WAIT_SECONDS)
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"The score of {name} is being worked out: {job.n_done} of {job.stored.n_rows} rows are"
        " done.",
        ((b"retry-after", b"%d" % wait),),
    )
