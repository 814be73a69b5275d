"""The page at / in a real browser: every interaction, at two widths and in both themes."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

from eeg_letters.models import MODELS
from tests.conftest import ROOT, full_memory, serve, watched
from tests.shipped import BANDS, COLUMNS, ELECTRODES, FEATURES, LETTERS

LINE = 232
TITLES = [model.title for model in MODELS]
SCREENSHOTS = ROOT / ".cache" / "screenshots"
MOST_BYTES = 150_000
ONCE = re.compile(r"\S")


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


def open_line(page: Page, line: int | None = LINE) -> None:
    page.goto("/" if line is None else f"/?line={line}")
    expect_line(page, LINE if line is None else line)


def expect_line(page: Page, line: int) -> None:
    """The line is the one shown, whole."""
    expect(page.locator("#said")).to_contain_text(f"Line {line}.")
    expect(page.locator("#line")).to_have_value(str(line))


def address(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.path}?{parts.query}"


def answers(view: Locator) -> list[str]:
    """Letter and verdict of each model, and the truth between them."""
    return [" ".join(text.split()) for text in view.locator(".answer").all_inner_texts()]


def verdict(truth: int, label: int, share: float) -> str:
    return f"{'✓ right' if label == truth else '✗ wrong'} {share:.1%}".replace("%", " %")


def as_csv(
    rows: list[dict[str, str]], header: bool = True, columns: tuple[str, ...] = COLUMNS
) -> str:
    lines = [",".join(row[name] for name in columns) for row in rows]
    return "\n".join([*([", ".join(columns)] if header else []), *lines]) + "\n"


def predict(page: Page, text: str) -> None:
    page.goto("/?view=rows")
    page.fill("#text", text)
    page.click("#own >> text=Predict")


# A stored line


@pytest.mark.parametrize("line", [LINE, None, 0])
def test_an_address_is_a_line_and_shows_both_answers_beside_the_truth(
    page: Page, client: httpx.Client, line: int | None
) -> None:
    open_line(page, line)
    stored = client.get(f"/line/{LINE if line is None else line}").json()
    powers = [float(stored[name]) for name in FEATURES]
    (said,) = client.post("/predict", json={"rows": [powers]}).json()["predictions"]
    truth = int(stored["# Letter"])
    shown = answers(page.locator("#line-reading"))
    expected = [
        f"{title} {answer['letter']} "
        + verdict(truth, answer["label"], answer["probabilities"][answer["label"]])
        for title, answer in said.items()
    ]
    assert shown == [expected[0], f"Truth {LETTERS[truth]}", expected[1]]
    page.click("#line-reading summary")
    cells = page.locator("#line-reading .numbers tbody td").all_inner_texts()
    assert cells == [
        f"{said[title]['probabilities'][label]:.1%}".replace("%", "\u00a0%")
        for label in range(26)
        for title in TITLES
    ]


def test_lines_are_typed_stepped_through_and_gone_back_to(page: Page) -> None:
    open_line(page)
    page.fill("#line", "7")
    page.press("#line", "Enter")
    expect_line(page, 7)
    assert address(page) == "/?line=7"
    page.click("text=→")
    expect_line(page, 8)
    page.click("text=←")
    expect_line(page, 7)
    page.go_back()
    expect_line(page, 8)
    page.go_back()
    page.go_back()
    expect_line(page, LINE)
    page.go_forward()
    expect_line(page, 7)
    page.reload()
    expect_line(page, 7)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_moves_from_line_to_line(
    page: Page, predictions: dict[str, Any], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    parts = ("#line-reading .chart", "#line-reading .maps", "footer")
    one, other, truth = (
        np.array(labels) for labels in (*predictions["labels"].values(), predictions["truth"])
    )
    kinds = (
        (one == other) & (one == truth),
        (one == other) & (one != truth),
        (one == truth) & (other != truth),
        (one != truth) & (other == truth),
        (one != truth) & (other != truth) & (one != other),
    )
    places: list[object] = []
    for line in (int(np.flatnonzero(kind)[-1]) for kind in kinds):
        page.goto(f"/?line={line}") if not places else page.fill("#line", str(line))
        page.press("#line", "Enter")
        expect_line(page, line)
        places.append([page.locator(part).bounding_box() for part in parts])
    assert places == [places[0]] * len(kinds)


def test_random_is_another_line(page: Page) -> None:
    open_line(page)
    page.click("text=Random")
    expect(page).not_to_have_url(re.compile(rf"line={LINE}$"))
    expect_line(page, int(page.input_value("#line")))


def test_next_disagreement_comes_after_the_line_and_wraps_round(
    page: Page, predictions: dict[str, Any]
) -> None:
    one, other = (np.array(predictions["labels"][title]) for title in TITLES)
    differ = np.flatnonzero(one != other)
    for line, expected in ((LINE, differ[differ > LINE][0]), (differ[-1], differ[0])):
        open_line(page, int(line))
        page.click("text=Next disagreement")
        expect_line(page, int(expected))
        expect(page.locator("#line-reading .sentence")).to_contain_text("disagree")


def test_an_electrode_tells_its_name_and_powers_by_pointer_and_by_keyboard(
    page: Page, rows: dict[int, dict[str, str]]
) -> None:
    open_line(page)
    maps = page.locator("#line-reading .map")
    expect(maps).to_have_count(len(BANDS))

    def expect_values(electrode: str, line: int) -> None:
        for place, band in enumerate(BANDS):
            value = f"{float(rows[line][f'{electrode}/{band}']):.3g}"
            expect(maps.nth(place).locator(".value")).to_have_text(f"{electrode} {value} µV²")

    for electrode in ELECTRODES:
        maps.nth(1).locator(f"[data-electrode={electrode}]").hover(force=True)
        expect_values(electrode, LINE)
    maps.nth(2).locator("[data-electrode=Cz]").hover(force=True)
    maps.nth(2).locator("[data-electrode=Cz]").focus()
    page.keyboard.press("ArrowUp")
    focused = page.locator(":focus")
    expect(focused).to_have_attribute("data-electrode", "Fz")
    value = f"{float(rows[LINE]['Fz/betaL']):.3g}"
    expect(focused).to_have_attribute("aria-label", f"Fz, betaL: {value} µV²")
    expect_values("Fz", LINE)
    page.click("text=→")
    expect_line(page, LINE + 1)
    expect_values("Fz", LINE + 1)


def test_all_electrodes_are_in_the_head_and_can_be_reached_by_arrow_keys(page: Page) -> None:
    open_line(page)
    head = page.locator("#line-reading .map").first
    circle = head.locator("circle.head").bounding_box()
    assert circle is not None
    radius = circle["width"] / 2
    for electrode in ELECTRODES:
        dot = head.locator(f"[data-electrode={electrode}] .dot").bounding_box()
        assert dot is not None
        across, along = (
            dot["x"] + dot["width"] / 2 - circle["x"] - radius,
            dot["y"] + dot["height"] / 2 - circle["y"] - radius,
        )
        assert np.hypot(across, along) < 0.95 * radius
    reached = page.evaluate(
        """() => {
          const reached = new Set(["Cz"]);
          for (const name of reached)
            for (const key of ["Left", "Right", "Up", "Down"])
              reached.add(electrodeBeside(name, `Arrow${key}`));
          return [...reached];
        }"""
    )
    assert sorted(reached) == sorted(ELECTRODES)


def test_the_maps_show_the_powers_where_they_were_measured(
    page: Page, rows: dict[int, dict[str, str]]
) -> None:
    open_line(page)
    shades = page.evaluate(
        """() => [...document.querySelectorAll("#line-reading .scalp canvas")].map((canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, GRID, GRID);
          const place = (part) => Math.floor((part / HEAD + 1) / 2 * GRID);
          return Object.fromEntries(Object.entries(PLACES).map(([name, [x, y]]) => {
            const from = 4 * (place(y) * GRID + place(x));
            return [name, [...data.slice(from, from + 3)]];
          }));
        })"""
    )
    scales = page.evaluate("() => [SCALES, COLOURS]")
    for band, shown in zip(BANDS, shades, strict=True):
        low, high = np.log10(scales[0][band])
        places = [
            int(np.argmin(np.abs(np.array(scales[1]) - shown[name]).sum(axis=1)))
            for name in ELECTRODES
        ]
        expected = np.interp(
            [np.log10(float(rows[LINE][f"{name}/{band}"])) for name in ELECTRODES],
            [low, high],
            [0, 255],
        )
        # A contour through an electrode changes its pixel.
        assert np.median(np.abs(places - expected)) < 6


def test_an_unknown_line_shows_an_error_on_the_page(browser: Browser, server: str) -> None:
    with watched(browser, server, refusals=True) as page:
        cases = (
            ("99999", "no stored row with line 99999"),
            ("x", "by its number"),
            ("..", "no stored row with line .."),
        )
        for line, sentence in cases:
            page.goto(f"/?line={line}")
            expect(page.locator("#problem")).to_contain_text(sentence)
            expect(page.locator("#line-reading .answers")).to_be_hidden()
        page.fill("#line", "3")
        page.press("#line", "Enter")
        expect_line(page, 3)
        expect(page.locator("#problem")).to_be_empty()


def test_an_unreachable_service_shows_an_error_and_is_retried(
    browser: Browser, server: str
) -> None:
    with watched(browser, server, refusals=True) as page:
        open_line(page)
        page.context.set_offline(True)
        page.fill("#line", "900")
        page.press("#line", "Enter")
        expect(page.locator("#problem")).to_contain_text("does not answer")
        page.context.set_offline(False)
        page.click("text=Try again")
        expect_line(page, 900)
        expect(page.locator("#problem")).to_be_empty()


def test_a_busy_service_is_asked_again(
    browser: Browser, trained_home: Path, rows: dict[int, dict[str, str]]
) -> None:
    many = list(rows.values()) * 40
    with (
        serve(trained_home, EEG_MAX_CONCURRENCY="1") as (url, _),
        watched(browser, url, refusals=True) as page,
    ):
        open_line(page)
        with full_memory(url):
            with page.expect_response(lambda response: response.status == 503):
                predict(page, as_csv(many))
            expect(page.locator("#busy")).to_contain_text("asking again in 1 s")
        expect(page.locator("#own-score")).to_contain_text(f"{len(many)} rows")
        expect(page.locator("#busy")).to_be_hidden()


def test_limits_lead_to_smaller_requests(
    browser: Browser, trained_home: Path, rows: dict[int, dict[str, str]]
) -> None:
    with (
        serve(trained_home, EEG_MAX_ROWS="3") as (url, _),
        watched(browser, url, refusals=True) as page,
    ):
        open_line(page)
        predict(page, as_csv(list(rows.values())))
        expect(page.locator("#own-score")).to_contain_text("5 rows")


@pytest.mark.parametrize("name", ["toString", "__proto__", "nothing"])
def test_an_address_of_no_view_is_that_of_stored_lines(page: Page, name: str) -> None:
    page.goto(f"/?view={name}")
    expect_line(page, LINE)
    expect(page).to_have_title(f"Line {LINE} – EEG letters")


# Rows of one's own

TEXTS = {
    "CSV": lambda rows: as_csv(rows),
    "CSV without Line and # Letter": lambda rows: as_csv(rows, columns=tuple(FEATURES)),
    "CSV in another order": lambda rows: as_csv(rows, columns=tuple(reversed(COLUMNS))),
    "CSV without a header": lambda rows: as_csv(rows, header=False),
    "powers alone, by tabs": lambda rows: as_csv(rows, False, tuple(FEATURES)).replace(",", "\t"),
    "lists": lambda rows: json.dumps([[float(row[name]) for name in FEATURES] for row in rows]),
    "objects with blanks in their names": lambda rows: json.dumps(
        [{f" {name}": value for name, value in row.items()} for row in rows]
    ),
    "objects": lambda rows: json.dumps(rows, indent=1),
    "a request": lambda rows: json.dumps(
        {"rows": [{name: float(row[name]) for name in FEATURES} for row in rows]}
    ),
    "JSON lines": lambda rows: "\n".join(json.dumps(row) for row in rows),
    "a recording": lambda rows: json.dumps({row["Line"]: row for row in rows}),
}


@pytest.fixture(scope="module")
def shared_page(browser: Browser, server: str) -> Iterator[Page]:
    with watched(browser, server) as page:
        yield page


@pytest.mark.parametrize("form", TEXTS)
def test_pasted_rows_are_predicted_whatever_their_form(
    shared_page: Page,
    predictions: dict[str, Any],
    rows: dict[int, dict[str, str]],
    form: str,
) -> None:
    text = TEXTS[form](list(rows.values()))
    predict(shared_page, text)
    lines = shared_page.locator("#own-list tbody tr")
    expect(lines).to_have_count(len(rows))
    known = "# Letter" in text or form == "CSV without a header"
    for number, line in enumerate(rows):
        said = [LETTERS[predictions["labels"][title][line]] for title in TITLES]
        truth = LETTERS[predictions["truth"][line]]
        marks = [
            letter if not known else f"{letter} {'✓' if letter == truth else '✗'}"
            for letter in said
        ]
        expected = [
            str(number + 1),
            *([str(line)] if known else []),
            truth if known else "–",
            *marks,
        ]
        assert lines.nth(number).locator("td").all_inner_texts() == expected
    score = shared_page.locator("#own-score")
    expect(score).to_contain_text(f"{len(rows)} rows")
    if known:
        right = [
            sum(predictions["labels"][title][line] == predictions["truth"][line] for line in rows)
            for title in TITLES
        ]
        for title, number in zip(TITLES, right, strict=True):
            expect(score).to_contain_text(f"{title} {number}")


def test_a_row_is_picked_by_pointer_and_by_keyboard(
    page: Page, rows: dict[int, dict[str, str]]
) -> None:
    predict(page, as_csv(list(rows.values())))
    value = page.locator("#own-reading .map").first.locator(".value")
    page.click("#own-list [data-place='3']")
    expect(value).to_have_text(f"Oz {float(rows[LINE + 3]['Oz/theta']):.3g} µV²")
    page.keyboard.press("ArrowUp")
    expect(page.locator(":focus")).to_have_attribute("aria-current", "true")
    expect(value).to_have_text(f"Oz {float(rows[LINE + 2]['Oz/theta']):.3g} µV²")
    expect(page.locator("#said")).to_contain_text("Row 3.")


def ask_for_the_stored_line(page: Page) -> Route:
    """Open the view of own rows and press its button; the request that waits for its answer."""
    page.goto("/?view=rows")
    asked: list[Route] = []
    page.route(re.compile(r"/line/"), lambda route: asked.append(route))
    with page.expect_request(re.compile(r"/line/")):
        page.click("#example")
    expect(page.locator("#predict")).to_be_disabled()
    return asked[0]


def test_a_stored_line_on_its_way_is_waited_for(page: Page) -> None:
    request = ask_for_the_stored_line(page)
    predict_button = page.locator("#predict")
    request.continue_()
    predict_button.click()
    expect(page.locator("#own-score")).to_contain_text("1 row")


def test_a_stored_line_on_its_way_does_not_come_after_clear(page: Page) -> None:
    ask_for_the_stored_line(page)
    page.click("#clear")
    expect(page.locator("#predict")).to_be_enabled()
    expect(page.locator("#text")).to_have_value("")


@pytest.mark.parametrize("power", ["5e-324", "1.7e308"])
def test_extreme_floats_are_shown(page: Page, power: str) -> None:
    # First, for a page that draws a scale without an end does not answer any more.
    page.goto("/?view=rows")
    scale = page.evaluate(f"() => scaleFor('theta', [{power}]).map(Math.log10)")
    assert np.isfinite(np.array(scale, float)).all()
    predict(page, ",".join([power] * len(FEATURES)))
    expect(page.locator("#own-score")).to_contain_text("1 row")
    expect(page.locator("#own-reading .legend")).to_contain_text("far from the usual")
    assert 0 < page.locator("#own-reading .tick").count() < 100


def test_a_long_file_goes_in_several_requests(
    page: Page, rows: dict[int, dict[str, str]], tmp_path: Path
) -> None:
    file = tmp_path / "session.csv"
    file.write_text(as_csv(list(rows.values()) * 500))
    sent: list[str] = []
    page.goto("/?view=rows")
    page.on("request", lambda request: sent.append(request.url))
    page.set_input_files("#file", file)
    expect(page.locator("#own-score")).to_contain_text("2,500 rows")
    assert len([url for url in sent if url.endswith("/predict")]) == 5
    expect(page.locator("#source")).to_have_text("session.csv")
    page.click("text=Later rows")
    expect(page.locator("#pages")).to_contain_text("Rows 101–200 of 2,500")
    expect(page.locator("#own-list [aria-current]")).to_have_text("101")


def test_a_file_is_dropped(page: Page, rows: dict[int, dict[str, str]]) -> None:
    page.goto("/?view=rows")
    dropped = page.evaluate_handle(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File([text], "dropped.json"));
          return data;
        }""",
        json.dumps({str(line): row for line, row in rows.items()}),
    )
    page.dispatch_event("#text", "drop", {"dataTransfer": dropped})
    expect(page.locator("#own-score")).to_contain_text(f"{len(rows)} rows")
    expect(page.locator("#source")).to_have_text("dropped.json")


