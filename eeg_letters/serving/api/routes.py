"""Routes of stored rows, their predictions, the score, and rows of a client's own."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.facts import Part
from eeg_letters.serving.api.large import PART_BYTES
from eeg_letters.serving.api.limits import row_limit
from eeg_letters.serving.api.names import other_columns
from eeg_letters.serving.api.predicting import MEDIA, build_answer, build_predict, is_usual
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.api.stored import (
    BOTH,
    LINE_BYTES,
    build_named,
    by_column,
    line_in_body,
    line_number,
    no_line,
)
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

# What `/models` tells of what training wrote down, where it is there.
MODEL_FACTS = (
    *("accuracy", "interval", "commonest_class", "better_than_guessing", "balanced_accuracy"),
    *("macro_f1", "calibration_error", "clock", "preprocessing", "shrinkage", "temperature"),
    *("adapting_weight", "versions"),
)
# What it tells of these is without the names of files: they may tell of a person.
_RECORDINGS = ("training", "test")
Found = TypeVar("Found")
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

    return [
        *(() if settings.recording is not None else _of_stored_rows(inference, metrics, keep)),
        Route("/predict", ("POST",), predict, Body.JSON, at_once=True, media=MEDIA),
        Route("/models", ("GET",), fixed(json_response(_models(inference)))),
    ]


def _of_stored_rows(inference: Inference, metrics: Metrics, keep: Keep | None) -> list[Route]:
    named = build_named(inference)
    sha256, scale = inference.rows_sha256, inference.schema.scale

    def line(request: Request) -> Response:
        return Response(_find(inference.lines, _line_of(request)))

    def prediction(request: Request) -> Response:
        number = _line_of(request)
        row = _find(inference.rows, number)
        classes = inference.classify(row)
        metrics.count_prediction(classes)
        if keep is not None:
            keep.stored_row(request, sha256, scale, int(number), row, classes)
        return named(*classes)

    def no_rows(_: Request) -> Response:
        raise Problem(HTTPStatus.NOT_FOUND, NO_ROWS)

    of_rows: dict[str, Handler] = {
        "line": line,
        "prediction": prediction,
        "score": fixed(json_response(inference.score)),
    }
    if inference.no_rows:
        of_rows = dict.fromkeys(of_rows, no_rows)
    predictions = by_column(inference, inference.rows, inference.truth, inference.classes)
    at_once = partial(Route, at_once=True)
    return [
        at_once("/line/{line}", BOTH, of_rows["line"]),
        at_once("/line", ("POST",), of_rows["line"], Body.JSON, LINE_BYTES),
        at_once("/prediction/{line}", BOTH, of_rows["prediction"]),
        at_once("/prediction", ("POST",), of_rows["prediction"], Body.JSON, LINE_BYTES),
        at_once("/score", BOTH, of_rows["score"]),
        Route("/predictions", ("GET",), fixed(predictions)),
    ]


def _line_of(request: Request) -> str:
    return request.parameters[0] if request.parameters else line_in_body(request.body)


def _find(stored: Mapping[int, Found], line: str) -> Found:
    try:
        return stored[line_number(line)]
    except KeyError:
        raise no_line(line) from None


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
