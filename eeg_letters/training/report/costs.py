"""Costs of a trained model: time, memory and file sizes."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from functools import partial
from statistics import median
from timeit import repeat

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.scoring.store import PIPELINE_FILE, SCORER_FILE
from eeg_letters.training.finishing import TrainedModel
from eeg_letters.training.saving import Entry

MANY_ROWS = 1000
_TURNS = 200, 10


@dataclass(frozen=True)
class Cost:
    """Costs of one model.

    Attributes
    ----------
    fit_seconds : float
        Time of the fit to the whole training recording.
    epochs : int or None
        Of the perceptron; None for discriminant analysis, which has none.
    pipeline_bytes, scorer_bytes : int
        Sizes of the stored files.
    row_seconds, rows_seconds : float
        Median time to score one row, and `MANY_ROWS` rows at once, on one thread.
    """

    fit_seconds: float
    epochs: int | None
    pipeline_bytes: int
    scorer_bytes: int
    row_seconds: float
    rows_seconds: float


def measure_cost(trained: TrainedModel, entry: Entry, features: Floats) -> Cost:
    """Measure a model on this machine; `features` are rows to score, (n_rows, n_features)."""
    classifier = trained.pipeline[-1]
    many = np.resize(features, (MANY_ROWS, features.shape[1]))
    with threadpool_limits(1):
        row, rows = (
            _seconds(trained.scorer, powers, turns)
            for powers, turns in zip((many[0], many), _TURNS, strict=True)
        )
    return Cost(
        trained.fit_seconds,
        int(classifier.n_iter_) if isinstance(classifier, MLPClassifier) else None,
        len(entry.files[PIPELINE_FILE]),
        len(entry.files[SCORER_FILE]),
        row,
        rows,
    )


def peak_memory() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _seconds(scorer: Scorer, powers: Floats, turns: int) -> float:
    return median(repeat(partial(scorer.predict_proba, powers), number=1, repeat=turns))
