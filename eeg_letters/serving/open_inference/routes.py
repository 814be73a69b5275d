"""Routes of the Open Inference Protocol (V2)."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import orjson

from eeg_letters import __version__
from eeg_letters.errors import Problem
from eeg_letters.models import ENSEMBLE
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Floats
from eeg_letters.scoring.store import StoredModel
from eeg_letters.serving.api.limits import RowLimit, row_limit
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.inference import Inference, Prediction
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.open_inference.answers import (
    Answer,
    Output,
    familiar_output,
    outputs_of,
)
from eeg_letters.serving.open_inference.inputs import INPUT
from eeg_letters.serving.open_inference.requests import (
    HEADER_LENGTH,
    ON_REQUEST,
    InferenceRequest,
    Outputs,
    everything,
    parse_request,
    parse_small_request,
)
from eeg_letters.serving.routing import Body, Request, Response, Route, fixed, json_response
from eeg_letters.serving.scheduling import FairScheduler
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

# The first segment of all its paths.
PREFIX = "v2"
EXTENSIONS = ("binary_tensor_data",)
PLATFORM = "sklearn_npz"
ENSEMBLE_PLATFORM = "ensemble"

_MODEL = "/v2/models/{model}"
_VERSION = _MODEL + "/versions/{version}"


# Rows, and what each model gives them; nothing where it was not asked.
_Kept = list[tuple[Floats, Sequence[Prediction | None]]]


@dataclass(frozen=True)
class _Served:
    # A model as the protocol has it: one of the stored ones, or both.
    name: str
    version: str
    inference: Inference
    limit: RowLimit
    outputs: dict[str, Output]
    # For each stored model its place among the predictions, or None.
    places: list[int | None]
    metadata: Response

    # What most requests ask for: all that needs no name, in JSON or in binary.
    answers: dict[Outputs, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for binary in (False, True):
            asked = everything((*self.outputs,), binary)
            self.answers[asked] = self._make(asked)

    def answer_to(self, asked: Outputs) -> Answer:
        return self.answers.get(asked) or self._make(asked)

    def _make(self, asked: Outputs) -> Answer:
        head = f'"model_name":"{self.name}","model_version":"{self.version}",'.encode()
        return Answer(head, ((self.outputs[name], binary) for name, binary in asked))


def build_routes(
    inference: Inference,
    metrics: Metrics,
    settings: Settings,
    scheduler: FairScheduler,
    keep: Keep | None,
) -> list[Route]:
    """The routes of the protocol.

    Parameters are those of `eeg_letters.serving.routes.build_routes`; the scheduler is shared with
    all other routes.
    """
    schema = inference.schema
    parser = RowParser(schema.features, scale=schema.values_scale)
    served = {model.name: model for model in _all_served(inference, settings)}
    names = {name: (*model.outputs,) for name, model in served.items()}

    def find(name: str, version: str | None = None) -> _Served:
        model = served.get(name)
        if model is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                f'There is no model "{name[:40]}"; there are {", ".join(served)}.',
            )
        if version not in (None, model.version):
            raise Problem(HTTPStatus.NOT_FOUND, f"Model {name} has one version, {model.version}.")
        return model

    def metadata(request: Request) -> Response:
        return find(*request.parameters).metadata

    def ready(request: Request) -> Response:
        return json_response({"name": find(*request.parameters).name, "ready": True})

    def predict(model: _Served, answer: Answer, rows: Floats, kept: _Kept) -> list[list[bytes]]:
        if not len(rows):
            return []
        powers = model.inference.to_powers(rows)
        predictions = model.inference.predict(powers, answer.judges)
        metrics.count_predictions(
            () if place is None else predictions[place].classes for place in model.places
        )
        metrics.count_judged(predictions[0].familiar)
        if keep is not None:
            by_model = [None if place is None else predictions[place] for place in model.places]
            kept.append((powers, by_model))
        return [answer.write(predictions)]

    async def infer_in_parts(
        model: _Served, request: Request, asked: InferenceRequest | None
    ) -> Response:
        if asked is None:
            asked = await parse_request(
                *(request.body, request.headers.get(HEADER_LENGTH), names[model.name]),
                *(parser, model.limit, scheduler.checkpoint),
            )
        answer = model.answer_to(asked.outputs)
        parts = []
        kept: _Kept = []
        for rows in asked.rows:
            parts += predict(model, answer, rows, kept)
            if asked.in_parts:
                await scheduler.checkpoint()
        if keep is not None and kept:
            keep.rows(request, kept)
        return answer.response(asked, parts)

    def infer(request: Request) -> Response | Coroutine[Any, Any, Response]:
        model = find(*request.parameters)
        length = request.headers.get(HEADER_LENGTH)
        asked = parse_small_request(request.body, length, names[model.name], parser, model.limit)
        if asked is None or not asked.is_little:
            return infer_in_parts(model, request, asked)
        answer = model.answer_to(asked.outputs)
        kept: _Kept = []
        parts = [part for rows in asked.rows for part in predict(model, answer, rows, kept)]
        if keep is not None and kept:
            keep.rows(request, kept)
        return answer.response(asked, parts)

    server = {"name": ENSEMBLE, "version": __version__, "extensions": EXTENSIONS}
    index = [
        {"name": model.name, "version": model.version, "state": "READY", "reason": ""}
        for model in served.values()
    ]
    documents = {
        "/v2": json_response(server),
        "/v2/health/live": json_response({"live": True}),
        "/v2/health/ready": json_response({"ready": True}),
        "/v2/models": json_response({"models": [*served]}),
        "/v2/repository/index": json_response(index),
    }

    def at(path: str, *methods: str, internal: bool = False) -> Route:
        return Route(path, methods, fixed(documents[path]), internal=internal)

    return [
        Route(f"{_MODEL}/infer", ("POST",), infer, Body.ANY, at_once=True),
        Route(f"{_VERSION}/infer", ("POST",), infer, Body.ANY, at_once=True),
        Route(_MODEL, ("GET",), metadata),
        Route(_VERSION, ("GET",), metadata),
        Route(f"{_MODEL}/ready", ("GET",), ready, internal=True),
        Route(f"{_VERSION}/ready", ("GET",), ready, internal=True),
        at("/v2", "GET"),
        at("/v2/health/live", "GET", internal=True),
        at("/v2/health/ready", "GET", internal=True),
        at("/v2/models", "GET"),
        at("/v2/repository/index", "POST"),
    ]


def refusal(problem: Problem) -> Response:
    """A problem in the protocol's form, which has 400 instead of 422."""
    status = problem.status
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    return replace(json_response({"error": problem.detail}), status=status, headers=problem.headers)


