"""Training one model: fit, estimate, compile, check, and what to store of it."""

from __future__ import annotations

import io
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from eeg_letters import __version__
from eeg_letters.compiler import check_scorer, compile_pipeline
from eeg_letters.errors import RecordingError
from eeg_letters.models import Model
from eeg_letters.pipelines import build_pipeline, fit, to_frame
from eeg_letters.recordings import FEATURES, LETTER_COLUMN, LETTERS, Recording
from eeg_letters.scorer import Scorer
from eeg_letters.store import PIPELINE_FILE, SCORER_FILE, Entry

# Told what is being fitted, the epoch and the loss.
Progress = Callable[[str, int, float], None]


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model and how well it does.

    Attributes
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted to the whole training recording.
    scorer : Scorer
        The same, compiled.
    n_rows : int
        Rows that it was fitted to.
    fit_seconds : float
        Time the fit took.
    test_accuracy : float
        Share of the rows of the test recording that it labels rightly.
    blocked_accuracy : float or None
        The same pipeline fitted to the first half of each letter's rows of the training recording
        and scored on the second halves; None where no letter has two rows.
    """

    model: Model
    pipeline: Pipeline
    scorer: Scorer
    n_rows: int
    fit_seconds: float
    test_accuracy: float
    blocked_accuracy: float | None

    @property
    def converged(self) -> bool:
        """Whether the fit ended because the loss had settled, not for want of epochs."""
        classifier = self.pipeline[-1]
        return not isinstance(classifier, MLPClassifier) or bool(
            classifier.n_iter_ < classifier.max_iter
        )


def check_trainable(recording: Recording) -> None:
    """Make sure that a recording has what a classifier is fitted to.

    Raises
    ------
    RecordingError
        When it has rows of fewer than two letters, or no more rows than letters.
    """
    classes = np.unique(recording.letters)
    if len(classes) < 2:
        line = next(iter(recording.rows))
        raise RecordingError(
            f"{recording.path}, column {LETTER_COLUMN}: all rows from line {line} on are of the"
            f" letter {LETTERS[classes[0]]}; training takes two letters or more"
        )
    if len(recording) <= len(classes):
        raise RecordingError(
            f"{recording.path}, column {LETTER_COLUMN}: {len(recording)} rows of"
            f" {len(classes)} letters; training takes more rows than letters"
        )


def train(model: Model, training: Recording, test: Recording, progress: Progress) -> TrainedModel:
    """Fit a model to one recording and score it on the other.

    Parameters
    ----------
    model : Model
        Which of the models.
    training, test : Recording
        Two recordings, the first one passed by `check_trainable`.
    progress : callable
        Told what is being fitted, the epoch and the loss.

    Returns
    -------
    TrainedModel

    Raises
    ------
    RecordingError
        When the model cannot be fitted to the rows.
    eeg_letters.compiler.CompilationError
        When the compiled scorer differs from the pipeline on any row of either recording.
    """
    started = time.perf_counter()
    everything = np.ones(len(training), bool)
    pipeline = _fit(model, training, everything, partial(progress, model.title))
    fit_seconds = time.perf_counter() - started
    scorer = compile_pipeline(pipeline)
    for recording in (training, test):
        check_scorer(scorer, pipeline, recording)
    return TrainedModel(
        model,
        pipeline,
        scorer,
        len(training),
        fit_seconds,
        float(pipeline.score(to_frame(test), test.letters)),
        _blocked_accuracy(model, training, progress),
    )


def make_entry(trained: TrainedModel, training: Recording, test: Recording) -> Entry:
    """What to store of a trained model."""
    files = {PIPELINE_FILE: io.BytesIO(), SCORER_FILE: io.BytesIO()}
    joblib.dump(trained.pipeline, files[PIPELINE_FILE])
    trained.scorer.save(files[SCORER_FILE])
    accuracy = {"test": trained.test_accuracy}
    if trained.blocked_accuracy is not None:
        accuracy["blocked"] = trained.blocked_accuracy
    return Entry(
        trained.model,
        {name: buffer.getvalue() for name, buffer in files.items()},
        {
            "accuracy": accuracy,
            "classes": trained.scorer.classes.tolist(),
            "feature_names": list(FEATURES),
            "training": {"sha256": training.sha256, "rows": len(training)},
            "test": {"sha256": test.sha256, "rows": len(test)},
            "versions": {
                "eeg-letters": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("scikit-learn", "numpy", "joblib")},
            },
        },
    )


def _fit(
    model: Model,
    recording: Recording,
    rows: NDArray[np.bool_],
    on_epoch: Callable[[int, float], None],
) -> Pipeline:
    pipeline = build_pipeline(model)
    try:
        fit(pipeline, to_frame(recording)[rows], recording.letters[rows], on_epoch)
    except IndexError:  # scikit-learn's, where discriminant analysis finds no variance
        raise RecordingError(
            f"{recording.path}: {model.title} cannot be fitted: the rows of a letter do not differ"
        ) from None
    except (ValueError, np.linalg.LinAlgError) as error:
        raise RecordingError(
            f"{recording.path}: {model.title} cannot be fitted to these rows: {error}"
        ) from None
    return pipeline


def _blocked_accuracy(model: Model, recording: Recording, progress: Progress) -> float | None:
    # Neighbouring rows are nearly copies of each other: rows held out at random would be known.
    first = _first_halves(recording.letters)
    if first.all() or first.sum() <= len(np.unique(recording.letters)):
        return None
    pipeline = _fit(model, recording, first, partial(progress, f"{model.title}, estimate"))
    return float(pipeline.score(to_frame(recording)[~first], recording.letters[~first]))


def _first_halves(letters: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.zeros(len(letters), bool)
    for letter in np.unique(letters):
        rows = np.flatnonzero(letters == letter)
        first[rows[: (len(rows) + 1) // 2]] = True
    return first
