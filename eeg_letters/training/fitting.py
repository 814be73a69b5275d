"""Fitting a model to some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from eeg_letters.errors import RecordingError
from eeg_letters.models import Model
from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.training.compiling import compile_pipeline
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.holding_out import Fold
from eeg_letters.training.pipelines import build_pipeline, find_factor, fit, to_frame
from eeg_letters.training.recipes import Recipe


class CannotFit(RecordingError):
    """A model that cannot be fitted to rows.

    Attributes
    ----------
    reason : str
        Why not, without the names of files.
    """

    def __init__(self, training: Dataset, model: Model, reason: str) -> None:
        super().__init__(f"{training.named()}: {model.title} cannot be fitted: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class HeldOut:
    """A model fitted to some rows, and what it says of others.

    Attributes
    ----------
    scorer : Scorer
        Not calibrated.
    logits : ndarray of float64, shape (n_held_out, n_labels)
        Of each of the schema's labels; minus infinity for those that it was not fitted to.
    """

    scorer: Scorer
    logits: Floats


def fit_pipeline(
    model: Model,
    recipe: Recipe,
    training: Dataset,
    rows: NDArray[np.int64],
    on_epoch: Callable[[int, float], None],
) -> Pipeline:
    """Fit a model to some rows of a training.

    Parameters
    ----------
    model : Model
        Which of the models.
    recipe : Recipe
        How it is trained.
    training : Dataset
        Passed by `eeg_letters.training.checks.check_trainable`.
    rows : ndarray of int64, shape (n_fitted,)
        Which of its rows; one that counts more is there more than once.
    on_epoch : callable
        Told the number of each epoch of the perceptron and its loss.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Not calibrated. It can be compiled.

    Raises
    ------
    CannotFit
        When it cannot be fitted to the rows.
    """
    schema = training.schema
    powers = training.features[rows]
    factor = find_factor(powers) if schema.features.are_powers else 1.0
    pipeline = build_pipeline(model, recipe, factor)
    try:
        labels = schema.labels.array[training.labels[rows]]
        fit(pipeline, to_frame(schema.features, powers), labels, on_epoch)
        scorer = compile_pipeline(pipeline, schema.labels)
        if not scorer.weights[-1].any():
            raise IndexError("no weight")
        scorer.check(len(schema.features), len(schema.labels.values), schema.features.are_powers)
    except IndexError:  # scikit-learn's too, where discriminant analysis finds no variance
        raise CannotFit(
            training, model, f"the rows of a {schema.labels.noun} do not differ"
        ) from None
    except (ValueError, np.linalg.LinAlgError) as error:
        raise CannotFit(training, model, " ".join(str(error).split())) from None
    return pipeline


def fit_scorer(model: Model, recipe: Recipe, training: Dataset, rows: NDArray[np.int64]) -> Scorer:
    """Fit a model to some rows of a training, and compile it; all is as of `fit_pipeline`."""
    pipeline = fit_pipeline(model, recipe, training, rows, lambda *_: None)
    return compile_pipeline(pipeline, training.schema.labels)


def fit_fold(training: Dataset, model: Model, recipe: Recipe, fold: Fold) -> HeldOut | str:
    """Fit a model to some rows and score others; why it cannot be fitted, where it cannot."""
    try:
        scorer = fit_scorer(model, recipe, training, fold.fitted)
    except CannotFit as error:
        return error.reason
    logits = np.full((len(fold.held_out), len(training.schema.labels.values)), -np.inf)
    logits[:, scorer.classes] = scorer.logits(training.features[fold.held_out])
    return HeldOut(scorer, logits)
