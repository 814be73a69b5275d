"""The clock, on recordings in which only time is informative, and in which only the class is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from eeg_letters.schema import Schema, other_features
from eeg_letters.training.clock import Clock, Told, Within, wind
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation
from eeg_letters.training.model_cautions import clock_tells
from eeg_letters.training.resampling import Interval
from tests.conftest import real_recordings
from tests.shipped import COLUMNS, FEATURES, SCHEMA

CLASSES = 26
EACH = 30
ROWS = CLASSES * EACH
BLOCKS = np.repeat(np.arange(CLASSES), EACH)
NO_POWERS = Schema(other_features([f"x{place}" for place in range(len(FEATURES))]), SCHEMA.labels)


def recording(
    labels: NDArray[np.int64], features: NDArray[np.float64], schema: Schema = SCHEMA
) -> Recording:
    rows = dict.fromkeys(range(len(labels)), b"")
    path = Path("simulated.csv")
    return Recording(path, "", schema, COLUMNS, (), "# Letter", rows, labels, features)


def noise(seed: int, n_rows: int = ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 0.5, (n_rows, len(FEATURES)))


def of_time(seed: int) -> Recording:
    """Blocks in the same order; features drift smoothly, alike in each session."""
    elapsed = np.arange(ROWS)[:, np.newaxis] / ROWS
    tempo, phase = np.random.default_rng(99).uniform(0, 3, (2, len(FEATURES)))
    drift = np.sin(tempo * elapsed + phase)
    return recording(BLOCKS, np.exp(drift + noise(seed)))


def means() -> NDArray[np.float64]:
    return np.random.default_rng(98).normal(0, 1, (CLASSES, len(FEATURES)))


def of_class(seed: int) -> Recording:
    """Classes interleaved at random; features have the mean of their class, and do not drift."""
    labels = np.random.default_rng(seed + 50).permutation(BLOCKS)
    return recording(labels, np.exp(means()[labels] + noise(seed)))


def of_blocks(seed: int) -> Recording:
    """Blocks in the same order; features have the mean of their class, and do not drift."""
    return recording(BLOCKS, np.exp(means()[BLOCKS] + noise(seed)))


def told(make: Callable[[int], Recording]) -> Told:
    return wind(Dataset((make(0),))).tell(Dataset((make(1),)))


def nearest_mean(make: Callable[[int], Recording]) -> float:
    """How many rows of the second session are nearest to the mean of their class in the first."""
    first, second = make(0), make(1)
    logs, seen = np.log(first.features), np.log(second.features)
    centres = np.array([logs[first.labels == label].mean(axis=0) for label in range(CLASSES)])
    apart = ((seen[:, np.newaxis] - centres) ** 2).sum(axis=2)
    return float((apart.argmin(axis=1) == second.labels).mean())


def test_time_alone_is_told_from_class_alone() -> None:
    # A model of the means takes either for knowledge of the class: by lot it would be 0.04.
    assert nearest_mean(of_time) > 0.2
    assert nearest_mean(of_class) > 0.9
    by_time, by_class = told(of_time), told(of_class)
    assert by_time.is_well_above_chance
    assert by_time.evaluation.accuracy > 0.3
    assert by_time.within is not None
    assert by_time.within.share > 0.9
    assert not by_class.is_well_above_chance
    assert by_class.evaluation.accuracy < 0.08
    assert by_class.within is None


def test_time_is_not_told_from_class_where_classes_are_in_the_same_blocks() -> None:
    # Nothing drifts, and yet each class has its time: that is what interleaving is for.
    assert told(of_blocks).is_well_above_chance


def test_features_that_are_no_band_powers_are_standardised() -> None:
    def large(seed: int) -> Recording:
        timed = of_time(seed)
        # So large that their squares are none, one feature that is always the same.
        features = np.log(timed.features) * np.logspace(-200, 200, len(FEATURES)) - 1e3
        features[:, 0] = 7
        return recording(timed.labels, features, NO_POWERS)

    within = told(large).within
    assert within is not None
    assert within.share > 0.9
    clock = wind(Dataset((large(0),)))
    far = recording(BLOCKS, np.full((ROWS, len(FEATURES)), -1e308), NO_POWERS)
    assert clock.tell(Dataset((far,))).evaluation.accuracy <= 1


def test_the_unit_of_band_powers_changes_nothing() -> None:
    def in_volts(seed: int) -> Recording:
        return replace(of_time(seed), features=of_time(seed).features * 1e-12)

    np.testing.assert_array_equal(told(in_volts).evaluation.labels, told(of_time).evaluation.labels)


def test_powers_of_zero_are_taken() -> None:
    clock = wind(Dataset((recording(BLOCKS, np.zeros((ROWS, len(FEATURES)))),)))
    assert np.unique(clock.tell(Dataset((of_time(1),))).evaluation.labels).size == 1


def test_several_recordings_vote_and_the_order_is_that_of_the_first() -> None:
    backwards = replace(of_time(2), labels=BLOCKS[::-1].copy())
    training = Dataset((backwards, of_time(0), of_time(3)))
    test = Dataset((of_time(1), of_time(4)))
    found = wind(training).tell(test)
    assert found.evaluation.accuracy > 0.3
    assert found.within is not None
    assert found.within.share > 0.9
    np.testing.assert_array_equal(found.evaluation.places, test.places)
    # One for each class: a tie, in which the first is asked.
    first = wind(Dataset((backwards, of_time(0)))).tell(test).evaluation
    assert (first.labels == CLASSES - 1 - test.labels).mean() > 0.3


def stopped(seed: int, classes: int) -> Recording:
    """A session of time that was stopped after some classes."""
    whole, rows = of_time(seed), classes * EACH
    return recording(whole.labels[:rows], whole.features[:rows])


@pytest.mark.parametrize("classes", [(26, 13, 9), (26, 5, 5, 5, 5), (5, 26, 13)])
def test_sessions_that_were_stopped_early_still_tell_the_time(classes: tuple[int, ...]) -> None:
    training = Dataset(tuple(stopped(seed, each) for seed, each in enumerate(classes, 2)))
    found = wind(training).tell(Dataset((of_time(1),)))
    assert found.evaluation.accuracy > 0.3
    assert found.is_well_above_chance
    assert len(clock_tells(found, SCHEMA.labels)) == 1


def test_sessions_of_another_pace_tell_the_time_by_the_share_that_has_elapsed() -> None:
    # A third as many rows of each class.
    quick = [
        recording(whole.labels[seed % 3 :: 3], whole.features[seed % 3 :: 3])
        for seed, whole in ((seed, of_time(seed)) for seed in (2, 3))
    ]
    training = Dataset((of_time(0), *quick))
    clock = wind(training)
    np.testing.assert_array_equal(clock.lengths, [ROWS, ROWS // 3, ROWS // 3])
    assert clock.tell(Dataset((of_time(1),))).evaluation.accuracy > 0.3


def test_of_one_recording_or_where_neither_tells_more_time_is_the_share_of_it() -> None:
    for training in (Dataset((stopped(0, 5),)), Dataset((of_class(0), of_class(2)))):
        np.testing.assert_array_equal(wind(training).lengths, np.bincount(training.places))
    # Without a class in common, neither tells more.
    other = recording(np.full(40, 25), np.exp(noise(0, 40)))
    np.testing.assert_array_equal(wind(Dataset((other, stopped(1, 20)))).lengths, [40, 20 * EACH])


def test_classes_that_the_training_lacks_are_mistakes_and_not_counted_as_near() -> None:
    fewer = of_time(0)
    rows = BLOCKS < 20
    training = recording(fewer.labels[rows], fewer.features[rows])
    found = wind(Dataset((training,))).tell(Dataset((of_time(1),)))
    assert found.evaluation.labels.max() < 20
    assert not found.evaluation.right[BLOCKS >= 20].any()
    assert found.within is not None
    # Of 20 classes, the three at each end have four to six near them, the others seven.
    assert found.within.by_chance == pytest.approx((14 * 7 + 2 * (4 + 5 + 6)) / 20 / 20)
    strangers = recording(BLOCKS[~rows], of_time(1).features[~rows])
    assert wind(Dataset((training,))).tell(Dataset((strangers,))).within is None


def test_a_label_that_the_first_recording_lacks_is_near_no_class() -> None:
    whole, rows = of_time(0), BLOCKS > 0
    fewer = recording(BLOCKS[rows], whole.features[rows])
    test = Dataset((of_time(1),))
    found = wind(Dataset((fewer, of_time(2), of_time(3)))).tell(test)
    labels = found.evaluation.labels[rows]
    assert (labels == 0).any()
    assert found.within is not None
    near = (labels > 0) & (np.abs(labels - BLOCKS[rows]) <= 3)
    assert found.within.share == near.mean()


@pytest.mark.parametrize(
    ("right", "rows", "near", "is_well"),
    [
        (0.80, (0, 1), None, True),  # Of two classes: fewer than half the mistakes.
        (0.70, (0, 1), None, False),
        (0.50, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), None, True),
        (0.50, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0.4, 0.3), True),
        (0.15, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), None, False),
        (0.15, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0.8, 0.7), True),
        (0.15, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0.8, 0.2), False),
        (0.15, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0.4, 0.3), False),
    ],
)
def test_well_above_chance_is_half_the_mistakes_or_twice_the_rows(
    right: float, rows: tuple[int, ...], near: tuple[float, float] | None, is_well: bool
) -> None:
    truth = np.tile(rows, 200)
    wrong = np.random.default_rng(0).permutation(len(truth)) >= right * len(truth)
    labels = np.where(wrong, (truth + 1) % len(rows), truth)
    within = near and Within(near[0], Interval(near[1], 0.9), 0.25)
    assert (
        Told(Evaluation(truth, np.eye(26)[labels]), within or None).is_well_above_chance is is_well
    )


def test_many_rows_are_told_quickly() -> None:
    made = [of_time(seed) for seed in range(17)]
    training = Dataset(tuple(made))
    assert len(training) > 13_000
    started = time.process_time()
    clock = wind(training)
    assert isinstance(clock, Clock)
    clock.tell(training)
    assert time.process_time() - started < 6


def test_the_real_recordings_tell_the_time() -> None:
    folder = real_recordings()
    training = read_any(folder / "train.csv")
    test = read_any(folder / "test.csv", training.schema)
    found = wind(Dataset((training,))).tell(Dataset((test,)))
    assert found.evaluation.accuracy == pytest.approx(0.17, abs=0.01)
    assert found.within is not None
    assert found.within.share == pytest.approx(0.79, abs=0.01)
    assert found.within.by_chance == pytest.approx(0.25, abs=0.005)
    assert found.is_well_above_chance
