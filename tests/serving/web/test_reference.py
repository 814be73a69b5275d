"""The API reference at /docs, over HTTP and in a real browser, and the list of routes at /."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

from eeg_letters import __version__
from tests.conftest import ROOT, watched

SWAGGER_UI = ROOT / "eeg_letters" / "serving" / "web" / "swagger_ui"
# Of Swagger UI 5.35's own making.
SWAGGER_UI_VIOLATIONS = {"heading-order", "nested-interactive", "region"}
CHROMIUM_ACCEPTS = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
)


def assets(client: httpx.Client) -> list[str]:
    """Paths of what the page asks for."""
    found = [f"/{path}" for path in re.findall(r'="(docs/[^"]+)"', client.get("/docs").text)]
    assert len(found) == 4
    return found


def source(path: str) -> bytes:
    """What the repository has for an asset's path."""
    file = SWAGGER_UI / Path(path).name
    packed = file.with_name(f"{file.name}.gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else file.read_bytes()


def operations(client: httpx.Client) -> set[tuple[str, str]]:
    """Method and path of every operation that the OpenAPI document has."""
    return {
        (method.upper(), path)
        for path, item in client.get("/docs.json").json()["paths"].items()
        for method in item
        if method != "parameters"
    }


def test_the_content_security_policy_allows_only_this_host(client: httpx.Client) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    policy = dict(
        directive.strip().split(maxsplit=1)
        for directive in response.headers["content-security-policy"].split(";")
    )
    assert policy.pop("img-src") == "'self' data:"
    assert {policy.pop(f"{kind}-src") for kind in ("script", "style", "connect")} == {"'self'"}
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}


def test_assets_are_the_same_bytes_packed_and_unpacked(client: httpx.Client) -> None:
    for path in assets(client):
        packed = client.get(path, headers={"accept-encoding": "br, GZIP;q=0.5"})
        plain = client.get(path, headers={"accept-encoding": "gzip;q=0, *"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.content == plain.content == source(path)
        assert packed.headers["content-type"] == plain.headers["content-type"]


def test_assets_may_be_kept_and_nothing_else(client: httpx.Client) -> None:
    for path in assets(client):
        for response in (client.get(path), client.head(path)):
            assert response.headers.get_list("cache-control") == [
                "public, max-age=31536000, immutable"
            ]
            assert response.headers["vary"] == "Accept-Encoding"
    for path in ("/", "/docs", "/docs.json", "/score", assets(client)[0] + "x"):
        assert client.get(path).headers.get_list("cache-control") == ["no-store"]


def test_head_has_the_headers_of_get(client: httpx.Client) -> None:
    for path in ("/", "/docs", *assets(client)):
        get, head = client.get(path), client.head(path)
        assert head.status_code == get.status_code == 200
        assert head.content == b""
        for response in (get, head):
            del response.headers["date"], response.headers["x-request-id"]
        assert head.headers == get.headers


def test_the_scripts_licences_are_where_its_first_line_says(client: httpx.Client) -> None:
    (bundle,) = (path for path in assets(client) if path.endswith("bundle.js"))
    named = re.search(r"see (\S+)", client.get(bundle).text.partition("\n")[0])
    assert named
    licences = client.get(bundle.rpartition("/")[0] + "/" + named[1])
    assert licences.headers["content-type"] == "text/plain; charset=utf-8"
    assert licences.content == source(named[1])


def test_the_vendored_files_are_those_of_the_readme() -> None:
    checksums = re.findall(
        r"^([0-9a-f]{64})  (\S+)$", (SWAGGER_UI / "README.md").read_text(), re.MULTILINE
    )
    assert {sha256(source(name)).hexdigest(): name for _, name in checksums} == dict(checksums)
    ours = {"README.md", "index.html", "index.css", "swagger-initializer.js"}
    there = {file.name.removesuffix(".gz") for file in SWAGGER_UI.iterdir()}
    assert there == ours | {name for _, name in checksums}


@pytest.mark.parametrize(
    "accept",
    [
        CHROMIUM_ACCEPTS,
        "text/html",
        "TEXT/HTML ; level=1",
        "application/json, text/html;q=0.001",
        "text/plain,text/html;charset=utf-8;q=1.0",
    ],
)
def test_who_asks_for_html_gets_the_page(client: httpx.Client, accept: str) -> None:
    for method in ("GET", "HEAD"):
        response = client.request(method, "/", headers={"accept": accept})
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["vary"] == "Accept"
        assert "content-security-policy" in response.headers


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "text/*",
        "text/html;q=0",
        "text/html;level=1 ; Q=0.000, */*",
        "text/html2, x-text/html, application/xhtml+xml",
        'text/plain;format="text/html"',
    ],
)
def test_any_other_client_gets_a_list_of_the_routes(server: str, accept: str | None) -> None:
    with httpx.Client(base_url=server) as client:
        client.headers.pop("accept")
        if accept is not None:
            client.headers["accept"] = accept
        for method in ("GET", "HEAD"):
            response = client.request(method, "/")
            assert response.headers["content-type"] == "application/json"
            assert response.headers["vary"] == "Accept"
        index = client.get("/").json()
        assert (index["name"], index["version"]) == ("eeg-letters", __version__)
        for path in index["documents"].values():
            assert client.get(path).status_code == 200
        routes = index["routes"]
        assert operations(client) == {(m, path) for path in routes for m in routes[path]["methods"]}
        assert all(route["description"] for route in routes.values())


