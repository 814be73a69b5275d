"""The view of the models in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.serving.web.views import TITLES, address, expect_line


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
