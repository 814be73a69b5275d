"""A BentoML service that is answered by our own routes instead of BentoML's HTTP server."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import warnings
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, NoReturn

import bentoml

from eeg_letters.errors import UserError
from eeg_letters.models import LDA
from eeg_letters.scoring.store import load_schema
from eeg_letters.serving import cors, openapi
from eeg_letters.serving.admission import Connections, most_connections
from eeg_letters.serving.asgi import Application
from eeg_letters.serving.inference import Inference, load_inference
from eeg_letters.serving.open_inference import routes as open_inference
from eeg_letters.serving.routes import build_routes
from eeg_letters.serving.telemetry.logs import AccessLog, complaints, configure_logging
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings, read_settings, sends_traces

if TYPE_CHECKING:
    from eeg_letters.serving.telemetry.tracing import Tracing


_MORE_MEMORY = "raise the memory limit of the container or process, or serve fewer rows"
_logger = logging.getLogger("eeg_letters")


class HTTPService(bentoml.Service[Any]):
    """A BentoML service whose every path is answered by `eeg_letters.serving.routes`.

    BentoML builds, packs and supervises it and describes it to its clients;
    docs/decisions/0001-own-http-layer.md says why it does not answer requests. The service's class
    must have the attributes ``settings`` and ``inference``.
    """

    @property
    def openapi_spec(self) -> dict[str, Any]:
        """The OpenAPI document, which a built Bento carries too."""
        return openapi.document(load_schema())

    def to_asgi(self, is_main: bool = True) -> cors.ASGI:  # noqa: ARG002
        """Build the ASGI application that a worker serves; its models and rows are loaded."""
        try:
            instance = self.inner()
            settings: Settings = instance.settings
            as_json = settings.log_format == "json"
            configure_logging(as_json)
            tracing = _load_tracing()
        except UserError as error:
            _end(error)
        inference: Inference = instance.inference
        # A row whose squares overflow becomes zeros, as scikit-learn's Normalizer has it.
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        versions = {stored.model.title: stored.version for stored in inference.models}
        metrics = Metrics(versions, inference.schema.labels)
        document = openapi.document(inference.schema, inference.columns, versions[LDA.title])
        routes = build_routes(inference, metrics, settings, document, self.schema())
        application = Application(
            [*routes, *cors.build_routes(settings.cors_origins)],
            settings,
            metrics,
            AccessLog(as_json),
            tracing,
            {open_inference.PREFIX: open_inference.refusal},
        )
        # Imports uvicorn, which only a worker needs.
        from eeg_letters.serving import connection

        connections = Connections(most_connections(settings), metrics)
        connection.install(application, connections, settings)
        # A full collection over all that was just loaded would stop the worker for 0.2 s.
        gc.collect()
        gc.freeze()
        _logger.info("ready", extra={"models": versions, "serves": inference.schema.describe()})
        if inference.no_rows:
            _logger.warning("no stored rows: %s", inference.no_rows)
        if inference.unused:
            _logger.info("unused columns of the stored rows: %s", ", ".join(inference.unused))
        return cors.allow(application, settings.cors_origins)


def check_start() -> None:
    """End the process with one sentence where a worker could not serve.

    BentoML's supervisor starts a dead worker again and again, so the mistake must be found before.
    A child looks for it, and takes the memory of what it loads with it.
    """
    try:
        settings = read_settings(os.environ)
        _check_temporary()
    except UserError as error:
        _end(error)
    configure_logging(settings.log_format == "json")
    # A worker of a built Bento starts in the Bento's own folder.
    if settings.test_data is not None:
        os.environ["EEG_TEST_DATA"] = str(settings.test_data)
    child = get_context("fork").Process(target=_load, args=(settings,))
    child.start()
    child.join()
    status = child.exitcode or 0
    if status < 0:
        _end(_killed(-status))
    if status > 0:
        # It has said why.
        sys.exit(1)


def _check_temporary() -> None:
    # BentoML makes a folder there next.
    try:
        gettempdir()
    except FileNotFoundError as error:
        raise UserError(f"{error.strerror}: free space in one of them") from None


def _load(settings: Settings) -> None:
    # Where memory is short the kernel must end this process, and not the one that can say so.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        load_inference(settings)
    except UserError as error:
        _end(error)
    except MemoryError:
        _end(UserError(f"out of memory while models and rows were checked: {_MORE_MEMORY}"))


def _killed(number: int) -> UserError:
    name = signal.Signals(number).name if number in list(signal.Signals) else "unknown"
    event = f"the check of models and rows was killed by signal {number} ({name})"
    if number != signal.SIGKILL:
        return UserError(event)
    return UserError(f"{event}, probably because it was out of memory: {_MORE_MEMORY}")


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


def _end(error: UserError) -> NoReturn:
    sys.exit(f"eeg-letters: {error}")
