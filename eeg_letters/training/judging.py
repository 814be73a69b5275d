"""Judging trained models: the baselines beside them, and what has to be told of their figures.

Terminal, report, model card and the service's ``/models`` tell the same, from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eeg_letters.recordings.recording import Recording
from eeg_letters.training.cautions import (
    classes_of_one_row,
    not_held_out,
    reordered_rows,
    repeated_rows,
    shared_rows,
    unadapted_classes,
    unlike_scales,
    unshared_classes,
    unshared_in_training,
)
from eeg_letters.training.clock import Told, wind
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation
from eeg_letters.training.finishing import TrainedModel
from eeg_letters.training.model_cautions import (
    clock_tells,
    exchanged_classes,
    flat_probabilities,
    no_better_by_recording,
    no_better_than_guessing,
    worse_than_estimated,
)


@dataclass(frozen=True)
class Judgement:
    """Two trained models, and what they are measured against.

    Attributes
    ----------
    trained : sequence of TrainedModel
        The models.
    training, test : Dataset
        What they were trained and tested on.
    clock : Told
        What elapsed time alone tells of the test.
    """

    trained: Sequence[TrainedModel]
    training: Dataset
    test: Dataset
    clock: Told

    def guessing(self, place: int | None = None) -> Evaluation:
        """Always the commonest class: of one test recording, or of all together."""
        of = self.trained[0].test
        of = of if place is None else of.of_recording(place)
        probabilities = np.zeros_like(of.probabilities)
        probabilities[:, of.commonest_class] = 1
        return Evaluation(of.truth, probabilities, of.places)

    def headlines(self, names: Sequence[str]) -> list[str]:
        """What has to be told in the same breath as the accuracy, in sentences.

        Parameters
        ----------
        names : sequence of str
            Of each class of the schema, as it is told.
        """
        by_title = {model.model.title: model.test for model in self.trained}
        return [
            *no_better_than_guessing(by_title, names),
            *clock_tells(self.clock, self.training.schema.labels),
        ]

    def cautions(self, names: Sequence[str], name_file: Callable[[Recording], str]) -> list[str]:
        """What else has to be told of recordings and figures, in sentences.

        Parameters
        ----------
        names : sequence of str
            Of each class of the schema, as it is told.
        name_file : callable
            Gives the name of a recording's file, as it is told.
        """
        training, test, plan = self.training, self.test, self.trained[0].plan
        files, test_files = ([*map(name_file, dataset.recordings)] for dataset in (training, test))
        by_title = {model.model.title: model.test for model in self.trained}
        return [
            *reordered_rows(training, test, [*files, *test_files]),
            *repeated_rows(training, test, test_files),
            *shared_rows(training, files),
            *unshared_classes(training, test, names),
            *unshared_in_training(training, plan, names, files),
            *not_held_out(plan, files),
            *classes_of_one_row(training, names),
            *unadapted_classes(training, names),
            *flat_probabilities(
                {model.model.title: model.chosen for model in self.trained},
                training.schema.labels.noun,
            ),
            *exchanged_classes(by_title, names, test_files),
            *no_better_by_recording(by_title, names, test_files),
            *unlike_scales(training, test, [*files, *test_files]),
            *worse_than_estimated(
                {model.model.title: (model.estimate, model.test) for model in self.trained},
                self.trained[0].held_out,
            ),
        ]


def judge(trained: Sequence[TrainedModel], training: Dataset, test: Dataset) -> Judgement:
    """Judge models that were trained on the same recordings."""
    clock = wind(Dataset(training.earlier)).tell(test)
    return Judgement(trained, training, test, clock)


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of an evaluation, as they are stored."""
    return {
        "accuracy": evaluation.accuracy,
        "interval": [evaluation.interval.low, evaluation.interval.high],
        "commonest_class": evaluation.commonest,
        "better_than_guessing": evaluation.beats_guessing,
        "balanced_accuracy": evaluation.balanced_accuracy,
        "macro_f1": evaluation.macro_f1,
        "calibration_error": evaluation.calibration().error,
    }
