"""The log of what was answered, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import update

from eeg_letters.database.engine import writing
from eeg_letters.database.tables import predictions, probabilities_column
from eeg_letters.models import MODELS
from tests.conftest import watched
from tests.serving.database.feedback.conftest import (
    OPEN,
    ROW,
    Service,
    serving,
    with_tables,
)
from tests.serving.database.feedback.test_log import repeat, settle
from tests.serving.database.feedback.test_tokens import TOKENS, write
from tests.serving.web import test_page_of_any_schema as any_schema
from tests.serving.web.test_page import MOST_BYTES, SCREENSHOTS
from tests.serving.web.views import LINE, TITLES, expect_line
from tests.shipped import BANDS, FEATURES

# Longer than the page waits between two requests.
WHILE = 3_000


@pytest.fixture(scope="module")
def kept(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that keeps what it answers in an SQLite database, and lets anybody ask."""
    folder = tmp_path_factory.mktemp("log")
    database = with_tables(f"sqlite:///{folder}/letters.sqlite")
    with serving(trained_home, database, folder / "log", **OPEN) as service:
        yield service


@pytest.fixture(scope="module")
def server(kept: Service) -> str:
    return base(kept)


def base(service: Service) -> str:
    return str(service.client.base_url).rstrip("/")


def row_of(page: Page, request_id: str, row: int = 0) -> Locator:
    """The row of the table, by its name to a screen reader."""
    name = re.compile(rf"request {request_id}, row {row}$")
    return page.locator("#log-list tbody tr", has=page.get_by_role("button", name=name))


def asked(page: Page) -> list[str]:
    """Addresses of requests for the log, from now on."""
    found: list[str] = []
    page.on(
        "request",
        lambda request: found.append(request.url) if "/predictions/log" in request.url else None,
    )
    return found


