"""Tabs of a browser, and rows and predictions of the shipped recording."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import watched
from tests.serving.web.views import LINE


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    with watched(browser, server, viewport={"width": 1280, "height": 800}) as page:
        yield page


@pytest.fixture(scope="module")
def predictions(client: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/predictions").json()
    return answer


@pytest.fixture(scope="module")
def rows(client: httpx.Client) -> dict[int, dict[str, str]]:
    return {line: client.get(f"/line/{line}").json() for line in range(LINE, LINE + 5)}
