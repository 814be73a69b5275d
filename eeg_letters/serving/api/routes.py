"""Routes of stored rows, their predictions, the score, and rows of a client's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Iterable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.facts import Part
from eeg_letters.serving.api.large import PART_BYTES
from eeg_letters.serving.api.limits import row_limit
from eeg_letters.serving.api.names import other_columns
from eeg_letters.serving.api.predicting import MEDIA, build_answer, build_predict, is_usual
from eeg_letters.serving.api.rows import RowParser, parse_member
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.routing import (
    Body,
    Handler,
    Request,
    Response,
    Route,
    fixed,
    json_response,
)
from eeg_letters.serving.scheduling import FairScheduler
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

BOTH = ("GET", "POST")
Answer = TypeVar("Answer")

_NUMBER = re.compile("-?[0-9]+")
# More than the float with the most digits has; int() would refuse a few thousand.
_MOST_DIGITS = 400
# The largest body that names a line.
LINE_BYTES = 1024
# Answers of labels that are kept: of 26 classes, all that two models can give.
MOST_ANSWERS = 26 * 26
# What `/models` tells of what training wrote down, where it is there.
MODEL_FACTS = (
    *("accuracy", "interval", "commonest_class", "better_than_guessing", "balanced_accuracy"),
    *("macro_f1", "calibration_error", "clock", "preprocessing", "shrinkage", "temperature"),
    *("adapting_weight", "versions"),
)
# What it tells of these is without the names of files: they may tell of a person.
_RECORDINGS = ("training", "test")
NO_ROWS = (
    "The service has no stored rows: it was started without a recording that fits its models;"
    " EEG_TEST_DATA names one."
)


def build_routes(
    inference: Inference,
    metrics: Metrics,
    settings: Settings,
    scheduler: FairScheduler,
    keep: Keep | None,
) -> list[Route]:
    """The routes of our own.

    Parameters are those of `eeg_letters.serving.routes.build_routes`; the scheduler is shared with
    all other routes.
    """
    schema, labels = inference.schema, inference.schema.labels
    others = other_columns(schema, inference.columns)
    parser = RowParser(schema.features, others, schema.values_scale)
    limit = row_limit(settings, len(labels.values), len(inference.models))

    def line(request: Request) -> Response:
        return Response(_stored(inference.lines.__getitem__, _line_of(request)))

    @lru_cache(maxsize=MOST_ANSWERS)
    def named(*classes: int) -> Response:
        return json_response(inference.name(classes))

    def prediction(request: Request) -> Response:
        number = _line_of(request)
        classes = _stored(inference.classify, number)
        metrics.count_prediction(classes)
        if keep is not None:
            keep.stored_row(request, int(number), classes)
        return named(*classes)

    def no_rows(_: Request) -> Response:
        raise Problem(HTTPStatus.NOT_FOUND, NO_ROWS)

    def answer(request: Request, rows: Floats) -> bytes:
        powers = inference.to_powers(rows)
        predictions = inference.predict(powers, judge=True)
        metrics.count_predictions(prediction.classes for prediction in predictions)
        metrics.count_judged(predictions[0].familiar)
        if not len(rows):
            return b""
        if keep is not None:
            keep.rows(request, [(powers, predictions)])
        return as_json(predictions, labels)

    answer_in_parts = build_answer(inference, metrics, scheduler, keep)
    predict_any = build_predict(inference, metrics, settings, scheduler, parser, keep)

    def predict(request: Request) -> Response | Coroutine[Any, Any, Response]:
        if request.query or not is_usual(request):
            return predict_any(request)
        parsed: Iterable[Floats] = parser.parse(request.body, limit)
        if len(request.body) > PART_BYTES:
            return answer_in_parts(request, map(Part, parsed), limit.part, True)
        (rows,) = parsed
        if len(rows) > limit.few:
            return answer_in_parts(request, (Part(rows),), limit.part, False)
        return Response(b'{"predictions":[%b]}' % answer(request, rows))

    of_rows: dict[str, Handler] = {
        "line": line,
        "prediction": prediction,
        "score": fixed(json_response(inference.score)),
    }
    if inference.no_rows:
        of_rows = dict.fromkeys(of_rows, no_rows)
    at_once = partial(Route, at_once=True)
    return [
        at_once("/line/{line}", BOTH, of_rows["line"]),
        at_once("/line", ("POST",), of_rows["line"], Body.JSON, LINE_BYTES),
        at_once("/prediction/{line}", BOTH, of_rows["prediction"]),
        at_once("/prediction", ("POST",), of_rows["prediction"], Body.JSON, LINE_BYTES),
        at_once("/score", BOTH, of_rows["score"]),
        at_once("/predict", ("POST",), predict, Body.JSON, media=MEDIA),
        Route("/models", ("GET",), fixed(json_response(_models(inference)))),
        Route("/predictions", ("GET",), fixed(_predictions(inference))),
    ]


def _models(inference: Inference) -> list[dict[str, Any]]:
    features, labels = inference.schema.features, inference.schema.labels
    return [
        {
            "name": stored.model.name,
            "title": stored.model.title,
            "version": stored.version,
            "feature_names": features.names,
            "electrodes": features.electrodes,
            "bands": features.bands,
            "scale": inference.schema.values_scale,
            "labels": labels.kind,
            "classes": [labels.values[place] for place in stored.scorer.classes.tolist()],
            "class_names": labels.names,
            **{name: stored.metadata[name] for name in MODEL_FACTS if name in stored.metadata},
            **{
                name: _without_names(stored.metadata[name])
                for name in _RECORDINGS
                if name in stored.metadata
            },
        }
        for stored in inference.models
    ]


def _without_names(described: Any) -> Any:
    # Of anyone's making: it need not be what training writes.
    if isinstance(described, dict):
        return {name: _without_names(of) for name, of in described.items() if name != "name"}
    return [*map(_without_names, described)] if isinstance(described, list) else described


def _predictions(inference: Inference) -> Response:
    def labels(classes: NDArray[np.int64]) -> list[int] | list[str]:
        found: list[int] | list[str] = inference.schema.labels.array[classes].tolist()
        return found

    columns = {
        "lines": list(inference.rows),
        "truth": labels(inference.truth),
        "labels": {title: labels(classes) for title, classes in inference.classes.items()},
    }
    # A line number may have more digits than orjson writes.
    return Response(json.dumps(columns, separators=(",", ":"), ensure_ascii=False).encode())


def _stored(look_up: Callable[[int], Answer], number: str) -> Answer:
    if not _NUMBER.fullmatch(number):
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
