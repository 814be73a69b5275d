"""Statistics of labels and probabilities, against other ways to compute them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from eeg_letters.training.evaluation import (
    Evaluation,
    compare,
    nearby_mistakes,
    recorded_order,
)
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


def test_balanced_accuracy_and_macro_f1_are_those_of_scikit_learn(noisy: Evaluation) -> None:
    # Rows of letters A to E, labelled with any letter: macro F1 has the others too.
    assert set(noisy.labels) > set(noisy.truth)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        balanced = balanced_accuracy_score(noisy.truth, noisy.labels)
    assert noisy.balanced_accuracy == pytest.approx(balanced)
    assert noisy.macro_f1 == pytest.approx(f1_score(noisy.truth, noisy.labels, average="macro"))


def test_of_a_recording_are_its_rows(noisy: Evaluation) -> None:
    places = np.arange(300) // 100
    found = Evaluation(noisy.truth, noisy.probabilities, places).of_recording(1)
    np.testing.assert_array_equal(found.truth, noisy.truth[100:200])
    np.testing.assert_array_equal(found.probabilities, noisy.probabilities[100:200])
    assert set(found.places) == {1}
    assert set(noisy.places) == {0}


def test_guessing_is_the_commonest_class_and_has_to_be_beaten_by_the_whole_interval() -> None:
    # Of ten classes one has 90 % of the rows: 0.88 is far above a tenth, and worse than guessing.
    letters = np.tile([3] * 9 + [4], 100)
    for right, beats in ((0.88, False), (0.91, False), (0.96, True)):
        wrong = np.random.default_rng(0).permutation(1000) >= 1000 * right
        found = labelled(letters.tolist(), np.where(wrong, 7, letters).tolist())
        assert found.commonest_class == 3
        assert found.commonest == 0.9
        assert found.accuracy == pytest.approx(right)
        assert found.beats_guessing is beats


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


def test_the_comparison_counts_rows_and_takes_blocks_alone_below_ten_classes() -> None:
    letters = [0] * 20
    first = labelled(letters, [0] * 15 + [1] * 5)
    second = labelled(letters, [0] * 6 + [1] * 9 + [0] * 2 + [1] * 3)
    found = compare(first, second)
    counts = found.both, found.first_alone, found.second_alone, found.neither
    assert counts == (6, 9, 2, 3)
    # Two blocks, of differences 4 and 3: both signs alike in half of the ways to exchange.
    assert found.p_value == found.p_blocks == pytest.approx(0.5)
    assert found.p_classes is None
    # Of two that differ by 0.1, Student's factor is 9 times that of a normal distribution.
    assert found.difference.low == pytest.approx(0.35 - 9.17 * 0.05, abs=0.01)
    assert found.difference.high == pytest.approx(0.35 + 9.17 * 0.05, abs=0.01)


def test_equal_models_have_a_p_value_of_one() -> None:
    same = labelled([0, 1], [0, 0])
    assert compare(same, same).p_value == 1


@pytest.fixture
def by_letter() -> tuple[Evaluation, Evaluation]:
    """Two models, each of which knows some letters and not the others, in two recordings."""
    rng = np.random.default_rng(0)
    letters = np.tile(np.repeat(CLASSES, 50), 2)
    places = np.repeat([0, 1], 1300)
    models = []
    for known in (0.8, 0.6):
        right = np.repeat(rng.random(52) < known, 50)
        found = labelled(letters.tolist(), np.where(right, letters, (letters + 1) % 26).tolist())
        models.append(Evaluation(letters, found.probabilities, places))
    return models[0], models[1]


def test_where_mistakes_come_by_class_the_wider_interval_and_the_larger_p_value_are_by_class(
    by_letter: tuple[Evaluation, Evaluation],
) -> None:
    first, second = by_letter
    assert first.by_classes is not None
    # Five blocks of a letter are one: the interval is wider by the root of five.
    by_blocks, by_classes = (
        found.high - found.low for found in (first.by_blocks, first.by_classes)
    )
    assert by_classes / by_blocks == pytest.approx(5**0.5, rel=0.1)
    assert first.interval == first.by_classes
    found = compare(first, second)
    assert found.p_classes is not None
    assert found.p_blocks < 0.01 < found.p_classes == found.p_value
    assert found.difference.low < first.accuracy - second.accuracy < found.difference.high
    assert found.difference.high - found.difference.low > by_classes


def test_where_mistakes_come_by_block_the_wider_interval_is_by_block() -> None:
    rng = np.random.default_rng(0)
    letters = np.repeat(CLASSES, 50)
    # Three of the five blocks of each letter.
    right = np.concatenate([rng.permutation([1, 1, 1, 0, 0]) for _ in CLASSES]).repeat(10)
    found = labelled(letters.tolist(), np.where(right, letters, (letters + 1) % 26).tolist())
    assert found.by_classes is not None
    assert found.by_classes.low == found.by_classes.high == 0.6
    assert found.interval == found.by_blocks


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
    # At each end one letter is near, elsewhere two of the other 25.
    assert found.by_chance == pytest.approx((2 * 1 + 24 * 2) / 26 / 25, abs=0.002)


def test_mistakes_between_neighbours_in_the_order_of_recording_are_near() -> None:
    order = [7, 3, 11, 0, 9, 5]
    # The third is two away, the last is not of the order.
    pairs = [(7, 3), (0, 9), (5, 0), (5, 9), (7, 7), (20, 7)]
    letters, labels = ([pair[place] for pair in pairs] for place in (0, 1))
    found = nearby_mistakes(labelled(letters, labels), order)
    assert found is not None
    assert found.share == 3 / 4
    assert nearby_mistakes(labelled([7, 3], [7, 3]), order) is None
    assert nearby_mistakes(labelled([7, 3], [3, 7]), order[:3]) is None


def test_the_order_of_recording_is_of_classes_that_were_recorded_once() -> None:
    assert recorded_order(np.array([4, 4, 2, 2, 7])) == [4, 2, 7]
    assert recorded_order(np.array([4, 4, 2, 4])) == []
