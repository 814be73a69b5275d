"""Tabs of a browser, and rows and predictions of the shipped recording."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from tests.conftest import watched
from tests.serving.web.views import LINE


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    with watched(browser, server, viewport={"width": 1280, "height": 800}) as page:
        yield page


@pytest.fixture(scope="module")
def predictions(client: httpx.Client) -> dict[str, Any]:
    """What the service says of all stored rows, also whether they are familiar."""
    answer: dict[str, Any] = client.get("/predictions").json()
    powers = read_recording(DATA / "test.json").features.tolist()
    told = client.post("/predict", json={"rows": powers}).json()["predictions"]
    return {**answer, "familiar": [row["familiar"] for row in told]}


@pytest.fixture(scope="module")
def rows(client: httpx.Client) -> dict[int, dict[str, str]]:
    return {line: client.get(f"/line/{line}").json() for line in range(LINE, LINE + 5)}
