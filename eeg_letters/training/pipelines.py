"""Pipelines: preprocessing and classifier, unfitted, and how they are fitted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
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
from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import LARGEST_PRODUCT, SMALLEST_FACTOR, Floats
from eeg_letters.training.recipes import Recipe

MAX_ITERATIONS = 1000
SCALE = "scale"
# Medians above it, or below one over it, are taken for it.
_MOST_FACTOR = 1 / SMALLEST_FACTOR


def build_pipeline(model: Model, recipe: Recipe, factor: float) -> Pipeline:
    """Unfitted pipeline of a model: preprocessing of each row by itself, then the classifier.

    Parameters
    ----------
    model : Model
        Which of the models.
    recipe : Recipe
        With the preprocessing ``"log1p"`` it takes the logarithm of one plus each feature, with
        ``"l2"`` it scales a row to unit length, with ``"standardise"`` it subtracts each feature's
        mean and divides by its standard deviation.
    factor : float
        From `find_factor`; what ``"log1p"`` and ``"l2"`` multiply features by first.

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    # A function of NumPy, so that whatever opens the pipeline needs scikit-learn alone.
    names = {"feature_names_out": "one-to-one"}
    most = FunctionTransformer(partial(np.minimum, LARGEST_PRODUCT / max(factor, 1)), **names)
    scale = FunctionTransformer(partial(np.multiply, factor), **names)
    steps: dict[str, list[Any]] = {
        "log1p": [most, scale, FunctionTransformer(np.log1p, **names)],
        "l2": [most, scale, Normalizer(norm="l2")],
        "standardise": [StandardScaler()],
    }
    classifiers = {
        LDA: lambda: (
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            if recipe.shrinkage
            else LinearDiscriminantAnalysis()
        ),
        MLP: lambda: MLPClassifier(
            hidden_layer_sizes=(500,),
            activation="relu",
            solver="adam",
            alpha=1e-4,
            max_iter=MAX_ITERATIONS,
            random_state=0,
        ),
    }
    *first, last = steps[recipe.preprocessing]
    return Pipeline(
        [
            *zip(("most", SCALE), first, strict=False),
            (recipe.preprocessing, last),
            ("classify", classifiers[model]()),
        ]
    )


def factor_of(pipeline: Pipeline) -> float:
    """The factor that a pipeline was built with; 1 where it multiplies by none."""
    scale = pipeline.named_steps.get(SCALE)
    return 1.0 if scale is None else float(scale.func.args[0])


def preprocessing_of(pipeline: Pipeline) -> str:
    """The preprocessing that a pipeline was built with."""
    name: str = pipeline.steps[-2][0]
    return name


def find_factor(powers: Floats) -> float:
    """One over the median of band powers; those that are zero do not count, nor do extremes.

    Parameters
    ----------
    powers : ndarray of float64, shape (n_rows, n_features)
        Of a training.
    """
    above = powers[powers > 0]
    with np.errstate(over="ignore"):
        median = float(np.median(above)) if above.size else 1.0
    return 1 / min(max(median, 1 / _MOST_FACTOR), _MOST_FACTOR)


def to_frame(features: Features, values: Floats) -> pd.DataFrame:
    """Values of features with named columns, shape (n_rows, n_features)."""
    return pd.DataFrame(values, columns=list(features.names))


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
        redirect_stdout(cast(TextIO, _EpochLines(on_epoch))),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A caution tells of classes with one row, once; shrinkage would in each fit.
        warnings.filterwarnings("ignore", message="Only one sample", category=UserWarning)
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
