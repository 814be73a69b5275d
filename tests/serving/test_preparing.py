"""Models that prepare rows alike or differently give what each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest

from eeg_letters.models import MODELS
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import StoredModel
from eeg_letters.serving.inference import Inference
from tests.shipped import SCHEMA

N_FEATURES, N_LABELS = len(SCHEMA.features), len(SCHEMA.labels.values)


def scorer(preprocessing: str, factor: float, seed: int) -> Scorer:
    chance = np.random.default_rng(seed)
    return Scorer(
        preprocessing,
        factor,
        np.arange(N_LABELS),
        (chance.normal(size=(N_FEATURES, N_LABELS)),),
        (chance.normal(size=N_LABELS),),
    )


@pytest.mark.parametrize("n_rows", [1, 5])
@pytest.mark.parametrize(
    "second", [("log1p", 1.5), ("log1p", 2.0), ("l2", 1.5)], ids=["alike", "factor", "another"]
)
def test_each_model_predicts_as_by_itself(second: tuple[str, float], n_rows: int) -> None:
    scorers = scorer("log1p", 1.5, 1), scorer(*second, 2)
    stored = [
        StoredModel(model, "1", each, None, SCHEMA, {})
        for model, each in zip(MODELS, scorers, strict=True)
    ]
    inference = Inference(
        stored, (), (), None, {}, {}, "", np.empty(0, np.int64), {}, "no rows are stored"
    )
    rows = np.random.default_rng(3).lognormal(size=(n_rows, N_FEATURES))
    for place, (each, prediction) in enumerate(zip(scorers, inference.predict(rows), strict=True)):
        assert prediction.classes == each.predict(rows).tolist()
        assert prediction.classes == [inference.classify(row)[place] for row in rows]
        np.testing.assert_allclose(prediction.probabilities, each.predict_proba(rows), rtol=1e-9)
