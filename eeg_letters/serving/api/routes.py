"""All routes; here those of stored rows, their predictions, the score, and a client's own rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from eeg_letters.errors import Problem
from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.rows import PART_BYTES, parse_member, parse_rows
from eeg_letters.serving.asgi import Response, Route, json_response
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.open_inference import routes as v2
from eeg_letters.serving.scheduling import Turns
from eeg_letters.serving.telemetry.metrics import CONTENT_TYPE as METRICS
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.serving.web import reference as docs
from eeg_letters.serving.web.index import build_index
from eeg_letters.serving.web.page import page

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
    inference: Inference,
    metrics: Metrics,
    max_rows: int,
    openapi: Mapping[str, Any],
    schema: Mapping[str, Any],
) -> list[Route]:
    """Every route of the service.

    Parameters
    ----------
    inference : Inference
        What answers are made of.
    metrics : Metrics
        Told of every prediction.
    max_rows : int
        The most rows in one request.
    openapi : dict
        The OpenAPI document.
    schema : dict
        The description that BentoML's own client asks for.

    Returns
    -------
    list of Route
    """
    turns = Turns()

    def line(number: str) -> Response:
        return Response(_stored(inference.lines.__getitem__, number))

    def prediction(number: str) -> Response:
        answer = _stored(inference.prediction, number)
        metrics.count_predictions([label] for label in answer.values())
        return json_response(answer)

    async def line_by_body(body: bytes) -> Response:
        return line(_line_member(body))

    async def prediction_by_body(body: bytes) -> Response:
        return prediction(_line_member(body))

    async def predict(body: bytes) -> Response:
        parts: list[bytes] = []
        for rows in parse_rows(body, max_rows):
            predictions = inference.predict(rows)
            metrics.count_predictions(prediction.labels for prediction in predictions)
            if predictions[0].labels:
                parts.append(as_json(predictions))
            if len(body) > PART_BYTES:
                await turns.give_way()
        return Response(b'{"predictions":[%b]}' % b",".join(parts))

    def fixed(response: Response) -> Callable[[], Response]:
        return lambda: response

    def exposition() -> Response:
        return Response(metrics.exposition(), METRICS)

    well = fixed(Response(b"\n", b"text/plain; charset=utf-8"))
    return [
        Route("/", ("GET",), answer_headers=build_index(page(), openapi)),
        Route("/line/{line}", BOTH, line),
        Route("/line", ("POST",), answer_json=line_by_body, max_body_bytes=LINE_BYTES),
        Route("/prediction/{line}", BOTH, prediction),
        Route("/prediction", ("POST",), answer_json=prediction_by_body, max_body_bytes=LINE_BYTES),
        Route("/score", BOTH, fixed(json_response(inference.score))),
        Route("/predict", ("POST",), answer_json=predict),
        Route("/models", ("GET",), fixed(json_response(_models(inference)))),
        Route("/predictions", ("GET",), fixed(_predictions(inference))),
        Route("/livez", ("GET",), well, internal=True),
        Route("/readyz", ("GET",), well, internal=True),
        Route("/metrics", ("GET",), exposition, internal=True),
        Route("/docs.json", ("GET",), fixed(json_response(openapi))),
        Route("/schema.json", ("GET",), fixed(json_response(schema))),
        *docs.build_routes(),
        *v2.build_routes(inference, metrics, max_rows, turns),
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


def _line_member(body: bytes) -> str:
    line = parse_member(body, "line")
    # 232.0 is a whole number to JSON Schema, and true is none.
    if isinstance(line, float) and line.is_integer():
        line = int(line)
    if isinstance(line, bool) or not isinstance(line, int):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"line" must be a whole number.')
    if body.count(b":") != 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"line" stands twice.')
    return str(line)
