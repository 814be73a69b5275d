"""All routes of the service: those of each room, and probes, metrics and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eeg_letters.serving.api import routes as api
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.open_inference import routes as open_inference
from eeg_letters.serving.routing import Request, Response, Route, fixed, json_response
from eeg_letters.serving.scheduling import FairScheduler
from eeg_letters.serving.telemetry.metrics import CONTENT_TYPE as METRICS
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.serving.web import reference
from eeg_letters.serving.web.index import build_index
from eeg_letters.serving.web.page import page
from eeg_letters.settings import Settings


def build_routes(
    inference: Inference,
    metrics: Metrics,
    settings: Settings,
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
    settings : Settings
        Limits.
    openapi : dict
        The OpenAPI document.
    schema : dict
        The description that BentoML's own client asks for.

    Returns
    -------
    list of Route
    """
    scheduler = FairScheduler()

    def exposition(_: Request) -> Response:
        return Response(metrics.exposition(), METRICS)

    healthy = fixed(Response(b"\n", b"text/plain; charset=utf-8"))
    return [
        Route("/", ("GET",), build_index(page(inference), openapi)),
        *api.build_routes(inference, metrics, settings, scheduler),
        Route("/livez", ("GET",), healthy, internal=True, at_once=True),
        Route("/readyz", ("GET",), healthy, internal=True, at_once=True),
        Route("/metrics", ("GET",), exposition, internal=True),
        Route("/docs.json", ("GET",), fixed(json_response(openapi))),
        Route("/schema.json", ("GET",), fixed(json_response(schema))),
        *reference.build_routes(),
        *open_inference.build_routes(inference, metrics, settings, scheduler),
    ]
