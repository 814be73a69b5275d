"""Finishing a model: fit it to everything, calibrate, compile and check it, score the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from eeg_letters.models import Model
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.training.calibration import calibrate
from eeg_letters.training.choosing import DEFAULT_WEIGHT, Candidate, Choice, choose
from eeg_letters.training.compiling import check_scorer, compile_pipeline
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation, evaluate
from eeg_letters.training.fitting import CannotFit, fit_fold, fit_pipeline
from eeg_letters.training.holding_out import Plan, everything, make_plan
from eeg_letters.training.recipes import Recipe, candidates

# Called with what is being fitted, the epoch and the loss.
Progress = Callable[[str, int, float], None]


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model and its evaluations.

    Attributes
    ----------
    model : Model
        Which of the models.
    chosen : Candidate
        How it was trained.
    pipeline : sklearn.pipeline.Pipeline
        Fitted to all recordings of the training, calibrated.
    scorer : Scorer
        The same, compiled.
    fit_seconds : float
        Time the fit took, on one core.
    tried : tuple of Candidate
        All that could be fitted, the best first.
    dropped : dict of Recipe to str
        What could not be fitted, and why.
    plan : Plan
        Of the estimate.
    uncalibrated_test, test : Evaluation
        Of the test recordings.
    """

    model: Model
    chosen: Candidate
    pipeline: Pipeline
    scorer: Scorer
    fit_seconds: float
    tried: tuple[Candidate, ...]
    dropped: Mapping[Recipe, str]
    plan: Plan
    uncalibrated_test: Evaluation
    test: Evaluation

    @property
    def estimate(self) -> Evaluation | None:
        """That of its candidate."""
        return self.chosen.estimate

    @property
    def by_recording(self) -> bool:
        """Whether the estimate is of recordings that were held out whole."""
        return self.plan.by_recording

    @property
    def held_out(self) -> str:
        """What is held out of the training to estimate the accuracy."""
        return "recordings" if self.by_recording else "blocks"

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """Those of the test and of the estimate, by the names that they are stored under."""
        evaluations = {"test": self.test}
        if self.estimate is not None:
            evaluations["recordings" if self.by_recording else "blocked"] = self.estimate
        return evaluations

    @property
    def unsettled(self) -> str | None:
        """A sentence where the fit stopped at the last epoch before the loss had converged."""
        classifier = self.pipeline[-1]
        if not isinstance(classifier, MLPClassifier) or classifier.n_iter_ < classifier.max_iter:
            return None
        return f"{self.model.title}: the loss had not settled after {classifier.max_iter} epochs."


def finish(
    choice: Choice, training: Dataset, test: Dataset, weight: int, progress: Progress
) -> TrainedModel:
    """Fit a model to all recordings of the training, as it was chosen, and score it on the others.

    Where the best recipe cannot be fitted to all of them, the next one is taken.

    Parameters
    ----------
    choice : Choice
        From `choose`.
    training, test : Dataset
        The first one passed by `eeg_letters.training.checks.check_trainable`.
    weight : int
        How often a row of the session to come counts.
    progress : callable
        Told what is being fitted, the epoch and the loss.

    Raises
    ------
    CannotFit
        When the model cannot be fitted to the rows.
    eeg_letters.errors.CompilationError
        When the compiled scorer differs from the pipeline on any row.
    """
    model, labels = choice.model, training.schema.labels
    rows = everything(training, weight)
    dropped = dict(choice.dropped)
    for place, candidate in enumerate(choice.ranked):
        # On one thread: what other processes do meanwhile does not count.
        started = time.thread_time()
        on_epoch = partial(progress, model.title)
        try:
            pipeline = fit_pipeline(model, candidate.recipe, training, rows, on_epoch)
            break
        except CannotFit as error:
            if place == len(choice.ranked) - 1:
                raise
            dropped[candidate.recipe] = error.reason
    fit_seconds = time.thread_time() - started
    uncalibrated = _evaluate(compile_pipeline(pipeline, labels), test)
    calibrate(pipeline, candidate.temperature)
    scorer = compile_pipeline(pipeline, labels)
    for dataset in (training, test):
        check_scorer(scorer, pipeline, dataset)
    return TrainedModel(
        model,
        candidate,
        pipeline,
        scorer,
        fit_seconds,
        tuple(each for each in choice.ranked if each.recipe not in dropped),
        dropped,
        choice.plan,
        uncalibrated,
        _evaluate(scorer, test),
    )


def _evaluate(scorer: Scorer, test: Dataset) -> Evaluation:
    n_labels = len(test.schema.labels.values)
    return evaluate(scorer, test.features, test.labels, n_labels, places=test.places)


def train(
    model: Model, training: Dataset, test: Dataset, preprocessing: str, progress: Progress
) -> TrainedModel:
    """Choose and finish one model in this process; `preprocessing` is what is asked for."""
    plan = make_plan(training, DEFAULT_WEIGHT)
    found = {
        recipe: [fit_fold(training, model, recipe, fold) for fold in plan.folds]
        for recipe in candidates(model, training.schema.features, preprocessing)
    }
    choice = choose(model, training, plan, found)
    return finish(choice, training, test, DEFAULT_WEIGHT, progress)