def open_docs(page: Page) -> Locator:
    """Every operation of the page, once it is there."""
    page.goto("/docs")
    blocks = page.locator(".opblock")
    blocks.first.wait_for()
    return blocks


def execute(page: Page, operation: str) -> tuple[str, str]:
    """Status and body that an operation shows after a press on Execute, its examples unchanged."""
    block = page.locator(f".opblock[id$=-{operation}]")
    if "is-open" not in (block.get_attribute("class") or ""):
        block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response").first
    answer.wait_for()
    status = answer.locator(".response-col_status").inner_text()
    body = answer.locator(".response-col_description pre").first.inner_text()
    return status.strip(), body


def test_the_page_shows_every_operation(
    browser: Browser, server: str, client: httpx.Client
) -> None:
    with watched(browser, server) as page:
        blocks = open_docs(page)
        shown = {
            (
                block.locator(".opblock-summary-method").inner_text(),
                block.locator(".opblock-summary-path").inner_text().replace("\u200b", ""),
            )
            for block in blocks.all()
        }
        assert shown == operations(client)
        assert page.title() == "EEG letters: API reference"


def test_every_operation_answers_its_examples(client: httpx.Client) -> None:
    paths = client.get("/docs.json").json()["paths"]
    for method, path in operations(client):
        parameters = {p["name"]: p["example"] for p in paths[path].get("parameters", ())}
        body = paths[path][method.lower()].get("requestBody")
        sent = body and body["content"]["application/json"]["example"]
        response = client.request(method, path.format_map(parameters), json=sent)
        status = 426 if path == "/live" else 200
        assert response.status_code == status, (method, path, response.text)


def test_operations_can_be_tried_with_their_examples(browser: Browser, server: str) -> None:
    with watched(browser, server) as page:
        open_docs(page)
        for operation, shown in (
            ("line", '"Line": "232"'),
            ("prediction", '"prediction LDA": '),
            ("score", '"Score LDA": 0.'),
            ("predict", '"probabilities": ['),
            ("v2InferOfVersion", '"model_name": "eeg-lda"'),
        ):
            status, body = execute(page, operation)
            assert status == "200"
            assert shown in body


def test_a_link_to_an_operation_opens_it(browser: Browser, server: str) -> None:
    with watched(browser, server) as page:
        page.goto("/docs#/Predictions/predict")
        page.locator(".opblock.is-open[id$=-predict]").wait_for()
        status, body = execute(page, "predict")
        assert (status, "probabilities" in body) == ("200", True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_follows_the_readers_colours_and_width(
    browser: Browser, server: str, scheme: Any, width: int
) -> None:
    viewport = {"width": width, "height": 800}
    with watched(browser, server, color_scheme=scheme, viewport=viewport) as page:
        open_docs(page)
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        dark = colour not in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}
        assert dark == (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        violations = {found["id"] for found in Axe().run(page).response["violations"]}
        assert violations <= SWAGGER_UI_VIOLATIONS
