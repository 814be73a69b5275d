"""Scorers over many rows give what they give for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.bulk import BulkScorer, score
from eeg_letters.scoring.scorer import PREPROCESSING, Scorer
from eeg_letters.scoring.store import SCORER_FILE
from eeg_letters.settings import DATA
from tests.conftest import latest_entry
from tests.shipped import FEATURES, LETTERS


@pytest.fixture(scope="module")
def scorers(trained_home: Path) -> list[Scorer]:
    return [
        Scorer.load((latest_entry(trained_home, model) / SCORER_FILE).read_bytes())
        for model in MODELS
    ]


@pytest.mark.parametrize("change", ["as they are", "huge", "tiny", "zero"])
@pytest.mark.parametrize("preprocessing", [("l2", "l2"), ("log1p", "log1p"), ("l2", "log1p")])
def test_bulk_scores_are_the_scorers(
    scorers: list[Scorer], preprocessing: tuple[str, str], change: str
) -> None:
    scorers = [
        replace(scorer, preprocessing=name)
        for scorer, name in zip(scorers, preprocessing, strict=True)
    ]
    rows = read_recording(DATA / "test.json").features.copy()
    factors = {"huge": 1e200, "tiny": 1e-200, "zero": 0.0}
    rows[300:303] *= factors.get(change, 1.0)
    every = score([BulkScorer(scorer) for scorer in scorers], rows.T, len(LETTERS), True)
    top = score([BulkScorer(scorer) for scorer in scorers], rows.T, len(LETTERS), False)
    for scorer, all_letters, one in zip(scorers, every, top, strict=True):
        expected = scorer.predict_proba(rows)
        assert all_letters.probabilities is not None
        np.testing.assert_allclose(all_letters.probabilities.T, expected, rtol=0, atol=1e-12)
        for scores in (all_letters, one):
            np.testing.assert_array_equal(scores.labels, scorer.predict(rows))
            np.testing.assert_allclose(scores.top, expected.max(axis=1), rtol=0, atol=1e-12)
        assert one.probabilities is None


@pytest.mark.parametrize("preprocessing", PREPROCESSING)
def test_letters_that_a_model_does_not_know_have_no_probability(preprocessing: str) -> None:
    generator = np.random.default_rng(0)
    classes = np.array([2, 5, 25])
    shapes = [(len(FEATURES), 4), (4, 4), (4, 3)]
    scorer = Scorer(
        preprocessing,
        1.0,
        classes,
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[1]) for shape in shapes],
    )
    rows = generator.lognormal(size=(1000, len(FEATURES)))
    (scores,) = score([BulkScorer(scorer)], rows.T, len(LETTERS), True)
    assert scores.probabilities is not None
    assert scores.probabilities.shape == (len(LETTERS), 1000)
    np.testing.assert_allclose(
        scores.probabilities[classes].T, scorer.predict_proba(rows), rtol=0, atol=1e-12
    )
    assert not np.delete(scores.probabilities, classes, axis=0).any()
    assert set(scores.labels) <= set(classes.tolist())
    np.testing.assert_array_equal(scores.labels, scorer.predict(rows))
