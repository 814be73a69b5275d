"""Rounding changes no label: not in float32, not in another order of sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eeg_letters.models import MLP
from eeg_letters.recordings.recording import read_recording
from eeg_letters.scoring.bulk import BulkScorer, score
from eeg_letters.scoring.rounding import Rounding
from eeg_letters.scoring.scorer import PREPROCESSING, Floats, Scorer
from eeg_letters.scoring.store import SCORER_FILE
from eeg_letters.settings import DATA
from tests.conftest import latest_entry, serve
from tests.shipped import LETTERS

Layers = tuple[list[Floats], list[Floats]]
Sum = Callable[[NDArray], np.floating]


def in_turn(terms: NDArray) -> np.floating:
    total = terms.dtype.type(0)
    for term in terms:
        total = total + term
    return total


# Orders of a sum, NumPy's pairs among them.
SUMS: dict[str, Sum] = {
    "first to last": in_turn,
    "last to first": lambda terms: in_turn(terms[::-1]),
    "least first": lambda terms: in_turn(terms[np.argsort(np.abs(terms))]),
    "largest first": lambda terms: in_turn(terms[np.argsort(-np.abs(terms))]),
    "pairs": np.sum,
}


@st.composite
def layers_and_row(draw: st.DrawFn) -> tuple[Layers, Floats]:
    """A small perceptron, whose weights may be subnormal in float32, and a row for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = [*draw(st.lists(st.integers(1, 12), min_size=1, max_size=3)), draw(st.integers(2, 4))]
    scale = st.sampled_from([1e-46, 1e-42, 1e-38, 1e-20, 1e-3, 1.0, 1e3])
    weights, biases = [], []
    for inputs, outputs in pairwise(sizes):
        weights.append(rng.normal(size=(inputs, outputs)) * draw(scale))
        biases.append(rng.normal(size=outputs) * draw(scale))
    row = rng.normal(size=sizes[0]) * draw(scale)
    # Sums that cancel out.
    if draw(st.booleans()) and len(row) > 1:
        weights[0][-1] = -(row[:-1] @ weights[0][:-1]) / row[-1]
    return (weights, biases), row


def exact_logits(layers: Layers, row: Floats) -> list[Fraction]:
    signal = [Fraction(value) for value in row.tolist()]
    for layer, (weight, bias) in enumerate(zip(*layers, strict=True)):
        if layer:
            signal = [max(value, Fraction(0)) for value in signal]
        signal = [
            sum((s * Fraction(w) for s, w in zip(signal, column, strict=True)), Fraction(b))
            for column, b in zip(weight.T.tolist(), bias.tolist(), strict=True)
        ]
    return signal


def logits_in(dtype: type, add: Sum, layers: Layers, row: Floats) -> list[Fraction]:
    signal: NDArray = row.astype(dtype)
    for layer, (weight, bias) in enumerate(zip(*layers, strict=True)):
        if layer:
            signal = np.maximum(signal, 0)
        columns = zip(weight.astype(dtype).T, bias.astype(dtype), strict=True)
        signal = np.array([add(np.append(signal * column, b)) for column, b in columns])
        assert signal.dtype == dtype
    return [Fraction(value) for value in signal.tolist()]


def furthest(some: Sequence[Fraction], others: Sequence[Fraction]) -> float:
    return float(max(abs(one - other) for one, other in zip(some, others, strict=True)))


@pytest.mark.filterwarnings("ignore:underflow encountered:RuntimeWarning")
@settings(deadline=None, max_examples=200)
@given(drawn=layers_and_row())
def test_no_order_of_sums_goes_beyond_the_bound(drawn: tuple[Layers, Floats]) -> None:
    layers, row = drawn
    rounding, norm, exact = Rounding(*layers), float(np.linalg.norm(row)), exact_logits(*drawn)
    single = rounding.single_slope * norm + rounding.single_offset
    double = rounding.slope * norm + rounding.offset
    for add in SUMS.values():
        # Two logits may be off, and two in the computation that this one is compared with.
        assert 2 * furthest(logits_in(np.float32, add, layers, row), exact) + double / 2 <= single
        assert 4 * furthest(logits_in(np.float64, add, layers, row), exact) <= double


@settings(deadline=None, max_examples=200)
@given(drawn=layers_and_row())
def test_what_float32_names_is_the_largest(drawn: tuple[Layers, Floats]) -> None:
    layers, row = drawn
    if (best := Rounding(*layers).best(row)) is not None:
        exact = exact_logits(layers, row)
        assert exact[best] == max(exact)
        assert exact.count(max(exact)) == 1


def test_float32_has_no_subnormal_weights() -> None:
    weights = [np.array([[1e-42, 1.0], [-1e-39, 2.0]]), np.array([[-1.0, 1e-44], [1e-37, 3.0]])]
    rounding = Rounding(weights, [np.zeros(2), np.zeros(2)])
    first, last = (weight.tolist() for weight, _ in rounding._layers)
    assert (first, last) == ([[0, 1], [0, 2]], [[-1, 0], [np.float32(1e-37), 3]])


@pytest.fixture(scope="module")
def perceptron(trained_home: Path) -> Scorer:
    return Scorer.load((latest_entry(trained_home, MLP) / SCORER_FILE).read_bytes())


def towards_a_boundary(scorer: Scorer, start: Floats, end: Floats) -> list[Floats]:
    """Rows on the way from one class to another, each half as far from where they meet."""
    own, steps = scorer.logits(start).argmax(), []
    for _ in range(60):
        middle = (start + end) / 2
        if scorer.logits(middle).argmax() == own:
            start = middle
        else:
            end = middle
        steps.append(middle)
    return steps


