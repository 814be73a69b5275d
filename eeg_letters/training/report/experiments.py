"""Experiments: learning curves, shuffled cross-validation, permutation importance."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from eeg_letters.errors import OutputError, RecordingError
from eeg_letters.models import LDA, Model
from eeg_letters.recordings.recording import Recording
from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.training.compiling import compile_pipeline
from eeg_letters.training.evaluation import Evaluation, evaluate
from eeg_letters.training.fitting import TrainedModel, first_rows, fit_pipeline
from eeg_letters.training.report.importance import (
    Importance,
    Shuffling,
    feature_groups,
    make_importance,
    plan_shuffling,
)

# Called with the number of jobs that are done, and of all jobs.
Count = Callable[[int, int], None]

FOLDS = 5
# Points of the learning curve in the first halves.
POINTS = 5
# Fits to fewer rows take less time than starting other processes.
_FEW_ROWS = 100
# Features, or groups of them, that one job shuffles.
_GROUPS_AT_ONCE = 32


@dataclass(frozen=True)
class LearningPoint:
    """A model fitted to the first rows of each class.

    Attributes
    ----------
    rows_per_class : int
        At most as many rows of a class; classes may have fewer.
    held_out : Evaluation or None
        Of the second half of each class's rows; None where the model was fitted to them too.
    test : Evaluation
        Of the test recording.
    """

    rows_per_class: int
    held_out: Evaluation | None
    test: Evaluation


@dataclass(frozen=True)
class Experiments:
    """Results, by model; a model is missing where there was nothing to fit or to score.

    Attributes
    ----------
    learning : dict of Model to list of LearningPoint
        By ascending number of rows.
    shuffled : dict of Model to Evaluation
        Of the training recording, each row by a model that was fitted to four shuffled fifths.
    importance : dict of Model to Importance
        Of both models.
    """

    learning: Mapping[Model, Sequence[LearningPoint]]
    shuffled: Mapping[Model, Evaluation]
    importance: Mapping[Model, Importance]


@dataclass(frozen=True)
class _Job:
    kind: str
    model: Model
    work: Callable[[], Any]
    # In rows; to start the longest first, so that no core is left alone with it at the end.
    size: int


def experiment(
    trained: Sequence[TrainedModel], training: Recording, test: Recording, count: Count
) -> Experiments:
    """Run everything, on all cores.

    Parameters
    ----------
    trained : sequence of TrainedModel
        The models, trained on `training`.
    training, test : Recording
        The same as in training.
    count : callable
        Told how many of how many jobs are done.

    Raises
    ------
    OutputError
        When a process that works on it is killed.
    """
    # The rows as the file has them need not go to other processes.
    training, test = replace(training, rows={}), replace(test, rows={})
    shufflings = {model.model: plan_shuffling(model, test) for model in trained}
    jobs = [
        job
        for model in trained
        for job in (
            *_learning_jobs(model, training, test),
            *_fold_jobs(model, training),
            *_shuffle_jobs(model, shufflings[model.model], test.schema.features),
        )
    ]
    jobs.sort(key=lambda job: (job.model == LDA, -job.size))
    results: dict[tuple[str, Model], list[Any]] = {}
    cores = 1 if len(training.labels) < _FEW_ROWS else -1
    for job, result in zip(jobs, _run(jobs, cores, count), strict=True):
        results.setdefault((job.kind, job.model), []).append(result)

    learning, shuffled, importance = {}, {}, {}
    for model in trained:
        points = [point for point in results.get(("learning", model.model), []) if point]
        if points:
            points.sort(key=lambda point: point.rows_per_class)
            most = int(np.bincount(training.labels).max())
            learning[model.model] = [*points, LearningPoint(most, None, model.test)]
        folds = results.get(("fold", model.model), [])
        if folds and None not in folds:
            shuffled[model.model] = _join(folds, training)
        shuffling = shufflings[model.model]
        if shuffling is not None:
            scores = np.concatenate(results["shuffle", model.model])
            importance[model.model] = make_importance(shuffling, test.schema.features, scores)
    return Experiments(learning, shuffled, importance)


def _learning_jobs(model: TrainedModel, training: Recording, test: Recording) -> Iterator[_Job]:
    half = first_rows(training.labels)
    if half.all():
        return
    largest = int(np.bincount(training.labels[half]).max())
    for size in sorted({-(-largest * point // POINTS) for point in range(1, POINTS + 1)}):
        rows = half & first_rows(training.labels, size)
        if rows.sum() > len(np.unique(training.labels)):
            work = partial(_learn, model.model, model.preprocessing, training, test, rows, size)
            yield _Job("learning", model.model, work, int(rows.sum()))


def _learn(
    model: Model,
    preprocessing: str,
    training: Recording,
    test: Recording,
    rows: NDArray[np.bool_],
    size: int,
) -> LearningPoint | None:
    scorer = _fit(model, preprocessing, training, rows)
    if scorer is None:
        return None
    held_out, n_labels = ~first_rows(training.labels), len(training.schema.labels.values)
    return LearningPoint(
        size,
        evaluate(scorer, training.features[held_out], training.labels[held_out], n_labels),
        evaluate(scorer, test.features, test.labels, n_labels),
    )


def _fold_jobs(model: TrainedModel, training: Recording) -> Iterator[_Job]:
    _, counts = np.unique(training.labels, return_counts=True)
    if counts.min() < FOLDS:
        return
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for rows, held_out in folds.split(training.features, training.labels):
        work = partial(_score_fold, model.model, model.preprocessing, training, held_out)
        yield _Job("fold", model.model, work, len(rows))


def _score_fold(
    model: Model, preprocessing: str, training: Recording, held_out: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats] | None:
    rows = np.ones(len(training.labels), bool)
    rows[held_out] = False
    scorer = _fit(model, preprocessing, training, rows)
    if scorer is None:
        return None
    n_labels = len(training.schema.labels.values)
    found = evaluate(scorer, training.features[held_out], training.labels[held_out], n_labels)
    return held_out, found.probabilities


def _join(folds: Sequence[tuple[NDArray[np.int64], Floats]], training: Recording) -> Evaluation:
    probabilities = np.empty((len(training.labels), len(training.schema.labels.values)))
    for held_out, found in folds:
        probabilities[held_out] = found
    return Evaluation(training.labels, probabilities)


def _fit(
    model: Model, preprocessing: str, training: Recording, rows: NDArray[np.bool_]
) -> Scorer | None:
    try:
        pipeline = fit_pipeline(model, preprocessing, training, rows, lambda *_: None)
        return compile_pipeline(pipeline, training.schema.labels)
    except RecordingError:  # There is less to learn from in some rows than in all of them.
        return None


def _shuffle_jobs(
    model: TrainedModel, shuffling: Shuffling | None, features: Features
) -> Iterator[_Job]:
    if shuffling is None:
        return
    groups = feature_groups(features)
    for start in range(0, len(groups), _GROUPS_AT_ONCE):
        work = partial(shuffling.score, groups[start : start + _GROUPS_AT_ONCE])
        yield _Job("shuffle", model.model, work, 0)


def _run(jobs: Sequence[_Job], cores: int, count: Count) -> list[Any]:
    results: list[Any] = [None] * len(jobs)
    try:
        with parallel_config("loky", n_jobs=cores, inner_max_num_threads=1):
            with _ignore_interrupts():
                finished = Parallel(return_as="generator_unordered")(
                    delayed(_work)(place, job.work) for place, job in enumerate(jobs)
                )
            for done, (place, result) in enumerate(finished, 1):
                results[place] = result
                count(done, len(jobs))
    except BrokenProcessPool:
        raise OutputError("a process was killed while it fitted models for the report") from None
    return results


def _work(place: int, work: Callable[[], Any]) -> tuple[int, Any]:
    return place, work()


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Processes that start in this block ignore Ctrl-C, which a terminal sends to all of them."""
    # Python keeps a signal ignored that is ignored when it starts. Blocking it would not do, since
    # loky unblocks it. A Ctrl-C during this block is lost.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