def test_faults_name_row_line_and_column(
    browser: Browser, server: str, rows: dict[int, dict[str, str]]
) -> None:
    good = list(rows.values())
    powers = [[float(row[name]) for name in FEATURES] for row in good]
    bad_letter = {**good[2], "# Letter": "26"}
    missing = {name: value for name, value in good[2].items() if name != "Oz/gamma"}
    cases = (
        (
            as_csv([*good[:2], {**good[2], "Oz/gamma": "much"}]),
            'Row 3, line 4 of the text, feature Oz/gamma: "much" is not a number.',
        ),
        (
            as_csv([*good[:2], {**good[2], "Oz/gamma": ""}]).replace("\n", "\n\n"),
            "Row 3, line 7 of the text, feature Oz/gamma: null is not a number.",
        ),
        (as_csv(good) + "1,2,3", "Row 6, line 7 of the text has 3 values"),
        (as_csv([*good[:2], bad_letter]), "Row 3, line 4 of the text, column # Letter: “26”"),
        (
            as_csv(good[:1], header=False).translate(str.maketrans(",.", ";,")),
            'Row 1, line 1 of the text, feature Cz/theta: "',
        ),
        (
            json.dumps([good[0], {**good[1], " Cz/theta": "99"}]),
            "Row 2: duplicate column Cz/theta.",
        ),
        (json.dumps([good[0], missing]), "Row 2 has no feature Oz/gamma."),
        (json.dumps([*powers[:2], powers[2][:-1]]), "Row 3 has 159 values"),
        (json.dumps([*powers[:2], [float("nan"), *powers[2][1:]]]), "row 3, feature Cz/theta"),
        (f"{json.dumps(powers[0])}\n[1, 2", "Row 2, line 2 of the text is not JSON."),
        ("[]", "There are no rows."),
    )
    with watched(browser, server, refusals=True) as page:
        for text, sentence in cases:
            predict(page, text)
            expect(page.locator("#own-problem")).to_contain_text(sentence)
            expect(page.locator("#own-result")).to_be_hidden()


