"""A BentoML service that is answered by our own routes instead of BentoML's HTTP server."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import bentoml

from eeg_letters.errors import UserError
from eeg_letters.scoring.store import load_schema
from eeg_letters.serving import cors, openapi
from eeg_letters.serving.inference import load_inference
from eeg_letters.serving.start import OUT_OF_MEMORY, build_application, check_database, end
from eeg_letters.serving.telemetry.logs import configure_logging
from eeg_letters.settings import Settings, read_settings


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
        except UserError as error:
            end(error)
        settings: Settings = instance.settings
        configure_logging(settings.log_format == "json")
        return build_application(settings, instance.inference, self.schema())


def check_start() -> None:
    """End the process with one sentence where a worker could not serve.

    BentoML's supervisor starts a dead worker again and again, so the mistake must be found before.
    A child looks for it, and takes the memory of what it loads with it.
    """
    try:
        settings = read_settings(os.environ)
        _check_temporary()
    except UserError as error:
        end(error)
    configure_logging(settings.log_format == "json")
    # A worker of a built Bento starts in the Bento's own folder.
    if settings.test_data is not None:
        os.environ["EEG_TEST_DATA"] = str(settings.test_data)
    if settings.database is not None:
        os.environ["EEG_DATABASE"] = settings.database
    for name in ("database_file", "tokens_file"):
        path = getattr(settings, name)
        if path is not None:
            os.environ[f"EEG_{name.upper()}"] = str(path)
    child = get_context("fork").Process(target=_load, args=(settings,))
    child.start()
    child.join()
    status = child.exitcode or 0
    if status < 0:
        end(_killed(-status))
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
        check_database(settings)
    except UserError as error:
        end(error)
    except MemoryError:
        end(UserError(OUT_OF_MEMORY))


def _killed(number: int) -> UserError:
    name = signal.Signals(number).name if number in list(signal.Signals) else "unknown"
    event = f"the check of models and rows was killed by signal {number} ({name})"
    if number != signal.SIGKILL:
        return UserError(event)
    return UserError(f"{event}, probably {OUT_OF_MEMORY}")
