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
from eeg_letters.scales import Scale
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.training.cautions import shared_rows
from eeg_letters.training.choosing import Count
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import (
    Agreement,
    Evaluation,
    compare,
    nearby_mistakes,
    recorded_order,
)
from eeg_letters.training.finishing import TrainedModel
from eeg_letters.training.judging import Judgement
from eeg_letters.training.recipes import Recipe
from eeg_letters.training.report.costs import Cost, measure_cost, peak_memory
from eeg_letters.training.report.experiments import Begun, Experiments, experiment
from eeg_letters.training.report.naming import printable
from eeg_letters.training.report.shift import Shift, shift
from eeg_letters.training.report.strangeness import Strangeness, strangeness
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
    judgement : Judgement
        The models, what they were trained and tested on, and what they are measured against.
    entries : sequence of Entry
        The same as they are stored.
    shift : Shift
        Between the recordings.
    agreement : Agreement
        Of the first model and the second on the test recordings.
    strangeness : Strangeness or None
        How far rows are from those of the training; None where training could not tell.
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
    judgement: Judgement
    entries: Sequence[Entry]
    shift: Shift
    agreement: Agreement
    strangeness: Strangeness | None
    experiments: Experiments
    costs: Mapping[Model, Cost]
    peak_bytes: int

    @property
    def training(self) -> Dataset:
        """What the models were fitted to."""
        return self.judgement.training

    @property
    def test(self) -> Dataset:
        """What they were tested on."""
        return self.judgement.test

    @property
    def trained(self) -> Sequence[TrainedModel]:
        """The models."""
        return self.judgement.trained

    @property
    def held_out(self) -> str:
        """What is held out of the training to estimate the accuracy."""
        return self.trained[0].held_out

    @property
    def guess(self) -> float:
        """Accuracy of always saying the commonest class of the test."""
        return self.trained[0].test.commonest

    @property
    def guess_held_out(self) -> float:
        """Accuracy of always saying the commonest class of the rows that the estimate is of."""
        estimate = self.trained[0].estimate
        return self.guess_training if estimate is None else estimate.commonest

    @property
    def guess_training(self) -> float:
        """Accuracy of always saying the commonest class of the training."""
        return float(np.bincount(self.training.labels).max() / len(self.training))

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
    def rarest(self) -> tuple[str, int]:
        """The class with the fewest rows in the training recording, and how many."""
        classes, counts = np.unique(self.training.labels, return_counts=True)
        place = int(counts.argmin())
        return printable(self.training.schema.labels.names[classes[place]]), int(counts[place])

    @property
    def has_repeated_rows(self) -> bool:
        """Whether rows are in the training more than once, so that those held out may be known."""
        return bool(shared_rows(self.training, [*map(file_name, self.training.recordings)]))

    @property
    def order(self) -> list[int]:
        """Classes in the order in which every training recording has them.

        Empty where one has a class more than once, or in another order.
        """
        first, *others = (recorded_order(each.labels) for each in self.training.earlier)
        return first if all(order == first for order in others) else []

    @property
    def names(self) -> list[str]:
        """What classes are called, fit to be shown."""
        return [printable(name) for name in self.training.schema.labels.names]

    @property
    def headlines(self) -> list[str]:
        """What has to be told in the same breath as the accuracy, in sentences."""
        return self.judgement.headlines(self.names)

    @property
    def parts(self) -> list[tuple[str, list[tuple[str, Evaluation]]]]:
        """Of each test recording, and of all together, every evaluation by its name.

        The name of a part is empty where there is one recording.
        """
        found = {model.model.title: model.test for model in self.trained}
        found |= {"Clock": self.judgement.clock.evaluation, "Guessing": self.judgement.guessing()}
        recordings = self.test.recordings
        if len(recordings) == 1:
            return [("", [*found.items()])]
        each = [
            (
                file_name(recording),
                [
                    *((title, of.of_recording(place)) for title, of in [*found.items()][:-1]),
                    ("Guessing", self.judgement.guessing(place)),
                ],
            )
            for place, recording in enumerate(recordings)
        ]
        return [*each, ("All together", [*found.items()])]

    def notes(self) -> list[str]:
        """Caveats, in sentences."""
        notes = self.judgement.cautions(self.names, file_name)
        noun, nouns = self.training.schema.labels.noun, self.training.schema.labels.plural
        if self.order:
            notes.append(
                f"Each {noun} was recorded once, one after the other: {noun} and time cannot be"
                " told apart, whatever the clock says."
            )
        for model in self.trained:
            title = model.model.title
            if model.unsettled:
                notes.append(model.unsettled)
            before = model.uncalibrated_test.calibration().error
            after = model.test.calibration().error
            if after > before + 0.01:
                notes.append(
                    f"{title}: temperature scaling made the calibration error on the test recording"
                    f" larger: {after:.3f} with it, {before:.3f} without. It was found on"
                    " held-out rows by models that were fitted to fewer rows."
                )
            nearby = nearby_mistakes(model.test, self.order)
            if nearby and nearby.rows >= _ENOUGH and nearby.share > 2 * nearby.by_chance:
                share, by_chance = 100 * nearby.share, 100 * nearby.by_chance
                notes.append(
                    f"{share:.0f} % of the mistakes of {title} are {nouns} recorded just before or"
                    f" after the right one; by chance it would be {by_chance:.0f} %."
                )
        return notes


def investigate(
    judgement: Judgement,
    entries: Sequence[Entry],
    familiarity: Familiarity | None,
    preprocessing: str,
    workers: Workers,
    begun: Mapping[Model, Begun],
    count: Count,
) -> Findings:
    """Make the findings of a training.

    Parameters
    ----------
    judgement : Judgement
        Of the two models.
    entries : sequence of Entry
        The same as they are stored.
    familiarity : Familiarity or None
        The distance that is stored with them.
    preprocessing : str
        What was asked for on the command line.
    workers : Workers
        Of the recordings.
    begun : mapping of Model to Begun
        From `eeg_letters.training.report.experiments.begin`.
    count : callable
        Told how many of how many jobs are done.

    Raises
    ------
    OutputError
        When a process that fits models is killed.
    """
    trained, training, test = judgement.trained, judgement.training, judgement.test
    peak = peak_memory()
    first, second = trained
    command = ["python", "train.py", "--train", *map(file_name, training.earlier)]
    if training.n_adapting:
        command += ["--adapt", *map(file_name, training.recordings[-training.n_adapting :])]
    command += ["--test", *map(file_name, test.recordings)]
    if training.schema.label_column is not None:
        command += ["--label", training.schema.label_column]
    if training.schema.scale is not Scale.POWER:
        command += ["--scale", training.schema.scale]
    return Findings(
        training_tag(entries),
        shlex.join([*command, "--preprocessing", preprocessing]),
        datetime.now(UTC).date(),
        judgement,
        entries,
        shift(training, test),
        compare(first.test, second.test),
        None if familiarity is None else strangeness(familiarity, training, test),
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
