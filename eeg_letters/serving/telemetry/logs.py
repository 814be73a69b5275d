"""Logs on standard output: an access log and the records of the service."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from pythonjsonlogger.core import RESERVED_ATTRS, merge_record_extra
from pythonjsonlogger.json import JsonFormatter

STDOUT = 1
REPEAT_SECONDS = 60


class AccessLog:
    """Writes a line for each answer.

    Parameters
    ----------
    as_json : bool
        One JSON object a line; else text for people.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def write(
        self,
        route: str,
        method: str,
        status: int,
        seconds: float,
        request_id: str,
        traceparent: str | None,
    ) -> None:
        """Write one line, without the request's path, query or body."""
        now = datetime.now(UTC)
        level = "error" if status >= 500 else "info"
        if not self._as_json:
            text = f"{now:%H:%M:%S} {method} {route} {status} {seconds * 1000:.1f} ms\n"
            _write(text.encode())
            return
        entry: dict[str, Any] = {
            "time": now,
            "level": level,
            "message": "answered",
            "route": route,
            "method": method,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "request_id": request_id,
        }
        if traceparent is not None:
            entry["traceparent"] = traceparent
        _write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))


def configure_logging(as_json: bool) -> None:
    """Send all of this process's log records to standard output in one form."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_Repetitions("opentelemetry"))
    if as_json:
        handler.setFormatter(_JSONFormatter())
    else:
        handler.setFormatter(_TextFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for name in ("", "asyncio", "bentoml", "uvicorn.error", "circus"):
        logger = logging.getLogger(name)
        # BentoML disables what it does not know: exceptions in callbacks would go unseen.
        logger.disabled = False
        logger.handlers = [] if name else [handler]
        logger.propagate = True
    logging.getLogger("eeg_letters").setLevel(logging.INFO)
    # A record that cannot be written is lost too, without a traceback.
    logging.raiseExceptions = False


@contextmanager
def complaints(name: str) -> Iterator[list[str]]:
    """Hold back what the loggers of a library say from warning on, until the block ends.

    Parameters
    ----------
    name : str
        The loggers' first name.

    Yields
    ------
    list of str
        What they have said, without secrets.
    """
    logger = logging.getLogger(name)
    handler = _Held()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.said
    finally:
        logger.propagate = True
        logger.removeHandler(handler)


def _write(line: bytes) -> None:
    # A reader that went away or a full disk costs lines, not answers. suppress() would take longer
    # than the call.
    try:  # noqa: SIM105
        os.write(STDOUT, line)
    except OSError:
        pass


class _JSONFormatter(JsonFormatter):
    def __init__(self) -> None:
        super().__init__("{message}", style="{")

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["time"] = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        log_data["level"] = record.levelname.lower()
        super().add_fields(log_data, record, message_dict)


class _TextFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 logging's
        extra = merge_record_extra(record, {}, RESERVED_ATTRS)
        told = [f"{name}={value}" for name, value in extra.items()]
        return " ".join([super().formatMessage(record), *told])


class _Held(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # A header for a collector, which often is its key, is what this one repeats.
        secret = record.name == "opentelemetry.util.re"
        self.said.append("a header is not name=value" if secret else record.getMessage())


class _Repetitions(logging.Filter):
    """Holds back what the loggers of a name say again within a minute.

    While no collector answers, the tracing library says so for every batch of spans.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._said: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place = record.pathname, record.lineno
        if not super().filter(record):
            return True
        if record.created - self._said.get(place, 0.0) < REPEAT_SECONDS:
            return False
        self._said[place] = record.created
        return True
