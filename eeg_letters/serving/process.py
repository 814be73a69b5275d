"""One process that serves the Bento which has this code, without BentoML and its supervisor.

docs/decisions/0018-one-process-in-the-container.md says why.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

import orjson
import uvicorn

from eeg_letters.errors import UserError
from eeg_letters.serving.inference import load_inference
from eeg_letters.serving.listening import BACKLOG, listen
from eeg_letters.serving.start import OUT_OF_MEMORY, build_application, end
from eeg_letters.serving.telemetry.logs import configure_logging
from eeg_letters.settings import BENTO, DRAIN_SECONDS, read_settings

# What BentoML writes into every Bento that it builds.
_DESCRIPTION = BENTO / "apis" / "schema.json"
# As of `bentoml serve`.
_PORT = "3000"


def serve() -> None:
    """Serve until a signal ends it; end with one sentence where it cannot start."""
    try:
        settings = read_settings(os.environ)
        configure_logging(settings.log_format == "json")
        description = _read_description()
        listening = _listen(os.environ)
        inference = load_inference(settings)
    except UserError as error:
        end(error)
    except MemoryError:
        end(UserError(OUT_OF_MEMORY))
    config = uvicorn.Config(
        build_application(settings, inference, description),
        ws="none",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    uvicorn.Server(config).run([listening])


def _read_description() -> Any:
    try:
        return orjson.loads(_DESCRIPTION.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{_DESCRIPTION}: {reason}: this serves a built Bento; run `make serve` for the service"
            " in this folder"
        ) from None


def _listen(environment: Mapping[str, str]) -> socket.socket:
    every = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104
    host = environment.get("BENTOML_HOST") or every
    port = environment.get("BENTOML_PORT") or _PORT
    try:
        return listen(host, port)
    except UserError as error:
        raise UserError(f"BENTOML_HOST={host}, BENTOML_PORT={port}: {error}") from None
