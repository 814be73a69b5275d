"""The view of stored lines in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import watched
from tests.serving.web.views import LINE, TITLES, address, expect_line, open_line
from tests.shipped import BANDS, ELECTRODES, FEATURES, LETTERS


def answers(view: Locator) -> list[str]:
    """Letter and verdict of each model, and the truth between them."""
    return [" ".join(text.split()) for text in view.locator(".answer").all_inner_texts()]


def verdict(truth: int, label: int, share: float) -> str:
    return f"{'✓ right' if label == truth else '✗ wrong'} {share:.1%}".replace("%", " %")


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
        for title, answer in ((title, said[title]) for title in TITLES)
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


def test_the_strip_of_stored_lines_follows_and_leads(page: Page) -> None:
    open_line(page)
    strip = page.get_by_role("slider", name="Stored lines")
    expect(strip).to_have_attribute("aria-valuenow", str(LINE))
    strip.focus()
    page.keyboard.press("ArrowRight")
    expect_line(page, LINE + 1)
    page.keyboard.press("End")
    expect_line(page, 1299)
