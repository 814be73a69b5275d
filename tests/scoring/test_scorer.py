"""The compiled scorer answers what the pipeline answers, whatever the row."""

from __future__ import annotations

import io
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from eeg_letters.models import MODELS, Model
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.scoring.bulk import BulkScorer, score
from eeg_letters.scoring.scorer import PREPROCESSING, Floats, Scorer, log1p_of
from eeg_letters.scoring.store import PIPELINE_FILE, SCORER_FILE
from eeg_letters.settings import DATA
from eeg_letters.training.compiling import TOLERANCE, compile_pipeline
from eeg_letters.training.pipelines import build_pipeline, find_factor, fit, to_frame
from eeg_letters.training.recipes import Recipe
from tests.conftest import latest_entry
from tests.shipped import FEATURES, LETTERS, SCHEMA

Pair = tuple[Pipeline, Scorer]

LARGEST = float(np.finfo(np.float64).max)
# From rows whose squares vanish to rows whose squares overflow; 1e-15 and 1e-17 have norms on
# either side of the smallest that is scaled.
SCALES = [1e-300, 1e-160, 1e-17, 1e-15, 1e-6, 1.0, 1e6, 1e160, 1e300]


@pytest.fixture(
    scope="module",
    params=[
        *(
            (model, letters, name)
            for letters in (2, 3)
            for name in PREPROCESSING
            for model in MODELS
        ),
        *((model, 26, "auto") for model in MODELS),
    ],
    ids=lambda param: f"{param[0].name}, {param[1]} letters, {param[2]}",
)
def pair(request: pytest.FixtureRequest, trained_home: Path) -> Pair:
    """A fitted pipeline and its scorer."""
    model, n_letters, preprocessing = request.param
    if n_letters == 26:
        entry = latest_entry(trained_home, model)
        return joblib.load(entry / PIPELINE_FILE), Scorer.load((entry / SCORER_FILE).read_bytes())
    return fit_small(model, n_letters, preprocessing)


def fit_small(model: Model, n_letters: int, preprocessing: str) -> Pair:
    recording: Recording = read_recording(DATA / "train.csv")
    chosen = (recording.labels < n_letters) & (np.arange(len(recording)) % 5 == 0)
    rows = recording.features[chosen]
    pipeline = build_pipeline(model, Recipe(preprocessing, False), find_factor(rows))
    frame = to_frame(recording.schema.features, rows)
    fit(pipeline, frame, recording.labels[chosen], lambda *_: None)
    return pipeline, compile_pipeline(pipeline, recording.schema.labels)


def in_reach(scorer: Scorer, rows: Floats) -> Floats:
    """The rows; those that are standardised no further from the recordings than sums can tell.

    A pipeline refuses what its factor makes infinite, which a scorer takes for the largest float.
    """
    most = 1e4 if scorer.preprocessing == "standardise" else LARGEST / max(scorer.factor, 1.0)
    return np.minimum(rows, most)


def finite(smallest: float, largest: float) -> st.SearchStrategy[float]:
    return st.floats(smallest, largest, allow_nan=False, allow_infinity=False)


