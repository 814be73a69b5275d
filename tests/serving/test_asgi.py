"""The application with routes of the test's own, where no route of the service can show a thing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from eeg_letters.serving.asgi import Application, Scope
from eeg_letters.serving.bodies import Message
from eeg_letters.serving.routing import Request, Response, Route
from eeg_letters.serving.telemetry.logs import AccessLog
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings
from tests.shipped import SCHEMA


async def fail(_: Request) -> Response:
    raise ValueError("a secret of the code")


def ask(application: Application, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of the answer to a GET."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


def test_an_internal_error_is_logged_but_not_disclosed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics({"LDA": "1"}, SCHEMA.labels)
    application = Application(
        [Route("/fault", ("GET",), fail)], Settings(), metrics, AccessLog(as_json=True)
    )
    status, problem = ask(application, "/fault")
    assert status == problem["status"] == 500
    assert "secret" not in json.dumps(problem)
    assert "a secret of the code" in caplog.text
    assert metrics.in_flight == 0
    assert b'status="500"} 1.0' in metrics.exposition()
