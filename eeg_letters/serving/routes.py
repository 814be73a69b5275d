"""All routes of the service: those of each room, and probes, metrics and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from eeg_letters.serving.api import routes as api
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.live.route import Streams
from eeg_letters.serving.open_inference import routes as open_inference
from eeg_letters.serving.routing import Request, Response, Route, fixed, json_response
from eeg_letters.serving.scheduling import FairScheduler
from eeg_letters.serving.telemetry.metrics import CONTENT_TYPE as METRICS
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.serving.web import reference
from eeg_letters.serving.web.index import build_index
from eeg_letters.serving.web.page import page
from eeg_letters.settings import Settings

if TYPE_CHECKING:
    from eeg_letters.serving.database.opening import Database


def build_routes(
    inference: Inference,
    metrics: Metrics,
    settings: Settings,
    openapi: Mapping[str, Any],
    schema: Mapping[str, Any],
    database: Database | None = None,
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
    database : Database, optional
        Where what is answered is kept, and what is known of it.

    Returns
    -------
    list of Route
    """
    scheduler = FairScheduler()
    keep = None if database is None else database.keep
    streams = Streams(inference, metrics, settings, keep)
    metrics.add(streams.collector)

    def exposition(_: Request) -> Response:
        return Response(metrics.exposition(), METRICS)

    text = b"text/plain; charset=utf-8"
    healthy = Response(b"\n", text)

    def ready(request: Request) -> Response:
        if "verbose" not in parse_qs(request.query.decode("latin-1"), keep_blank_values=True):
            return healthy
        # In the form of Kubernetes' own servers. Without the database rows are still answered.
        lines = ["[+]models ok"]
        if inference.no_rows:
            lines.append("[-]stored rows: there are none")
        if database is not None:
            problem = database.problem
            lines.append("[+]database ok" if problem is None else f"[-]database: {problem}")
        return Response("\n".join([*lines, "readyz check passed", ""]).encode(), text)

    return [
        Route("/", ("GET",), build_index(page(inference, settings), openapi)),
        *api.build_routes(inference, metrics, settings, scheduler, keep),
        Route("/livez", ("GET",), fixed(healthy), internal=True, at_once=True),
        Route("/readyz", ("GET",), ready, internal=True, at_once=True, reads_query=True),
        Route("/metrics", ("GET",), exposition, internal=True),
        Route("/docs.json", ("GET",), fixed(json_response(openapi))),
        Route("/schema.json", ("GET",), fixed(json_response(schema))),
        *reference.build_routes(),
        *streams.routes,
        *open_inference.build_routes(inference, metrics, settings, scheduler, keep),
        *(() if database is None else database.routes),
    ]