def _all_served(inference: Inference, settings: Settings) -> list[_Served]:
    singles = [_single(inference, place, settings) for place in range(len(inference.models))]
    return [*singles, _ensemble(inference, settings)]


def _single(inference: Inference, place: int, settings: Settings) -> _Served:
    stored = inference.models[place]
    labels = stored.schema.labels
    outputs = [*outputs_of(0, labels), *_on_request(stored)]
    return _Served(
        stored.model.name,
        stored.version,
        replace(inference, models=[stored]),
        row_limit(settings, len(labels.values), 1),
        {output.name: output for output in outputs},
        [0 if other == place else None for other in range(len(inference.models))],
        _metadata(
            stored.model.name,
            stored.version,
            PLATFORM,
            stored.schema,
            outputs,
            _parameters(stored),
        ),
    )


def _ensemble(inference: Inference, settings: Settings) -> _Served:
    labels = inference.schema.labels
    outputs: list[Output] = []
    parameters: dict[str, str | float] = {}
    for place, stored in enumerate(inference.models):
        prefix = f"{stored.model.name}."
        outputs += outputs_of(place, labels, prefix)
        of_model = {"version": stored.version, **_parameters(stored)}
        parameters |= {prefix + name: value for name, value in of_model.items()}
    outputs += _on_request(inference.models[0])
    versions = " ".join(stored.version for stored in inference.models)
    version = hashlib.sha256(versions.encode()).hexdigest()[:16]
    return _Served(
        ENSEMBLE,
        version,
        inference,
        row_limit(settings, len(labels.values), len(inference.models)),
        {output.name: output for output in outputs},
        [*range(len(inference.models))],
        _metadata(ENSEMBLE, version, ENSEMBLE_PLATFORM, inference.schema, outputs, parameters),
    )


def _on_request(stored: StoredModel) -> list[Output]:
    return [] if stored.familiarity is None else [familiar_output()]


def _parameters(stored: StoredModel) -> dict[str, str | float]:
    # The protocol's parameters are strings, numbers and booleans.
    accuracy, training, test = (
        found if isinstance(found := stored.metadata.get(name), dict) else {}
        for name in ("accuracy", "training", "test")
    )
    recordings = (("training", training), ("test", test))
    settings = ("preprocessing", "temperature")
    return {
        **{name: stored.metadata[name] for name in settings if name in stored.metadata},
        **{f"{name}_accuracy": value for name, value in accuracy.items()},
        **{f"{name}_sha256": of["sha256"] for name, of in recordings if "sha256" in of},
    }


def _metadata(
    name: str,
    version: str,
    platform: str,
    schema: Schema,
    outputs: list[Output],
    parameters: Mapping[str, str | float],
) -> Response:
    tensors: list[dict[str, Any]] = []
    for output in outputs:
        tensor: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": output.shape,
        }
        if output.width is not None:
            names = orjson.dumps(schema.labels.names).decode()
            tensor["parameters"] = {"class_names": names}
            if schema.labels.are_letters:
                tensor["parameters"]["letters"] = ",".join(schema.labels.names)
        if output.name == ON_REQUEST:
            tensor["parameters"] = {"on_request": True}
        tensors.append(tensor)
    rows = {
        "name": INPUT,
        "datatype": "FP64",
        "shape": [-1, len(schema.features)],
        "parameters": {"feature_names": ",".join(schema.features.names)},
    }
    return json_response(
        {
            "name": name,
            "versions": [version],
            "platform": platform,
            "inputs": [rows],
            "outputs": tensors,
            "parameters": parameters,
        }
    )