@pytest.fixture(scope="module", params=PREPROCESSING)
def disputed(request: pytest.FixtureRequest, perceptron: Scorer) -> tuple[Scorer, Floats]:
    """A scorer of each preprocessing, and rows close to its boundaries."""
    scorer = replace(perceptron, preprocessing=request.param)
    return scorer, rows_close_to_boundaries(scorer)


def rows_close_to_boundaries(scorer: Scorer) -> Floats:
    """Rows whose two largest logits are ever closer, to the last bit."""
    rows = read_recording(DATA / "test.json").features
    labels = scorer.predict(rows)
    pairs = zip(rows[::100], rows[50::100], labels[::100], labels[50::100], strict=True)
    ways = [towards_a_boundary(scorer, a, b) for a, b, of_a, of_b in pairs if of_a != of_b]
    return np.array([row for way in ways for row in way])


def in_single(scorer: Scorer, rows: Floats) -> NDArray[np.int64]:
    """Labels by float32 alone."""
    signal = PREPROCESSING[scorer.preprocessing](rows, scorer.factor).astype(np.float32)
    for layer, (weight, bias) in enumerate(zip(scorer.weights, scorer.biases, strict=True)):
        signal = (np.maximum(signal, 0) if layer else signal) @ weight.astype(np.float32)
        signal += bias.astype(np.float32)
    return scorer.classes[signal.argmax(axis=1)]


def test_close_to_a_boundary_float64_decides(disputed: tuple[Scorer, Floats]) -> None:
    scorer, rows = disputed
    expected = [int(scorer.classes[scorer.logits(row).argmax()]) for row in rows]
    assert (in_single(scorer, rows) != expected).any(), "float32 alone is good enough here"
    assert [int(scorer.predict(row)) for row in rows] == expected


def test_close_to_a_boundary_a_row_has_the_same_label_alone_and_among_others(
    disputed: tuple[Scorer, Floats],
) -> None:
    scorer, rows = disputed
    alone = [int(scorer.predict(row)) for row in rows]
    by_sums_of_many = scorer.classes[scorer.logits(rows).argmax(axis=1)]
    if scorer.preprocessing == "log1p":
        assert by_sums_of_many.tolist() != alone, "the order of sums changes nothing here"
    assert scorer.predict(rows).tolist() == alone
    assert scorer.classify(rows)[0].tolist() == alone
    assert [int(scorer.classify(row)[0]) for row in rows] == alone
    for size in (1, 7, len(rows)):
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        assert np.concatenate([scorer.predict(part) for part in parts]).tolist() == alone
    columns = np.ascontiguousarray(rows.T)
    (scores,) = score([BulkScorer(scorer)], columns, len(LETTERS), False)
    assert scores.labels.tolist() == alone


def test_a_served_row_close_to_a_boundary_has_one_label_however_it_is_asked_for(
    perceptron: Scorer, trained_home: Path, tmp_path: Path
) -> None:
    rows = rows_close_to_boundaries(perceptron)
    with (DATA / "train.csv").open() as file:
        header = file.readline()
    lines = [",".join(map(repr, [line, 0, *row])) for line, row in enumerate(rows.tolist())]
    (tmp_path / "close.csv").write_text(header + "\n".join(lines))
    with (
        serve(trained_home, EEG_TEST_DATA=str(tmp_path / "close.csv")) as (url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        stored = [
            client.get(f"/prediction/{line}").json()["prediction Neural Network"]
            for line in range(len(rows))
        ]
        together = client.post("/predict", json={"rows": rows.tolist()}).json()["predictions"]
        alone = [
            client.post("/predict", json={"rows": [row]}).json()["predictions"][0]
            for row in rows.tolist()
        ]
    assert [answer["Neural Network"]["label"] for answer in together] == stored
    assert [answer["Neural Network"]["label"] for answer in alone] == stored
    assert stored == [int(perceptron.classes[perceptron.logits(row).argmax()]) for row in rows]


def test_of_a_recording_float32_names_nearly_every_row(perceptron: Scorer) -> None:
    rounding = Rounding(perceptron.weights, perceptron.biases)
    rows = read_recording(DATA / "test.json").features
    inputs = PREPROCESSING[perceptron.preprocessing](rows, perceptron.factor)
    named = sum(rounding.best(row) is not None for row in inputs)
    assert named > 0.95 * len(inputs)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # Serving ignores it too.
@pytest.mark.parametrize(
    ("factors", "row"),
    [
        ([1e97, 1.0], 1.0),
        ([1e50, 1e-80], 1.0),
        ([1e-80, 1e50], 1.0),
        ([0.0, 1e97], 1.0),
        ([1.0, 1.0], 1e200),
        ([1.0, 1.0], 1e30),
    ],
)
def test_what_might_overflow_in_float32_is_left_to_float64(
    factors: list[float], row: float
) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((4, 5), (5, 3))]
    weights = [weight * factor for weight, factor in zip(weights, factors, strict=True)]
    scorer = Scorer("standardise", 1.0, np.arange(3), weights, [np.zeros(5), np.arange(3.0)])
    inputs = np.full(4, row)
    assert Rounding(scorer.weights, scorer.biases).best(inputs) is None
    assert scorer.predict(inputs) == scorer.logits(inputs).argmax()
