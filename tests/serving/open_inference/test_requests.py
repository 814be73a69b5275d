"""The two ways from a tensor's JSON to numbers agree, whatever the JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeg_letters.errors import Problem
from eeg_letters.schema import FEATURES
from eeg_letters.serving.open_inference import requests as v2_requests

WIDTH = len(FEATURES)
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


def read(text: bytes) -> tuple[str, object]:
    try:
        request = v2_requests.parse_request(text, None, ("label",), 100)
        return "rows", [row for block in request.rows for row in block.tolist()]
    except Problem as problem:
        return "refused", problem.body()


def read_without_simdjson(text: bytes) -> tuple[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(v2_requests, "_read_numbers", v2_requests._read_any)
        return read(text)


@given(datas, st.integers(0, 3), st.sampled_from([(",", ":"), (" , ", " : ")]))
@settings(max_examples=150, deadline=None)
def test_both_ways_agree(data: Any, n_rows: int, separators: tuple[str, str]) -> None:
    text = body(data, n_rows, separators)
    assert read(text) == read_without_simdjson(text)


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
    assert read(text) == read_without_simdjson(text)


@given(st.lists(full_rows, max_size=3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_what_is_sent_is_what_is_read(rows: list[list[float]], nested: bool) -> None:
    rows = [[abs(value) for value in row] for row in rows]
    values: Any = rows if nested and rows else [value for row in rows for value in row]
    kind, found = read(body(values, len(rows), (",", ":")))
    assert kind == "rows"
    assert found == np.array(rows, float).tolist()
