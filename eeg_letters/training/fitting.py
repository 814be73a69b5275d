"""Fitting one model: estimate, fit, calibrate, compile, check."""

from __future__ import annotations

import io
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from eeg_letters import __version__
from eeg_letters.errors import RecordingError
from eeg_letters.models import MODELS, Model
from eeg_letters.recordings.recording import Recording
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import PIPELINE_FILE, SCORER_FILE
from eeg_letters.training.calibration import calibrate, fit_temperature
from eeg_letters.training.checks import candidates
from eeg_letters.training.compiling import check_scorer, compile_pipeline
from eeg_letters.training.evaluation import Evaluation, evaluate
from eeg_letters.training.pipelines import build_pipeline, fit, to_frame
from eeg_letters.training.saving import Entry
from eeg_letters.training.workers import Workers, results

# Called with what is being fitted, the epoch and the loss.
Progress = Callable[[str, int, float], None]
# By model and preprocessing, what `fit_first_half` makes.
Estimates = Mapping[Model, Mapping[str, Future[Scorer]]]


@dataclass(frozen=True)
class Choice:
    """The preprocessing of a model, and how it was chosen.

    Attributes
    ----------
    preprocessing : str
        The one with the best estimate of those that were tried.
    temperature : float
        What to divide the logits by, to calibrate the probabilities.
    tried : dict of str to Evaluation
        By each preprocessing that was tried, what the same pipeline, fitted to the first half of
        each class's rows of the training recording, says of the second halves. Not calibrated.
        Empty where there are too few rows.
    estimate : Evaluation or None
        By the one that was chosen, calibrated. One number, the temperature, was fitted to the
        same rows.
    half : Scorer or None
        The one that was chosen, fitted to the first halves. Not calibrated.
    """

    model: Model
    preprocessing: str
    temperature: float
    tried: Mapping[str, Evaluation]
    estimate: Evaluation | None
    half: Scorer | None


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model and its evaluations.

    Attributes
    ----------
    preprocessing : str
        What was done to the rows, one of `eeg_letters.scoring.scorer.PREPROCESSING`.
    temperature : float
        What the logits were divided by, to calibrate the probabilities.
    pipeline : sklearn.pipeline.Pipeline
        Fitted to the whole training recording, calibrated.
    scorer : Scorer
        The same, compiled.
    fit_seconds : float
        Time the fit took, on one core.
    tried, estimate
        Those of its `Choice`.
    uncalibrated_test, test : Evaluation
        Of the test recording.
    """

    model: Model
    preprocessing: str
    temperature: float
    pipeline: Pipeline
    scorer: Scorer
    fit_seconds: float
    tried: Mapping[str, Evaluation]
    estimate: Evaluation | None
    uncalibrated_test: Evaluation
    test: Evaluation

    @property
    def unsettled(self) -> str | None:
        """A sentence where the fit stopped at the last epoch before the loss had converged."""
        classifier = self.pipeline[-1]
        if not isinstance(classifier, MLPClassifier) or classifier.n_iter_ < classifier.max_iter:
            return None
        return f"{self.model.title}: the loss had not settled after {classifier.max_iter} epochs."


def first_halves(training: Recording, preprocessing: str) -> tuple[str, ...]:
    """What to fit to first halves of a recording, of `PREPROCESSING_CHOICES` what is asked for.

    Nothing where there are too few rows.
    """
    first = first_rows(training.labels)
    if first.all() or first.sum() <= len(np.unique(training.labels)):
        return ()
    return candidates(training.schema.features, preprocessing)


def fit_first_half(training: Recording, _: Recording, model: Model, preprocessing: str) -> Scorer:
    """Fit a model to the first half of each class's rows of the first recording.

    Raises
    ------
    RecordingError
        When it cannot be fitted to the rows.
    """
    rows = first_rows(training.labels)
    pipeline = fit_pipeline(model, preprocessing, training, rows, lambda *_: None)
    return compile_pipeline(pipeline, training.schema.labels)


def begin_estimates(workers: Workers, training: Recording, preprocessing: str) -> Estimates:
    """Have the models fitted to first halves of a recording by all that may be chosen."""
    names = first_halves(training, preprocessing)
    # The longest fits first: the perceptron's, and of these the one of rows of unit length.
    return {
        model: {name: workers.submit(fit_first_half, model, name) for name in reversed(names)}
        for model in reversed(MODELS)
    }


def choose_all(estimates: Estimates, training: Recording, preprocessing: str) -> list[Choice]:
    """Choose the preprocessing of each model, once `begin_estimates` has brought the estimates.

    Raises
    ------
    RecordingError
        When a model cannot be fitted to the rows.
    OutputError
        When a process is killed.
    """
    names = first_halves(training, preprocessing)
    halves = {
        model: dict(zip(names, results(estimates[model][name] for name in names), strict=True))
        for model in MODELS
    }
    return [choose(model, training, preprocessing, halves[model]) for model in MODELS]


def choose(
    model: Model, training: Recording, preprocessing: str, halves: Mapping[str, Scorer]
) -> Choice:
    """Choose the preprocessing of a model; the test recording has no say in it.

    Parameters
    ----------
    model : Model
        Which of the models.
    training : Recording
        What it will be fitted to.
    preprocessing : str
        What is asked for.
    halves : dict of str to Scorer
        What `fit_first_half` made by each of `first_halves`.
    """
    second = ~first_rows(training.labels)
    held_out = (
        training.features[second],
        training.labels[second],
        len(training.schema.labels.values),
    )
    tried = {name: evaluate(scorer, *held_out) for name, scorer in halves.items()}
    if not tried:
        first, *_ = candidates(training.schema.features, preprocessing)
        return Choice(model, first, 1.0, tried, None, None)
    chosen = max(tried, key=lambda name: tried[name].accuracy)
    half = halves[chosen]
    classes = np.searchsorted(half.classes, held_out[1])
    temperature = fit_temperature(half.logits(held_out[0]), classes)
    estimate = evaluate(half, *held_out, temperature)
    return Choice(model, chosen, temperature, tried, estimate, half)


def finish(
    choice: Choice, training: Recording, test: Recording, progress: Progress
) -> TrainedModel:
    """Fit a model to one recording, as it was chosen, and score it on the other.

    Parameters
    ----------
    choice : Choice
        From `choose`.
    training, test : Recording
        Two recordings, the first one passed by `eeg_letters.training.checks.check_trainable`.
    progress : callable
        Told what is being fitted, the epoch and the loss.

    Raises
    ------
    RecordingError
        When the model cannot be fitted to the rows.
    eeg_letters.errors.CompilationError
        When the compiled scorer differs from the pipeline on any row of either recording.
    """
    model, labels = choice.model, training.schema.labels
    # On one thread: what other processes do meanwhile does not count.
    started = time.thread_time()
    everything = np.ones(len(training), bool)
    on_epoch = partial(progress, model.title)
    pipeline = fit_pipeline(model, choice.preprocessing, training, everything, on_epoch)
    fit_seconds = time.thread_time() - started
    held_test = test.features, test.labels, len(labels.values)
    uncalibrated = evaluate(compile_pipeline(pipeline, labels), *held_test)
    calibrate(pipeline, choice.temperature)
    scorer = compile_pipeline(pipeline, labels)
    for recording in (training, test):
        check_scorer(scorer, pipeline, recording)
    return TrainedModel(
        model,
        choice.preprocessing,
        choice.temperature,
        pipeline,
        scorer,
        fit_seconds,
        choice.tried,
        choice.estimate,
        uncalibrated,
        evaluate(scorer, *held_test),
    )


def train(
    model: Model, training: Recording, test: Recording, preprocessing: str, progress: Progress
) -> TrainedModel:
    """Choose and finish one model in this process; `preprocessing` is what is asked for."""
    halves = {
        name: fit_first_half(training, test, model, name)
        for name in first_halves(training, preprocessing)
    }
    return finish(choose(model, training, preprocessing, halves), training, test, progress)


def make_entry(trained: TrainedModel, training: Recording, test: Recording) -> Entry:
    """What to store of a trained model."""
    files = {PIPELINE_FILE: io.BytesIO(), SCORER_FILE: io.BytesIO()}
    joblib.dump(trained.pipeline, files[PIPELINE_FILE])
    trained.scorer.save(files[SCORER_FILE])
    evaluations = {"test": trained.test}
    if trained.estimate is not None:
        evaluations["blocked"] = trained.estimate
    return Entry(
        trained.model,
        {name: buffer.getvalue() for name, buffer in files.items()},
        {
            "schema": training.schema.to_metadata(),
            "preprocessing": trained.preprocessing,
            "temperature": trained.temperature,
            "accuracy": {name: found.accuracy for name, found in evaluations.items()},
            "calibration_error": {
                name: found.calibration().error for name, found in evaluations.items()
            },
            "training": {"sha256": training.sha256, "rows": len(training)},
            "test": {"sha256": test.sha256, "rows": len(test)},
            "versions": {
                "eeg-letters": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("scikit-learn", "numpy", "joblib")},
            },
        },
    )


def fit_pipeline(
    model: Model,
    preprocessing: str,
    recording: Recording,
    rows: NDArray[np.bool_],
    on_epoch: Callable[[int, float], None],
) -> Pipeline:
    """Fit a model to some rows of a recording.

    Parameters
    ----------
    model : Model
        Which of the models.
    preprocessing : str
        One of `eeg_letters.scoring.scorer.PREPROCESSING`.
    recording : Recording
        Passed by `eeg_letters.training.checks.check_trainable`.
    rows : ndarray of bool, shape (n_rows,)
        Which of its rows.
    on_epoch : callable
        Told the number of each epoch of the perceptron and its loss.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Not calibrated.

    Raises
    ------
    RecordingError
        When it cannot be fitted to the rows.
    """
    pipeline = build_pipeline(model, preprocessing)
    try:
        labels = recording.schema.labels.array[recording.labels[rows]]
        fit(pipeline, to_frame(recording)[rows], labels, on_epoch)
    except IndexError:  # scikit-learn's, where discriminant analysis finds no variance
        raise RecordingError(
            f"{recording.path}: {model.title} cannot be fitted: the rows of a"
            f" {recording.schema.labels.noun} do not differ"
        ) from None
    except (ValueError, np.linalg.LinAlgError) as error:
        raise RecordingError(
            f"{recording.path}: {model.title} cannot be fitted to these rows: {error}"
        ) from None
    return pipeline


def first_rows(labels: NDArray[np.int64], most: int | None = None) -> NDArray[np.bool_]:
    """Mask of the first rows of each class.

    Neighbouring rows are nearly copies of each other, so that rows held out at random would be
    known.

    Parameters
    ----------
    labels : ndarray of int64, shape (n_rows,)
        Class of each row.
    most : int, optional
        At most as many rows of each class; by default half of them, rounded up.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    first = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        first[rows[: (len(rows) + 1) // 2 if most is None else most]] = True
    return first
