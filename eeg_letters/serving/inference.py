"""Inference: both models and the stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.schema import LETTERS
from eeg_letters.scoring.scorer import Floats
from eeg_letters.scoring.store import StoredModel, load_model
from eeg_letters.settings import Settings


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model predicts for some rows.

    Attributes
    ----------
    title : str
        The model's title.
    labels : list of int
        The likeliest label of each row.
    probabilities : ndarray of float64, shape (n_rows, 26)
        Of each letter; zero for those that the model was not trained on.
    """

    title: str
    labels: list[int]
    probabilities: Floats


@dataclass(frozen=True)
class Inference:
    """Answers about stored rows and about rows of a client's own.

    Attributes
    ----------
    models : sequence of StoredModel
        Every model that answers, in the order of the answers.
    lines : dict of int to bytes
        Each stored row by its line number, as JSON.
    rows : dict of int to ndarray of float64, shape (160,)
        The band powers of each stored row by its line number.
    truth : ndarray of int64, shape (n_rows,)
        The letter thought of in each stored row, in the order of `rows`; 0 is A.
    labels : dict of str to ndarray of int64, shape (n_rows,)
        What each model predicts for each stored row, by its title.
    """

    models: Sequence[StoredModel]
    lines: dict[int, bytes]
    rows: dict[int, Floats]
    truth: NDArray[np.int64]
    labels: dict[str, NDArray[np.int64]]

    @property
    def score(self) -> dict[str, float]:
        """Accuracy of each model over all stored rows."""
        return {
            f"Score {title}": float(np.mean(labels == self.truth))
            for title, labels in self.labels.items()
        }

    def line(self, line: int) -> dict[str, Any]:
        """Stored row, as the recording has it.

        Raises
        ------
        KeyError
            When no stored row has that line number.
        """
        row: dict[str, Any] = orjson.loads(self.lines[line])
        return row

    def prediction(self, line: int) -> dict[str, int]:
        """Label that each model gives a stored row.

        Raises
        ------
        KeyError
            When no stored row has that line number.
        """
        row = self.rows[line]
        return {
            f"prediction {stored.model.title}": int(stored.scorer.predict(row))
            for stored in self.models
        }

    def predict(self, rows: Floats) -> list[Prediction]:
        """Label and probabilities that each model gives each row.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, 160)
            Finite band powers.

        Returns
        -------
        list of Prediction
            One a model.
        """
        return [_predict(stored, rows) for stored in self.models]


def load_inference(settings: Settings) -> Inference:
    """Load both models and the stored rows, and make sure that they work.

    Raises
    ------
    eeg_letters.errors.UserError
        When a model or the recording cannot be used; the message says what to do.
    """
    models = [load_model(model) for model in MODELS]
    recording = read_recording(settings.test_data)
    return Inference(
        models,
        recording.rows,
        dict(zip(recording.rows, recording.band_powers, strict=True)),
        recording.letters,
        {stored.model.title: stored.scorer.predict(recording.band_powers) for stored in models},
    )


def _predict(stored: StoredModel, rows: Floats) -> Prediction:
    # One row by itself takes half the time of a batch of one.
    alone = len(rows) == 1
    probabilities = stored.scorer.predict_proba(rows[0] if alone else rows)
    if alone:
        probabilities = probabilities[np.newaxis]
    if len(stored.scorer.classes) != len(LETTERS):
        by_letter = np.zeros((len(rows), len(LETTERS)))
        by_letter[:, stored.scorer.classes] = probabilities
        probabilities = by_letter
    return Prediction(stored.model.title, probabilities.argmax(axis=1).tolist(), probabilities)
