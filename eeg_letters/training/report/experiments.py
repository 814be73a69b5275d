"""Experiments: learning curves, shuffled cross-validation, permutation importance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from eeg_letters.errors import RecordingError
from eeg_letters.models import LDA, MODELS, Model
from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.training.choosing import Choice, Count
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation, evaluate
from eeg_letters.training.finishing import TrainedModel
from eeg_letters.training.fitting import fit_scorer
from eeg_letters.training.recipes import Recipe, candidates
from eeg_letters.training.report.importance import (
    Importance,
    feature_groups,
    make_importance,
    plan_shuffling,
)
from eeg_letters.training.workers import Workers, results

FOLDS = 5
# Points of the learning curve in the first halves.
POINTS = 5
# Features, or groups of them, that one job shuffles.
_GROUPS_AT_ONCE = 32

# Rows that were held out, and the probabilities of their classes.
_Fold = tuple[NDArray[np.int64], Floats]


@dataclass(frozen=True)
class LearningPoint:
    """A model fitted to the first rows of each class in each recording.

    Attributes
    ----------
    rows_per_class : int
        At most as many rows of a class in a recording; classes may have fewer.
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
class Begun:
    """Fits that are queued or done; a result is None where the rows cannot be fitted."""

    recipe: Recipe
    learning: Sequence[Future[LearningPoint | None]]
    folds: Sequence[Future[_Fold | None]]

    @property
    def jobs(self) -> list[Future[Any]]:
        """All of them."""
        return [*self.learning, *self.folds]


def begin_early(workers: Workers, preprocessing: str, training: Dataset) -> dict[Model, Begun]:
    """Have the models fitted to parts of a training before their recipe is chosen.

    Otherwise most cores would wait for the longest estimate. Of what will be tried, the first is
    taken: it is the one that is mostly chosen.
    """
    features = training.schema.features
    first = {model: candidates(model, features, preprocessing)[0] for model in MODELS}
    return _begin(workers, first, training)


def begin(
    workers: Workers, choices: Sequence[Choice], training: Dataset, early: Mapping[Model, Begun]
) -> dict[Model, Begun]:
    """Have the models fitted to parts of a training, as was chosen.

    Parameters
    ----------
    workers : Workers
        Of the recordings.
    choices : sequence of Choice
        One a model.
    training : Dataset
        What the choices were made by.
    early : mapping of Model to Begun
        From `begin_early`: kept where the same was chosen.
    """
    chosen = {choice.model: choice.ranked[0].recipe for choice in choices}
    kept = {model: of for model, of in early.items() if of.recipe == chosen.get(model)}
    for model in early.keys() - kept.keys():
        for job in early[model].jobs:
            job.cancel()
    others = {model: name for model, name in chosen.items() if model not in kept}
    begun = kept | _begin(workers, others, training)
    for choice in choices:
        half, size = choice.ranked[0].half, _largest(training, _first(training))
        of = begun[choice.model]
        last: Future[LearningPoint | None] | None = None
        if half is not None:
            # The last point is the fit that the recipe was chosen by.
            last = workers.submit(_judge, size, half)
        elif choice.plan.by_recording and _is_enough(training, _first(training)):
            last = workers.submit(_learn, choice.model, of.recipe, size)
        if last is not None:
            begun[choice.model] = replace(of, learning=[*of.learning, last])
    return begun


def _begin(
    workers: Workers, recipes: Mapping[Model, Recipe], training: Dataset
) -> dict[Model, Begun]:
    # The longest fits first.
    models = sorted(recipes, key=lambda model: model == LDA)
    folds = {
        model: list(_begin_folds(workers, model, recipes[model], training)) for model in models
    }
    return {
        model: Begun(
            recipes[model],
            list(_begin_learning(workers, model, recipes[model], training)),
            folds[model],
        )
        for model in models
    }


def experiment(
    workers: Workers,
    begun: Mapping[Model, Begun],
    trained: Sequence[TrainedModel],
    training: Dataset,
    test: Dataset,
    count: Count,
) -> Experiments:
    """Await what has begun, and shuffle features meanwhile.

    Parameters
    ----------
    workers : Workers
        Of both recordings.
    begun : mapping of Model to Begun
        From `begin`.
    trained : sequence of TrainedModel
        The models, trained on `training`.
    training, test : Dataset
        The same as in training.
    count : callable
        Told how many of how many jobs are done.

    Raises
    ------
    OutputError
        When a process that works on it is killed.
    """
    shuffled = {model.model: _begin_shuffling(workers, model, test) for model in trained}
    jobs: list[Future[Any]] = []
    for model in trained:
        jobs += [*begun[model.model].jobs, *shuffled[model.model]]
    for done, _ in enumerate(as_completed(jobs), 1):
        count(done, len(jobs))

    learning, folded, importance = {}, {}, {}
    for model in trained:
        if scores := results(shuffled[model.model]):
            shuffling = plan_shuffling(model.scorer, test)
            features = test.schema.features
            importance[model.model] = make_importance(shuffling, features, np.concatenate(scores))
        if begun[model.model].recipe != model.chosen.recipe:
            continue
        points = [point for point in results(begun[model.model].learning) if point]
        if points:
            points.sort(key=lambda point: point.rows_per_class)
            most = _largest(training, np.ones(len(training), bool))
            whole = [] if training.n_adapting else [LearningPoint(most, None, model.test)]
            learning[model.model] = [*points, *whole]
        folds = [fold for fold in results(begun[model.model].folds) if fold]
        if len(folds) == FOLDS:
            folded[model.model] = _join(folds, training)
    return Experiments(learning, folded, importance)


