"""The report of a training, as train.py writes it and as a browser shows it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import SCORER_FILE
from eeg_letters.settings import DATA
from eeg_letters.training.report import scalp
from eeg_letters.training.report.findings import file_name
from eeg_letters.training.report.rendering import code, seconds, size
from tests.conftest import latest_entry, run_train, select_rows, stored_metadata, watched
from tests.shipped import ELECTRODES

SECTIONS = (
    "Summary",
    "Data",
    "Rows far from the training",
    "Letters and mistakes",
    "Calibration",
    "Agreement",
    "What the models lean on",
    "Learning curve",
    "The trap",
    "Cost",
    "How it was made",
)
CARD_SECTIONS = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)
HOSTILE = "<img src=x onerror=alert(1)>|`&amp;`.csv"


def report_of(home: Path) -> Path:
    """The folder of the one report beside a model store."""
    (folder,) = (home / "reports").iterdir()
    return folder


def text_of(html: str) -> str:
    """What a reader reads of a page, blanks run together."""
    body = html.split("<main>")[1]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def row_of(html: str, heading: str) -> list[str]:
    """The cells of the first row of a table that has this heading."""
    (row, *_) = re.findall(
        rf'<tr[^>]*><th scope="row">{re.escape(heading)}</th>(.*?)</tr>', html, re.DOTALL
    )
    return [unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall("<td.*?</td>", row)]


@pytest.fixture(scope="module")
def full(trained_home: Path) -> Path:
    """The folder of the report on the simulated recordings."""
    return report_of(trained_home)


@pytest.fixture(scope="module")
def html(full: Path) -> str:
    return (full / "report.html").read_text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report on two letters of two rows each, of a file with a hostile name."""
    folder = tmp_path_factory.mktemp("small")
    training = select_rows(folder / HOSTILE, (3, 4), slice(2))
    test = select_rows(folder / "test.csv", (0, 1, 3), slice(30, 34))
    finished = run_train(folder, "--train", training, "--test", test)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return report_of(folder)


def test_every_section_is_there(html: str, full: Path) -> None:
    assert [*re.findall(r"<h2>\d+\. (.*?)</h2>", html)] == list(SECTIONS)
    assert not re.search(r"cannot be computed|There is none", html)
    card = (full / "model-card.md").read_text()
    assert re.findall("^## (.*)$", card, re.MULTILINE) == list(CARD_SECTIONS)


def test_the_numbers_are_those_in_the_store(html: str, full: Path, trained_home: Path) -> None:
    card = (full / "model-card.md").read_text()
    metadata = [stored_metadata(trained_home, model) for model in MODELS]
    estimates = [f"{found['accuracy']['blocked']:.4f}" for found in metadata]
    assert row_of(html, "Accuracy, held-out blocks (the estimate)") == estimates
    assert f"| Accuracy, held-out blocks of the training | {' | '.join(estimates)} |" in card
    for model, found in zip(MODELS, metadata, strict=True):
        accuracy, balanced, f1, error = (
            f"{found[name]['test']:.4f}"
            for name in ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error")
        )
        interval = " to ".join(f"{end:.4f}" for end in found["interval"]["test"])
        told = row_of(html, model.title)
        assert interval in told[1:3]
        assert [told[0], *told[3:]] == [accuracy, balanced, f1, error]
        assert f"| {model.title} | {accuracy} | {interval} | {balanced} | {f1} | {error} |" in card
    assert row_of(html, "Clock")[0] == f"{metadata[0]['clock']['accuracy']:.4f}"
    assert row_of(html, "Guessing")[0] == f"{metadata[0]['commonest_class']['test']:.4f}"
    assert row_of(html, "Preprocessing") == [found["preprocessing"] for found in metadata]
    assert row_of(html, "Temperature") == [f"{found['temperature']:.3f}" for found in metadata]
    for file, heading in (("train.csv", "Training"), ("test.json", "Test")):
        digest = hashlib.sha256((DATA / file).read_bytes()).hexdigest()
        assert row_of(html, heading) == [file, "1,300", "26", digest]
        assert digest in card
    for model in MODELS:
        tag = f"{model.name}:{latest_entry(trained_home, model).name}"
        assert tag in html
        assert tag in card


def test_the_models_agree_as_often_as_the_report_says(html: str, trained_home: Path) -> None:
    test = read_recording(DATA / "test.json")
    first, second = (
        Scorer.load((latest_entry(trained_home, model) / SCORER_FILE).read_bytes()).predict(
            test.features
        )
        == test.labels
        for model in MODELS
    )
    counts = [[int((a & b).sum()) for b in (second, ~second)] for a in (first, ~first)]
    for title, row in zip(("LDA right", "LDA wrong"), counts, strict=True):
        assert row_of(html, title) == [f"{number:,}" for number in row]


