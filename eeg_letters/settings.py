"""Settings of the service, read from the environment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from eeg_letters.errors import DatabaseError, UserError

DATA = Path(__file__).resolve().parent.parent / "data"
# Folder of the Bento that this code is packed in: the code is in its folder `src`.
BENTO = Path(__file__).resolve().parents[2]
# Where `make bento TEST=…` puts the recording that a Bento serves.
PACKED = DATA / "packed"
SHIPPED = DATA / "test.json"
# How long requests in flight may go on after SIGTERM in the image: it fits into the Deployment's
# termination grace period.
DRAIN_SECONDS = 20
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_OWN_PORT = re.compile(r"http://.*:80|https://.*:443")
# Of 26 letters by two models.
CELLS_A_ROW = 52
# Of a probability in an answer, with all digits that a float can have.
_CELL_BYTES = 24
# What is before the file's name in the address of a database.
SQLITE = "sqlite:///"
# Of a recording in the database: a segment of a path that needs no escapes.
RECORDING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RECORDING_NAMES = "letters and digits, with . _ or - between them, 100 characters at most"
_HOST = re.compile(rb"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?")


Default = TypeVar("Default", int, None)


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
        ``EEG_MAX_CONCURRENCY``: of requests of the largest size, the most that are held at a time:
        as many bodies with their answers must fit into a container's memory. Smaller ones may be
        more.
    max_connections : int or None
        ``EEG_MAX_CONNECTIONS``: the most connections that are held open. By default None: what
        memory and file descriptors allow.
    keep_alive_seconds : int
        ``EEG_KEEP_ALIVE_SECONDS``: how long a connection may be idle between two requests.
    allowed_hosts : frozenset of bytes or None
        ``EEG_ALLOWED_HOSTS``: names by which the service may be asked, in lower case and without
        ports, separated by commas. None: any.
    cors_origins : tuple of str
        ``EEG_CORS_ORIGINS``: origins whose pages may read the answers, as browsers send them;
        ``*`` alone for all.
    max_streams : int
        ``EEG_MAX_STREAMS``: the most streams that are open; they are no part of `max_connections`.
    max_message_bytes : int
        ``EEG_MAX_MESSAGE_BYTES``: the largest message of a stream.
    stream_timeout_seconds : int
        ``EEG_STREAM_TIMEOUT_SECONDS``: how long the client of a stream may be silent, without even
        answering a ping, and how long it may not read its answers.
    log_format : {"json", "text"}
        ``EEG_LOG_FORMAT``: one JSON object a line, or text for people.
    database : str or None
        ``EEG_DATABASE``: address of the database, ``sqlite:///FILE`` or ``postgresql://…``; it may
        have a password. Without it, and without `database_file`, nothing is kept.
    database_file : pathlib.Path or None
        ``EEG_DATABASE_FILE``: a file that has the address in place of `database`; it is read for
        each connection. Absolute.
    database_max_mb : int
        ``EEG_DATABASE_MAX_MB``: about how much what is kept of answers may take in an SQLite
        database, in millions of bytes: beyond that the oldest are deleted.
    recording : str or None
        ``EEG_RECORDING``: the recording in the database that routes without a name mean, in place
        of `test_data`.
    keep_predictions : bool
        ``EEG_KEEP_PREDICTIONS``: whether what is answered is kept in the database.
    keep_rows : bool
        ``EEG_KEEP_ROWS``: whether a client's band powers are kept with it.
    tokens_file : pathlib.Path or None
        ``EEG_TOKENS_FILE``: digests of the tokens of those who may give feedback and read what was
        kept. Absolute.
    open_feedback : bool
        ``EEG_OPEN_FEEDBACK``: whether anybody may.
    """

    test_data: Path | None = None
    max_body_bytes: int = 8 * 1024 * 1024
    body_timeout_seconds: int = 30
    max_rows: int = 2_000
    max_cells: int = 2_000 * CELLS_A_ROW
    max_concurrency: int = 16
    max_connections: int | None = None
    keep_alive_seconds: int = 75
    allowed_hosts: frozenset[bytes] | None = None
    cors_origins: tuple[str, ...] = ()
    max_streams: int = 256
    max_message_bytes: int = 32 * 1024
    stream_timeout_seconds: int = 60
    log_format: str = "json"
    database: str | None = field(default=None, repr=False)
    database_file: Path | None = None
    database_max_mb: int = 512
    recording: str | None = None
    keep_predictions: bool = False
    keep_rows: bool = True
    tokens_file: Path | None = None
    open_feedback: bool = False

    @property
    def has_database(self) -> bool:
        """Whether there is a database to keep recordings and predictions in."""
        return self.database is not None or self.database_file is not None

    @property
    def max_answer_bytes(self) -> int:
        """About the size of the largest answer."""
        return self.max_cells * _CELL_BYTES

    @property
    def max_bytes_in_flight(self) -> int:
        """The most bytes of bodies and answers that are held at a time."""
        return self.max_concurrency * (self.max_body_bytes + self.max_answer_bytes)


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
    settings = Settings(
        test_data=_recording(environment),
        max_body_bytes=_positive(environment, "EEG_MAX_BODY_BYTES", defaults.max_body_bytes),
        body_timeout_seconds=_positive(
            environment, "EEG_BODY_TIMEOUT_SECONDS", defaults.body_timeout_seconds
        ),
        max_rows=max_rows,
        max_cells=_positive(environment, "EEG_MAX_CELLS", max_rows * CELLS_A_ROW),
        max_concurrency=_positive(environment, "EEG_MAX_CONCURRENCY", defaults.max_concurrency),
        max_connections=_positive(environment, "EEG_MAX_CONNECTIONS", None),
        keep_alive_seconds=_positive(
            environment, "EEG_KEEP_ALIVE_SECONDS", defaults.keep_alive_seconds
        ),
        allowed_hosts=_hosts(environment, "EEG_ALLOWED_HOSTS"),
        cors_origins=_origins(environment, "EEG_CORS_ORIGINS"),
        max_streams=_positive(environment, "EEG_MAX_STREAMS", defaults.max_streams),
        max_message_bytes=_positive(
            environment, "EEG_MAX_MESSAGE_BYTES", defaults.max_message_bytes
        ),
        stream_timeout_seconds=_positive(
            environment, "EEG_STREAM_TIMEOUT_SECONDS", defaults.stream_timeout_seconds
        ),
        log_format=_choice(environment, "EEG_LOG_FORMAT", ("json", "text")),
        database=_address(environment, "EEG_DATABASE"),
        database_file=_file(environment, "EEG_DATABASE_FILE"),
        database_max_mb=_positive(environment, "EEG_DATABASE_MAX_MB", defaults.database_max_mb),
        recording=_name(environment, "EEG_RECORDING"),
        keep_predictions=_flag(environment, "EEG_KEEP_PREDICTIONS", defaults.keep_predictions),
        keep_rows=_flag(environment, "EEG_KEEP_ROWS", defaults.keep_rows),
        tokens_file=_file(environment, "EEG_TOKENS_FILE"),
        open_feedback=_flag(environment, "EEG_OPEN_FEEDBACK", defaults.open_feedback),
    )
    _check_database(settings)
    return settings


