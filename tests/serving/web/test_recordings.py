"""The choice among recordings of the database, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from eeg_letters.database.importing import add_recording, remove_recording
from eeg_letters.settings import DATA
from tests.conftest import watched
from tests.serving.database.feedback.conftest import ROW, Service, serving, with_tables
from tests.serving.database.test_recordings import enlarge
from tests.serving.web.test_live import Frames
from tests.serving.web.test_page_of_any_schema import CAP, TEXTS, write
from tests.serving.web.views import TITLES, address, as_csv, expect_line, open_line, predict
from tests.shipped import LETTERS

# Rows of one answer of /predictions.
PART = 500
LONG = 3 * 1300


@pytest.fixture(scope="module")
def kept(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with recordings in an SQLite database."""
    folder = tmp_path_factory.mktemp("recordings")
    database = with_tables(f"sqlite:///{folder}/letters.sqlite")
    settings = {"EEG_MAX_ROWS": str(PART), "EEG_OPEN_FEEDBACK": "true"}
    with serving(trained_home, database, folder / "log", **settings) as service:
        add_recording(service.engine, DATA / "train.csv", "training")
        add_recording(service.engine, DATA / "test.json", "long")
        enlarge(service.engine, "long", 3)
        other = write(folder / "other.csv", 1, CAP, TEXTS, 5)
        add_recording(service.engine, other, "other-cap")
        yield service


@pytest.fixture(scope="module")
def server(kept: Service) -> str:
    return str(kept.client.base_url).rstrip("/")


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    # A score may be refused until it is worked out.
    options = {"viewport": {"width": 1280, "height": 800}}
    with watched(browser, server, refusals=True, **options) as page:
        yield page


def choose(page: Page, name: str) -> None:
    page.select_option("#recording", name)
    expect(page).to_have_url(re.compile(rf"recording={name}$"))


def test_a_recording_is_chosen_by_name_and_its_rows_are_shown(page: Page, kept: Service) -> None:
    open_line(page, 7)
    select = page.get_by_label("Recording")
    names = ["the service’s own", "long", "other-cap", "training"]
    expect(select.locator("option")).to_have_text(names)
    shares = kept.client.get("/score").json()
    expect(page.locator("#recording-score")).to_contain_text(f"{shares['Score LDA']:.1%}"[:-1])
    choose(page, "training")
    expect_line(page, 232)
    page.fill("#line", "7")
    page.press("#line", "Enter")
    expect_line(page, 7)
    assert address(page) == "/?recording=training&line=7"
    stored = kept.client.get("/recordings/training/line/7").json()
    (said,) = kept.client.post("/predict", json={"rows": [stored]}).json()["predictions"]
    letters = page.locator("#line-reading .letter")
    expected = [said[TITLES[0]]["letter"], LETTERS[int(stored["# Letter"])]]
    expect(letters).to_have_text([*expected, said[TITLES[1]]["letter"]])
    value = f"{float(stored['Oz/theta']):.3g}"
    expect(page.locator("#line-reading .map .value").first).to_have_text(f"Oz {value} µV²")
    shares = kept.client.get("/recordings/training/score").json()
    expect(page.locator("#recording-score")).to_contain_text(f"{shares['Score LDA']:.1%}"[:-1])
    expect(page.locator("#recording-facts")).to_contain_text("1,300 rows, 26 letters, imported 20")
    labels = kept.client.get("/recordings/training/predictions").json()
    wrong = sum(
        one != other for one, other in zip(labels["labels"]["LDA"], labels["truth"], strict=True)
    )
    expect(page.locator("#line-strip .lane-name").first).to_have_text(f"LDA {wrong} wrong")
    expect(page.locator("#curl")).to_contain_text("/recordings/training/line/7")
    page.go_back()
    page.go_back()
    expect_line(page, 7)
    expect(select).to_have_value("")
    page.go_forward()
    expect_line(page, 232)
    # Another view and back is where it was.
    page.click("nav >> text=Models")
    page.click("nav >> text=Stored lines")
    expect(select).to_have_value("training")
    expect_line(page, 232)


def test_a_long_recording_is_shown_in_parts(page: Page) -> None:
    page.goto("/?recording=long")
    expect_line(page, 232)
    expect(page.locator("#part")).to_have_text(
        f"Lines 0 to {PART - 1}; the recording has 3,900 rows"
    )
    strip = page.get_by_role("slider", name="Stored lines")
    expect(strip).to_have_attribute("aria-valuemax", str(PART - 1))
    expect(page.get_by_role("button", name="Earlier rows")).to_be_disabled()
    page.get_by_role("button", name="Later rows").click()
    expect_line(page, PART)
    page.fill("#line", str(2 * PART - 1))
    page.press("#line", "Enter")
    expect_line(page, 2 * PART - 1)
    # The line after the last is in the next part.
    page.get_by_role("button", name="Next line").click()
    expect_line(page, 2 * PART)
    expect(page.locator("#part")).to_contain_text(f"Lines {2 * PART} to {3 * PART - 1}")
    assert page.evaluate("() => [shown.lines.length, kept.size <= KEPT]") == [PART, True]
    for line in (PART, 0):
        page.get_by_role("button", name="Earlier rows").click()
        expect_line(page, line)
    # A line by its address, wherever it is; and the last part.
    page.goto(f"/?recording=long&line={LONG - 10}")
    expect_line(page, LONG - 10)
    expect(page.get_by_role("button", name="Later rows")).to_be_disabled()
    expect(strip).to_have_attribute("aria-valuemax", "9")


