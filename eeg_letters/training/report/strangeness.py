"""How far rows are from those of the training, by recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from eeg_letters.recordings.recording import Recording
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation


@dataclass(frozen=True)
class Strangeness:
    """Distances of rows to the nearest class.

    Attributes
    ----------
    limit : float
        What is further is far from every class of the training.
    held_out : ndarray of float64, shape (n_held_out,)
        Of training rows that the distance was not fitted to.
    by_recording : tuple of (Recording, ndarray of float64 of shape (n_rows,))
        Of each test recording.
    """

    limit: float
    held_out: Floats
    by_recording: tuple[tuple[Recording, Floats], ...]

    @property
    def test(self) -> Floats:
        """Of all test recordings, shape (n_rows,)."""
        return np.concatenate([distances for _, distances in self.by_recording])

    def beyond(self, distances: Floats) -> float:
        """Share of rows beyond the limit."""
        return float((distances > self.limit).mean())

    def accuracies(self, distances: Floats, of: Evaluation) -> list[float | None]:
        """Accuracy over the rows within the limit and over those beyond; None where none are."""
        within = distances <= self.limit
        return [float(of.right[rows].mean()) if rows.any() else None for rows in (within, ~within)]

    def apart(self, distances: Floats) -> float:
        """Chance that a row is further than a held-out row of the training: the ROC's area."""
        both = np.concatenate([self.held_out, distances])
        return float(roc_auc_score(np.arange(len(both)) >= len(self.held_out), both))


def strangeness(familiarity: Familiarity, training: Dataset, test: Dataset) -> Strangeness:
    """Find how far held-out rows of the training and all rows of the test are."""
    held_out = ~training.first_rows()
    return Strangeness(
        familiarity.limit,
        familiarity.distances(training.features[held_out]),
        tuple(
            (recording, familiarity.distances(recording.features)) for recording in test.recordings
        ),
    )