def _check_database(settings: Settings) -> None:
    if settings.database is not None and settings.database_file is not None:
        raise UserError("EEG_DATABASE and EEG_DATABASE_FILE are both set; there is one database")
    if settings.has_database:
        if settings.open_feedback and settings.tokens_file is not None:
            raise UserError(
                "EEG_OPEN_FEEDBACK=true and EEG_TOKENS_FILE: either anybody may give feedback, or"
                " those who have a token"
            )
        return
    needs_one = {
        "EEG_RECORDING": settings.recording is not None,
        "EEG_KEEP_PREDICTIONS": settings.keep_predictions,
        "EEG_TOKENS_FILE": settings.tokens_file is not None,
        "EEG_OPEN_FEEDBACK": settings.open_feedback,
    }
    for name, is_set in needs_one.items():
        if is_set:
            raise UserError(f"{name} is set, and there is no database: set EEG_DATABASE")


def database_address(settings: Settings) -> tuple[str, str]:
    """The address of the database, after the name of what it is from.

    Raises
    ------
    DatabaseError
        When there is none, or the file that is to have it has not.
    """
    if settings.database is not None:
        return "EEG_DATABASE", settings.database
    if settings.database_file is None:
        raise DatabaseError(
            "there is no database: set EEG_DATABASE to an address such as"
            " sqlite:///letters.sqlite or postgresql://user:password@host/name"
        )
    source = f"EEG_DATABASE_FILE={settings.database_file}"
    try:
        text = settings.database_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DatabaseError(f"{source}: {reason}") from None
    return source, _checked_address(source, text)


