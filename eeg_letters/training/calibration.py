"""Calibration of probabilities, by temperature scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from eeg_letters.scoring.scorer import Floats

# Held-out rows of the same session can show that a model is overconfident, but not that it would be
# underconfident in another session.
LEAST = 1.0
MOST = 1000.0


def fit_temperature(logits: Floats, classes: NDArray[np.int64]) -> float:
    """The temperature that minimises the log loss of held-out rows.

    Parameters
    ----------
    logits : ndarray of float64, shape (n_rows, n_classes)
        Of rows that the model was not fitted to.
    classes : ndarray of int64, shape (n_rows,)
        Column of each row's true class.

    Returns
    -------
    float
        What to divide logits by, 1 or more.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    rows = np.arange(len(classes))

    def log_loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(scaled[rows, classes].mean())

    found = minimize_scalar(log_loss, bounds=np.log([LEAST, MOST]), method="bounded")
    return float(np.exp(found.x))


def calibrate(pipeline: Pipeline, temperature: float) -> None:
    """Divide a fitted pipeline's logits by a temperature; its labels stay as they are.

    The temperature becomes part of the classifier's last layer, so that whatever opens the
    pipeline gets calibrated probabilities from scikit-learn alone.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        From `eeg_letters.training.pipelines.build_pipeline`, fitted.
    temperature : float
        From `fit_temperature`.
    """
    classifier = pipeline[-1]
    if isinstance(classifier, MLPClassifier):
        # Not in place: a scorer compiled before shares these arrays.
        classifier.coefs_[-1] = classifier.coefs_[-1] / temperature
        classifier.intercepts_[-1] = classifier.intercepts_[-1] / temperature
    else:
        classifier.coef_ = classifier.coef_ / temperature
        classifier.intercept_ = classifier.intercept_ / temperature