def see(page: Page, is_seen: bool) -> None:
    """Tell the page that its tab is shown, or hidden."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        not is_seen,
    )


def open_log(page: Page) -> None:
    page.goto("/?view=log")
    expect(page.locator("#log-state")).not_to_be_empty()


def open_row(page: Page, request_id: str) -> None:
    row_of(page, request_id).get_by_role("button").click()
    expect(page.locator("#entry-heading")).to_contain_text(request_id)


def test_it_follows_while_it_is_looked_at(page: Page, kept: Service) -> None:
    one = settle(kept, kept.predict(2, "followed"))
    open_log(page)
    newest = page.locator("#log-list tbody tr").first
    expect(row_of(page, one, 1)).to_have_count(1)
    (entry,) = kept.client.get("/predictions/log", params={"limit": 1}).json()["entries"]
    for text in ("followed", one, *(entry[title]["letter"] for title in TITLES)):
        expect(newest).to_contain_text(text)
    expect(newest).to_contain_text(f"{entry[TITLES[0]]['probability']:.1%}"[:-1])
    other = kept.predict()
    expect(row_of(page, other)).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    requests = asked(page)
    third = settle(kept, kept.predict())
    page.wait_for_timeout(WHILE)
    assert requests == []
    page.get_by_role("button", name="Follow").click()
    expect(row_of(page, third)).to_have_count(1)
    see(page, False)
    requests.clear()
    fourth = settle(kept, kept.predict())
    page.wait_for_timeout(WHILE)
    assert requests == []
    see(page, True)
    expect(row_of(page, fourth)).to_have_count(1)
    page.click("nav >> text=Models")
    requests.clear()
    page.wait_for_timeout(WHILE)
    assert requests == []


def test_rows_that_come_leave_the_focus_where_it_is(page: Page, kept: Service) -> None:
    request_id = settle(kept, kept.predict(3))
    open_log(page)
    row_of(page, request_id, 2).get_by_role("button").focus()
    page.keyboard.press("ArrowDown")
    focused = page.locator(":focus")
    name = re.compile(rf"request {request_id}, row 1$")
    expect(focused).to_have_accessible_name(name)
    other = kept.predict()
    expect(row_of(page, other)).to_have_count(1)
    expect(focused).to_have_accessible_name(name)
    page.keyboard.press("Enter")
    expect(page.locator("#entry-heading")).to_have_text(f"Request {request_id}, row 1")
    expect(row_of(page, request_id, 1)).to_have_class("picked")
    expect(row_of(page, request_id, 1).get_by_role("button")).to_have_attribute(
        "aria-current", "true"
    )
    # When it is no longer among the rows, the table has the focus.
    settle(kept, kept.predict(100))
    expect(row_of(page, request_id, 1)).to_have_count(0)
    expect(page.locator("#log-list")).to_be_focused()


def test_filters(page: Page, kept: Service) -> None:
    rows = [[value * 1000 for value in ROW], [value + 3 for value in ROW]]
    said = kept.client.post("/predict", json={"rows": rows}, headers={"x-session-id": "filters"})
    request_id = settle(kept, said.headers["x-request-id"])
    assert not said.json()["predictions"][0]["familiar"]
    other = settle(kept, kept.predict(1, "others"))
    open_log(page)
    table = page.locator("#log-list tbody tr")

    def expect_the_same(**parameters: Any) -> None:
        found = kept.client.get("/predictions/log", params=parameters).json()["entries"]
        expect(table).to_have_count(len(found))
        keys = [json.loads(row.get_attribute("data-key") or "") for row in table.all()]
        assert keys == [[entry["request_id"], entry["row"], entry["time"]] for entry in found]

    page.get_by_label("Session").fill("filters")
    page.get_by_label("Session").press("Enter")
    expect(row_of(page, other)).to_have_count(0)
    expect_the_same(session="filters")
    page.get_by_label("Familiar").select_option("no")
    expect(row_of(page, request_id, 1)).to_have_count(
        int(not said.json()["predictions"][1]["familiar"])
    )
    expect_the_same(session="filters", familiar="false")
    answered = said.json()["predictions"][0][TITLES[0]]
    page.get_by_label("Answered", exact=True).select_option(answered["letter"])
    expect_the_same(session="filters", familiar="false", label=answered["label"])
    page.get_by_role("button", name="All").click()
    expect(row_of(page, other)).to_have_count(1)
    later = datetime.now().astimezone() + timedelta(hours=1)
    page.get_by_label("Since").fill(later.strftime("%Y-%m-%dT%H:%M:%S"))
    expect(table).to_have_count(0)
    expect(page.locator("#log-state")).to_have_text("There is nothing.")
    earlier = later - timedelta(hours=2)
    page.get_by_label("Since").fill(earlier.strftime("%Y-%m-%dT%H:%M:%S"))
    expect(row_of(page, other)).to_have_count(1)


def test_a_filter_that_is_refused_says_so(browser: Browser, server: str) -> None:
    with watched(browser, server, refusals=True) as page:
        open_log(page)
        page.get_by_label("Session").fill("<b>no</b>")
        page.get_by_label("Session").press("Enter")
        problem = page.locator("#log-problem")
        expect(problem).to_contain_text('session is "<b>no</b>"; it must be')
        page.get_by_label("Session").fill("")
        page.get_by_label("Session").press("Enter")
        expect(problem).to_be_empty()


def test_older_rows_are_gone_back_to_by_so_many_at_a_time(page: Page, kept: Service) -> None:
    request_id = settle(kept, kept.predict(250, "older"))
    open_log(page)
    page.get_by_label("Session").fill("older")
    page.get_by_label("Session").press("Enter")
    table = page.locator("#log-list tbody tr")
    older, newest = (page.get_by_role("button", name=name) for name in ("Older", "Newest"))
    for last in (150, 50, 0):
        expect(row_of(page, request_id, last)).to_have_count(1)
        expect(table).to_have_count(100 if last else 50)
        if last:
            older.click()
    expect(older).to_be_disabled()
    requests = asked(page)
    page.wait_for_timeout(WHILE)
    assert requests == []
    newest.click()
    expect(row_of(page, request_id, 249)).to_have_count(1)
    expect(newest).to_be_disabled()


def test_a_row_opens_as_maps_and_bars(page: Page, kept: Service) -> None:
    request_id = settle(kept, kept.predict(2))
    open_log(page)
    row_of(page, request_id, 1).get_by_role("button").press("Enter")
    reading = page.locator("#entry-reading")
    expect(page.locator("#entry-heading")).to_have_text(f"Request {request_id}, row 1")
    _, entry = kept.entries(request_id)
    expect(reading.locator(".letter")).to_have_text(
        [entry[TITLES[0]]["letter"], "–", entry[TITLES[1]]["letter"]]
    )
    reading.locator("summary").click()
    assert reading.locator(".numbers tbody td").all_inner_texts() == [
        f"{entry[title]['probabilities'][label]:.1%}".replace("%", "\u00a0%")
        for label in range(26)
        for title in TITLES
    ]
    for band, value in zip(BANDS, reading.locator(".map .value").all(), strict=True):
        power = entry["values"][f"Oz/{band}"]
        assert power == ROW[FEATURES.index(f"Oz/{band}")] + 1
        expect(value).to_have_text(f"Oz {power:.3g} µV²")
    expect(page.locator("#entry-facts")).to_contain_text("; /predict; LDA ")


def test_the_newest_of_an_id_that_was_used_often_opens(page: Page, kept: Service) -> None:
    request_id = settle(kept, kept.predict(session="often"))
    repeat(kept, request_id, 1001)
    open_log(page)
    page.get_by_label("Session").fill("often")
    page.get_by_label("Session").press("Enter")
    newest = row_of(page, request_id).first
    newest.get_by_role("button").click()
    expect(page.locator("#entry-heading")).to_have_text(f"Request {request_id}, row 0")
    expect(page.locator("#entry-problem")).to_be_empty()


def test_what_it_truly_was_is_told_and_seen(page: Page, kept: Service) -> None:
    # Beside what other tests told.
    before = kept.client.get("/accuracy").json()["models"][TITLES[0]]["rows"]
    request_id = settle(kept, kept.predict())
    (entry,) = kept.entries(request_id)
    said = [entry[title]["letter"] for title in TITLES]
    wrong = next(letter for letter in "ABC" if letter not in said)
    open_log(page)
    open_row(page, request_id)
    tell = page.get_by_role("button", name="Say so")
    tell.click()
    expect(page.locator("#tell-problem")).to_have_text("Choose the letter that it was.")
    row = row_of(page, request_id)
    for letter in (wrong, said[0]):
        page.get_by_label("It was").select_option(letter)
        tell.click()
        expect(page.locator("#told")).to_have_text(f"Written: it was {letter}.")
        expect(page.locator("#entry-reading .truth .letter")).to_have_text(letter)
        expect(row.locator("td").last).to_have_text(letter)
        right = "right" if letter == said[0] else "wrong"
        expect(row.locator("td.said").first).to_have_class(f"said {right}")
        (entry,) = kept.entries(request_id)
        assert entry["truth"]["letter"] == letter
    page.click("nav >> text=Models")
    found = kept.client.get("/accuracy").json()["models"]
    for place, title in enumerate(TITLES):
        (group,) = found[title]["groups"]
        assert group["rows"] == before + 1
        low, high = (f"{end:.1%}".replace("%", "\u00a0%") for end in group["interval"])
        model = kept.client.get("/models").json()[place]
        expect(page.locator("#labelled tbody tr").nth(place).locator("th, td")).to_have_text(
            [
                title,
                f"{group['version']} (served)",
                f"{group['accuracy']:.1%}".replace("%", "\u00a0%"),
                f"{low} to {high}",
                str(group["rows"]),
                f"{model['accuracy']['test']:.1%}".replace("%", "\u00a0%"),
            ]
        )


def test_what_is_not_known_of_a_row_is_said(browser: Browser, server: str, kept: Service) -> None:
    without_values, without_shares, gone = (
        settle(kept, kept.predict(1, session)) for session in ("one", "two", "gone")
    )
    shares = {probabilities_column(model): None for model in MODELS}
    for request_id, missing in ((without_values, {"powers": None}), (without_shares, shares)):
        with writing(kept.engine) as connection:
            of_it = predictions.c.request_id == request_id
            connection.execute(update(predictions).where(of_it).values(**missing))
    with watched(browser, server, refusals=True) as page:
        open_log(page)
        page.get_by_role("button", name="Pause").click()
        open_row(page, without_values)
        unshown = page.locator("#entry-unshown")
        expect(unshown).to_contain_text("Its band powers were not kept")
        expect(page.locator("#entry-reading .chart")).to_be_visible()
        expect(page.locator("#entry-reading .maps")).to_be_hidden()
        open_row(page, without_shares)
        expect(unshown).to_contain_text("Not all probabilities are known")
        expect(page.locator("#entry-reading")).to_be_hidden()
        assert kept.client.delete("/sessions/gone").status_code == 200
        row_of(page, gone).get_by_role("button").click()
        expect(page.locator("#entry-problem")).to_contain_text(f'No request "{gone}", row 0, was')
        expect(page.locator("#entry")).to_be_hidden()


def test_names_are_text(browser: Browser, tmp_path: Path) -> None:
    served = any_schema.Served(tmp_path, any_schema.CAP, any_schema.TEXTS, 20)
    database = with_tables(f"sqlite:///{tmp_path}/letters.sqlite")
    settings = {**OPEN, "EEG_TEST_DATA": str(served.recording)}
    with serving(served.home, database, tmp_path / "log", **settings) as service:
        said = service.client.post("/predict", json={"rows": served.rows()[20:40]})
        request_id = settle(service, said.headers["x-request-id"])
        with watched(browser, base(service)) as page:
            open_log(page)
            page.get_by_label("Answered", exact=True).select_option(any_schema.HOSTILE)
            row = page.locator("#log-list tbody tr").first
            expect(row).to_contain_text("<img src=x onerror")
            row.get_by_role("button").click()
            expect(page.locator("#entry-heading")).to_contain_text(request_id)
            page.get_by_label("It was").select_option(any_schema.HOSTILE)
            page.get_by_role("button", name="Say so").click()
            expect(page.locator("#told")).to_have_text(f"Written: it was {any_schema.HOSTILE}.")
            expect(row.locator("td").last).to_contain_text("<img")
            expect(page.locator("main img")).to_have_count(0)
            page.set_viewport_size({"width": 360, "height": 800})
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_a_token_is_asked_for_and_nowhere_stored(
    browser: Browser, trained_home: Path, tmp_path: Path
) -> None:
    tokens = write(tmp_path / "tokens", "annotator", "reader", "next")
    database = with_tables(f"sqlite:///{tmp_path}/letters.sqlite")
    settings = {"EEG_TOKENS_FILE": str(tokens)}
    with (
        serving(trained_home, database, tmp_path / "log", **settings) as service,
        watched(browser, base(service), refusals=True) as page,
    ):
        request_id = service.predict()
        requests = asked(page)
        page.goto("/?view=log")
        state, field = page.locator("#token-state"), page.get_by_label("Token")
        expect(state).to_contain_text("A token for the log is needed.")
        page.wait_for_timeout(WHILE)
        assert requests == []

        def use(token: str) -> None:
            field.fill(token)
            field.press("Enter")
            expect(field).to_have_value("")

        use("an umlaut: ä")
        expect(state).to_contain_text("That is no token")
        use("unknown")
        expect(state).to_have_text("The token is not known.")
        use(TOKENS["annotator"])
        expect(page.locator("#log-problem")).to_contain_text("The token is not for log.")
        use(TOKENS["reader"])
        open_row(page, request_id)
        expect(page.locator("#log-problem")).to_be_empty()
        page.get_by_label("It was").select_option("E")
        page.get_by_role("button", name="Say so").click()
        expect(page.locator("#tell-problem")).to_contain_text("The token is not for feedback.")
        use(TOKENS["next"])
        page.get_by_role("button", name="Say so").click()
        expect(page.locator("#told")).to_have_text("Written: it was E.")
        stored = page.evaluate(
            """async () => [document.documentElement.outerHTML, location.href, document.cookie,
              ...[localStorage, sessionStorage].map((storage) => JSON.stringify(storage)),
              JSON.stringify(await indexedDB.databases()), JSON.stringify(history.state)].join()"""
        )
        assert not any(token in stored for token in TOKENS.values())
        results = Axe().run(page, options={"resultTypes": ["violations"]})
        assert results.violations_count == 0, results.generate_report()
        page.get_by_role("button", name="Forget it").click()
        expect(page.locator("#log-list tr")).to_have_count(0)
        expect(page.locator("#entry")).to_be_hidden()
        use(TOKENS["next"])
        expect(row_of(page, request_id)).to_have_count(1)
        requests.clear()
        page.reload()
        expect(state).to_contain_text("A token for the log is needed.")
        assert requests == []
        log = (tmp_path / "log").read_text()
        assert not any(token in log for token in TOKENS.values())


def test_a_log_that_is_off_has_no_view(
    browser: Browser, trained_home: Path, tmp_path: Path
) -> None:
    database = with_tables(f"sqlite:///{tmp_path}/letters.sqlite")
    with (
        serving(trained_home, database, tmp_path / "log") as service,
        watched(browser, base(service)) as page,
    ):
        requests = asked(page)
        page.goto("/?view=log")
        expect_line(page, LINE)
        expect(page.locator("nav a")).to_have_text(
            ["Stored lines", "Your rows", "Models", "Live", "API"]
        )
        assert (page.locator("#view-log").count(), requests) == (0, [])


def test_the_page_is_small_with_all_of_it(kept: Service) -> None:
    page = kept.client.get("/", headers={"accept": "text/html"})
    assert len(page.content) < MOST_BYTES


@pytest.mark.parametrize("view", ["log", "models"])
def test_it_is_accessible_and_fits_in_both_themes_at_two_widths(
    page: Page, kept: Service, view: str
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    request_id = settle(kept, kept.predict(3, "a-session-with-a-name-that-is-long" * 3))
    told = [{"request_id": request_id, "row": row, "label": "E"} for row in range(2)]
    assert kept.tell(*told).status_code == 202
    page.emulate_media(reduced_motion="reduce")
    if view == "log":
        open_log(page)
        open_row(page, request_id)
        expect(page.locator("#entry-reading .sentence")).not_to_be_empty()
    else:
        page.goto("/?view=models")
        expect(page.locator("#labelled tbody tr")).to_have_count(2)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            results = Axe().run(page, options={"resultTypes": ["violations"]})
            assert results.violations_count == 0, results.generate_report()
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
            name = f"database-{view}-{theme}-{width}.png"
            page.screenshot(path=SCREENSHOTS / name, full_page=True)
