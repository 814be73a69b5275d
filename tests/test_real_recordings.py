"""The models on the real recordings, which are not part of this repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eeg_letters.compiler import check_scorer, compile_pipeline
from eeg_letters.models import LDA, MLP
from eeg_letters.pipelines import build_pipeline, fit, to_frame
from eeg_letters.recordings import Recording, read_recording
from eeg_letters.training import TrainedModel, check_trainable, train
from tests.conftest import real_recordings

LINE = 232


@pytest.fixture(scope="module")
def folder() -> Path:
    return real_recordings()


@pytest.fixture(scope="module")
def training(folder: Path) -> Recording:
    return read_recording(folder / "train.csv")


@pytest.fixture(scope="module")
def testing(folder: Path) -> Recording:
    return read_recording(folder / "test.json")


@pytest.fixture(scope="module")
def lda(training: Recording, testing: Recording) -> TrainedModel:
    return train(LDA, training, testing, lambda *_: None)


def test_both_recordings_can_be_trained_on(training: Recording, testing: Recording) -> None:
    for recording in (training, testing):
        check_trainable(recording)
        assert list(recording.rows) == list(range(1300))
        np.testing.assert_array_equal(recording.letters, np.repeat(np.arange(26), 50))


def test_the_csv_and_the_json_are_the_same_recording(folder: Path, testing: Recording) -> None:
    from_csv = read_recording(folder / "test.csv")
    np.testing.assert_array_equal(from_csv.letters, testing.letters)
    np.testing.assert_array_equal(from_csv.band_powers, testing.band_powers)


def test_lda_labels_as_many_rows_rightly_as_when_it_was_measured(lda: TrainedModel) -> None:
    assert lda.test_accuracy == pytest.approx(0.6915, abs=0.002)
    assert lda.blocked_accuracy == pytest.approx(0.77, abs=0.01)


def test_lda_labels_the_example_row_as_when_it_was_measured(
    lda: TrainedModel, testing: Recording
) -> None:
    row = testing.band_powers[list(testing.rows).index(LINE)]
    assert int(lda.scorer.predict(row)) == 3
    assert testing.letters[LINE] == 4


def test_the_neural_network_labels_as_many_rows_rightly_as_when_it_was_measured(
    training: Recording, testing: Recording
) -> None:
    pipeline = build_pipeline(MLP)
    fit(pipeline, to_frame(training), training.letters, lambda *_: None)
    scorer = compile_pipeline(pipeline)
    check_scorer(scorer, pipeline, testing)
    accuracy = np.mean(scorer.predict(testing.band_powers) == testing.letters)
    assert accuracy == pytest.approx(0.66, abs=0.02)
