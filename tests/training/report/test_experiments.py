"""What the report finds out beyond training, against other ways to find it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score

from eeg_letters.models import LDA
from eeg_letters.recordings.recording import Recording
from eeg_letters.training.fitting import train
from eeg_letters.training.pipelines import build_pipeline
from eeg_letters.training.report.experiments import Experiments, experiment
from tests.shipped import BANDS, COLUMNS, ELECTRODES, FEATURES, SCHEMA

ROWS = 24
TELLING = "Pz/alpha"


def recorded(seed: int) -> Recording:
    """Four letters that one feature tells apart, letter after letter."""
    rng = np.random.default_rng(seed)
    letters = np.repeat(np.arange(4), ROWS)
    powers = rng.lognormal(0, 0.3, (len(letters), len(FEATURES)))
    powers[:, FEATURES.index(TELLING)] *= 20.0 ** (letters - 1)
    rows = dict.fromkeys(range(len(letters)), b"")
    path = Path("simulated.csv")
    return Recording(path, "", SCHEMA, COLUMNS, (), "# Letter", rows, letters, powers)


@pytest.fixture(scope="module")
def training() -> Recording:
    return recorded(0)


@pytest.fixture(scope="module")
def found(training: Recording) -> tuple[Experiments, list[tuple[int, int]]]:
    """Experiments with LDA, and how they were counted."""
    counted: list[tuple[int, int]] = []
    test = recorded(1)
    trained = train(LDA, training, test, "log1p", lambda *_: None)
    return experiment([trained], training, test, lambda *args: counted.append(args)), counted


def test_every_job_is_counted(found: tuple[Experiments, list[tuple[int, int]]]) -> None:
    _, counted = found
    assert counted == [(done, len(counted)) for done in range(1, len(counted) + 1)]


def test_shuffled_folds_give_the_accuracy_of_scikit_learns_cross_validation(
    found: tuple[Experiments, list[tuple[int, int]]], training: Recording
) -> None:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    pipeline = build_pipeline(LDA, "log1p")
    scores = cross_val_score(pipeline, training.features, training.labels, cv=folds)
    sizes = [len(held_out) for _, held_out in folds.split(training.features, training.labels)]
    assert found[0].shuffled[LDA].accuracy == pytest.approx(np.average(scores, weights=sizes))


def test_a_point_of_the_learning_curve_is_a_fit_to_the_first_rows_of_each_letter(
    found: tuple[Experiments, list[tuple[int, int]]], training: Recording
) -> None:
    points = found[0].learning[LDA]
    assert [point.rows_per_class for point in points] == [3, 5, 8, 10, 12, 24]
    place = np.arange(len(training)) % ROWS
    first, held_out = place < 8, place >= ROWS // 2
    pipeline = build_pipeline(LDA, "log1p").fit(training.features[first], training.labels[first])
    test = recorded(1)
    point = points[2]
    assert point.held_out is not None
    assert point.held_out.accuracy == pipeline.score(
        training.features[held_out], training.labels[held_out]
    )
    assert point.test.accuracy == pipeline.score(test.features, test.labels)
    assert points[-1].held_out is None


def test_the_informative_feature_is_the_most_important(
    found: tuple[Experiments, list[tuple[int, int]]],
) -> None:
    importance = found[0].importance[LDA]
    electrode, band = TELLING.split("/")
    places = ELECTRODES.index(electrode), BANDS.index(band)
    assert importance.features.argmax() == FEATURES.index(TELLING)
    assert importance.electrodes.argmax() == places[0]
    assert importance.bands.argmax() == places[1] == importance.band_accuracies.argmin()
    assert importance.whole.accuracy > importance.band_accuracies.min() + 0.3


def test_what_cannot_be_found_out_is_left_out(training: Recording) -> None:
    first = np.arange(len(training)) % ROWS < 2
    few = replace(
        training,
        rows=dict.fromkeys(range(8), b""),
        labels=training.labels[first],
        features=training.features[first],
    )
    strangers = replace(training, labels=training.labels + 10)
    trained = train(LDA, few, strangers, "log1p", lambda *_: None)
    found = experiment([trained], few, strangers, lambda *_: None)
    assert found == Experiments({}, {}, {})
