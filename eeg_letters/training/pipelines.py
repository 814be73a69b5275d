"""Pipelines: preprocessing and classifier, unfitted, and how they are fitted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, TextIO, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from threadpoolctl import threadpool_limits

from eeg_letters.models import LDA, MLP, Model
from eeg_letters.recordings.recording import Recording
from eeg_letters.training.epochs import quick_epochs

MAX_ITERATIONS = 1000


def build_pipeline(model: Model, preprocessing: str) -> Pipeline:
    """Unfitted pipeline of a model: preprocessing of each row by itself, then the classifier.

    Parameters
    ----------
    model : Model
        Which of the models.
    preprocessing : str
        ``"log1p"`` takes the logarithm of one plus each feature, ``"l2"`` scales a row to unit
        length, ``"standardise"`` subtracts each feature's mean and divides by its standard
        deviation; the names of `eeg_letters.scoring.scorer.PREPROCESSING`.

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    transformers = {
        "l2": lambda: Normalizer(norm="l2"),
        "log1p": lambda: FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
        "standardise": lambda: StandardScaler(),
    }
    classifiers = {
        LDA: lambda: LinearDiscriminantAnalysis(),
        MLP: lambda: MLPClassifier(
            hidden_layer_sizes=(500,),
            activation="relu",
            solver="adam",
            alpha=1e-4,
            max_iter=MAX_ITERATIONS,
            random_state=0,
        ),
    }
    return Pipeline(
        [(preprocessing, transformers[preprocessing]()), ("classify", classifiers[model]())]
    )


def to_frame(recording: Recording) -> pd.DataFrame:
    """Features of a recording with named columns, shape (n_rows, n_features)."""
    return pd.DataFrame(recording.features, columns=list(recording.schema.features.names))


def fit(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    labels: NDArray[Any],
    on_epoch: Callable[[int, float], None],
) -> None:
    """Fit a pipeline in place.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        From `build_pipeline`.
    frame : pandas.DataFrame of float64, shape (n_rows, n_features)
        From `to_frame`.
    labels : ndarray of int64 or text, shape (n_rows,)
        Labels, of at least two classes.
    on_epoch : callable
        Told the number of each epoch of the perceptron and its loss.

    Raises
    ------
    ValueError, numpy.linalg.LinAlgError
        When there is nothing to learn from in the rows.
    """
    classifier = pipeline[-1]
    verbose = {"verbose": True} if isinstance(classifier, MLPClassifier) else {}
    # One thread: the sums, and so the fitted numbers to the last bit, depend on how many there are.
    with (
        threadpool_limits(1),
        quick_epochs(),
        redirect_stdout(cast(TextIO, _EpochLines(on_epoch))),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        # On Ctrl-C, MLPClassifier.fit warns and returns a half-fitted model.
        warnings.filterwarnings("error", message="Training interrupted", category=UserWarning)
        try:
            classifier.set_params(**verbose)
            pipeline.fit(frame, labels)
        except UserWarning:
            raise KeyboardInterrupt from None
        finally:
            classifier.set_params(**dict.fromkeys(verbose, False))


class _EpochLines:
    """Reads the progress that a verbose MLPClassifier prints; it has no callback."""

    def __init__(self, on_epoch: Callable[[int, float], None]) -> None:
        self._on_epoch = on_epoch

    def write(self, text: str) -> int:
        if match := re.match(r"Iteration (\d+), loss = ([\d.]+)", text):
            self._on_epoch(int(match[1]), float(match[2]))
        return len(text)

    def flush(self) -> None: ...
