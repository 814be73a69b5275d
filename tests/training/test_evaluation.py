"""Statistics of labels and probabilities, against other ways to compute them."""

from __future__ import annotations

import tracemalloc
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from eeg_letters.training.evaluation import Evaluation, compare, nearby_mistakes
from tests.shipped import LETTERS

CLASSES = range(len(LETTERS))


def labelled(letters: list[int], labels: list[int], confidence: float = 0.6) -> Evaluation:
    """Rows of these letters, given these labels."""
    probabilities = np.full((len(letters), len(LETTERS)), (1 - confidence) / (len(LETTERS) - 1))
    probabilities[np.arange(len(labels)), labels] = confidence
    return Evaluation(np.array(letters), probabilities)


@pytest.fixture
def noisy() -> Evaluation:
    """Letters A to E, a third of them labelled at random."""
    rng = np.random.default_rng(0)
    letters = rng.integers(5, size=300)
    probabilities = rng.dirichlet(np.full(len(LETTERS), 0.3), size=300)
    known = rng.random(300) < 2 / 3
    probabilities[known, letters[known]] += 2
    return Evaluation(letters, probabilities / probabilities.sum(axis=1, keepdims=True))


def test_confusion_and_accuracy_are_those_of_scikit_learn(noisy: Evaluation) -> None:
    expected = confusion_matrix(noisy.truth, noisy.labels, labels=list(CLASSES))
    np.testing.assert_array_equal(noisy.confusion(), expected)
    assert noisy.accuracy == np.trace(expected) / expected.sum()


def test_scores_of_each_letter_are_those_of_scikit_learn(noisy: Evaluation) -> None:
    precision, recall, f1, rows = precision_recall_fscore_support(
        noisy.truth, noisy.labels, labels=list(CLASSES), zero_division=np.nan
    )
    found = {score.place: score for score in noisy.by_class()}
    assert set(found) == set(noisy.truth) | set(noisy.labels)
    for letter, score in found.items():
        assert score.rows == rows[letter]
        assert score.recall == (pytest.approx(recall[letter]) if score.rows else None)
        labelled_so = (noisy.labels == letter).any()
        assert score.precision == (pytest.approx(precision[letter]) if labelled_so else None)
        assert score.f1 == pytest.approx(f1[letter])


def test_the_most_frequent_mistake_is_the_label_that_most_other_rows_get() -> None:
    scores = labelled([0] * 6 + [1, 1], [0, 0, 0, 1, 2, 2, 1, 1]).by_class()
    assert [(score.mistake, score.mistaken) for score in scores[:2]] == [(2, 2), (None, 0)]
    assert scores[2].recall is None
    assert scores[2].precision == 0


def test_log_loss_is_that_of_scikit_learn_in_bits(noisy: Evaluation) -> None:
    expected = log_loss(noisy.truth, noisy.probabilities, labels=list(CLASSES)) / np.log(2)
    assert noisy.log_loss == pytest.approx(expected)


def test_log_loss_of_an_unknown_letter_is_finite() -> None:
    assert 40 < Evaluation(np.array([3]), np.eye(26)[[0]]).log_loss < 60


def test_the_calibration_error_is_the_one_computed_by_hand() -> None:
    # Three rows at 0.95, two of them right; one at 0.55, right.
    probabilities = np.zeros((4, 26))
    probabilities[:, 0], probabilities[:, 1] = [0.95, 0.95, 0.95, 0.55], [0.05, 0.05, 0.05, 0.45]
    found = Evaluation(np.array([0, 0, 1, 0]), probabilities).calibration()
    np.testing.assert_array_equal(found.rows, [1, 3])
    np.testing.assert_allclose(found.confidence, [0.55, 0.95])
    np.testing.assert_allclose(found.accuracy, [1, 2 / 3])
    assert found.error == pytest.approx((1 * 0.45 + 3 * (0.95 - 2 / 3)) / 4)


def test_mcnemars_test_is_its_formula() -> None:
    letters = [0] * 20
    first = labelled(letters, [0] * 15 + [1] * 5)
    second = labelled(letters, [0] * 6 + [1] * 9 + [0] * 2 + [1] * 3)
    found = compare(first, second)
    counts = found.both, found.first_alone, found.second_alone, found.neither
    assert counts == (6, 9, 2, 3)
    assert found.p_value == pytest.approx(2 * sum(comb(11, k) for k in range(3)) / 2**11)


def test_equal_models_have_a_p_value_of_one() -> None:
    same = labelled([0, 1], [0, 0])
    assert compare(same, same).p_value == 1


def test_the_interval_covers_the_truth_where_rows_resemble_their_neighbours() -> None:
    rng = np.random.default_rng(0)
    truth, turns = 0.7, 60
    covered = {"blocks": 0, "rows": 0}
    letters = np.repeat(np.arange(26), 50)
    for _ in range(turns):
        # Ten rows in a row are right or wrong together.
        right = np.repeat(rng.random(130) < truth, 10)
        found = labelled(letters.tolist(), np.where(right, letters, (letters + 1) % 26).tolist())
        wilson = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        for name, interval in (("blocks", found.interval), ("rows", wilson)):
            covered[name] += interval.low <= truth <= interval.high
    assert covered["blocks"] >= 0.88 * turns
    assert covered["rows"] <= 0.7 * turns


def test_the_interval_of_a_long_recording_fits_into_memory() -> None:
    letters = np.repeat(np.arange(26), 4000)
    found = labelled(letters.tolist(), np.where(letters % 3, letters, 0).tolist())
    tracemalloc.start()
    interval = found.interval
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert interval.low < found.accuracy < interval.high
    assert peak < 100e6


def test_mistakes_by_lot_are_as_often_near_as_by_chance() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(len(LETTERS)).tolist()
    letters = np.repeat(CLASSES, 400).tolist()
    found = nearby_mistakes(labelled(letters, rng.permutation(letters).tolist()), order)
    assert found is not None
    assert found.share == pytest.approx(found.by_chance, abs=0.02)
    # At each end two letters are near, next to it three, elsewhere four of the other 25.
    assert found.by_chance == pytest.approx((2 * 2 + 2 * 3 + 22 * 4) / 26 / 25, abs=0.002)


def test_mistakes_between_neighbours_in_the_order_of_recording_are_near() -> None:
    order = [7, 3, 11, 0, 9, 5]
    pairs = [(7, 11), (0, 9), (5, 0), (3, 5), (7, 7), (20, 7)]  # The last is not of the order.
    letters, labels = ([pair[place] for pair in pairs] for place in (0, 1))
    found = nearby_mistakes(labelled(letters, labels), order)
    assert found is not None
    assert found.share == 3 / 4
    assert nearby_mistakes(labelled([7, 3], [7, 3]), order) is None
    assert nearby_mistakes(labelled([7, 3], [3, 7]), order[:5]) is None
