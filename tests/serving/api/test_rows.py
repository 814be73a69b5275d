"""The ways from a body to rows agree, whatever the body: quick or not, small or large."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeg_letters.errors import Problem
from eeg_letters.serving.api import large, rows
from eeg_letters.serving.api.limits import PART_CELLS, PART_ROWS, RowLimit, row_limit
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.settings import Settings
from tests.shipped import FEATURES, SCHEMA

WIDTH = len(FEATURES)
PARSER = RowParser(SCHEMA.features)
LIMIT = RowLimit(100, "too many")
FULL = [0.001 * number for number in range(WIDTH)]

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
)
oddities = st.sampled_from([None, True, "1", [], [1.0, 2.0], {}, {"a": 1}, [FULL], FULL])
full_rows = st.builds(
    lambda values: FULL[: WIDTH - len(values)] + values, st.lists(numbers, max_size=5)
)


@st.composite
def odd_rows(draw: st.DrawFn) -> object:
    row = list(draw(full_rows))
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, len(row) - 1))
        row[where : where + draw(st.integers(0, 2))] = [draw(oddities)]
    return row


bodies = st.builds(
    lambda document: json.dumps(document).encode(),
    st.one_of(
        st.fixed_dictionaries(
            {"rows": st.lists(st.one_of(full_rows, odd_rows(), oddities), max_size=4)}
        ),
        st.fixed_dictionaries({"rows": st.lists(full_rows, max_size=4), "more": numbers}),
        st.lists(full_rows, max_size=2),
        oddities,
    ),
)


def outcome(body: bytes) -> tuple[str, object]:
    try:
        return "rows", [part.tolist() for part in PARSER.parse(body, LIMIT)]
    except Problem as problem:
        return "refused", problem.body()


def outcome_without_the_quick_way(body: bytes) -> tuple[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowParser, "parse_lists", lambda *_: None)
        return outcome(body)


@given(bodies)
@settings(max_examples=300, deadline=None)
def test_both_ways_agree(body: bytes) -> None:
    assert outcome(body) == outcome_without_the_quick_way(body)


@given(bodies, st.data())
@settings(max_examples=300, deadline=None)
def test_both_ways_agree_on_damaged_bodies(body: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(body)))
        written = data.draw(st.sampled_from([b"", b"-", b"0", b".", b"e", b",", b"[", b"]", b"}"]))
        body = body[:where] + written + body[where + data.draw(st.integers(0, 1)) :]
    assert outcome(body) == outcome_without_the_quick_way(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows": [%b]}' % json.dumps(FULL).encode(),
        b' {"rows" : [%b , %b] } ' % (json.dumps(FULL).encode(), json.dumps([-1] * WIDTH).encode()),
        b'{"rows": [[%b]]}' % b",".join([b"18446744073709551615"] * WIDTH),
    ],
)
def test_rows_as_full_lists_are_parsed_by_simdjson(body: bytes) -> None:
    parsed = PARSER.parse_lists(body, is_body=True)
    assert parsed is not None
    np.testing.assert_array_equal(parsed, json.loads(body)["rows"])


@pytest.mark.parametrize(
    "text",
    [
        b'{"rows": [[], [%b]]}' % b",".join([b"1"] * 2 * WIDTH),
        b'{"rows": [[[1, 2], [], %b]]}' % b",".join([b"1"] * (WIDTH - 2)),
        b'{"rows": [[%b]], "rows": []}' % b",".join([b"1"] * WIDTH),
        b'{"rows": [[%b]]} {}' % b",".join([b"1"] * WIDTH),
        b'{"rows": [[%b]], }' % b",".join([b"1"] * WIDTH),
        b'{"rows": [[%b, 1e400]]}' % b",".join([b"1"] * (WIDTH - 1)),
        b'{"rows": [[%b, NaN]]}' % b",".join([b"1"] * (WIDTH - 1)),
        b'{"rows": [[%b, "\xff"]]}' % b",".join([b"1"] * (WIDTH - 1)),
        b'\xef\xbb\xbf{"rows": [[%b]]}' % b",".join([b"1"] * WIDTH),
    ],
)
def test_lists_that_simdjson_would_flatten_are_refused(text: bytes) -> None:
    kind, _ = outcome(text)
    assert kind == "refused"
    assert outcome(text) == outcome_without_the_quick_way(text)


# What a large body is, so that no test needs one; a row of `FULL` fits into it.
PART_BYTES = 5000
texts = st.text(st.sampled_from('a[]{}",:\\é\U0001f600'), max_size=12)
others = st.dictionaries(
    st.sampled_from(["Line", "# Letter", "label"]), st.one_of(texts, st.integers(), st.none())
)
as_text = st.one_of(numbers, numbers.map(str), st.sampled_from(["1.5", " 2 ", "nan", "1_0", "x"]))


@st.composite
def named_rows(draw: st.DrawFn) -> dict[str, object]:
    row: dict[str, object] = dict(zip(FEATURES, FULL, strict=True))
    row |= draw(st.dictionaries(st.sampled_from(FEATURES), as_text, max_size=3))
    return {**draw(others), **row} if draw(st.booleans()) else {**row, **draw(others)}


odd_values = st.recursive(
    st.one_of(oddities, texts), lambda inner: st.lists(inner, max_size=2), max_leaves=4
)
documents = st.one_of(
    st.fixed_dictionaries(
        {"rows": st.lists(st.one_of(full_rows, named_rows(), odd_rows(), odd_values), max_size=6)}
    ),
    st.fixed_dictionaries({"rows": st.lists(named_rows(), max_size=6)}),
    st.fixed_dictionaries(
        {"rows": st.lists(full_rows, max_size=4)}, optional={"x": odd_values, "]},": numbers}
    ),
    st.fixed_dictionaries({"row": st.lists(full_rows, max_size=4)}),
    odd_values,
)


def status(body: bytes) -> tuple[int, object]:
    try:
        return 200, [row for part in PARSER.parse(body, LIMIT) for row in part.tolist()]
    except Problem as problem:
        return int(problem.status), problem.detail


def status_as_large(body: bytes) -> tuple[int, object]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (large, rows):
            patch.setattr(module, "PART_BYTES", min(PART_BYTES, len(body) - 1))
        return status(body)


@given(documents, st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_large_body_has_the_status_of_a_small_one(
    document: object, ascii_only: bool, spaced: bool
) -> None:
    separators = (" ,\n", " : ") if spaced else (",", ":")
    body = json.dumps(document, separators=separators, ensure_ascii=ascii_only).encode()
    small, as_large = status(body), status_as_large(body)
    assert small[0] == as_large[0], (small, as_large)
    if small[0] == 200:
        assert small == as_large


@given(documents, st.data())
@settings(max_examples=400, deadline=None)
def test_a_large_body_that_is_damaged_is_refused_as_a_small_one(
    document: object, data: st.DataObject
) -> None:
    body = json.dumps(document).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(body)))
        written = data.draw(
            st.sampled_from([b"", b"-", b".", b",", b"[", b"]", b"}", b'"', b"\xff"])
        )
        body = body[:where] + written + body[where + data.draw(st.integers(0, 1)) :]
    if len(body) < 2:
        return
    small, as_large = status(body), status_as_large(body)
    assert (small[0] == 200) == (as_large[0] == 200), (small, as_large)
    if small[0] == 200:
        assert small == as_large
    elif small[0] == 422:  # JSON; of anything else a fault of either kind may come first.
        assert as_large[0] == 422


@pytest.mark.parametrize(
    ("body", "fragment"),
    [
        (b'{"rows": [' + b'"' + b"x" * 20_000 + b'"]}', "longer than any row can be"),
        (b'{"' + b"x" * 20_000 + b'": []}', "longer than any name can be"),
        (b'{"rows": [[1], ' + b"[" * 1100 + b"]" * 1100 + b"]}", "Row 0 has 1 values"),
        (b'{"rows": [' + b"[" * 1100 + b"]" * 1100 + b"]}", "nested too deeply"),
        (b" " * 20_000 + b'{"rows": []}', "blanks around the JSON"),
        (b'{"rows": []}' + b"\n" * 20_000, "blanks around the JSON"),
        (b'{"rows": [[1, [2], x], ' + b"[1]," * 1000 + b"[1]]}", "not JSON"),
        (b'{"rows": [x, [1], {"a": 1}]}', "in row 0 or one of the next 3: "),
        (b'{"rows": [["x' + b" " * 100 + b"]}", "Unterminated string"),
    ],
)
def test_what_is_wrong_with_a_large_body_is_said(body: bytes, fragment: str) -> None:
    _, detail = status_as_large(body)
    assert fragment in str(detail)


@pytest.mark.parametrize(("n_labels", "n_models"), [(2, 1), (26, 2), (120, 2), (1000, 2)])
def test_a_part_has_few_rows_and_few_probabilities(n_labels: int, n_models: int) -> None:
    limit = row_limit(Settings(max_cells=10**6), n_labels, n_models)
    rows = np.arange(4000.0).reshape(1000, 4)
    parts = list(limit.parts([rows[:1], rows[1:1], rows[1:]]))
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    most = max(map(len, parts))
    assert most <= PART_ROWS
    assert most * n_labels * n_models <= PART_CELLS
