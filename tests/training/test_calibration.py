"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from eeg_letters.models import LDA, MLP, Model
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.settings import DATA
from eeg_letters.training.calibration import calibrate, fit_temperature
from eeg_letters.training.pipelines import build_pipeline, fit, to_frame
from eeg_letters.training.recipes import Recipe


@pytest.mark.parametrize("temperature", [1.0, 3.0, 20.0])
def test_the_temperature_that_the_labels_were_drawn_at_is_found(temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = 3 * temperature * rng.standard_normal((20_000, 5))
    probabilities = softmax(logits / temperature, axis=1)
    classes = (probabilities.cumsum(axis=1) < rng.random((len(logits), 1))).sum(axis=1)
    assert fit_temperature(logits, classes) == pytest.approx(temperature, rel=0.05)


def test_a_model_is_never_made_surer() -> None:
    logits = np.random.default_rng(0).standard_normal((50, 4))
    assert fit_temperature(logits, logits.argmax(axis=1)) == pytest.approx(1, abs=1e-4)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return read_recording(DATA / "train.csv")


@pytest.mark.parametrize("n_letters", [2, 3])
@pytest.mark.parametrize("model", [LDA, MLP], ids=lambda model: model.name)
def test_probabilities_get_flatter_and_labels_stay(
    recording: Recording, model: Model, n_letters: int
) -> None:
    rows = (recording.labels < n_letters) & (np.arange(len(recording)) % 5 == 0)
    frame = to_frame(recording.schema.features, recording.features)
    pipeline = build_pipeline(model, Recipe("log1p"), 1.0)
    fit(pipeline, frame[rows], recording.labels[rows], lambda *_: None)
    labels, log_before = pipeline.predict(frame), pipeline.predict_log_proba(frame)
    calibrate(pipeline, 4.0)
    np.testing.assert_array_equal(pipeline.predict(frame), labels)
    sound = np.isfinite(log_before).all(axis=1)
    assert sound.sum() > 100
    expected = softmax(log_before[sound] / 4.0, axis=1)
    np.testing.assert_allclose(pipeline.predict_proba(frame)[sound], expected, atol=1e-9)
