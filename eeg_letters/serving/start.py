"""What a process does to start: it builds the application, or ends with one sentence."""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from eeg_letters.errors import UserError
from eeg_letters.models import LDA
from eeg_letters.serving import cors, openapi
from eeg_letters.serving.admission import Connections, most_connections
from eeg_letters.serving.asgi import Application
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.open_inference import routes as open_inference
from eeg_letters.serving.routes import build_routes
from eeg_letters.serving.telemetry.logs import AccessLog, complaints
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings, sends_traces

if TYPE_CHECKING:
    from eeg_letters.serving.database.opening import Database
    from eeg_letters.serving.telemetry.tracing import Tracing

OUT_OF_MEMORY = (
    "out of memory while models and rows were checked: raise the memory limit of the container or"
    " process, or serve fewer rows"
)
_logger = logging.getLogger("eeg_letters")


def end(error: UserError) -> NoReturn:
    """End the process with status 1 and one sentence."""
    sys.exit(f"eeg-letters: {error}")


def build_application(
    settings: Settings, inference: Inference, description: Mapping[str, Any]
) -> cors.ASGI:
    """Build the ASGI application that this process serves under uvicorn.

    Parameters
    ----------
    settings : Settings
        Limits.
    inference : Inference
        What answers are made of.
    description : dict
        The description that BentoML's own client asks for.

    Returns
    -------
    callable
    """
    versions = {stored.model.title: stored.version for stored in inference.models}
    metrics = Metrics(versions, inference.schema.labels)
    database = _open_database(settings, inference, metrics)
    for collector in () if database is None else database.collectors:
        metrics.add(collector)
    tracing = _load_tracing()
    # A row whose squares overflow becomes zeros, as scikit-learn's Normalizer has it.
    warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
    document = openapi.document(
        inference.schema,
        inference.columns,
        versions[LDA.title],
        None if database is None else database.described,
    )
    routes = build_routes(inference, metrics, settings, document, description, database)
    application = Application(
        [*routes, *cors.build_routes(settings.cors_origins)],
        settings,
        metrics,
        AccessLog(settings.log_format == "json"),
        tracing,
        {open_inference.PREFIX: open_inference.refusal},
        None if database is None else database.close,
    )
    # Imports uvicorn, which BentoML's supervisor has no use for.
    from eeg_letters.serving import connection

    connections = Connections(most_connections(settings), metrics)
    connection.install(application, connections, settings)
    # A full collection over all that was just loaded would stop the process for 0.2 s.
    gc.collect()
    gc.freeze()
    _logger.info("ready", extra={"models": versions, "serves": inference.schema.describe()})
    if inference.no_rows:
        _logger.warning("no stored rows: %s", inference.no_rows)
    if inference.unused:
        _logger.info("unused columns of the stored rows: %s", ", ".join(inference.unused))
    return cors.allow(application, settings.cors_origins)


def _open_database(settings: Settings, inference: Inference, metrics: Metrics) -> Database | None:
    if not settings.has_database:
        return None
    # It takes 0.5 s and 30 MB, which a service without a database has no use for.
    from eeg_letters.serving.database.opening import open_database

    try:
        return open_database(settings, inference, metrics)
    except UserError as error:
        end(error)


def check_database(settings: Settings) -> None:
    """Make sure that the database, if there is to be one, has what is needed to use it.

    Raises
    ------
    UserError
        When it has not; not where it does not answer.
    """
    if settings.has_database:
        from eeg_letters.serving.database.opening import check

        check(settings)


def _load_tracing() -> Tracing | None:
    # Predictions are served with or without traces.
    try:
        if not sends_traces(os.environ):
            return None
        with complaints("opentelemetry") as said:
            # It takes 0.15 s and some megabytes, which a service without a collector has no use
            # for.
            from eeg_letters.serving.telemetry.tracing import Tracing

            tracing = Tracing()
    except UserError as error:
        _logger.warning("no traces: %s", error)
    except Exception as error:  # noqa: BLE001 What its library raises depends on the variable.
        _logger.warning("no traces: an OTEL_ variable cannot be understood: %s", error)
    else:
        if not said:
            return tracing
        tracing.shutdown()
        _logger.warning("no traces: an OTEL_ variable cannot be understood: %s", said[0])
    return None
