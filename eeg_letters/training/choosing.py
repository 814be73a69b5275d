"""Choosing how a model is trained, by how well it does on rows that were held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_letters.models import LDA, MODELS, Model
from eeg_letters.scoring.scorer import Floats, Scorer
from eeg_letters.training.calibration import fit_temperature
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation, evaluate_logits
from eeg_letters.training.fitting import CannotFit, HeldOut, fit_fold
from eeg_letters.training.holding_out import Fold, Plan, make_plan
from eeg_letters.training.recipes import Recipe, candidates
from eeg_letters.training.workers import Workers, results

# Called with the number of jobs that are done, and of all jobs.
Count = Callable[[int, int], None]

# How often a row of the session to come counts, where training recordings cannot tell.
DEFAULT_WEIGHT = 10
_WEIGHTS = (1, 3, 10, 30)

# By model and recipe, for each fold what `eeg_letters.training.fitting.fit_fold` makes.
Estimates = Mapping[Model, Mapping[Recipe, Sequence[Future[HeldOut | str]]]]


@dataclass(frozen=True)
class Candidate:
    """A recipe, and how it did on rows that were held out.

    Attributes
    ----------
    recipe : Recipe
        How the model is trained.
    temperature : float
        What to divide the logits by, to calibrate the probabilities.
    raw, estimate : Evaluation or None
        Of the rows of the training that were held out; the second one calibrated. One number, the
        temperature, was fitted to the same rows. None where there are too few rows.
    half : Scorer or None
        Fitted to the first halves of each class's rows, where that is the estimate. Not calibrated.
    """

    recipe: Recipe
    temperature: float = 1.0
    raw: Evaluation | None = None
    estimate: Evaluation | None = None
    half: Scorer | None = None


@dataclass(frozen=True)
class Choice:
    """The recipes of a model, the best first.

    Attributes
    ----------
    model : Model
        Which of the models.
    ranked : tuple of Candidate
        At least one. Of equal accuracy, the simpler is first.
    dropped : dict of Recipe to str
        What could not be fitted, and why.
    plan : Plan
        Of the estimate.
    """

    model: Model
    ranked: tuple[Candidate, ...]
    dropped: Mapping[Recipe, str]
    plan: Plan


def choose_weight(training: Dataset, preprocessing: str, count: Count) -> int:
    """How often a row of the session to come counts, as does best among earlier recordings.

    Of each that can be held out, as many rows are taken for those of a session to come.
    Discriminant analysis chooses for both models, since its fits take a moment. The test recordings
    have no say in it.

    Parameters
    ----------
    training : Dataset
        With rows of the session to come.
    preprocessing : str
        What is asked for, one of `eeg_letters.training.recipes.PREPROCESSING_CHOICES`.
    count : callable
        Told how many weights of how many are tried.
    """
    recipe, *_ = candidates(LDA, training.schema.features, preprocessing)
    right = {}
    for weight in _WEIGHTS:
        plan = make_plan(training, weight)
        if not plan.by_recording:
            return DEFAULT_WEIGHT
        found = [fit_fold(training, LDA, recipe, fold) for fold in plan.folds]
        joint = join(training, plan, found)
        if isinstance(joint, str):
            return DEFAULT_WEIGHT
        right[weight] = evaluate_held_out(training, plan, joint, 1.0).accuracy
        count(len(right), len(_WEIGHTS))
    return max(right, key=lambda weight: right[weight])


def begin_estimates(
    workers: Workers, training: Dataset, preprocessing: str, plan: Plan
) -> Estimates:
    """Have the models fitted to parts of a training by all recipes that may be chosen."""
    features = training.schema.features
    # The longest fits first: the perceptron's, and of these the one of rows of unit length.
    return {
        model: {
            recipe: [workers.submit(_fit_fold, model, recipe, fold) for fold in plan.folds]
            for recipe in reversed(candidates(model, features, preprocessing))
        }
        for model in reversed(MODELS)
    }


def count_estimates(estimates: Estimates, count: Count) -> None:
    """Await all fits of the estimates and tell how many of them are done."""
    jobs = [job for of in estimates.values() for folds in of.values() for job in folds]
    for done, _ in enumerate(as_completed(jobs), 1):
        count(done, len(jobs))


def choose_all(
    estimates: Estimates, training: Dataset, preprocessing: str, plan: Plan
) -> list[Choice]:
    """Choose the recipe of each model, once `begin_estimates` has brought the estimates.

    Raises
    ------
    RecordingError
        When a model cannot be fitted to the rows by any recipe.
    OutputError
        When a process is killed.
    """
    return [
        choose(
            model,
            training,
            plan,
            {
                recipe: results(estimates[model][recipe])
                for recipe in candidates(model, training.schema.features, preprocessing)
            },
        )
        for model in MODELS
    ]


def choose(
    model: Model,
    training: Dataset,
    plan: Plan,
    found: Mapping[Recipe, Sequence[HeldOut | str]],
) -> Choice:
    """Choose the recipe of a model; the test recordings have no say in it.

    Parameters
    ----------
    model : Model
        Which of the models.
    training : Dataset
        What it will be fitted to.
    plan : Plan
        Of the estimate.
    found : dict of Recipe to sequence of HeldOut or str
        For each fold of the plan what `fit_fold` made, the simplest recipe first.

    Raises
    ------
    CannotFit
        When no recipe could be fitted.
    """
    if not plan.folds:
        return Choice(model, tuple(map(Candidate, found)), {}, plan)
    ranked, dropped = [], {}
    for recipe, folds in found.items():
        joint = join(training, plan, folds)
        if isinstance(joint, str):
            dropped[recipe] = joint
            continue
        temperature = fit_temperature(joint, training.labels[_held_out(plan)])
        half = folds[0].scorer if not plan.by_recording and isinstance(folds[0], HeldOut) else None
        ranked.append(
            Candidate(
                recipe,
                temperature,
                evaluate_held_out(training, plan, joint, 1.0),
                evaluate_held_out(training, plan, joint, temperature),
                half,
            )
        )
    if not ranked:
        raise CannotFit(training, model, next(iter(dropped.values())))
    # Stable: of equals, the simplest stays first.
    ranked.sort(key=lambda candidate: -_accuracy(candidate))
    return Choice(model, tuple(ranked), dropped, plan)


def join(training: Dataset, plan: Plan, folds: Iterable[HeldOut | str]) -> Floats | str:
    """Logits of all rows that were held out, in their order; why not, where a fit failed."""
    logits = np.full((len(training), len(training.schema.labels.values)), np.nan)
    for fold, found in zip(plan.folds, folds, strict=True):
        if isinstance(found, str):
            return found
        logits[fold.held_out] = found.logits
    return logits[_held_out(plan)]


def evaluate_held_out(
    training: Dataset, plan: Plan, logits: Floats, temperature: float
) -> Evaluation:
    """Evaluate what `join` gave."""
    rows = _held_out(plan)
    every = np.arange(logits.shape[1])
    return evaluate_logits(
        logits / temperature, every, training.labels[rows], len(every), places=training.places[rows]
    )


def _held_out(plan: Plan) -> NDArray[np.int64]:
    return np.sort(np.concatenate([fold.held_out for fold in plan.folds]))


def _accuracy(candidate: Candidate) -> float:
    return 0.0 if candidate.raw is None else candidate.raw.accuracy


def _fit_fold(
    training: Dataset, _: Dataset, model: Model, recipe: Recipe, fold: Fold
) -> HeldOut | str:
    return fit_fold(training, model, recipe, fold)
