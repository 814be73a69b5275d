"""Findings: every number and note of a report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from eeg_letters.models import Model
from eeg_letters.recordings.recording import Recording
from eeg_letters.training.choosing import Count
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import NEAR, Agreement, Evaluation, compare, nearby_mistakes
from eeg_letters.training.finishing import TrainedModel
from eeg_letters.training.recipes import Recipe
from eeg_letters.training.report.costs import Cost, measure_cost, peak_memory
from eeg_letters.training.report.experiments import Begun, Experiments, experiment
from eeg_letters.training.report.naming import printable
from eeg_letters.training.report.shift import Shift, shift
from eeg_letters.training.saving import Entry, training_tag
from eeg_letters.training.workers import Workers

# Fewer mistakes say nothing about a share.
_ENOUGH = 20


@dataclass(frozen=True)
class Findings:
    """A training and its findings.

    Attributes
    ----------
    tag : str
        Name of the training.
    command : str
        The command line that trains again, with file names only.
    day : datetime.date
        When it was trained, UTC.
    training, test : Dataset
        What the models were fitted to and tested on.
    trained : sequence of TrainedModel
        The models.
    entries : sequence of Entry
        The same as they are stored.
    shift : Shift
        Between the recordings.
    agreement : Agreement
        Of the first model and the second on the test recording.
    experiments : Experiments
        Further fits.
    costs : dict of Model to Cost
        By model.
    peak_bytes : int
        The most memory that training took.
    """

    tag: str
    command: str
    day: date
    training: Dataset
    test: Dataset
    trained: Sequence[TrainedModel]
    entries: Sequence[Entry]
    shift: Shift
    agreement: Agreement
    experiments: Experiments
    costs: Mapping[Model, Cost]
    peak_bytes: int

    @property
    def chance(self) -> float:
        """Accuracy of guessing among the classes that the models know."""
        return 1 / len(self.trained[0].scorer.classes)

    @property
    def recordings(self) -> list[tuple[str, Recording]]:
        """Every recording, and what it is for."""
        adapting = self.training.recordings[len(self.training.earlier) :]
        return [
            *(("Training", recording) for recording in self.training.earlier),
            *(("Adapting", recording) for recording in adapting),
            *(("Test", recording) for recording in self.test.recordings),
        ]

    @property
    def tried(self) -> dict[Recipe, list[Evaluation | None]]:
        """For each recipe, what each model's estimate was, not calibrated."""
        by_model = [{each.recipe: each.raw for each in model.tried} for model in self.trained]
        recipes = sorted(set().union(*by_model), key=lambda recipe: (recipe.shrinkage, recipe))
        return {
            recipe: [tried.get(recipe) for tried in by_model]
            for recipe in recipes
            if any(tried.get(recipe) for tried in by_model)
        }

    @property
    def strangers(self) -> int:
        """Rows of the test recording of letters that the models do not know.

        Only of letters there are some: another label that is none of the classes is refused.
        """
        known = np.isin(self.test.labels, self.trained[0].scorer.classes)
        return int((~known).sum())

    @property
    def rarest(self) -> tuple[str, int]:
        """The class with the fewest rows in the training recording, and how many."""
        classes, counts = np.unique(self.training.labels, return_counts=True)
        place = int(counts.argmin())
        return printable(self.training.schema.labels.names[classes[place]]), int(counts[place])

    @property
    def order(self) -> list[int]:
        """Classes in the order in which they were recorded for training.

        Empty where a class was recorded more than once.
        """
        labels = self.training.labels
        runs: list[int] = labels[np.flatnonzero(np.diff(labels, prepend=-1))].tolist()
        return runs if len(runs) == len(set(runs)) else []

    def notes(self) -> list[str]:
        """Caveats, in sentences."""
        notes = []
        noun, nouns = self.training.schema.labels.noun, self.training.schema.labels.plural
        if self.strangers:
            notes.append(
                f"{self.strangers} of the {len(self.test)} test rows are of letters that the models"
                " were not trained on, and cannot be labelled rightly."
            )
        for model in self.trained:
            title = model.model.title
            if model.unsettled:
                notes.append(model.unsettled)
            if model.test.interval.low <= self.chance:
                notes.append(f"{title} is not shown to be better than guessing.")
            before = model.uncalibrated_test.calibration().error
            after = model.test.calibration().error
            if after > before + 0.01:
                notes.append(
                    f"{title}: temperature scaling made the calibration error on the test recording"
                    f" larger: {after:.3f} with it, {before:.3f} without. It was found on"
                    " held-out rows by a model that was fitted to half as many rows."
                )
            nearby = nearby_mistakes(model.test, self.order)
            if nearby and nearby.rows >= _ENOUGH and nearby.share > 2 * nearby.by_chance:
                share, by_chance = 100 * nearby.share, 100 * nearby.by_chance
                notes.append(
                    f"{share:.0f} % of the mistakes of {title} are {nouns} recorded at most {NEAR}"
                    f" before or after the right one; by chance it would be {by_chance:.0f} %. Each"
                    f" {noun} was recorded once, one after the other: part of what was learned may"
                    " be when a row was recorded, not what was thought of."
                )
            if model.estimate and model.estimate.accuracy - model.test.accuracy > 0.05:
                fall = 100 * (model.estimate.accuracy - model.test.accuracy)
                notes.append(
                    f"{title} does {fall:.0f} points worse on the test recording than on held-out"
                    " blocks of the training recording: what it learned holds only in part in"
                    " another session."
                )
        return notes


def investigate(
    trained: Sequence[TrainedModel],
    entries: Sequence[Entry],
    training: Dataset,
    test: Dataset,
    preprocessing: str,
    workers: Workers,
    begun: Mapping[Model, Begun],
    count: Count,
) -> Findings:
    """Make the findings of a training.

    Parameters
    ----------
    trained, entries : sequence of TrainedModel, of Entry
        The two models, and the same as they are stored.
    training, test : Dataset
        What they were trained and tested on.
    preprocessing : str
        What was asked for on the command line.
    workers : Workers
        Of both recordings.
    begun : mapping of Model to Begun
        From `eeg_letters.training.report.experiments.begin`.
    count : callable
        Told how many of how many jobs are done.

    Raises
    ------
    OutputError
        When a process that fits models is killed.
    """
    peak = peak_memory()
    first, second = trained
    command = ["python", "train.py", "--train", *map(file_name, training.earlier)]
    if training.n_adapting:
        command += ["--adapt", *map(file_name, training.recordings[-training.n_adapting :])]
    command += ["--test", *map(file_name, test.recordings)]
    if training.schema.label_column is not None:
        command += ["--label", training.schema.label_column]
    return Findings(
        training_tag(entries),
        shlex.join([*command, "--preprocessing", preprocessing]),
        datetime.now(UTC).date(),
        training,
        test,
        trained,
        entries,
        shift(training, test),
        compare(first.test, second.test),
        experiment(workers, begun, trained, training, test, count),
        {
            model.model: measure_cost(model, entry, test.features)
            for model, entry in zip(trained, entries, strict=True)
        },
        peak,
    )


def file_name(recording: Recording) -> str:
    """Name of a recording's file, without its folder, fit to be shown."""
    return printable(os.fsencode(recording.path.name).decode(errors="replace"))
