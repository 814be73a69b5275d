"""The models on the real recordings, which are not part of this repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eeg_letters.models import LDA, MLP
from eeg_letters.recordings.recording import read_recording
from eeg_letters.training.checks import check_trainable
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.finishing import TrainedModel, train
from eeg_letters.training.recipes import AUTO, Recipe
from tests.conftest import real_recordings

LINE = 232


@pytest.fixture(scope="module")
def folder() -> Path:
    return real_recordings()


@pytest.fixture(scope="module")
def training(folder: Path) -> Dataset:
    return Dataset((read_recording(folder / "train.csv"),))


@pytest.fixture(scope="module")
def testing(folder: Path) -> Dataset:
    return Dataset((read_recording(folder / "test.json"),))


def silent(*_: object) -> None:
    """A progress that nobody watches."""


@pytest.fixture(scope="module")
def lda(training: Dataset, testing: Dataset) -> TrainedModel:
    return train(LDA, training, testing, AUTO, silent)


@pytest.fixture(scope="module")
def mlp(training: Dataset, testing: Dataset) -> TrainedModel:
    return train(MLP, training, testing, "log1p", silent)


def test_both_recordings_can_be_trained_on(training: Dataset, testing: Dataset) -> None:
    for dataset in (training, testing):
        check_trainable(dataset)
        (recording,) = dataset.recordings
        assert list(recording.rows) == list(range(1300))
        np.testing.assert_array_equal(recording.labels, np.repeat(np.arange(26), 50))


def test_the_csv_and_the_json_are_the_same_recording(folder: Path, testing: Dataset) -> None:
    from_csv = read_recording(folder / "test.csv")
    np.testing.assert_array_equal(from_csv.labels, testing.labels)
    np.testing.assert_array_equal(from_csv.features, testing.features)


def test_the_recipe_of_the_write_ups_scores_what_it_scored_when_it_was_measured(
    training: Dataset, testing: Dataset
) -> None:
    trained = train(LDA, training, testing, "l2", silent)
    assert trained.test.accuracy == pytest.approx(0.6915, abs=0.002)
    assert trained.estimate is not None
    assert trained.estimate.accuracy == pytest.approx(0.77, abs=0.01)
    assert trained.test.labels[LINE] == 3
    assert testing.labels[LINE] == 4


def test_the_estimate_chooses_logarithms_and_the_goals_are_met(
    lda: TrainedModel, mlp: TrainedModel
) -> None:
    assert lda.chosen.recipe == Recipe("log1p")
    assert lda.test.accuracy >= 0.74
    assert mlp.test.accuracy >= 0.66


def test_calibration_helps_on_the_other_recording(lda: TrainedModel, mlp: TrainedModel) -> None:
    errors = {
        trained.model: (
            trained.uncalibrated_test.calibration().error,
            trained.test.calibration().error,
        )
        for trained in (lda, mlp)
    }
    # Half as much was the goal: see docs/decisions/0009-preprocessing-and-calibration.md.
    assert errors[LDA][1] < 0.55 * errors[LDA][0]
    assert errors[MLP][1] < 0.75 * errors[MLP][0]