# The models


def test_the_models_view_is_what_the_predictions_say(
    page: Page, client: httpx.Client, predictions: dict[str, Any]
) -> None:
    page.goto("/?view=models")
    truth = np.array(predictions["truth"])
    tables = page.locator("table.confusion")
    expect(tables).to_have_count(len(TITLES))
    scores = client.get("/score").json()
    for place, model in enumerate(client.get("/models").json()):
        title = model["title"]
        score = f"{scores[f'Score {title}']:.1%}".replace("%", "\u00a0%")
        expect(page.locator(".score").nth(place)).to_contain_text(score)
        labels = np.array(predictions["labels"][title])
        counts = np.zeros((26, 26), int)
        np.add.at(counts, (truth, labels), 1)
        cells = tables.nth(place).locator("td[data-share]").all_inner_texts()
        assert [int(cell or 0) for cell in cells] == counts.ravel().tolist()
        recalls = tables.nth(place).locator("td.recall").all_inner_texts()
        expected = counts.diagonal() / counts.sum(axis=1)
        assert [float(recall.split()[0]) for recall in recalls] == pytest.approx(
            100 * expected, abs=0.51
        )
        facts = page.locator("#facts").inner_text()
        for fact in (f"{model['name']}:{model['version']}", model["training"]["sha256"]):
            assert fact in facts
        assert f"{model['accuracy']['test']:.1%}".replace("%", "\u00a0%") in facts
    for absent in ("Preprocessing", "Temperature"):
        present = any(absent.lower() in model for model in client.get("/models").json())
        assert (absent in facts) == present