def test_the_recording_that_is_shown_is_played_from_its_first_part_on(
    page: Page, kept: Service
) -> None:
    frames = Frames(page)
    page.goto(f"/?recording=long&line={2 * PART}")
    expect_line(page, 2 * PART)
    page.click("nav >> text=Live")
    page.get_by_role("button", name="Step").click()
    expect(page.locator("#said")).to_contain_text("Line 0,")
    page.get_by_label("Speed").select_option("16")
    page.get_by_role("button", name="Play").click()
    line = page.locator(".gauges dd").first
    expect(line).to_have_text(re.compile(r"^([5-9]\d\d|\d{4})$"), timeout=60_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live-state")).to_have_text("Paused.")
    page.get_by_role("button", name="Step").click()
    page.wait_for_function("() => live.stream.waiting === 0")
    number = frames.sent[-1]["id"]
    expect(page.locator("#said")).to_contain_text(f"Line {number}, truth ")
    stored = kept.client.get(f"/recordings/long/line/{number}").json()
    value = f"{float(stored['Oz/theta']):.3g}"
    expect(page.locator("#view-live .map .value").first).to_have_text(f"Oz {value} µV²")
    expect(page.locator("#view-live .truth .letter")).to_have_text(LETTERS[int(stored["# Letter"])])
    expect(page.locator(".gauges dd").nth(2)).to_have_text(f"{number + 1:,}")


def test_a_score_that_is_worked_out_is_waited_for(page: Page, kept: Service) -> None:
    add_recording(kept.engine, DATA / "test.json", "scored")
    enlarge(kept.engine, "scored", 20)
    page.goto("/?recording=scored")
    score = page.locator("#recording-score")
    expect(score).to_contain_text("The score of scored is being worked out:")
    expect(score).to_contain_text(re.compile(r"Asking again in \d+ seconds?\."))
    expect_line(page, 232)
    expect(score).to_contain_text("Right: LDA", timeout=60_000)
    remove_recording(kept.engine, "scored")


def test_one_that_does_not_fit_and_one_that_is_not_there_say_so(page: Page, kept: Service) -> None:
    open_line(page, 7)
    choose(page, "other-cap")
    problem = page.locator("#problem")
    expect(problem).to_contain_text("The recording other-cap does not fit the models:")
    expect(page.locator("#line-reading")).to_be_hidden()
    expect(page.locator("#line-strip")).to_be_hidden()
    # Rows of one's own do not depend on it.
    stored = kept.client.get("/line/7").json()
    page.click("nav >> text=Your rows")
    page.fill("#text", as_csv([stored]))
    page.click("#own >> text=Predict")
    expect(page.locator("#own-score")).to_contain_text("1 row;")
    for name in ("nothing", "..", "<img src=x onerror=alert(1)>"):
        page.goto(f"/?recording={name}")
        expect(problem).to_contain_text("There is no recording")
        expect(problem).to_contain_text(name)
        expect(page.locator("#line-reading")).to_be_hidden()
    choose(page, "training")
    expect_line(page, 232)
    expect(problem).to_be_empty()


def test_one_that_is_removed_meanwhile_says_so(page: Page, kept: Service) -> None:
    add_recording(kept.engine, DATA / "test.json", "removed")
    page.goto("/?recording=removed&line=3")
    expect_line(page, 3)
    remove_recording(kept.engine, "removed")
    page.fill("#line", "900")
    page.press("#line", "Enter")
    expect(page.locator("#problem")).to_contain_text('There is no recording "removed".')
    choose(page, "training")
    expect_line(page, 232)
    expect(page.locator("#recording option", has_text="removed")).to_have_count(0)


def test_another_in_the_place_of_one_is_shown_when_the_list_is_opened(
    page: Page, kept: Service
) -> None:
    add_recording(kept.engine, DATA / "test.json", "replaced")
    page.goto("/?recording=replaced&line=3")
    expect_line(page, 3)
    before = page.locator("#line-strip .lane-name").first.inner_text()
    add_recording(kept.engine, DATA / "train.csv", "replaced", replace=True)
    page.locator("#recording").focus()
    expect(page.locator("#line-strip .lane-name").first).not_to_have_text(before)
    value = f"{float(kept.client.get('/recordings/replaced/line/3').json()['Oz/theta']):.3g}"
    expect(page.locator("#line-reading .map .value").first).to_have_text(f"Oz {value} µV²")
    remove_recording(kept.engine, "replaced")


def test_a_recording_of_the_database_may_be_the_services_own(
    browser: Browser, trained_home: Path, tmp_path: Path
) -> None:
    database = with_tables(f"sqlite:///{tmp_path}/letters.sqlite")
    with serving(trained_home, database, tmp_path / "log", EEG_RECORDING="mine") as service:
        url = str(service.client.base_url).rstrip("/")
        with watched(browser, url, refusals=True) as page:
            page.goto("/")
            expect(page.locator("#problem")).to_contain_text('There is no recording "mine".')
            expect(page.locator("#recordings")).to_be_hidden()
            predict(page, json.dumps([ROW]))
            expect(page.locator("#own-score")).to_contain_text("1 row;")
            add_recording(service.engine, DATA / "test.json", "mine")
            add_recording(service.engine, DATA / "train.csv", "training")
            page.goto("/?recording=mine")
            expect_line(page, 232)
            expect(page.locator("#recording option")).to_have_text(["mine", "training"])
            expect(page.locator("#recording")).to_have_value("")
            choose(page, "training")
            expect_line(page, 232)


def test_it_is_accessible_and_fits_in_both_themes_at_two_widths(page: Page) -> None:
    page.goto("/?recording=long")
    expect_line(page, 232)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            results = Axe().run(page, options={"resultTypes": ["violations"]})
            assert results.violations_count == 0, results.generate_report()
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
