"""Rows unlike those of the training are found by their distance to the nearest class."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_letters.models import LDA
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.scorer import Floats
from eeg_letters.scoring.store import FAMILIARITY_FILE
from eeg_letters.settings import DATA
from tests.conftest import latest_entry

WIDTH = 160
ROWS = read_recording(DATA / "test.json").features
EXTREMES = [0.0, 5e-324, 1e-300, 1e30, 1e300, float(np.finfo(np.float64).max)]


@pytest.fixture(scope="module")
def trained(trained_home: Path) -> Familiarity:
    """The familiarity of the shipped models."""
    return read(latest_entry(trained_home, LDA))


def read(entry: Path) -> Familiarity:
    return Familiarity.load((entry / FAMILIARITY_FILE).read_bytes(), WIDTH, are_powers=True)


def saved(familiarity: Familiarity) -> bytes:
    file = io.BytesIO()
    familiarity.save(file)
    return file.getvalue()


@pytest.fixture(scope="module", params=["powers", "others"])
def made(request: pytest.FixtureRequest) -> tuple[Familiarity, Callable[[Floats], Floats]]:
    """A familiarity of known means and covariance, and Mahalanobis' distance as it is written."""
    rng = np.random.default_rng(7)
    n_features, n_classes = 6, 4
    name, factor = ("log1p", 0.3) if request.param == "powers" else ("standardise", 1.0)
    mixed = rng.normal(size=(n_features, n_features))
    covariance = mixed @ mixed.T + 0.1 * np.eye(n_features)
    means = rng.normal(3, 1, size=(n_classes, n_features))
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(values)
    origin = means.mean(axis=0)
    familiarity = Familiarity(
        name, factor, whitening, -origin @ whitening, (means - origin) @ whitening, 2.5
    )
    inverse = np.linalg.inv(covariance)

    def distance(rows: Floats) -> Floats:
        inputs = np.log1p(factor * rows) if factor < 1 else rows
        apart = inputs[:, np.newaxis] - means
        squares = np.einsum("rci,ij,rcj->rc", apart, inverse, apart)
        nearest: Floats = np.sqrt(squares.min(axis=1))
        return nearest

    return familiarity, distance


def test_the_distance_is_mahalanobis_to_the_nearest_class(
    made: tuple[Familiarity, Callable[[Floats], Floats]],
) -> None:
    familiarity, distance = made
    rng = np.random.default_rng(8)
    rows = rng.lognormal(3, 2, (1000, 6)) if familiarity.factor < 1 else rng.normal(3, 2, (1000, 6))
    expected = distance(rows)
    np.testing.assert_allclose(familiarity.distances(rows), expected, rtol=1e-9)
    is_familiar = expected <= familiarity.limit
    assert 0 < is_familiar.sum() < len(rows)
    np.testing.assert_array_equal(familiarity.are_familiar(rows), is_familiar)


def test_a_row_has_one_answer_alone_and_among_others_whatever_the_limit(
    trained: Familiarity,
) -> None:
    # Each row is itself at the limit once: there every rounding counts.
    by_chance = 0
    for place in range(0, len(ROWS), 13):
        limited = replace(trained, limit=float(trained.distances(ROWS)[place]))
        together = limited.are_familiar(ROWS)
        assert limited.is_familiar(ROWS[place]) == together[place]
        assert limited.are_familiar(ROWS[place : place + 1]).tolist() == [together[place]]
        some = ROWS[max(0, place - 2) : place + 1]
        assert limited.are_familiar(some)[-1] == together[place]
        assert limited.are_familiar(np.ascontiguousarray(ROWS.T).T)[place] == together[place]
        by_chance += bool((limited.distances(ROWS) <= limited.limit)[place] != together[place])
    assert by_chance, "no order of sums changes anything here"


