"""The report where features and classes are not those of the simulated recordings."""

from __future__ import annotations

import csv
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.conftest import run_train, watched

HOSTILE = '<script>alert(1)</script> | `$x_1$` &amp; "left" hand, slowly and with both eyes shut'
LONG = '<script>alert(1)</script> | `$x_1$` &amp; "right" hand, slowly and with both eyes shut'


def report(folder: Path, features: list[str], labels: list[str], rows: int) -> tuple[str, Path]:
    """Train on made-up recordings; the report's text and place."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (len(labels), len(features)))
    for name in ("train", "test"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["label", *features])
            for label, centre in zip(labels, centres, strict=True):
                for _ in range(rows):
                    values = centre + rng.normal(0, 0.5, len(features))
                    writer.writerow([label, *np.exp(values).round(4).tolist()])
    finished = run_train(folder, "--train", folder / "train.csv", "--test", folder / "test.csv")
    assert finished.returncode == 0, finished.stderr
    (made,) = (folder / "reports").glob("*/report.html")
    return made.read_text(), made


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Three electrodes, two classes with long names that are nearly HTML and Markdown."""
    features = [f"{electrode}/alpha" for electrode in ("C3", "Cz", "C4")]
    return report(tmp_path_factory.mktemp("hostile"), features, [HOSTILE, LONG], 12)


def test_names_of_classes_are_text(hostile: tuple[str, Path]) -> None:
    html, path = hostile
    assert "<script" not in html
    assert html.count("<svg") >= 6
    assert HOSTILE in unescape(html)
    card = path.with_name("model-card.md").read_text()
    assert f"`` {HOSTILE} ``" in card
    assert "lassifiers of which class a person" in card


def test_nothing_is_called_a_letter(hostile: tuple[str, Path]) -> None:
    html, path = hostile
    for text in (html, path.with_name("model-card.md").read_text()):
        shown = re.sub(r"<style>.*?</style>|<[^>]*>|eeg-letters", " ", text, flags=re.DOTALL)
        assert not re.search("letter", shown, re.IGNORECASE)


def test_below_four_electrodes_bars_stand_in_the_maps_stead(hostile: tuple[str, Path]) -> None:
    html, _ = hostile
    assert "Scalp map" not in html
    assert "Maps take four electrodes or more" in html
    for electrode in ("C3", "Cz", "C4"):
        row = rf'<th scope="row" class="name">{electrode}</th><td><span class="bar'
        assert len(re.findall(row, html)) == 1 + 2 * 2


@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_long_names_without_complaint(
    browser: Browser, hostile: tuple[str, Path], width: int
) -> None:
    with watched(browser, "file://", viewport={"width": width, "height": 900}) as page:
        page.goto(hostile[1].as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_features_without_electrodes_are_told_one_by_one(tmp_path: Path) -> None:
    features = [f"feature_{number}_a" for number in range(25)]
    html, _ = report(tmp_path, features, ["POSITIVE", "NEGATIVE", "NEUTRAL"], 8)
    assert "A row is 25 features." in html
    assert "The 20 features that shifted most" in html
    assert html.count("The 20 most important features") == 2
    assert "estimate with standardise" in html
    for absent in ("µV²", "Scalp map", "electrode", "band power"):
        assert absent not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)


def test_beyond_100_classes_the_worst_confusions_are_listed(tmp_path: Path) -> None:
    features = [f"{electrode}/alpha" for electrode in ("C3", "Cz", "C4", "Pz", "Oz")]
    labels = [str(code) for code in range(700, 810)]
    html, _ = report(tmp_path, features, labels, 4)
    assert "there are too many classes for a matrix" in html
    assert "The 25 worst by F1 of 110 classes" in html
    assert html.count("Scalp map, alpha") == 1 + 2
    confused = re.findall(
        r'<tr><th scope="row" class="name">(\d+)</th><td class="name">(\d+)</td>', html
    )
    assert 0 < len(confused) <= 2 * 20
    assert all(truth != label for truth, label in confused)
