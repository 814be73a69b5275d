"""The page at / where the models are of another cap or of other classes than the shipped ones."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from eeg_letters.models import MODELS
from tests.conftest import run_python, serve, watched

TITLES = [model.title for model in MODELS]
BANDS = ("delta", "theta", "alpha")
PLACED = ("Fz", "C3", "Cz", "C4")
CAP = [f"{electrode}/{band}" for electrode in (*PLACED, "EXG1") for band in BANDS]
# Names are any text: of any length, and such as would be markup.
HOSTILE = "<img src=x onerror=alert(1)></script>"
LONG = "imagined movement of the right hand, slow, eyes open, seated"
TEXTS = ("tongue, left", HOSTILE, LONG)
PLAIN = [f"csp {number}" for number in range(1, 13)]
NUMBERS = (769, 770, 771)
MANY = tuple(f"word {number:03}" for number in range(120))
TRAIN = """
from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.familiarity import fit_familiarity
from eeg_letters.training.finishing import train
from eeg_letters.training.judging import judge
from eeg_letters.training.saving import make_entry, save_entries
from eeg_letters.training.recipes import AUTO
recording = Dataset((read_recording({path!r}),))
trained = [train(model, recording, recording, AUTO, lambda *_: None) for model in MODELS]
judgement, familiarity = judge(trained, recording, recording), fit_familiarity(recording)
save_entries([make_entry(model, judgement, 1, familiarity) for model in trained])
"""


def write(
    path: Path,
    seed: int,
    features: Sequence[str],
    classes: Sequence[Any],
    rows: int,
    label: str = "label",
) -> Path:
    """A recording with a column that is no use, and without line numbers."""
    centres = np.random.default_rng(0).normal(size=(len(classes), len(features)))
    draw = np.random.default_rng(seed)
    powers = features is not PLAIN
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", label, *features])
        for place, name in enumerate(classes):
            for _ in range(rows):
                values = centres[place] + draw.normal(size=len(features))
                values = np.exp(values) if powers else 10 * values
                writer.writerow(["S1", name, *(f"{value:.6g}" for value in values)])
    return path


class Served:
    """A recording, and models trained on another one of the same kind."""

    def __init__(self, home: Path, *recording: Any) -> None:
        self.home = home
        self.recording = write(home / "recording.csv", 1, *recording)
        run_python(home, TRAIN.format(path=str(write(home / "training.csv", 2, *recording))))

    def serve(self) -> Any:
        return serve(self.home, EEG_TEST_DATA=str(self.recording))

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.recording.read_text())))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("texts"), CAP, TEXTS, 20)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("numbers"), PLAIN, NUMBERS, 20, "class")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("many"), CAP, MANY, 3, "target")


@pytest.fixture(scope="module")
def texts_url(texts: Served) -> Iterator[str]:
    with texts.serve() as (url, _):
        yield url


@pytest.fixture(scope="module")
def numbers_url(numbers: Served) -> Iterator[str]:
    with numbers.serve() as (url, _):
        yield url


@pytest.fixture(scope="module")
def many_url(many: Served) -> Iterator[str]:
    with many.serve() as (url, _):
        yield url


@pytest.fixture(scope="module")
def bare_url(texts: Served) -> Iterator[str]:
    """The service of a cap that the shipped recording is not of, without another recording."""
    with serve(texts.home) as (url, _):
        yield url


def as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def predict(page: Page, text: str) -> None:
    page.goto("/?view=rows")
    page.fill("#text", text)
    page.click("#own >> text=Predict")


def check(page: Page) -> None:
    """It is accessible and fits, in both themes and at two widths."""
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            results = Axe().run(page, options={"resultTypes": ["violations"]})
            assert results.violations_count == 0, results.generate_report()
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def step(page: Page, rows: int) -> None:
    """Play so many stored rows, one by one."""
    page.goto("/?view=live")
    for line in range(rows):
        page.get_by_role("button", name="Step").click()
        expect(page.locator("#said")).to_contain_text(f"Line {line},")


def words(page: Page) -> str:
    # The package keeps its name.
    return (page.title() + page.locator("body").inner_text()).replace("eeg-letters", "")


# Classes of any text


def test_names_are_shown_as_the_text_that_they_are(browser: Browser, texts_url: str) -> None:
    with watched(browser, texts_url) as page, httpx.Client(base_url=texts_url) as client:
        predictions = client.get("/predictions").json()
        shares = client.get("/models").json()[0]["class_names"]
        for line in (0, 20, 40):
            page.goto(f"/?line={line}")
            expect(page.locator("#said")).to_contain_text(f"Line {line}.")
            boxes = page.locator("#line-reading .letter")
            said = [predictions["labels"][title][line] for title in TITLES]
            shown = [" ".join(text.split()) for text in boxes.all_inner_texts()]
            assert shown == [said[0], predictions["truth"][line], said[1]]
        names = page.locator("#line-reading .column .name").all_inner_texts()
        assert names == shares == sorted(TEXTS)
        assert page.locator("main img").count() == 0
        expect(page.locator("#served")).to_contain_text("5 electrodes × 3 bands, 3 classes: ")
        assert "letter" not in words(page).lower()
        check(page)


def test_electrodes_without_a_place_are_below_the_maps(
    browser: Browser, texts: Served, texts_url: str
) -> None:
    with watched(browser, texts_url) as page:
        page.goto("/?line=0")
        maps = page.locator("#line-reading .map")
        expect(maps).to_have_count(len(BANDS))
        dots = maps.first.locator("[data-electrode]")
        assert [dot.get_attribute("data-electrode") for dot in dots.all()] == list(PLACED)
        table = page.locator("#line-reading .powers")
        assert table.locator("tbody th").all_inner_texts() == ["EXG1"]
        expected = [f"{float(texts.rows()[0][f'EXG1/{band}']):.3g}" for band in BANDS]
        assert table.locator("td span").all_inner_texts() == expected


def test_the_models_view_counts_classes(browser: Browser, texts_url: str) -> None:
    with watched(browser, texts_url) as page, httpx.Client(base_url=texts_url) as client:
        predictions = client.get("/predictions").json()
        page.goto("/?view=models")
        tables = page.locator("table.confusion")
        expect(tables).to_have_count(len(TITLES))
        for place, title in enumerate(TITLES):
            pairs = list(zip(predictions["truth"], predictions["labels"][title], strict=True))
            cells = tables.nth(place).locator("td[data-share]").all_inner_texts()
            assert [int(cell or 0) for cell in cells] == [
                pairs.count((true, said)) for true in sorted(TEXTS) for said in sorted(TEXTS)
            ]
        assert "letter" not in words(page).lower()
        check(page)


def test_rows_are_played_with_names_as_text(
    browser: Browser, texts: Served, texts_url: str
) -> None:
    with watched(browser, texts_url) as page:
        step(page, 1)
        truth = texts.rows()[0]["label"]
        boxes = page.locator("#view-live .decided .letter")
        expect(boxes.last).to_have_text(truth)
        expect(boxes.first).to_have_text(re.compile("|".join(map(re.escape, TEXTS))))
        for shown in page.locator(".likeliest").all():
            expect(shown.locator("li")).to_have_count(len(TEXTS))
            assert sorted(
                name.get_attribute("title") or "" for name in shown.locator(".cut").all()
            ) == sorted(TEXTS)
        expect(page.locator("#view-live .map")).to_have_count(len(BANDS))
        assert page.locator("main img").count() == 0
        assert "letter" not in words(page).lower()
        check(page)


def test_a_pasted_recording_is_read_as_training_reads_it(
    browser: Browser, texts: Served, texts_url: str
) -> None:
    rows = texts.rows()[::20]
    with watched(browser, texts_url) as page:
        for label in ("label", "target", "# Letter"):
            renamed = [
                {label if name == "label" else name: value for name, value in row.items()}
                for row in rows
            ]
            predict(page, as_csv(renamed))
            expect(page.locator("#own-read-as")).to_contain_text("subject")
            lines = page.locator("#own-list tbody tr")
            expect(lines).to_have_count(len(rows))
            for number, row in enumerate(rows):
                truth = lines.nth(number).locator("td").nth(1)
                title = truth.locator("span").get_attribute("title")
                assert title == row["label"]
        predict(page, as_csv([{name.upper(): row[name] for name in CAP} for row in rows]))
        expect(page.locator("#own-score")).to_contain_text("3 rows")
        predict(page, json.dumps([{**row, "Line": str(place)} for place, row in enumerate(rows)]))
        expect(page.locator("#own-list tbody td.number")).to_have_text(["0", "1", "2"])
        check(page)


def test_an_unknown_label_and_a_missing_feature_are_named(
    browser: Browser, texts: Served, texts_url: str
) -> None:
    rows = texts.rows()[:3]
    wrong = [*rows[:2], {**rows[2], "label": "foot"}]
    lacking = [{name: row[name] for name in row if name != "Cz/theta"} for row in rows]
    cases = (
        (as_csv(wrong), "Line 4, column label: "),
        (as_csv(lacking), "column Cz/theta: the column is missing"),
        (json.dumps(lacking), "Row 0 has no feature Cz/theta."),
    )
    with watched(browser, texts_url, refusals=True) as page:
        for text, sentence in cases:
            predict(page, text)
            expect(page.locator("#own-problem")).to_contain_text(sentence)


# Features that no map shows


def test_features_of_no_electrode_are_bars_to_both_sides_of_zero(
    browser: Browser, numbers: Served, numbers_url: str
) -> None:
    row = numbers.rows()[0]
    with watched(browser, numbers_url) as page:
        page.goto("/?line=0")
        expect(page.locator("#line-reading .sentence")).to_have_text(re.compile(r"\S"))
        items = page.locator("#line-reading .features li")
        expect(items).to_have_count(len(PLAIN))
        for place, name in enumerate(PLAIN):
            bar = items.nth(place).locator("i")
            value = float(row[name])
            expect(items.nth(place)).to_contain_text(f"{name}{value:.3g}")
            assert ("below" in (bar.get_attribute("class") or "")) == (value < 0)
        assert page.locator("#line-reading .map").count() == 0
        assert "µV²" not in words(page)
        assert "band power" not in words(page).lower()
        check(page)


def test_rows_of_no_electrode_are_played_as_bars_to_the_last_and_again(
    browser: Browser, numbers: Served, numbers_url: str
) -> None:
    with watched(browser, numbers_url) as page:
        step(page, 2)
        assert page.locator("#view-live .map").count() == 0
        for place, name in enumerate(PLAIN):
            item = page.locator("#view-live .features li").nth(place)
            expect(item).to_contain_text(f"{name}{float(numbers.rows()[1][name]):.3g}")
        check(page)
        page.get_by_label("Speed").select_option("16")
        page.get_by_role("button", name="Play").click()
        state = page.locator("#live-state")
        expect(state).to_have_text("That was the last row. Play begins again.")
        shown = page.locator(".gauges dd")
        expect(shown.first).to_have_text("59")
        expect(page.get_by_role("button", name="Step")).to_be_disabled()
        page.get_by_label("Speed").select_option("1")
        page.get_by_role("button", name="Play").click()
        expect(state).to_have_text("Playing.")
        expect(page.locator(".minute")).to_have_attribute(
            "aria-label", re.compile("The last [1-9] rows?:")
        )
        page.get_by_role("button", name="Pause").click()
        assert int(shown.first.inner_text()) < 59


def test_numbers_are_read_as_whole_numbers(
    browser: Browser, numbers: Served, numbers_url: str
) -> None:
    rows = [
        {**row, "class": label}
        for row, label in zip(numbers.rows(), ("769", "770.0", "+771"), strict=False)
    ]
    with watched(browser, numbers_url, refusals=True) as page:
        predict(page, as_csv(rows))
        truths = page.locator("#own-list tbody tr td:nth-child(2)")
        expect(truths).to_have_text([str(number) for number in NUMBERS])
        predict(page, as_csv([{**rows[0], "class": "769.5"}]))
        expect(page.locator("#own-problem")).to_contain_text("Line 2, column class: ")
        expect(page.locator("#own-problem")).to_contain_text("769.5")


# Many classes


def test_of_many_classes_the_likeliest_and_the_worst_pairs_are_shown(
    browser: Browser, many_url: str
) -> None:
    with watched(browser, many_url) as page, httpx.Client(base_url=many_url) as client:
        stored = client.get("/line/30").json()
        powers = [float(stored[name]) for name in CAP]
        (answers,) = client.post("/predict", json={"rows": [powers]}).json()["predictions"]
        likeliest = np.max([answers[title]["probabilities"] for title in TITLES], axis=0)
        page.goto("/?line=30")
        expect(page.locator("#said")).to_contain_text("Line 30.")
        columns = page.locator("#line-reading .column .name").all_inner_texts()
        assert len(columns) == 20
        assert columns[:19] == [MANY[place] for place in np.argsort(-likeliest)[:19]]
        assert stored["target"] in columns
        page.click("#line-reading summary")
        expect(page.locator("#line-reading .numbers tbody tr")).to_have_count(len(MANY))
        check(page)
        step(page, 1)
        expect(page.locator(".likeliest li")).to_have_count(2 * 5)
        check(page)

        predictions = client.get("/predictions").json()
        page.goto("/?view=models")
        lists = page.locator("table.worst")
        expect(lists).to_have_count(len(TITLES))
        assert page.locator("table.confusion").count() == 0
        for place, title in enumerate(TITLES):
            pairs = list(zip(predictions["truth"], predictions["labels"][title], strict=True))
            most = max(pairs.count(pair) for pair in pairs if pair[0] != pair[1])
            row = lists.nth(place).locator("tbody tr").first
            expect(row.locator("td").nth(2)).to_have_text(f"{most} of 3")
        check(page)


# No stored rows


def test_without_stored_rows_the_page_says_so_and_takes_rows(
    browser: Browser, texts: Served, bare_url: str
) -> None:
    with watched(browser, bare_url) as page:
        page.goto("/")
        expect(page.locator("#view-rows")).to_be_visible()
        expect(page.locator("#example")).to_be_hidden()
        check(page)
        page.fill("#text", as_csv(texts.rows()[:2]))
        page.click("#own >> text=Predict")
        expect(page.locator("#own-score")).to_contain_text("2 rows")
        for address, view in (
            ("/?view=line", "line"),
            ("/?line=7", "line"),
            ("/?view=models", "models"),
            ("/?view=live", "live"),
        ):
            page.goto(address)
            expect(page.locator(f"#{view}-absent")).to_contain_text("EEG_TEST_DATA names one")
            expect(page.locator("#problem")).to_be_empty()
        expect(page.locator("#play")).to_be_hidden()
        page.goto("/?view=models")
        expect(page.locator("#models-strip")).to_be_hidden()
        expect(page.locator("#facts table")).to_be_visible()
        page.goto("/?view=line")
        expect(page.locator("#choose")).to_be_hidden()
        check(page)