def _begin_learning(
    workers: Workers, model: Model, recipe: Recipe, training: Dataset
) -> Iterator[Future[LearningPoint | None]]:
    # Without the last point, which `begin` adds.
    half = _first(training)
    if half.all():
        return
    largest = _largest(training, half)
    sizes = {-(-largest * point // POINTS) for point in range(1, POINTS)} - {largest}
    for size in sorted(sizes, reverse=True):
        if _is_enough(training, half & training.first_rows(size)):
            yield workers.submit(_learn, model, recipe, size)


def _learn(
    training: Dataset,
    test: Dataset,
    model: Model,
    recipe: Recipe,
    size: int,
) -> LearningPoint | None:
    rows = _first(training) & training.first_rows(size)
    scorer = _fit(model, recipe, training, np.flatnonzero(rows))
    return None if scorer is None else _judge(training, test, size, scorer)


def _first(training: Dataset) -> NDArray[np.bool_]:
    # Rows of the session to come would make another curve.
    return training.first_rows() & ~training.are_adapting


def _largest(training: Dataset, rows: NDArray[np.bool_]) -> int:
    """The most rows of a class in a recording."""
    pairs = np.column_stack([training.places[rows], training.labels[rows]])
    return int(np.unique(pairs, axis=0, return_counts=True)[1].max())


def _is_enough(training: Dataset, rows: NDArray[np.bool_]) -> bool:
    return not rows.all() and rows.sum() > len(training.classes)


def _judge(training: Dataset, test: Dataset, size: int, scorer: Scorer) -> LearningPoint:
    second = ~training.first_rows() & ~training.are_adapting
    n_labels = len(training.schema.labels.values)
    held_out = training.features[second], training.labels[second], n_labels
    return LearningPoint(
        size,
        evaluate(scorer, *held_out, places=training.places[second]),
        evaluate(scorer, test.features, test.labels, n_labels, places=test.places),
    )


def _begin_folds(
    workers: Workers, model: Model, recipe: Recipe, training: Dataset
) -> Iterator[Future[_Fold | None]]:
    _, counts = np.unique(training.labels, return_counts=True)
    if counts.min() < FOLDS:
        return
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for _, held_out in folds.split(training.features, training.labels):
        yield workers.submit(_score_fold, model, recipe, held_out)


def _score_fold(
    training: Dataset,
    _: Dataset,
    model: Model,
    recipe: Recipe,
    held_out: NDArray[np.int64],
) -> _Fold | None:
    rows = np.ones(len(training.labels), bool)
    rows[held_out] = False
    scorer = _fit(model, recipe, training, np.flatnonzero(rows))
    if scorer is None:
        return None
    n_labels = len(training.schema.labels.values)
    found = evaluate(scorer, training.features[held_out], training.labels[held_out], n_labels)
    return held_out, found.probabilities


def _join(folds: Sequence[_Fold], training: Dataset) -> Evaluation:
    probabilities = np.empty((len(training.labels), len(training.schema.labels.values)))
    for held_out, found in folds:
        probabilities[held_out] = found
    return Evaluation(training.labels, probabilities, training.places)


def _fit(model: Model, recipe: Recipe, training: Dataset, rows: NDArray[np.int64]) -> Scorer | None:
    try:
        return fit_scorer(model, recipe, training, rows)
    except RecordingError:  # There is less to learn from in some rows than in all of them.
        return None


def _begin_shuffling(workers: Workers, model: TrainedModel, test: Dataset) -> list[Future[Floats]]:
    if not np.isin(test.labels, model.scorer.classes).any():
        return []
    groups = len(feature_groups(test.schema.features))
    return [
        workers.submit(_shuffle, model.scorer, slice(start, start + _GROUPS_AT_ONCE))
        for start in range(0, groups, _GROUPS_AT_ONCE)
    ]


def _shuffle(_: Dataset, test: Dataset, scorer: Scorer, groups: slice) -> Floats:
    return plan_shuffling(scorer, test).score(feature_groups(test.schema.features)[groups])
