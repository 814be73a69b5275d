"""Cautions: when they are said, and the words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from eeg_letters.schema import Schema, other_features
from eeg_letters.training.calibration import MOST
from eeg_letters.training.cautions import (
    classes_of_one_row,
    repeated_rows,
    unlike_scales,
    unshared_classes,
)
from eeg_letters.training.choosing import Candidate
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation
from eeg_letters.training.model_cautions import (
    exchanged_classes,
    flat_probabilities,
    no_better_by_recording,
    no_better_than_guessing,
    worse_than_estimated,
)
from eeg_letters.training.recipes import Recipe
from tests.conftest import real_recordings
from tests.shipped import COLUMNS, FEATURES, LETTERS, SCHEMA


def recording(letters: str, seed: int = 0, scale: float = 1.0) -> Recording:
    labels = np.array([LETTERS.index(letter) for letter in letters])
    rows = dict.fromkeys(range(len(labels)), b"")
    powers = scale * np.random.default_rng(seed).lognormal(0, 1, (len(labels), len(FEATURES)))
    path = Path("simulated.csv")
    return Recording(path, "", SCHEMA, COLUMNS, (), "# Letter", rows, labels, powers)


def dataset(*recordings: Recording) -> Dataset:
    return Dataset(recordings)


def labelled(truth: NDArray[np.int64], labels: NDArray[np.int64], n_labels: int = 26) -> Evaluation:
    return Evaluation(truth, np.eye(n_labels)[labels])


def test_rows_of_the_test_that_are_training_rows_are_counted() -> None:
    one, other, new = recording("AABB"), recording("ABC", 1), recording("ABC", 2)
    training = dataset(one, other)
    assert repeated_rows(training, dataset(new), ["new.csv"]) == []
    assert repeated_rows(training, dataset(other), ["again.csv"]) == [
        "3 of 3 test rows are also training rows, with the same values and label: how well they are"
        " labelled says nothing about new rows."
    ]
    # One row is another, one has another label; a zero is a zero, whatever its sign.
    changed = replace(other, labels=other.labels.copy(), features=other.features.copy())
    changed.labels[0] = 7
    changed.features[1, 5] += 1e-12
    changed.features[2, 0] = -0.0
    zero = replace(other, features=other.features.copy())
    zero.features[2, 0] = 0.0
    found = repeated_rows(dataset(one, zero), dataset(new, changed), ["new.csv", "again.csv"])
    assert len(found) == 1
    assert found[0].startswith("1 of 3 test rows of again.csv are also training rows")


def test_classes_that_one_side_lacks_are_named() -> None:
    training, test = dataset(recording("AABB"), recording("CD")), dataset(recording("AABBCCXYY"))
    assert unshared_classes(training, training, LETTERS) == []
    assert unshared_classes(training, test, LETTERS) == [
        "Only the test has the letters X, Y: 3 of its 9 rows cannot be labelled rightly, as the"
        " models were not trained on their letter.",
        "Only the training has the letter D: how well rows of it are labelled was not tested.",
    ]


def test_classes_of_a_single_row_are_named() -> None:
    assert (
        classes_of_one_row(dataset(recording("AABB"), recording("AC"), recording("C")), LETTERS)
        == []
    )
    assert classes_of_one_row(dataset(recording("AAB"), recording("CC")), LETTERS) == [
        "The training has a single row of the letter B: one row teaches little, and the estimate"
        " says nothing of it."
    ]
    assert classes_of_one_row(dataset(recording("AAB"), recording("AD")), LETTERS) == [
        "The training has a single row of each of the letters B, D: one row teaches little, and the"
        " estimate says nothing of them."
    ]


def test_two_classes_that_are_exchanged_in_one_recording_are_named() -> None:
    truth = np.tile(np.repeat(np.arange(5), 50), 2)
    labels = truth.copy()
    second = labels[250:]
    second[150:200] = 4
    second[200:239] = 3
    places = np.repeat([0, 1], 250)
    found = replace(labelled(truth, labels), places=places)
    right = replace(labelled(truth, truth), places=places)
    sentences = exchanged_classes({"LDA": found, "MLP": right}, LETTERS, ["one.csv", "two.csv"])
    assert sentences == [
        "D and E look exchanged in two.csv: LDA labels 50 of 50 rows of D as E, and 39 of 50 of E"
        " as D. Are their labels the wrong way round there?"
    ]
    both = exchanged_classes({"LDA": found, "MLP": found}, LETTERS, ["one.csv", "two.csv"])
    assert len(both) == 1
    assert "; MLP labels 50 of 50 rows" in both[0]


def test_a_class_that_is_taken_for_another_but_not_the_other_way_is_not_exchanged() -> None:
    truth = np.repeat(np.arange(5), 50)
    labels = np.where(truth == 3, 4, truth)
    assert exchanged_classes({"LDA": labelled(truth, labels)}, LETTERS, ["one.csv"]) == []


def test_labels_by_lot_do_not_look_exchanged() -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(200):
        truth = np.repeat([0, 1], 50)
        labels = np.repeat(rng.integers(2, size=10), 10)
        told += len(exchanged_classes({"LDA": labelled(truth, labels)}, LETTERS, ["one.csv"]))
    assert told <= 0.06 * 200
    # One row of each says nothing of two classes, ten of each say much of 26.
    few = labelled(np.array([0, 1]), np.array([1, 0]))
    assert exchanged_classes({"LDA": few}, LETTERS, ["one.csv"]) == []
    truth = np.repeat(np.arange(26), 10)
    some = labelled(truth, np.where(truth < 2, 1 - truth, truth))
    assert len(exchanged_classes({"LDA": some}, LETTERS, ["one.csv"])) == 1


def test_recordings_of_another_unit_are_named_with_their_medians() -> None:
    usual, double, volts = recording("AB"), recording("AB", 1, 2.0), recording("AB", 2, 1e-12)
    assert unlike_scales(dataset(usual), dataset(double), ["a.csv", "b.csv"]) == []
    medians = [f"{np.median(one.features):.3g}" for one in (usual, volts)]
    assert unlike_scales(dataset(usual), dataset(volts), ["a.csv", "v.csv"]) == [
        "The scales of the recordings differ more than 10-fold: the median of all band powers is"
        f" {medians[1]} in v.csv and {medians[0]} in a.csv. Are they in one unit? 1 V² is 10^12"
        " µV²."
    ]
    # Within training, and all of one scale together.
    files = ["a.csv", "v.csv", "b.csv"]
    (sentence,) = unlike_scales(dataset(usual, volts), dataset(double), files)
    assert f"{medians[1]} in v.csv and {medians[0]} in a.csv, b.csv." in sentence
    none = replace(usual, features=np.zeros_like(usual.features))
    assert (
        "is 0 in n.csv and" in unlike_scales(dataset(none), dataset(usual), ["n.csv", "a.csv"])[0]
    )


def test_scales_of_features_that_are_no_band_powers_are_not_compared() -> None:
    schema = Schema(other_features(FEATURES), SCHEMA.labels)
    large, small = (replace(recording("AB", 0, scale), schema=schema) for scale in (1.0, 1e-9))
    assert unlike_scales(dataset(large), dataset(small), ["a.csv", "b.csv"]) == []


def test_a_recording_of_several_on_which_a_model_only_guesses_is_named() -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(0, 4, 300)
    # Of the second recording one class has nearly all rows, and one in five of them is right.
    truth = np.concatenate([right, np.where(np.arange(100) < 80, 0, 1)])
    labels = np.concatenate([right, np.where(np.arange(100) % 5 == 0, truth[300:], 3)])
    found = Evaluation(truth, np.eye(4)[labels], np.repeat([0, 1], [300, 100]))
    assert found.beats_guessing
    (sentence,) = no_better_by_recording({"LDA": found}, [*"abcd"], ["one.csv", "two.csv"])
    assert sentence == (
        "LDA is no better than guessing on two.csv (0.200 right, always saying a 0.800)."
    )
    assert no_better_by_recording({"LDA": found.of_recording(0)}, [*"abcd"], ["one.csv"]) == []


def test_what_only_guesses_on_held_out_rows_learned_nothing_to_be_worse_with() -> None:
    truth = np.array([0] * 270 + [1] * 30)
    guessing = Evaluation(truth, np.eye(2)[np.zeros(300, int)])
    test = Evaluation(np.repeat([0, 1], 60), np.eye(2)[np.zeros(120, int)])
    assert worse_than_estimated({"LDA": (guessing, test)}, "blocks") == []


def test_noise_of_which_one_class_has_nine_tenths_is_no_better_than_guessing() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.permutation(1000) < 900).astype(np.int64)
    noise = labelled(truth, np.where(rng.permutation(1000) < 20, 1 - truth, 1))
    right = labelled(truth, truth)
    (sentence,) = no_better_than_guessing({"LDA": noise, "MLP": right}, ["rest", "left"])
    low, high = noise.interval.low, noise.interval.high
    assert noise.accuracy < 0.9
    assert sentence == (
        f"LDA is no better than guessing: {noise.accuracy:.3f} right (95 % interval {low:.3f} to"
        f" {high:.3f}), and always saying left would be 0.900 right. Its balanced accuracy is"
        f" {noise.balanced_accuracy:.3f}, that of guessing 0.500."
    )


def sure(by: float) -> Evaluation:
    """Of 400 rows of four classes, nine tenths right, each with this probability of its label."""
    truth = np.tile(np.arange(4), 100)
    labels = np.where(np.arange(400) % 10 == 7, (truth + 1) % 4, truth)
    probabilities = np.full((400, 4), (1 - by) / 3)
    probabilities[np.arange(400), labels] = by
    return Evaluation(truth, probabilities)


def test_a_temperature_that_leaves_probabilities_that_say_little_is_told() -> None:
    def told(temperature: float, before: float, after: float) -> list[str]:
        chosen = Candidate(Recipe("l2"), temperature, sure(before), sure(after))
        return flat_probabilities({"LDA": chosen}, "letter")

    assert told(20, 0.99, 0.89) == []
    # What was not too sure is not made less sure by a temperature of 1 or a little more.
    assert told(1, 0.6, 0.6) == []
    assert told(220, 0.99, 0.5) == [
        "The probabilities of LDA say little: its temperature is 220. Of held-out rows it labels 90"
        "\N{NO-BREAK SPACE}% rightly, with a mean probability of 99\N{NO-BREAK SPACE}% before"
        " temperature scaling and 50\N{NO-BREAK SPACE}% after it. Rows that it labels wrongly and"
        " was sure of make the temperature large: is their letter right?"
    ]
    (at_bound,) = told(MOST - 0.01, 0.99, 0.9)
    assert "its temperature is 1000, the bound of its search." in at_bound
    assert flat_probabilities({"LDA": Candidate(Recipe("l2"))}, "letter") == []


def test_p_and_q_are_exchanged_in_the_real_recordings_and_nothing_else_is_wrong() -> None:
    folder = real_recordings()
    training = read_any(folder / "train.csv")
    test = read_any(folder / "test.csv", training.schema)
    lda = LinearDiscriminantAnalysis().fit(np.log1p(training.features), training.labels)
    found = labelled(test.labels, lda.predict(np.log1p(test.features)))
    assert exchanged_classes({"LDA": found}, LETTERS, ["test.csv"]) == [
        "P and Q look exchanged in test.csv: LDA labels 50 of 50 rows of P as Q, and 39 of 50 of Q"
        " as P. Are their labels the wrong way round there?"
    ]
    assert found.interval.low == pytest.approx(0.60, abs=0.01)
    assert found.interval.high == pytest.approx(0.88, abs=0.01)
    first, second = dataset(training), dataset(test)
    assert no_better_than_guessing({"LDA": found}, LETTERS) == []
    assert repeated_rows(first, second, ["test.csv"]) == []
    assert unshared_classes(first, second, LETTERS) == []
    assert unlike_scales(first, second, ["train.csv", "test.csv"]) == []
