"""`eeg_letters.load`, as a notebook uses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import eeg_letters
from eeg_letters.errors import StoreError
from eeg_letters.models import LDA, MODELS
from eeg_letters.scoring.classifier import Classifier
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import FAMILIARITY_FILE, SCORER_FILE
from eeg_letters.settings import DATA
from tests.conftest import latest_entry, run_python
from tests.shipped import FEATURES


@pytest.fixture
def store(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trained store, which this process uses."""
    monkeypatch.setenv("BENTOML_HOME", str(trained_home))
    return trained_home


@pytest.fixture
def classifier(store: Path) -> Classifier:  # noqa: ARG001
    return eeg_letters.load("eeg-lda:latest")


@pytest.fixture
def frame() -> pd.DataFrame:
    """The simulated training recording as pandas reads it, with blanks before names."""
    return pd.read_csv(DATA / "train.csv")


def test_it_answers_as_the_service_does(store: Path, frame: pd.DataFrame) -> None:
    rows = frame.iloc[:, 2:].to_numpy()
    for model in MODELS:
        entry = latest_entry(store, model)
        scorer = Scorer.load((entry / SCORER_FILE).read_bytes())
        for tag in (model.name, f"{model.name}:latest", f"{model.name}:{entry.name}"):
            classifier = eeg_letters.load(tag)
            assert classifier.tag == f"{model.name}:{entry.name}"
            np.testing.assert_array_equal(classifier.predict(frame), scorer.predict(rows))
        np.testing.assert_allclose(
            classifier.predict_proba(frame), scorer.predict_proba(rows), rtol=0, atol=1e-12
        )
        assert classifier.classes_.tolist() == list(range(26))


def test_columns_are_found_by_name(classifier: Classifier, frame: pd.DataFrame) -> None:
    expected = classifier.predict_proba(frame)
    shuffled = frame.sample(axis=1, frac=1, random_state=0).copy().assign(subject="S1")
    np.testing.assert_array_equal(classifier.predict_proba(shuffled), expected)
    stripped = frame.rename(columns=str.strip)[list(FEATURES)]
    np.testing.assert_array_equal(classifier.predict_proba(stripped), expected)
    for rows in (stripped.to_numpy(), stripped.to_numpy().tolist()):
        np.testing.assert_array_equal(classifier.predict_proba(rows), expected)


def test_a_bad_frame_is_refused_by_row_and_column(
    classifier: Classifier, frame: pd.DataFrame
) -> None:
    bad = frame.set_index("Line").rename(index={7: "seventh"})
    bad.loc["seventh", " O1/alpha"] = np.nan
    with pytest.raises(ValueError, match="row seventh, column O1/alpha: nan is not a finite"):
        classifier.predict(bad)
    bad.loc["seventh", " O1/alpha"] = -0.5
    with pytest.raises(ValueError, match=r"column O1/alpha: -0\.5 is not a finite number from 0"):
        classifier.predict(bad)
    with pytest.raises(ValueError, match="column O1/alpha: the column is missing"):
        classifier.predict(frame.drop(columns=" O1/alpha"))
    with pytest.raises(ValueError, match="column O1/alpha: duplicate column"):
        classifier.predict(frame.copy().assign(**{"O1/alpha": 1.0}))
    with pytest.raises(ValueError, match="not all numbers"):
        classifier.predict(
            frame.astype({" O1/alpha": str}).replace({" O1/alpha": r".*"}, "x", regex=True)
        )
    with pytest.raises(ValueError, match=r"shape \(160,\); \(n_rows, 160\) is wanted"):
        classifier.predict(np.ones(160))


def test_rows_unlike_the_training_are_told(
    store: Path, classifier: Classifier, frame: pd.DataFrame
) -> None:
    content = (latest_entry(store, LDA) / FAMILIARITY_FILE).read_bytes()
    expected = Familiarity.load(content, len(FEATURES), are_powers=True)
    changed = frame.copy()
    changed.iloc[7, 2:] *= 1e6
    rows = changed.iloc[:, 2:].to_numpy()
    found = classifier.familiar(changed)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, expected.are_familiar(rows))
    assert not found[7]
    assert found.mean() > 0.9
    np.testing.assert_array_equal(classifier.familiar(rows), found)
    assert [bool(classifier.familiar(row[np.newaxis])[0]) for row in rows[:9]] == (
        found[:9].tolist()
    )
    with pytest.raises(ValueError, match="column O1/alpha: the column is missing"):
        classifier.familiar(frame.drop(columns=" O1/alpha"))


def test_a_model_that_cannot_tell_says_so(classifier: Classifier, frame: pd.DataFrame) -> None:
    cannot = replace(classifier, familiarity=None)
    with pytest.raises(ValueError, match=f"model {classifier.tag} cannot tell which rows"):
        cannot.familiar(frame)


@pytest.mark.usefixtures("store")
def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(StoreError, match="no model eeg-lda:nothing"):
        eeg_letters.load("eeg-lda:nothing")


def test_the_package_is_light_to_import_and_loading_needs_no_pandas(trained_home: Path) -> None:
    script = (
        "import sys, eeg_letters; heavy = {'numpy', 'bentoml', 'pandas', 'sklearn', 'arro3'}; "
        "print(*heavy & set(sys.modules)); "
        f"print(eeg_letters.load('{LDA.name}').predict([[1.0] * 160])); "
        "print(*{'bentoml', 'pandas', 'sklearn', 'arro3'} & set(sys.modules))"
    )
    before, labels, after = run_python(trained_home, script).splitlines()
    assert (before, after) == ("", "")
    assert labels.startswith("[")