def _address(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name)
    return _checked_address(name, text) if text else None


def _checked_address(source: str, text: str) -> str:
    if text.startswith("postgresql://"):
        return text
    file = text.removeprefix(SQLITE)
    if file in (text, "", ":memory:"):
        # Its value may have a password.
        raise DatabaseError(
            f"{source}: not an address of a database, such as sqlite:///letters.sqlite or"
            " postgresql://user:password@host/name"
        )
    # A worker of a built Bento starts in the Bento's own folder.
    return SQLITE + str(Path(file).absolute())


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    return Path(text).absolute() if text else None


def _name(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name)
    if text and not RECORDING_NAME.fullmatch(text):
        raise UserError(f"{name}={text}: not a name of a recording: {RECORDING_NAMES}")
    return text or None


def _flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    text = environment.get(name) or str(default).lower()
    if text not in ("true", "false"):
        raise UserError(f"{name}={text}: neither true nor false")
    return text == "true"


def _recording(environment: Mapping[str, str]) -> Path | None:
    named = environment.get("EEG_TEST_DATA")
    if named:
        return Path(named).absolute()
    return next(iter(sorted(PACKED.glob("*"))), None)


def sends_traces(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's standard variables ask for traces to a collector.

    Its library reads those that are not looked at here.

    Raises
    ------
    UserError
        When they ask for them in a way that cannot be followed; the service then serves without.
    """
    otlp = "OTEL_EXPORTER_OTLP_"
    endpoint = _first(environment, f"{otlp}TRACES_ENDPOINT", f"{otlp}ENDPOINT")
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if endpoint is None or disabled or exporters == "none":
        return False
    if exporters and "otlp" not in map(str.strip, exporters.split(",")):
        raise UserError(f"OTEL_TRACES_EXPORTER={exporters}: traces are exported by otlp alone")
    if not _is_url(environment[endpoint]):
        # Its value may have a password.
        raise UserError(f"{endpoint}: not a URL such as http://collector:4318")
    protocol = _first(environment, f"{otlp}TRACES_PROTOCOL", f"{otlp}PROTOCOL")
    if protocol is not None and environment[protocol].strip().lower() != "http/protobuf":
        raise UserError(f"{protocol}={environment[protocol]}: traces go by http/protobuf alone")
    # The library finds out about these for every batch of spans again.
    timeout = _first(environment, f"{otlp}TRACES_TIMEOUT", f"{otlp}TIMEOUT")
    if timeout is not None and not _is_duration(environment[timeout]):
        raise UserError(f"{timeout}={environment[timeout]}: not a number of seconds above zero")
    for kind in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
        file = _first(environment, f"{otlp}TRACES_{kind}", f"{otlp}{kind}")
        if file is not None and not os.access(environment[file], os.R_OK):
            raise UserError(f"{file}={environment[file]}: no file that can be read")
    return True


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((name for name in names if environment.get(name)), None)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _is_duration(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def _positive(environment: Mapping[str, str], name: str, default: Default) -> int | Default:
    text = environment.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name}={text}: not a whole number above zero")
    return int(text)


def host_name(host: bytes) -> bytes | None:
    """A ``Host`` header's name in lower case, without the port; None where it is malformed."""
    match = _HOST.fullmatch(host.lower())
    return match[1] if match else None


def _hosts(environment: Mapping[str, str], name: str) -> frozenset[bytes] | None:
    text = environment.get(name)
    if not text:
        return None
    names: set[bytes] = set()
    for entry in text.split(","):
        host = host_name(entry.strip().encode())
        if host is None:
            raise UserError(f"{name}={text}: {entry!r} is no name such as example.org or [::1]")
        names.add(host)
    return frozenset(names)


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