@st.composite
def scaled_rows(draw: st.DrawFn) -> Floats:
    """Rows like those of a recording, at any scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 4)), len(FEATURES))
    return draw(st.sampled_from(SCALES)) * np.exp(rng.normal(size=shape))


ANY_ROWS = st.one_of(
    scaled_rows(),
    arrays(np.float64, (2, len(FEATURES)), elements=finite(0, 1.7e308)),
    arrays(np.float64, (2, len(FEATURES)), elements=finite(0, 100)),
    arrays(np.float64, (2, len(FEATURES)), elements=finite(0, 1e-14)),
)


def assert_same_labels(
    labels: NDArray[np.int64], expected: NDArray[np.int64], probabilities: Floats
) -> None:
    """Labels must be the same, but where the two most probable classes tie."""
    highest = np.sort(probabilities, axis=1)[:, -2:]
    tied = highest[:, 1] - highest[:, 0] <= TOLERANCE
    np.testing.assert_array_equal(labels[~tied], expected[~tied])


@settings(deadline=None)
@given(rows=ANY_ROWS)
@example(rows=np.zeros((1, len(FEATURES))))
@example(rows=np.full((1, len(FEATURES)), 1e300))
@example(rows=np.full((1, len(FEATURES)), 1e-300))
def test_scorer_and_pipeline_give_the_same_labels_and_probabilities(
    pair: Pair, rows: Floats
) -> None:
    pipeline, scorer = pair
    rows = in_reach(scorer, rows)
    frame = pd.DataFrame(rows, columns=list(FEATURES))
    probabilities = pipeline.predict_proba(frame)
    np.testing.assert_allclose(scorer.predict_proba(rows), probabilities, rtol=0, atol=TOLERANCE)
    assert_same_labels(scorer.predict(rows), pipeline.predict(frame), probabilities)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # Serving ignores it too.
@settings(deadline=None)
@given(rows=ANY_ROWS)
@example(rows=np.zeros((1, len(FEATURES))))
def test_a_single_row_gets_the_label_it_gets_in_a_batch(pair: Pair, rows: Floats) -> None:
    _, scorer = pair
    rows = in_reach(scorer, rows)
    labels = np.array([int(scorer.predict(row)) for row in rows])
    np.testing.assert_array_equal(labels, scorer.predict(rows))


def test_with_a_factor_of_one_logarithms_have_the_bits_they_have_without() -> None:
    recording = read_recording(DATA / "test.json").features
    odd = np.array([[0.0, 5e-324, 1e-300, 1e-16, 1.0, 1e300, LARGEST]])
    for rows in (recording, recording[0], np.asfortranarray(recording), odd, odd[0]):
        assert log1p_of(rows, 1.0).tobytes() == np.log1p(rows).tobytes()


EXTREMES = [0.0, 5e-324, 1e-300, 1e300, LARGEST]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("preprocessing", ["log1p", "l2"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_scorer_in_another_unit_gives_the_same_labels(
    trained_home: Path, model: Model, preprocessing: str
) -> None:
    entry = latest_entry(trained_home, model)
    microvolts = Scorer.load((entry / SCORER_FILE).read_bytes())
    microvolts = replace(microvolts, preprocessing=preprocessing)
    # Powers of two, so that no product is rounded: the labels must be the same on ties, too.
    unit = 2.0**-40
    volts = replace(microvolts, factor=microvolts.factor / unit)
    rows = read_recording(DATA / "test.json").features
    expected = microvolts.predict(rows)
    assert len(set(expected.tolist())) > 1
    np.testing.assert_array_equal(volts.predict(rows * unit), expected)
    np.testing.assert_array_equal([int(volts.predict(row)) for row in rows * unit], expected)
    np.testing.assert_array_equal(volts.classify(rows * unit)[0], expected)
    columns = np.ascontiguousarray(rows.T) * unit
    (scores,) = score([BulkScorer(volts)], columns, len(LETTERS), False)
    np.testing.assert_array_equal(scores.labels, expected)
    np.testing.assert_allclose(
        volts.predict_proba(rows * unit), microvolts.predict_proba(rows), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("factor", [1e-100, 1e-12, 1.0, 1.25, 1e12, 1e100])
@pytest.mark.parametrize("preprocessing", ["log1p", "l2"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_whatever_the_factor_all_rows_have_finite_answers_alone_and_among_others(
    trained_home: Path, model: Model, preprocessing: str, factor: float
) -> None:
    entry = latest_entry(trained_home, model)
    scorer = Scorer.load((entry / SCORER_FILE).read_bytes())
    scorer = replace(scorer, preprocessing=preprocessing, factor=factor)
    usual = read_recording(DATA / "test.json").features[0] / factor
    rows = np.array([np.full(len(FEATURES), value) for value in EXTREMES] + [usual])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if preprocessing == "l2":
            # Of a row whose squares overflow the norm is infinite; serving ignores the warning.
            warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        alone = [int(scorer.predict(row)) for row in rows]
        probabilities = np.array([scorer.predict_proba(row) for row in rows])
        assert scorer.predict(rows).tolist() == alone
        for some in (rows, rows[:-1], rows[1:3]):
            (scores,) = score([BulkScorer(scorer)], some.T, len(LETTERS), True)
            assert scores.probabilities is not None
            assert np.isfinite(scores.probabilities).all()
        (scores,) = score([BulkScorer(scorer)], rows.T, len(LETTERS), True)
    assert scores.labels.tolist() == alone
    assert np.isfinite(probabilities).all()
    assert scores.probabilities is not None
    np.testing.assert_allclose(scores.probabilities.T, probabilities, rtol=0, atol=1e-12)


def test_every_row_of_a_recording_gets_the_label_of_the_pipeline(pair: Pair) -> None:
    pipeline, scorer = pair
    recording = read_recording(DATA / "test.json")
    labels = scorer.predict(recording.features)
    assert len(set(labels)) == len(scorer.classes)
    frame = to_frame(recording.schema.features, recording.features)
    np.testing.assert_array_equal(labels, pipeline.predict(frame))
    assert labels.tolist() == [int(scorer.predict(row)) for row in recording.features]


def test_scoring_leaves_the_rows_and_the_scorer_as_they_are(pair: Pair) -> None:
    _, scorer = pair
    rows = np.exp(np.random.default_rng(0).normal(size=(3, len(FEATURES))))
    before = rows.copy()
    first = scorer.predict_proba(rows), scorer.predict(rows), int(scorer.predict(rows[0]))
    second = scorer.predict_proba(rows), scorer.predict(rows), int(scorer.predict(rows[0]))
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_allclose(first[0].sum(axis=1), 1, rtol=1e-12)


def test_a_scorer_is_read_as_it_was_saved(pair: Pair, tmp_path: Path) -> None:
    _, scorer = pair
    with (tmp_path / "scorer.npz").open("wb") as file:
        scorer.save(file)
    read = Scorer.load((tmp_path / "scorer.npz").read_bytes())
    assert (read.preprocessing, read.factor) == (scorer.preprocessing, scorer.factor)
    for arrays_read, arrays_saved in [
        ([read.classes], [scorer.classes]),
        (read.weights, scorer.weights),
        (read.biases, scorer.biases),
    ]:
        for array_read, array_saved in zip(arrays_read, arrays_saved, strict=True):
            assert array_read.dtype == array_saved.dtype
            np.testing.assert_array_equal(array_read, array_saved)


def test_the_saved_bytes_depend_on_the_arrays_alone(pair: Pair) -> None:
    _, scorer = pair
    files = io.BytesIO(), io.BytesIO()
    for file in files:
        scorer.save(file)
    assert files[0].getvalue() == files[1].getvalue()
    # The least that a ZIP archive can say of the time.
    times = {member.date_time for member in zipfile.ZipFile(files[0]).infolist()}
    assert times == {(1980, 1, 1, 0, 0, 0)}


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_in_place_of_an_array_is_refused_unopened(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    arrays = {
        "preprocessing": np.array("l2"),
        "factor": np.array(1.0),
        "classes": np.array([0, 1]),
        "bias_0": np.zeros(2),
    }
    np.savez(tmp_path / "trap.npz", allow_pickle=True, weight_0=trap, **arrays)
    with pytest.raises(ValueError, match="weight_0: it is a pickle"):
        Scorer.load((tmp_path / "trap.npz").read_bytes())
    assert not (tmp_path / "sprung").exists()
    with np.load(tmp_path / "trap.npz", allow_pickle=True) as file:
        assert file["weight_0"].shape == (1,)
    assert (tmp_path / "sprung").exists()


def test_a_preprocessing_of_another_version_is_refused_by_name(pair: Pair, tmp_path: Path) -> None:
    _, scorer = pair
    with (tmp_path / "scorer.npz").open("wb") as file:
        replace(scorer, preprocessing="zscore").save(file)
    with pytest.raises(ValueError, match="there is no preprocessing 'zscore'"):
        Scorer.load((tmp_path / "scorer.npz").read_bytes())


def test_a_classifier_without_a_compiled_form_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="no compiled form of LinearSVC"):
        compile_pipeline(Pipeline([("classify", LinearSVC())]), SCHEMA.labels)