def test_a_comparison_that_fails_ends_in_one_sentence(small: Path) -> None:
    html = (small / "report.html").read_text()
    assert [*re.findall(r"<h2>\d+\. (.*?)</h2>", html)] == list(SECTIONS)
    text = text_of(html)
    for sentence in (
        "There is none here: the first halves have no more rows than there are letters.",
        "8 of its 12 rows cannot be labelled rightly",
        "This cannot be computed: the first half of each letter’s rows is too little",
        "It cannot be computed here: it takes 5 rows of each letter or more, and D has 2.",
    ):
        assert sentence in text
    assert row_of(html, "Accuracy, held-out blocks (the estimate)") == ["–", "–"]


def test_a_hostile_file_name_is_text(small: Path) -> None:
    html = (small / "report.html").read_text()
    assert "<img" not in html
    assert HOSTILE in unescape(html)
    assert f"`` {HOSTILE} ``" in (small / "model-card.md").read_text()


def test_a_file_name_that_is_no_text_is_made_text() -> None:
    recording = replace(read_recording(DATA / "train.csv"), path=Path("x/\udcff\n\u202e.csv"))
    file_name(recording).encode()
    assert file_name(recording).isprintable()


@pytest.mark.parametrize("name", ["report.html", "model-card.md"])
def test_nothing_refers_to_another_host_or_tells_of_this_machine(
    small: Path, full: Path, name: str
) -> None:
    for folder in (small, full):
        text = (folder / name).read_text()
        assert not re.search(r"https?:|//[a-z]", re.sub(r'base64,[^"]*', "", text))
        assert str(Path.home()) not in text
        assert str(small.parent) not in text
        assert str(DATA) not in text
        links = re.findall(r'(?:href|src)="([^"]*)"|\]\(([^)]*)\)', text)
        assert {a or b for a, b in links if not re.match("#|data:", a)} <= {
            "report.html",
            "model-card.md",
        }


def test_the_report_is_small_and_nothing_else_is_in_its_folder(full: Path) -> None:
    assert {path.name for path in full.iterdir()} == {"report.html", "model-card.md"}
    assert (full / "report.html").stat().st_size < 1_500_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_it_without_complaint_and_anyone_can_read_it(
    browser: Browser, full: Path, scheme: str, width: int
) -> None:
    with watched(
        browser, "file://", color_scheme=scheme, viewport={"width": width, "height": 900}
    ) as page:
        page.goto((full / "report.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", back)[:3])) > 3 * 128
        assert light is (scheme == "light")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: scalp.scalp_map(ELECTRODES, np.arange(32.0), 32, "places"),
        lambda: scalp.colour_bar(1, "bits"),
        lambda: scalp.electrode_key(ELECTRODES),
    ],
)
def test_a_figure_is_the_same_each_time(draw: Callable[[], str | list[str]]) -> None:
    assert draw() == draw()


def test_no_stand_in_for_a_colour_is_left_and_ids_are_used_once(html: str) -> None:
    assert not re.search(r"#0([1-9])0\1", re.sub(r'base64,[^"]*', "", html))
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))


def test_a_scalp_map_is_strongest_where_the_value_is() -> None:
    values = np.zeros(len(ELECTRODES))
    values[ELECTRODES.index("Oz")] = 1
    field = scalp.interpolate(ELECTRODES, values)
    row, column = np.unravel_index(field.argmax(), field.shape)
    # The first row is at the inion.
    assert row < 0.2 * len(field)
    assert column == pytest.approx(len(field) / 2, abs=2)
    assert field.min() >= 0


@pytest.mark.parametrize("text", ["plain.csv", "`", "a``b", "`x`"])
def test_a_code_span_holds_any_text(text: str) -> None:
    fence, inside = re.fullmatch(r"(`+)(.*?)\1", code(text), re.DOTALL).groups()  # type: ignore[union-attr]
    assert fence not in inside
    assert inside.strip() == text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (seconds(5.4321e-6), "5.43 µs"),
        (seconds(0.00054321), "0.543 ms"),
        (seconds(13.14), "13.1 s"),
        (seconds(1234.5), "1,234 s"),
        (size(48_300), "48.3 kB"),
        (size(321_400_000), "321 MB"),
        (size(2_500_000_000), "2,500 MB"),
    ],
)
def test_durations_and_sizes_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected.replace(" ", "\N{NO-BREAK SPACE}")
