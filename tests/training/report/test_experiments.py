"""What the report finds out beyond training, against other ways to find it out."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score

from eeg_letters.models import LDA, MLP, Model
from eeg_letters.recordings.recording import Recording
from eeg_letters.training import workers
from eeg_letters.training.choosing import Choice, Count, choose
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import evaluate
from eeg_letters.training.finishing import finish, train
from eeg_letters.training.fitting import fit_fold
from eeg_letters.training.holding_out import make_plan
from eeg_letters.training.pipelines import build_pipeline
from eeg_letters.training.recipes import Recipe, candidates
from eeg_letters.training.report.experiments import (
    Experiments,
    begin,
    begin_early,
    experiment,
)
from eeg_letters.training.report.importance import SHUFFLES
from eeg_letters.training.workers import Workers
from tests.shipped import BANDS, COLUMNS, ELECTRODES, FEATURES, SCHEMA

ROWS = 24
TELLING = "Pz/alpha"


def recorded(seed: int) -> Dataset:
    """Four letters that one feature tells apart, letter after letter."""
    rng = np.random.default_rng(seed)
    letters = np.repeat(np.arange(4), ROWS)
    powers = rng.lognormal(0, 0.3, (len(letters), len(FEATURES)))
    powers[:, FEATURES.index(TELLING)] *= 20.0 ** (letters - 1)
    rows = dict.fromkeys(range(len(letters)), b"")
    path = Path("simulated.csv")
    recording = Recording(path, "", SCHEMA, COLUMNS, (), "# Letter", rows, letters, powers)
    return Dataset((recording,))


@pytest.fixture(scope="module")
def training() -> Dataset:
    return recorded(0)


@pytest.fixture(scope="module")
def found(training: Dataset) -> tuple[Experiments, list[tuple[int, int]]]:
    """Experiments with LDA, and how they were counted."""
    counted: list[tuple[int, int]] = []
    test = recorded(1)
    return run(LDA, training, test, lambda *args: counted.append(args)), counted


def run(
    model: Model,
    training: Dataset,
    test: Dataset,
    count: Count,
    preprocessing: str = "log1p",
    early: str | None = None,
) -> Experiments:
    """Experiments with one model, begun early with a preprocessing."""
    with Workers(training, test) as processes:
        queued = {} if early is None else begin_early(processes, early, training)
        choice = chosen(model, training, preprocessing)
        begun = begin(processes, [choice], training, queued)
        trained = finish(choice, training, test, 1, lambda *_: None)
        return experiment(processes, begun, [trained], training, test, count)


def chosen(model: Model, training: Dataset, preprocessing: str) -> Choice:
    plan = make_plan(training, 1)
    found = {
        recipe: [fit_fold(training, model, recipe, fold) for fold in plan.folds]
        for recipe in candidates(model, training.schema.features, preprocessing)
    }
    return choose(model, training, plan, found)


def test_other_processes_and_this_one_find_the_same(
    training: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[int, int]] = []
    test, bits = recorded(1), []
    for few_rows in (len(training) + 1, len(training)):
        monkeypatch.setattr(workers, "_FEW_ROWS", few_rows)
        found = run(MLP, training, test, lambda *args: counted.append(args))
        learned = [[point.test, point.held_out] for point in found.learning[MLP]]
        evaluations = [*chain(*learned), found.shuffled[MLP], found.importance[MLP].whole]
        bits.append(
            [
                [evaluation.probabilities.tobytes() for evaluation in evaluations if evaluation],
                found.importance[MLP].features.tobytes(),
                found.importance[MLP].band_accuracies.tobytes(),
            ]
        )
    assert bits[0] == bits[1]
    assert counted[-1][0] == counted[-1][1]


@pytest.mark.parametrize("early", ["l2", "log1p"])
def test_what_begins_before_the_choice_is_kept_or_begun_anew(
    training: Dataset, found: tuple[Experiments, list[tuple[int, int]]], early: str
) -> None:
    of_choice, counted = found
    again: list[tuple[int, int]] = []
    test = recorded(1)
    of_early = run(LDA, training, test, lambda *args: again.append(args), early=early)
    assert of_early.shuffled[LDA].probabilities.tobytes() == (
        of_choice.shuffled[LDA].probabilities.tobytes()
    )
    assert [point.test.probabilities.tobytes() for point in of_early.learning[LDA]] == [
        point.test.probabilities.tobytes() for point in of_choice.learning[LDA]
    ]
    assert again == counted


@pytest.mark.parametrize("preprocessing", ["l2", "log1p"])
def test_the_importance_of_a_feature_is_how_much_worse_rows_are_labelled_without_it(
    training: Dataset, preprocessing: str
) -> None:
    test = recorded(1)
    trained = train(LDA, training, test, preprocessing, lambda *_: None)
    place = FEATURES.index(TELLING)
    rng = np.random.default_rng(0)
    rises = []
    for _ in range(SHUFFLES):
        shuffled = test.features.copy()
        shuffled[:, place] = shuffled[rng.permutation(len(test)), place]
        found = evaluate(trained.scorer, shuffled, test.labels, len(SCHEMA.labels.values))
        rises.append(found.log_loss - trained.test.log_loss)
    importance = run(LDA, training, test, lambda *_: None, preprocessing).importance[LDA]
    assert importance.features[place] == pytest.approx(np.mean(rises), rel=1e-9)


def test_every_job_is_counted(found: tuple[Experiments, list[tuple[int, int]]]) -> None:
    _, counted = found
    assert counted == [(done, len(counted)) for done in range(1, len(counted) + 1)]


def test_shuffled_folds_give_the_accuracy_of_scikit_learns_cross_validation(
    found: tuple[Experiments, list[tuple[int, int]]], training: Dataset
) -> None:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    pipeline = build_pipeline(LDA, Recipe("log1p"), 1.0)
    scores = cross_val_score(pipeline, training.features, training.labels, cv=folds)
    sizes = [len(held_out) for _, held_out in folds.split(training.features, training.labels)]
    assert found[0].shuffled[LDA].accuracy == pytest.approx(np.average(scores, weights=sizes))


def test_a_point_of_the_learning_curve_is_a_fit_to_the_first_rows_of_each_letter(
    found: tuple[Experiments, list[tuple[int, int]]], training: Dataset
) -> None:
    points = found[0].learning[LDA]
    assert [point.rows_per_class for point in points] == [3, 5, 8, 10, 12, 24]
    place = np.arange(len(training)) % ROWS
    first, held_out = place < 8, place >= ROWS // 2
    pipeline = build_pipeline(LDA, Recipe("log1p"), 1.0).fit(
        training.features[first], training.labels[first]
    )
    test = recorded(1)
    point = points[2]
    assert point.held_out is not None
    assert point.held_out.accuracy == pipeline.score(
        training.features[held_out], training.labels[held_out]
    )
    assert point.test.accuracy == pipeline.score(test.features, test.labels)
    assert points[-1].held_out is None


def test_the_informative_feature_is_the_most_important(
    found: tuple[Experiments, list[tuple[int, int]]],
) -> None:
    importance = found[0].importance[LDA]
    electrode, band = TELLING.split("/")
    places = ELECTRODES.index(electrode), BANDS.index(band)
    assert importance.features.argmax() == FEATURES.index(TELLING)
    assert importance.electrodes.argmax() == places[0]
    assert importance.bands.argmax() == places[1] == importance.band_accuracies.argmin()
    assert importance.whole.accuracy > importance.band_accuracies.min() + 0.3


def test_what_cannot_be_found_out_is_left_out(training: Dataset) -> None:
    first = np.arange(len(training)) % ROWS < 2
    (recording,) = training.recordings
    few = replace(
        recording,
        rows=dict.fromkeys(range(8), b""),
        labels=training.labels[first],
        features=training.features[first],
    )
    strangers = replace(recording, labels=training.labels + 10)
    assert run(LDA, Dataset((few,)), Dataset((strangers,)), lambda *_: None) == Experiments(
        {}, {}, {}
    )
