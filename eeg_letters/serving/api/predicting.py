"""Predictions for rows of a client's own that are no usual ``{"rows": [...]}``."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api import jsonlines
from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.facts import Batches, Facts, Part
from eeg_letters.serving.api.limits import row_limit
from eeg_letters.serving.api.media import JSON_LINES, TABLES
from eeg_letters.serving.api.oriented import Oriented
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.api.tables import Table
from eeg_letters.serving.api.texts import Text
from eeg_letters.serving.bodies import Header
from eeg_letters.serving.inference import Inference, Prediction
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.routing import JSON, Request, Response, media_type
from eeg_letters.serving.scheduling import FairScheduler
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

MEDIA = (JSON, *TABLES, *JSON_LINES)

READ_AS = b"read-as"
# A header's value that proxies let through.
_MOST_TOLD = 1000
_PLAIN = "".join(set(string.printable) - set(string.whitespace) - {"%"}) + " "
_CUT = re.compile(r"%[0-9A-F]?\Z")
_ROWS = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"rows"')

Predict = Callable[[Request], Coroutine[Any, Any, Response]]


def is_usual(request: Request) -> bool:
    """Whether a request's body is declared as JSON, and begins as ``{"rows": [...]}`` does."""
    content_type, body = request.headers[b"content-type"], request.body
    return (content_type == JSON or media_type(content_type) == JSON) and (
        body.startswith(b'{"rows":') or _ROWS.match(body) is not None
    )


def build_predict(
    inference: Inference,
    metrics: Metrics,
    settings: Settings,
    scheduler: FairScheduler,
    parser: RowParser,
    keep: Keep | None,
) -> Predict:
    """A handler of rows in any form that is read.

    Parameters
    ----------
    inference, metrics, settings, scheduler, keep
        As of `eeg_letters.serving.api.routes.build_routes`.
    parser : RowParser
        Of JSON rows.
    """
    schema = inference.schema
    sizes = len(schema.labels.values), len(inference.models)
    limits = {
        False: row_limit(settings, *sizes),
        True: row_limit(settings, *sizes, len(schema.features)),
    }
    all_facts = Facts(schema)
    answer_in_parts = build_answer(inference, metrics, scheduler, keep)

    def read(request: Request, with_values: bool) -> tuple[Iterator[Part], Sequence[str]]:
        limit, facts = limits[with_values], all_facts if with_values else None
        kind = media_type(request.headers[b"content-type"])
        if kind in TABLES:
            table = Table(Text(request.body), schema, parser, limit, facts)
            return table.parts(), table.notes
        if kind in JSON_LINES:
            text = Text(request.body)
            return jsonlines.parts(text, parser, limit, facts), text.notes
        oriented = Oriented(request.body, schema, parser, limit, facts)
        if _ROWS.match(request.body):
            return oriented.rows(), oriented.notes
        return oriented.parts(), oriented.notes

    async def predict(request: Request) -> Response:
        with_values = _wants_values(request.query)
        found, notes = read(request, with_values)
        # Values or not, of the same batches.
        response = await answer_in_parts(request, found, limits[False].part, True)
        response.headers = _read_as(notes)
        return response

    return predict


def build_answer(
    inference: Inference, metrics: Metrics, scheduler: FairScheduler, keep: Keep | None
) -> Callable[[Request, Iterable[Part], int, bool], Coroutine[Any, Any, Response]]:
    """A function that answers rows which are much work.

    Parameters are those of `build_predict`. Those of the function are the request, its rows, how
    many are answered at a time, and whether to parse a part of them is much work, too.
    """

    def answer(part: Part, kept: list[tuple[Floats, Sequence[Prediction]]]) -> bytes:
        rows = inference.to_powers(part.rows)
        predictions = inference.predict(rows, judge=True)
        metrics.count_predictions(prediction.classes for prediction in predictions)
        metrics.count_judged(predictions[0].familiar)
        if keep is not None:
            kept.append((rows, predictions))
        besides = part.facts and (
            {"values": values, **fact} for values, fact in zip(rows, part.facts, strict=True)
        )
        return as_json(predictions, inference.schema.labels, besides)

    async def answer_in_parts(
        request: Request, parsed: Iterable[Part], size: int, is_large: bool
    ) -> Response:
        answers: list[bytes] = []
        # Until all are answered: a bad row refuses those before it.
        kept: list[tuple[Floats, Sequence[Prediction]]] = []
        batches = Batches(size)
        for part in parsed:
            if is_large:
                await scheduler.checkpoint()
            for batch in batches.add(part):
                answers.append(answer(batch, kept))
                await scheduler.checkpoint()
        if batches:
            answers.append(answer(batches.rest(), kept))
        if keep is not None and kept:
            keep.rows(request, kept)
        return Response(b'{"predictions":[%b]}' % b",".join(answers))

    return answer_in_parts


def _wants_values(query: bytes) -> bool:
    named = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("values", ["false"])
    if named[-1] not in ("true", "false"):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The query's parameter values must be true or false."
        )
    return named[-1] == "true"


def _read_as(notes: Sequence[str]) -> tuple[Header, ...]:
    if not notes:
        return ()
    told = quote("; ".join(notes)[: 2 * _MOST_TOLD], safe=_PLAIN, errors="replace")
    if len(told) > _MOST_TOLD:
        told = f"{_CUT.sub('', told[:_MOST_TOLD])} ..."
    return ((READ_AS, told.encode()),)
