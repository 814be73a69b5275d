"""Settings of the service, read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from eeg_letters.errors import UserError

DATA = Path(__file__).resolve().parent.parent / "data"
# Where `make bento TEST=…` puts the recording that a Bento serves.
PACKED = DATA / "packed"
SHIPPED = DATA / "test.json"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_OWN_PORT = re.compile(r"http://.*:80|https://.*:443")
# Of 26 letters by two models.
CELLS_A_ROW = 52


@dataclass(frozen=True)
class Settings:
    """What can be set.

    Attributes
    ----------
    test_data : pathlib.Path or None
        ``EEG_TEST_DATA``: the recording whose rows are served; JSON or CSV. Absolute. Without it,
        the one that was packed into the Bento; None where there is neither.
    max_body_bytes : int
        ``EEG_MAX_BODY_BYTES``: the largest request body that is read.
    body_timeout_seconds : int
        ``EEG_BODY_TIMEOUT_SECONDS``: how long a request body may take to arrive, and an answer to
        be taken.
    max_rows : int
        ``EEG_MAX_ROWS``: the most rows in one request.
    max_cells : int
        ``EEG_MAX_CELLS``: the most probabilities in one answer: rows × classes × models. By
        default so many that letters are limited by `max_rows` alone.
    max_concurrency : int
        ``EEG_MAX_CONCURRENCY``: the most requests that are answered at a time. As many bodies of
        the largest size, with their answers, must fit into a container's memory.
    cors_origins : tuple of str
        ``EEG_CORS_ORIGINS``: origins whose pages may read the answers, as browsers send them;
        ``*`` alone for all.
    log_format : {"json", "text"}
        ``EEG_LOG_FORMAT``: one JSON object a line, or text for people.
    """

    test_data: Path | None = None
    max_body_bytes: int = 8 * 1024 * 1024
    body_timeout_seconds: int = 30
    max_rows: int = 2_000
    max_cells: int = 2_000 * CELLS_A_ROW
    max_concurrency: int = 16
    cors_origins: tuple[str, ...] = ()
    log_format: str = "json"


def variables() -> tuple[str, ...]:
    """Names of the environment variables that are read."""
    return tuple(f"EEG_{field.name.upper()}" for field in fields(Settings))


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; an empty one counts as absent.

    Raises
    ------
    UserError
        When a variable cannot be understood.
    """
    defaults = Settings()
    max_rows = _positive(environment, "EEG_MAX_ROWS", defaults.max_rows)
    return Settings(
        test_data=_recording(environment),
        max_body_bytes=_positive(environment, "EEG_MAX_BODY_BYTES", defaults.max_body_bytes),
        body_timeout_seconds=_positive(
            environment, "EEG_BODY_TIMEOUT_SECONDS", defaults.body_timeout_seconds
        ),
        max_rows=max_rows,
        max_cells=_positive(environment, "EEG_MAX_CELLS", max_rows * CELLS_A_ROW),
        max_concurrency=_positive(environment, "EEG_MAX_CONCURRENCY", defaults.max_concurrency),
        cors_origins=_origins(environment, "EEG_CORS_ORIGINS"),
        log_format=_choice(environment, "EEG_LOG_FORMAT", ("json", "text")),
    )


def _recording(environment: Mapping[str, str]) -> Path | None:
    named = environment.get("EEG_TEST_DATA")
    if named:
        return Path(named).absolute()
    return next(iter(sorted(PACKED.glob("*"))), None)


def sends_traces(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's standard variables name a collector; its library reads the others.

    Raises
    ------
    UserError
        When the collector's address is no URL, or is to be spoken to in a way that is not known.
    """
    endpoint = _first(
        environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or disabled:
        return False
    if not _is_url(environment[endpoint]):
        # Its value may have a password.
        raise UserError(f"{endpoint}: not a URL such as http://collector:4318")
    protocol = _first(
        environment, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    if protocol is not None and environment[protocol] != "http/protobuf":
        raise UserError(f"{protocol}={environment[protocol]}: traces go by http/protobuf alone")
    return True


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((name for name in names if environment.get(name)), None)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _positive(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name}={text}: not a whole number above zero")
    return int(text)


def _origins(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    origins = tuple(text.strip().lower() for text in environment.get(name, "").split(","))
    if origins in (("",), ("*",)):
        return tuple(filter(None, origins))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or _OWN_PORT.fullmatch(origin):
            raise UserError(
                f"{name}: {origin!r} is no origin as browsers send it, such as"
                " https://app.example.org or http://localhost:8080 (without a path, and without a"
                " port that is the scheme's own); * must be alone"
            )
    return origins


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise UserError(f"{name}={text}: neither {' nor '.join(choices)}")
    return text
