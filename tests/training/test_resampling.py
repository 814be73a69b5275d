"""Units of rows, intervals and the permutation test, against what they are by definition."""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest

from eeg_letters.training.resampling import (
    Interval,
    Units,
    blocks,
    classes,
    exchange_p_value,
    interval_of_mean,
    wider,
)


def one_group(of_rows: list[int]) -> Units:
    return Units(np.array(of_rows), np.zeros(max(of_rows) + 1, np.int64))


def test_a_block_is_of_ten_rows_in_a_row_and_one_recording() -> None:
    places = np.array([0] * 17 + [1] * 4)
    expected = [0] * 10 + [1] * 7 + [2] * 4
    np.testing.assert_array_equal(blocks(places).of_rows, expected)


@pytest.mark.parametrize(("value", "low", "high"), [(1, 0.025 ** (1 / 3), 1), (0, 0, 0.708)])
def test_the_interval_of_a_few_blocks_that_agree_is_as_of_as_many_throws(
    value: int, low: float, high: float
) -> None:
    found = interval_of_mean(np.full(25, value), blocks(np.zeros(25, np.int64)))
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize("n_rows", [10, 14, 20, 30, 50, 100, 200])
def test_of_few_rows_lot_seldom_does_better_than_it_is(n_rows: int) -> None:
    rng = np.random.default_rng(0)
    units = blocks(np.zeros(n_rows, np.int64))
    found = [interval_of_mean(rng.integers(0, 2, n_rows), units) for _ in range(200)]
    assert np.mean([interval.low > 0.5 for interval in found]) < 0.05
    assert np.mean([interval.low <= 0.5 <= interval.high for interval in found]) > 0.9


def test_a_block_alone_says_nothing() -> None:
    units = blocks(np.zeros(10, np.int64))
    assert interval_of_mean(np.array([0, 1] * 5), units) == Interval(0, 1)
    assert interval_of_mean(np.array([-1, 1] * 5), units, least=-1) == Interval(-1, 1)


def test_classes_are_units_within_their_recording_from_ten_on() -> None:
    truth = np.array([*range(10), 9, 3, 9, 3])
    places = np.array([0] * 11 + [1] * 3)
    units = classes(truth, places)
    assert units is not None
    np.testing.assert_array_equal(units.of_rows, [*range(10), 9, 10, 11, 10])
    np.testing.assert_array_equal(units.groups, [0] * 10 + [1] * 2)
    assert classes(truth % 9, places) is None


def test_the_interval_is_that_of_a_bootstrap_which_draws_units_one_by_one() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 9, size=60)
    groups = np.repeat([0, 1], [20, 40])
    of_rows = np.repeat(np.arange(60), sizes)
    # Nearly all of the first group are right, hardly any of the second.
    values = (rng.random(len(of_rows)) < np.where(groups == 0, 0.95, 0.2)[of_rows]).astype(np.int64)
    found = interval_of_mean(values, Units(of_rows, groups))
    means = []
    for _ in range(4000):
        drawn = [*rng.integers(0, 20, size=20), *rng.integers(20, 60, size=40)]
        means.append(np.concatenate([values[of_rows == unit] for unit in drawn]).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_the_p_value_is_the_share_of_all_ways_to_exchange_units() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        of_rows = np.sort(rng.integers(9, size=60))
        differences = rng.integers(-1, 2, size=60)
        sums = np.bincount(of_rows, differences, 9)
        ways = np.array(list(product((-1, 1), repeat=9))) @ sums
        expected = (np.abs(ways) >= abs(sums.sum())).mean()
        units = Units(of_rows, np.zeros(9, np.int64))
        assert exchange_p_value(differences, units) == pytest.approx(expected)


def test_the_p_value_is_a_share_whatever_differs() -> None:
    alike = np.zeros(50, np.int64)
    units = one_group([*range(50)])
    assert exchange_p_value(alike, units) == 1
    assert 0 <= exchange_p_value(alike + 1, units) < 1e-12
    # One unit may be exchanged or not.
    assert exchange_p_value(alike + 1, one_group([0] * 50)) == pytest.approx(1)


def test_models_that_are_equally_good_seldom_have_a_small_p_value() -> None:
    rng = np.random.default_rng(0)
    truth, places = np.repeat(np.arange(26), 50), np.zeros(1300, np.int64)
    units = {"blocks": blocks(places), "classes": classes(truth, places)}
    small = dict.fromkeys(units, 0)
    for _ in range(200):
        # Each model knows some classes whole.
        first, second = (np.repeat(rng.random(26) < 0.7, 50).astype(np.int64) for _ in range(2))
        for name, some in units.items():
            assert some is not None
            small[name] += exchange_p_value(first - second, some) < 0.05
    assert small["classes"] <= 0.08 * 200
    assert small["blocks"] >= 0.25 * 200


def test_many_rows_of_many_classes_take_little_memory() -> None:
    rng = np.random.default_rng(0)
    truth, places = rng.integers(1000, size=100_000), np.repeat(np.arange(10), 10_000)
    values = rng.integers(-1, 2, size=100_000)
    tracemalloc.start()
    for units in (blocks(places), classes(truth, places)):
        assert units is not None
        found = interval_of_mean(values, units)
        assert found.low < values.mean() < found.high
        assert 0 < exchange_p_value(values, units) < 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


def test_the_wider_interval_is_the_one_with_ends_farther_apart() -> None:
    narrow, wide = Interval(0.5, 0.6), Interval(0.1, 0.3)
    assert wider(narrow, wide) == wider(wide, narrow) == wide
    assert wider(narrow, None) == narrow
