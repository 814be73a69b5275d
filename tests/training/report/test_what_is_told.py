"""What terminal, report and card tell of recordings that mislead."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eeg_letters.labels import LETTERS
from eeg_letters.models import LDA
from tests.conftest import run_train, stored_metadata

FEATURES = [f"{name}/{band}" for name in ("Cz", "Pz", "Oz") for band in ("theta", "alpha")]
CLASSES = 12
ROWS = 10

Session = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def only_time(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Letter after letter, in one order; powers drift, and no letter has any of its own."""
    labels = np.repeat(np.arange(CLASSES), ROWS)
    elapsed = np.linspace(0, 1, len(labels))[:, np.newaxis]
    drift = elapsed * np.linspace(-3, 3, len(FEATURES))
    return labels, np.exp(drift + rng.normal(0, 0.2, (len(labels), len(FEATURES))))


def only_class(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Letters interleaved at random; each has powers of its own, and nothing drifts."""
    labels = rng.permutation(np.repeat(np.arange(CLASSES), ROWS))
    centres = np.random.default_rng(0).normal(0, 1, (CLASSES, len(FEATURES)))
    return labels, np.exp(centres[labels] + rng.normal(0, 0.2, (len(labels), len(FEATURES))))


def noise(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Nine tenths of the rows are of one letter, and powers tell nothing."""
    labels = (np.arange(120) % 10 == 0).astype(int)
    return labels, np.exp(rng.normal(0, 1, (len(labels), len(FEATURES))))


def write(path: Path, session: Session, seed: int, unit: float = 1.0) -> Path:
    labels, powers = session(np.random.default_rng(seed))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["# Letter", *FEATURES])
        for label, row in zip(labels.tolist(), (unit * powers).tolist(), strict=True):
            writer.writerow([label, *row])
    return path


def trained(folder: Path, session: Session) -> tuple[str, str, str]:
    """What terminal, report and card tell of two sessions."""
    finished = run_train(
        folder,
        *("--train", str(write(folder / "first.csv", session, 1))),
        *("--test", str(write(folder / "second.csv", session, 2))),
    )
    assert finished.returncode == 0, finished.stderr
    return told(folder, finished.stdout)


def told(folder: Path, printed: str) -> tuple[str, str, str]:
    (report,) = folder.glob("reports/*/report.html")
    lead = re.search(r'<p class="lead">(.*?)</p>', report.read_text(), re.DOTALL)
    assert lead is not None
    first_paragraph = html.unescape(re.sub("<.*?>", "", lead[1]))
    card = report.with_name("model-card.md").read_text()
    return tuple(" ".join(text.split()) for text in (printed, first_paragraph, card))  # type: ignore[return-value]


def test_where_only_time_tells_the_letter_the_first_paragraph_says_so(tmp_path: Path) -> None:
    for text in trained(tmp_path, only_time):
        assert "The time of recording tells much of the letter." in text
        assert "Record the letters interleaved at random" in text
    clock = stored_metadata(tmp_path, LDA)["clock"]
    assert clock["tells_the_class"]
    assert clock["accuracy"] > 0.3


def test_where_only_the_letter_tells_there_is_no_such_warning(tmp_path: Path) -> None:
    for text in trained(tmp_path, only_class):
        assert "The time of recording" not in text
    metadata = stored_metadata(tmp_path, LDA)
    assert metadata["accuracy"]["test"] > 0.8
    assert not metadata["clock"]["tells_the_class"]
    assert metadata["clock"]["accuracy"] < 0.2


def test_noise_with_a_common_letter_is_no_better_than_guessing(tmp_path: Path) -> None:
    for text in trained(tmp_path, noise):
        for title in ("LDA", "Neural Network"):
            assert f"{title} is no better than guessing: 0." in text
        assert "always saying A would be 0.900 right" in text
    metadata = stored_metadata(tmp_path, LDA)
    assert metadata["commonest_class"]["test"] == pytest.approx(0.9)
    assert not metadata["better_than_guessing"]["test"]
    assert metadata["balanced_accuracy"]["test"] < 0.7


def test_rows_of_the_training_classes_of_one_side_and_other_units_are_told(tmp_path: Path) -> None:
    first = write(tmp_path / "first.csv", only_class, 1)
    other_unit = write(tmp_path / "volts.csv", only_class, 2, 1e-12)
    some = tmp_path / "some.csv"
    some.write_text(
        "\n".join(line for line in first.read_text().splitlines() if not line.startswith("11,"))
    )
    finished = run_train(tmp_path, "--train", str(first), "--test", str(some), str(other_unit))
    assert finished.returncode == 0, finished.stderr
    printed, _, card = told(tmp_path, finished.stdout)
    rows = (CLASSES - 1) * ROWS
    for text in (printed, card):
        assert f"{rows} of {rows} test rows of" in text
        assert "some.csv are also training rows" in text
        assert "The scales of the recordings differ more than 10-fold" in text
    for name in ("first.csv", "some.csv", "volts.csv"):
        assert name in card
    assert str(tmp_path) not in card
    letter = LETTERS.names[CLASSES - 1]
    only = run_train(tmp_path / "other", "--train", str(first), "--test", str(some))
    assert f"Only the training has the letter {letter}" in " ".join(only.stdout.split())