def test_float32_decides_nearly_every_row_as_float64_does(
    trained: Familiarity, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained.are_familiar(ROWS)
    asked = []
    decide = Familiarity._decide

    def counted(self: Familiarity, inputs: Floats) -> bool:
        asked.append(inputs)
        return decide(self, inputs)

    monkeypatch.setattr(Familiarity, "_decide", counted)
    assert [trained.is_familiar(row) for row in ROWS] == expected.tolist()
    assert len(asked) < 0.05 * len(ROWS)


@given(st.integers(0, 2**32), st.floats(-1, 1))
def test_near_the_limit_float32_leaves_the_answer_to_float64(seed: int, nearness: float) -> None:
    rng = np.random.default_rng(seed)
    n_features, n_classes = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    familiarity = Familiarity(
        "standardise",
        1.0,
        rng.normal(size=(n_features, n_features)) * 10.0 ** rng.integers(-3, 4),
        rng.normal(size=n_features) * 10.0 ** rng.integers(-3, 4),
        rng.normal(size=(n_classes, n_features)) * 10.0 ** rng.integers(-3, 4),
        1.0,
    )
    row = rng.normal(size=n_features) * 10.0 ** rng.integers(-3, 4)
    distance = float(familiarity.distances(row[np.newaxis])[0])
    limited = replace(familiarity, limit=distance * (1 + nearness**9))
    assert limited.is_familiar(row) == limited._decide(row)
    assert limited.are_familiar(np.array([row, row, 2 * row]))[:2].tolist() == (
        [limited._decide(row)] * 2
    )


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # Serving ignores it too.
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("preprocessing", ["log1p", "standardise"])
def test_extreme_rows_are_judged_without_a_warning_alone_and_among_others(
    trained: Familiarity, preprocessing: str
) -> None:
    familiarity = replace(trained, preprocessing=preprocessing)
    rows = np.array([np.full(WIDTH, value) for value in EXTREMES] + [ROWS[0]])
    alone = [familiarity.is_familiar(row) for row in rows]
    assert familiarity.are_familiar(rows).tolist() == alone
    assert not any(alone[3:-1])
    if preprocessing == "log1p":
        assert alone[-1]
        assert np.isfinite(familiarity.distances(rows)).all()


@pytest.mark.filterwarnings("error")
def test_the_unit_does_not_count(trained: Familiarity) -> None:
    unit = 2.0**-40
    volts = replace(trained, factor=trained.factor / unit)
    np.testing.assert_array_equal(volts.are_familiar(ROWS * unit), trained.are_familiar(ROWS))


def test_no_row_is_no_answer(trained: Familiarity) -> None:
    assert trained.are_familiar(ROWS[:0]).shape == (0,)
    assert trained.distances(ROWS[:0]).shape == (0,)


def test_judging_leaves_rows_as_they_are(trained: Familiarity) -> None:
    rows = ROWS[:300].copy()
    trained.are_familiar(rows)
    trained.is_familiar(rows[0])
    np.testing.assert_array_equal(rows, ROWS[:300])


def test_it_is_read_as_it_was_saved(trained: Familiarity) -> None:
    again = Familiarity.load(saved(trained), WIDTH, are_powers=True)
    for name in ("preprocessing", "factor", "limit"):
        assert getattr(again, name) == getattr(trained, name)
    for name in ("whitening", "shift", "centres"):
        np.testing.assert_array_equal(getattr(again, name), getattr(trained, name))
    assert saved(again) == saved(trained)


SMALL = saved(Familiarity("log1p", 0.5, np.eye(4), np.ones(4), np.ones((3, 4)), 2.0))


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=4))
def test_whatever_the_bytes_there_is_a_familiarity_or_one_error(
    changes: list[tuple[int, int]],
) -> None:
    content = bytearray(SMALL)
    for place, value in changes:
        content[place] = value
    with suppress(ValueError):
        found = Familiarity.load(bytes(content), 4, are_powers=True)
        assert np.isfinite(found.distances(np.array([[0.0, 1.0, 1e300, 5e-324]]))).all()


@pytest.mark.parametrize(
    ("changes", "features", "are_powers", "reason"),
    [
        ({}, WIDTH, False, "preprocessing is 'log1p'"),
        ({"preprocessing": "l2"}, WIDTH, True, "preprocessing is 'l2'"),
        ({}, WIDTH - 1, True, "not those of 159 features"),
        ({"shift": np.zeros(WIDTH + 1)}, WIDTH, True, "(161,)"),
        ({"centres": np.zeros((3, WIDTH + 1))}, WIDTH, True, "(3, 161)"),
        ({"whitening": np.full((WIDTH, WIDTH), np.nan)}, WIDTH, True, "whitening"),
        ({"limit": np.inf}, WIDTH, True, "limit has a value that is no finite number"),
        ({"limit": -1.0}, WIDTH, True, "limit is -1.0"),
        ({"limit": 1e101}, WIDTH, True, "no longer finite"),
        ({"whitening": np.full((WIDTH, WIDTH), 1e100)}, WIDTH, True, "no longer finite"),
        ({"factor": 0.0}, WIDTH, True, "factor is 0.0"),
    ],
)
def test_what_does_not_fit_is_refused(
    trained: Familiarity, changes: dict[str, Any], features: int, are_powers: bool, reason: str
) -> None:
    content = saved(replace(trained, **changes))
    with pytest.raises(ValueError, match=r"\S") as refusal:
        Familiarity.load(content, features, are_powers)
    assert reason in str(refusal.value)
