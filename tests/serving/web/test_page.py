"""The page at / in a real browser: views, widths, themes, and what it may run."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ROOT, watched
from tests.serving.web.views import LINE, address, as_csv, expect_line, open_line, predict

SCREENSHOTS = ROOT / ".cache" / "screenshots"
MOST_BYTES = 175_000
ONCE = re.compile(r"\S")


@pytest.mark.parametrize("name", ["toString", "__proto__", "nothing"])
def test_an_address_of_no_view_is_that_of_stored_lines(page: Page, name: str) -> None:
    page.goto(f"/?view={name}")
    expect_line(page, LINE)
    expect(page).to_have_title(f"Line {LINE} – EEG letters")


def test_views_are_links_with_addresses(page: Page) -> None:
    open_line(page)
    for name, view in (
        ("Models", "models"),
        ("Live", "live"),
        ("Your rows", "rows"),
        ("Stored lines", "line"),
    ):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator(f"#view-{view}")).to_be_visible()
        assert address(page) == f"/?view={view}"
        expect(page.locator("nav [aria-current=page]")).to_have_text(name)
    page.go_back()
    expect(page.locator("#view-rows")).to_be_visible()
    expect(page.get_by_role("link", name="API", exact=True)).to_have_attribute("href", "docs")


def fill(page: Page, view: str, rows: dict[int, dict[str, str]]) -> None:
    """Open a view with something in it."""
    if view == "line":
        open_line(page)
    elif view == "rows":
        predict(page, as_csv(list(rows.values())))
        expect(page.locator("#own-reading .sentence")).to_have_text(ONCE)
    elif view == "live":
        page.goto("/?view=live")
        for line in range(3):
            page.get_by_role("button", name="Step").click()
            expect(page.locator("#said")).to_contain_text(f"Line {line},")
    else:
        page.goto("/?view=models")
        expect(page.locator("#facts table")).to_be_visible()


@pytest.mark.parametrize("view", ["line", "rows", "models", "live"])
def test_a_view_is_accessible_and_fits_in_both_themes_at_two_widths(
    page: Page, rows: dict[int, dict[str, str]], view: str
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    fill(page, view, rows)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            results = Axe().run(page, options={"resultTypes": ["violations"]})
            assert results.violations_count == 0, results.generate_report()
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
            page.screenshot(path=SCREENSHOTS / f"{view}-{theme}-{width}.png", full_page=True)


def test_without_a_database_there_is_nothing_of_one(page: Page, client: httpx.Client) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(urlsplit(request.url).path))
    for view in ("line", "rows", "models", "live", "log&recording=other"):
        page.goto(f"/?view={view}")
    expect_line(page, LINE)
    assert {path.split("/")[1] for path in requests} == {
        "",
        "models",
        "predictions",
        "line",
        "predict",
    }
    ids = ("recording", "parts", "labelled", "view-log", "token")
    assert [page.locator(f"#{name}").count() for name in ids] == [0] * len(ids)
    text = client.get("/", headers={"accept": "text/html"}).text
    assert not re.findall("predictions/log|Authorization: `Bearer.*log|<!--", text)


def test_without_javascript_it_says_where_to_look(browser: Browser, server: str) -> None:
    with watched(browser, server, java_script_enabled=False) as page:
        page.goto("/")
        sentence = page.locator("noscript p")
        expect(sentence).to_contain_text("needs JavaScript")
        links = sentence.locator("a")
        assert [link.get_attribute("href") for link in links.all()] == ["docs", "docs.json"]


def test_it_is_one_small_response_that_runs_nothing_but_its_own_scripts(
    client: httpx.Client,
) -> None:
    response = client.get("/", headers={"accept": "text/html"})
    assert len(response.content) < MOST_BYTES
    assert not re.findall(r"<(?:link|script|img)[^>]*(?:src|href)=\"(?!data:)", response.text)


def digests(text: str, tag: str) -> set[str]:
    """How a policy names the inline scripts or styles of a page."""
    contents = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert contents
    return {f"'sha256-{b64encode(sha256(c.encode()).digest()).decode()}'" for c in contents}


def test_its_policy_allows_its_own_scripts_styles_and_host_and_nothing_else(
    client: httpx.Client,
) -> None:
    response = client.get("/", headers={"accept": "text/html"})
    (policy,) = response.headers.get_list("content-security-policy")
    directives = [directive.split() for directive in policy.split(";")]
    # Of a directive that is there twice the first counts.
    assert len({name for name, *_ in directives}) == len(directives)
    assert {name: set(sources) for name, *sources in directives} == {
        "default-src": {"'none'"},
        "connect-src": {"'self'"},
        "img-src": {"data:"},
        "script-src": digests(response.text, "script"),
        "style-src": digests(response.text, "style"),
        "base-uri": {"'none'"},
        "form-action": {"'none'"},
        "frame-ancestors": {"'none'"},
    }
