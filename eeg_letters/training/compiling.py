"""Compiling a fitted pipeline to a scorer, and the check that both predict the same."""

from __future__ import annotations

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from eeg_letters.errors import CompilationError
from eeg_letters.labels import Labels
from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.pipelines import factor_of, preprocessing_of, to_frame

TOLERANCE = 1e-9


def compile_pipeline(pipeline: Pipeline, labels: Labels) -> Scorer:
    """Compile a fitted pipeline of `eeg_letters.training.pipelines.build_pipeline`.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Preprocessing, then linear discriminant analysis or a multi-layer perceptron, fitted.
    labels : Labels
        The schema's, whose indexes the scorer gives.

    Returns
    -------
    Scorer

    Raises
    ------
    TypeError
        When the classifier is neither.
    """
    match classifier := pipeline[-1]:
        case LinearDiscriminantAnalysis():
            weights, biases = [classifier.coef_.T], [classifier.intercept_]
        case MLPClassifier():
            weights, biases = [*classifier.coefs_], [*classifier.intercepts_]
        case _:
            raise TypeError(f"no compiled form of {type(classifier).__name__}")
    if len(classifier.classes_) == 2:
        weights[-1], biases[-1] = _two_outputs(weights[-1], biases[-1])
    if isinstance(scaler := pipeline[-2], StandardScaler):
        biases[0] = biases[0] - (scaler.mean_ / scaler.scale_) @ weights[0]
        weights[0] = weights[0] / scaler.scale_[:, np.newaxis]
    return Scorer(
        preprocessing_of(pipeline),
        factor_of(pipeline),
        np.searchsorted(labels.array, classifier.classes_),
        tuple(np.ascontiguousarray(weight, np.float64) for weight in weights),
        tuple(np.ascontiguousarray(bias, np.float64) for bias in biases),
    )


def check_scorer(scorer: Scorer, pipeline: Pipeline, dataset: Dataset) -> None:
    """Make sure that scorer and pipeline agree on every row of some recordings.

    Raises
    ------
    CompilationError
        When a label differs, or a probability by more than `TOLERANCE`; names such a line.
    """
    labels, features = dataset.schema.labels, dataset.features
    frame = to_frame(dataset.schema.features, features)
    differ = labels.array[scorer.predict(features)] != pipeline.predict(frame)
    if differ.any():
        raise CompilationError(
            f"{dataset.where(int(differ.argmax()))}: the compiled scorer and the pipeline give"
            " different labels"
        )
    gaps = np.abs(scorer.predict_proba(features) - pipeline.predict_proba(frame))
    if not gaps.max() <= TOLERANCE:
        raise CompilationError(
            f"{dataset.where(int(gaps.max(axis=1).argmax()))}: the probabilities of the compiled"
            f" scorer and the pipeline differ by {gaps.max():.2g}"
        )


def _two_outputs(weight: Floats, bias: Floats) -> tuple[Floats, Floats]:
    # scikit-learn scores two classes by one output and a logistic function, which is a softmax
    # of that output against zero.
    return np.hstack([np.zeros_like(weight), weight]), np.hstack([np.zeros_like(bias), bias])
