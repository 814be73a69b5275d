"""Page and API reference behind nginx, which strips a prefix from the path."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import watched
from tests.serving.proxies import nginx
from tests.serving.web.test_reference import execute
from tests.serving.web.views import LINE, expect_line

HTTP = """
  map $http_upgrade $onward {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:PORT;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $onward;
    location / {{ return 404; }}
    location /eeg/letters/ {{ proxy_pass {server}/; }}
    location "/it's & more; so/" {{ proxy_pass {server}/; }}
    location = /bare {{ proxy_pass {server}/; }}
    location /bare/ {{ proxy_pass {server}/; }}
  }}
"""
PREFIXES = ("/eeg/letters", quote("/it's & more; so", safe="/'&;"))


@pytest.fixture(scope="module")
def proxy(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of an nginx in front of the service."""
    with nginx(tmp_path_factory.mktemp("nginx"), HTTP.format(server=server)) as url:
        yield url


@pytest.fixture(params=PREFIXES, ids=["plain", "odd"])
def prefixed(request: pytest.FixtureRequest, proxy: str) -> str:
    """Where the service is for clients of the proxy, without a slash at the end."""
    return proxy + str(request.param)


def path_of(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_the_page_asks_and_links_below_the_prefix(browser: Browser, prefixed: str) -> None:
    prefix = urlsplit(prefixed).path
    with watched(browser, prefixed, viewport={"width": 1280, "height": 800}) as page:
        page.goto(f"{prefixed}/")
        expect_line(page, LINE)
        page.click("text=→")
        expect_line(page, LINE + 1)
        assert path_of(page) == f"{prefix}/?line={LINE + 1}"
        for name, view in (("Models", "models"), ("Live", "live"), ("Your rows", "rows")):
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.locator(f"#view-{view}")).to_be_visible()
            assert path_of(page) == f"{prefix}/?view={view}"
            if view == "live":
                page.get_by_role("button", name="Step").click()
                expect(page.locator("#said")).to_contain_text("Line 0,")
        page.click("#example")
        page.click("#own >> text=Predict")
        expect(page.locator("#own-score")).to_contain_text("1 row")
        page.reload()
        expect(page.locator("#view-rows")).to_be_visible()
        page.click("h1 a")
        expect_line(page, LINE)
        assert path_of(page) == f"{prefix}/"
        page.get_by_role("link", name="API", exact=True).click()
        page.locator(".opblock").first.wait_for()
        assert path_of(page) == f"{prefix}/docs"


def test_its_commands_ask_the_address_in_use(browser: Browser, prefixed: str) -> None:
    with watched(browser, prefixed) as page:
        page.goto(f"{prefixed}/?line={LINE}")
        expect_line(page, LINE)
        commands = page.locator("#curl").inner_text().splitlines()
    *lines, predict = commands
    shown = prefixed.replace("'", "%27")
    for command in lines:
        assert f"{shown}/" in command
        answer = subprocess.run(
            ["sh", "-c", f"{command} --silent --fail"], capture_output=True, text=True, check=True
        )
        assert json.loads(answer.stdout)
    assert len(lines) == 5
    assert f"{shown}/predict" in predict


def test_an_address_without_the_last_slash_works_as_well(browser: Browser, proxy: str) -> None:
    with watched(browser, proxy) as page:
        page.goto(f"{proxy}/bare?line=7")
        expect_line(page, 7)
        assert path_of(page) == "/bare/?line=7"
        page.get_by_role("link", name="API", exact=True).click()
        page.locator(".opblock").first.wait_for()


def test_the_reference_asks_below_the_prefix(browser: Browser, prefixed: str) -> None:
    with watched(browser, prefixed) as page:
        page.goto(f"{prefixed}/docs")
        page.locator(".opblock").first.wait_for()
        for operation, shown in (
            ("line", '"Line": "232"'),
            ("predict", '"probabilities": ['),
            ("v2InferOfVersion", '"model_name": "eeg-lda"'),
        ):
            status, body = execute(page, operation)
            assert status == "200"
            assert shown in body


def test_the_documents_lead_below_the_prefix(prefixed: str) -> None:
    index = httpx.get(f"{prefixed}/").json()
    address = urljoin(f"{prefixed}/", index["documents"]["openapi"])
    assert urljoin(f"{prefixed}/", index["documents"]["reference"]) == f"{prefixed}/docs"
    document = httpx.get(address).json()
    (server,) = document["servers"]
    # A path is appended to the server's address, with one slash between them.
    base = urljoin(address, server["url"]).removesuffix("/")
    assert base == prefixed
    for path, item in document["paths"].items():
        if "get" in item:
            parameters = {p["name"]: p["example"] for p in item.get("parameters", ())}
            # A stream is opened by a request for the upgrade alone.
            status = 426 if "101" in item["get"]["responses"] else 200
            assert httpx.get(base + path.format_map(parameters)).status_code == status
