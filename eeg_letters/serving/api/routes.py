"""Routes of stored rows, their predictions, the score, and rows of a client's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from eeg_letters.errors import Problem
from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.rows import PART_BYTES, parse_member, parse_rows
from eeg_letters.serving.asgi import Body, Request, Response, Route, fixed, json_response
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.scheduling import FairScheduler
from eeg_letters.serving.telemetry.metrics import Metrics

BOTH = ("GET", "POST")
Answer = TypeVar("Answer")

# More than the float with the most digits has; int() would refuse a few thousand.
_MOST_DIGITS = 400
# The largest body that names a line.
LINE_BYTES = 1024
# What `/models` tells of what training wrote down, where it is there.
MODEL_FACTS = (
    *("accuracy", "calibration_error", "classes", "feature_names", "preprocessing", "temperature"),
    *("training", "test", "versions"),
)


def build_routes(
    inference: Inference, metrics: Metrics, max_rows: int, scheduler: FairScheduler
) -> list[Route]:
    """The routes of our own.

    Parameters are those of `eeg_letters.serving.routes.build_routes`; the scheduler is shared with
    all other routes.
    """

    async def line(request: Request) -> Response:
        return Response(_stored(inference.lines.__getitem__, _line_of(request)))

    async def prediction(request: Request) -> Response:
        answer = _stored(inference.prediction, _line_of(request))
        metrics.count_predictions([label] for label in answer.values())
        return json_response(answer)

    async def predict(request: Request) -> Response:
        parts: list[bytes] = []
        for rows in parse_rows(request.body, max_rows):
            predictions = inference.predict(rows)
            metrics.count_predictions(prediction.labels for prediction in predictions)
            if predictions[0].labels:
                parts.append(as_json(predictions))
            if len(request.body) > PART_BYTES:
                await scheduler.checkpoint()
        return Response(b'{"predictions":[%b]}' % b",".join(parts))

    return [
        Route("/line/{line}", BOTH, line),
        Route("/line", ("POST",), line, Body.JSON, max_body_bytes=LINE_BYTES),
        Route("/prediction/{line}", BOTH, prediction),
        Route("/prediction", ("POST",), prediction, Body.JSON, max_body_bytes=LINE_BYTES),
        Route("/score", BOTH, fixed(json_response(inference.score))),
        Route("/predict", ("POST",), predict, Body.JSON),
        Route("/models", ("GET",), fixed(json_response(_models(inference)))),
        Route("/predictions", ("GET",), fixed(_predictions(inference))),
    ]


def _models(inference: Inference) -> list[dict[str, Any]]:
    return [
        {
            "name": stored.model.name,
            "title": stored.model.title,
            "version": stored.version,
            **{name: stored.metadata[name] for name in MODEL_FACTS if name in stored.metadata},
        }
        for stored in inference.models
    ]


def _predictions(inference: Inference) -> Response:
    columns = {
        "lines": list(inference.rows),
        "truth": inference.truth.tolist(),
        "labels": {title: labels.tolist() for title, labels in inference.labels.items()},
    }
    # A line number may have more digits than orjson writes.
    return Response(json.dumps(columns, separators=(",", ":")).encode())


def _stored(look_up: Callable[[int], Answer], number: str) -> Answer:
    if not re.fullmatch("-?[0-9]+", number):
        raise Problem(HTTPStatus.BAD_REQUEST, "A line is asked for by its number, such as 232.")
    if len(number) > _MOST_DIGITS:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no stored row with so high a number.")
    try:
        return look_up(int(number))
    except KeyError:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no stored row with line {number}.") from None


def _line_of(request: Request) -> str:
    if request.parameters:
        return request.parameters[0]
    line = parse_member(request.body, "line")
    # 232.0 is a whole number to JSON Schema, and true is none.
    if isinstance(line, float) and line.is_integer():
        line = int(line)
    if isinstance(line, bool) or not isinstance(line, int):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"line" must be a whole number.')
    if request.body.count(b":") != 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"line" is a duplicate name.')
    return str(line)
