"""Quick epochs, against scikit-learn's own."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from eeg_letters.models import MLP
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from eeg_letters.training import epochs, pipelines

# Of 1,300, in blocks of a class: all; some of each; two classes alone.
ROWS: dict[str, slice] = {"all": slice(None), "some": slice(None, None, 9), "two": slice(100)}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("preprocessing", ["log1p", "l2", "standardise"])
def test_a_fit_is_the_same_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, rows: str, preprocessing: str
) -> None:
    recording = read_recording(DATA / "train.csv")
    frame, labels = pipelines.to_frame(recording)[ROWS[rows]], recording.labels[ROWS[rows]]
    monkeypatch.setattr(pipelines, "MAX_ITERATIONS", 20)

    def fitted(context: Callable[[], Any]) -> bytes:
        monkeypatch.setattr(pipelines, "quick_epochs", context)
        pipeline = pipelines.build_pipeline(MLP, preprocessing)
        pipelines.fit(pipeline, frame, labels, lambda *_: None)
        assert len(pipeline.classes_) == len(np.unique(labels))
        return pickle.dumps(pipeline)

    assert fitted(epochs.quick_epochs) == fitted(nullcontext)
