"""The two ways from a tensor's JSON to numbers agree, whatever the JSON: small bodies and large."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeg_letters.errors import Problem
from eeg_letters.schema import Features
from eeg_letters.serving.api import large
from eeg_letters.serving.api import rows as api_rows
from eeg_letters.serving.api.limits import RowLimit
from eeg_letters.serving.open_inference import documents, requests, tensors
from tests.shipped import FEATURES, SCHEMA

WIDTH = len(FEATURES)
PARSER = api_rows.RowParser(SCHEMA.features)
LIMIT = RowLimit(100, "too many")
FULL = [0.001 * number for number in range(WIDTH)]

numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70))
oddities = st.sampled_from([None, True, "1", "],[", [], [1.0, 2.0], {}, {"a": [1]}, [FULL], FULL])
full_rows = st.builds(
    lambda values: FULL[: WIDTH - len(values)] + values, st.lists(numbers, max_size=5)
)


@st.composite
def odd_rows(draw: st.DrawFn) -> list[Any]:
    row: list[Any] = list(draw(full_rows))
    for _ in range(draw(st.integers(1, 2))):
        where = draw(st.integers(0, len(row) - 1))
        row[where : where + draw(st.integers(0, 2))] = [draw(oddities)]
    return row


rows = st.lists(st.one_of(full_rows, full_rows, odd_rows()), max_size=3)
datas = st.one_of(rows, rows.map(lambda rows: [value for row in rows for value in row]), oddities)


def body(data: Any, n_rows: int, separators: tuple[str, str]) -> bytes:
    tensor = {"name": "rows", "shape": [n_rows, WIDTH], "datatype": "FP64", "data": data}
    return json.dumps({"inputs": [tensor], "id": "]"}, separators=separators).encode()


async def pause() -> None:
    await asyncio.sleep(0)


def read(text: bytes) -> tuple[str, object]:
    try:
        parsing = requests.parse_request(text, None, ("label",), PARSER, LIMIT, pause)
        request = asyncio.run(parsing)
        return "rows", [row for block in request.rows for row in block.tolist()]
    except Problem as problem:
        return "refused", problem.body()


def read_as_large(text: bytes, simdjson: bool = True, part: int = 4096) -> tuple[str, object]:
    """As `read`, by the way that a body takes which is too large to be parsed at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "PART_BYTES", min(len(text) - 1, 200))
        patch.setattr(documents, "_SEARCHED_BYTES", 100)
        patch.setattr(large, "PART_BYTES", part)
        if not simdjson:
            patch.setattr(api_rows.RowParser, "parse_lists", lambda *_: None)
            patch.setattr(tensors, "parse_flat", lambda _: None)
        return read(text)


def assert_alike(text: bytes) -> None:
    """Both ways give the same rows, or both refuse; a fault may be found at another place."""
    small, large = read(text), read_as_large(text)
    assert small[0] == large[0]
    if small[0] == "rows":
        assert small == large


@given(datas, st.integers(0, 3), st.sampled_from([(",", ":"), (" , ", " : ")]))
@settings(max_examples=150, deadline=None)
def test_both_ways_agree(data: Any, n_rows: int, separators: tuple[str, str]) -> None:
    text = body(data, n_rows, separators)
    assert read_as_large(text) == read_as_large(text, simdjson=False)
    assert_alike(text)


@given(rows.filter(bool), st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_both_ways_agree_on_damaged_bodies(
    rows: list[list[Any]], nested: bool, data: st.DataObject
) -> None:
    values = rows if nested else [value for row in rows for value in row]
    text = body(values, len(rows), (",", ":"))
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(text)))
        written = data.draw(st.sampled_from([b"", b"-", b"0", b".", b"e", b",", b"[", b"]", b"}"]))
        text = text[:where] + written + text[where + data.draw(st.integers(0, 1)) :]
    assert read_as_large(text) == read_as_large(text, simdjson=False)
    assert_alike(text)


@given(st.lists(full_rows, max_size=3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_what_is_sent_is_what_is_read(rows: list[list[float]], nested: bool) -> None:
    rows = [[abs(value) for value in row] for row in rows]
    values: Any = rows if nested and rows else [value for row in rows for value in row]
    text = body(values, len(rows), (",", ":"))
    assert read(text) == read_as_large(text) == ("rows", np.array(rows, float).tolist())


@pytest.mark.parametrize("bad", [None, [1.0], [*FULL, 1.0]])
def test_a_bad_row_of_a_large_tensor_is_named(bad: Any) -> None:
    rows: list[Any] = [FULL] * 50
    rows[37] = bad
    for found in (read, read_as_large):
        outcome, problem = found(body(rows, len(rows), (",", ":")))
        assert outcome == "refused"
        assert "Row 37 " in str(problem)


def test_a_frame_whose_features_take_several_parts_is_read_as_it_is_sent() -> None:
    rows = np.arange(100 * WIDTH).reshape(100, WIDTH) / 7
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": "FP64", "data": values}
        for name, values in zip(FEATURES, rows.T.tolist(), strict=True)
    ]
    text = json.dumps({"inputs": inputs}).encode()
    assert read(text) == read_as_large(text, part=500) == ("rows", rows.tolist())


def test_a_frame_may_have_one_feature() -> None:
    parser = api_rows.RowParser(Features(("x",), (None,), (None,)))
    tensor = {"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [[-1.5], [2]]}
    text = json.dumps({"inputs": [tensor]}).encode()
    parsing = requests.parse_request(text, None, ("label",), parser, LIMIT, pause)
    parts = [block.tolist() for block in asyncio.run(parsing).rows]
    assert [row for part in parts for row in part] == [[-1.5], [2.0]]


@pytest.mark.parametrize(
    ("text", "is_little"),
    [
        (body([FULL] * 2, 2, (",", ":")), True),
        (body([FULL] * 3, 3, (",", ":")), False),
        (body([FULL], 1, (",", ":")) + b" " * large.PART_BYTES, None),
        (b"{", None),
    ],
    ids=["few rows", "more rows", "large", "not JSON"],
)
def test_few_rows_are_little_work(text: bytes, is_little: bool | None) -> None:
    limit = RowLimit(100, "too many", few=2)
    request = requests.parse_small_request(text, None, ("label",), PARSER, limit)
    assert (None if request is None else request.is_little) == is_little
