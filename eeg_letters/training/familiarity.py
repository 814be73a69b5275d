"""Fitting the distance by which a row is found to be unlike those of the training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from threadpoolctl import threadpool_limits

from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.scorer import PREPROCESSING, Floats
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.pipelines import find_factor

# The distance takes the square of this many numbers in memory, and in each request their product
# with a row.
MOST_FEATURES = 1000
# Share of the held-out rows of the training that are found familiar.
USUAL = 0.99
# Of the largest value of a feature, and of the largest variance: less is rounding.
_ROUNDING = 1e-9
_LEAST_VARIANCE = 1e-12


def fit_familiarity(training: Dataset) -> Familiarity | None:
    """Fit the distance to the nearest class, and the limit of what is usual.

    The distance is fitted to the first half of each class's rows in each recording, with the
    covariance of rows within a class pooled over classes and shrunk by Ledoit and Wolf's estimate.
    The limit is of the second halves: rows that the distance was not fitted to.

    Parameters
    ----------
    training : Dataset
        What the models are fitted to.

    Returns
    -------
    Familiarity or None
        None where there are more than `MOST_FEATURES`, or too few rows: it takes two or more of
        some class, and some that are held out.
    """
    first = training.first_rows()
    features = training.schema.features
    if len(features) > MOST_FEATURES or first.all():
        return None
    name = "log1p" if features.are_powers else "standardise"
    factor = find_factor(training.features[first]) if features.are_powers else 1.0
    with threadpool_limits(1):
        fitted = _fit(name, factor, training.features[first], training.labels[first])
        held_out = fitted.distances(training.features[~first])
    limit = float(np.quantile(held_out, USUAL))
    return replace(fitted, limit=limit)


def _fit(name: str, factor: float, rows: Floats, labels: NDArray[np.int64]) -> Familiarity:
    inputs = PREPROCESSING[name](rows, factor)
    spreads, centre = inputs.std(axis=0), inputs.mean(axis=0)
    # A feature that does not differ, but for rounding, tells nothing.
    spreads[spreads <= _ROUNDING * np.abs(inputs).max(axis=0)] = np.inf
    standardised = (inputs - centre) / spreads
    classes, places = np.unique(labels, return_inverse=True)
    means = np.array([standardised[labels == label].mean(axis=0) for label in classes])
    covariance, _ = ledoit_wolf(standardised - means[places], assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    # What never differs within a class has no variance to divide by.
    scale = np.sqrt(np.maximum(values, max(float(values[-1]), 1.0) * _LEAST_VARIANCE))
    whitening = vectors / scale
    weights = whitening / spreads[:, np.newaxis]
    return Familiarity(name, factor, weights, -centre @ weights, means @ whitening, 0.0)