def test_a_click_and_a_key_on_the_strip_go_to_a_line(page: Page) -> None:
    page.goto("/?view=models")
    strip = page.get_by_role("slider", name="Right and wrong answers")
    box = strip.bounding_box()
    assert box is not None
    across = round(box["x"] + box["width"] / 2)
    page.mouse.click(across, box["y"] + 10)
    line = int((across - box["x"]) / box["width"] * 1300)
    expect_line(page, line)
    assert address(page) == f"/?line={line}"
    page.go_back()
    expect(page).to_have_url(re.compile("view=models"))
    strip.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(strip).to_have_attribute("aria-valuetext", re.compile("^Line 1, truth A: LDA"))
    page.keyboard.press("Enter")
    expect_line(page, 1)


def test_the_strip_of_stored_lines_follows_and_leads(page: Page) -> None:
    open_line(page)
    strip = page.get_by_role("slider", name="Stored lines")
    expect(strip).to_have_attribute("aria-valuenow", str(LINE))
    strip.focus()
    page.keyboard.press("ArrowRight")
    expect_line(page, LINE + 1)
    page.keyboard.press("End")
    expect_line(page, 1299)


# The page as a whole


def test_views_are_links_with_addresses(page: Page) -> None:
    open_line(page)
    for name, view in (("Models", "models"), ("Your rows", "rows"), ("Stored lines", "line")):
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
    else:
        page.goto("/?view=models")
        expect(page.locator("#facts table")).to_be_visible()


@pytest.mark.parametrize("view", ["line", "rows", "models"])
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
