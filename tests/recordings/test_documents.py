"""Tables as JSON documents, in every orientation that pandas writes."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.documents import orientation

COLUMNS = ("Line", "# Letter", "Cz/theta", "Cz/alpha")
ROWS = [[7, "A", 0.5, 1.5], [8, "B", 2.5, 3.5], [9, "Z", 4.5, 5.5]]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def is_column(name: str) -> bool:
    return name.casefold() in {column.casefold() for column in COLUMNS}


def read(document: Any) -> tuple[str, list[tuple[str | None, Any]]]:
    found = orientation("x.json", document, is_column)
    return found.orient.value, list(found.rows)


def refusal(document: Any) -> str:
    with pytest.raises(RecordingError) as caught:
        read(document)
    return str(caught.value)


def written(orient: Any) -> Any:
    frame = pd.DataFrame(ROWS, columns=list(COLUMNS))
    file = io.StringIO()
    frame.to_json(file, orient=orient)
    return json.loads(file.getvalue())


@pytest.mark.parametrize(
    ("orient", "keys", "rows"),
    [
        ("records", [None] * 3, RECORDS),
        ("values", [None] * 3, ROWS),
        ("split", ["0", "1", "2"], RECORDS),
        ("index", ["0", "1", "2"], RECORDS),
        ("columns", ["0", "1", "2"], RECORDS),
    ],
)
def test_what_pandas_writes_is_read(orient: str, keys: list[Any], rows: list[Any]) -> None:
    assert read(written(orient)) == (orient, list(zip(keys, rows, strict=True)))


def test_other_forms() -> None:
    by_list = {
        name: list(values) for name, values in zip(COLUMNS, zip(*ROWS, strict=True), strict=True)
    }
    assert read(by_list) == ("columns", [(None, row) for row in RECORDS])
    assert read({"rows": RECORDS}) == ("rows", [(None, row) for row in RECORDS])
    assert read(RECORDS[0]) == ("row", [(None, RECORDS[0])])
    assert read({"a": ROWS[0], "b": ROWS[1]}) == ("index", [("a", ROWS[0]), ("b", ROWS[1])])
    assert read([]) == ("records", [])
    numbered = {"columns": [0, 1, 2, 3], "data": ROWS}
    assert read(numbered) == ("split", [(None, row) for row in ROWS])
    tight = pd.DataFrame(ROWS, columns=list(COLUMNS)).to_dict(orient="tight")
    assert [row for _, row in read(tight)[1]] == RECORDS


def test_columns_in_another_order_of_their_rows() -> None:
    document = {"Cz/theta": {"a": 1, "b": 2}, "Cz/alpha": {"b": 4, "a": 3}}
    assert read(document)[1] == [
        ("a", {"Cz/theta": 1, "Cz/alpha": 3}),
        ("b", {"Cz/theta": 2, "Cz/alpha": 4}),
    ]


@pytest.mark.parametrize(
    ("document", "fragments"),
    [
        (3, ["neither a list nor an object"]),
        ({}, ["neither rows nor columns"]),
        ([1], ["row 0"]),
        ({"Cz/theta": {"Line": 1}}, ["'Cz/theta' may be a column", "'Line' a column"]),
        ({"a": {"b": 1}}, ["neither 'a' nor"]),
        ({"Cz/theta": {"a": 1}, "Line": 2}, ["'Cz/theta' is an object and 'Line' a single"]),
        ({"Cz/theta": [1, 2], "Line": [1]}, ["column Line", "1 values", "Cz/theta has 2"]),
        ({"Cz/theta": {"a": 1}, "Line": {"b": 1}}, ["row a, column Line"]),
        ({"columns": ["Line", 4], "data": []}, ["not all text"]),
        ({"columns": ["Line"], "data": [[1], [2, 3]]}, ["row 1: 2 values for 1 columns"]),
        ({"columns": ["Line"], "data": [{"Line": 1}]}, ["row 0: not a list"]),
        ({"columns": ["Line"], "index": [1, 2], "data": [[1]]}, ["1 rows, and 2 names"]),
    ],
)
def test_refusals_say_where(document: Any, fragments: list[str]) -> None:
    message = refusal(document)
    assert message.startswith("x.json")
    for fragment in fragments:
        assert fragment in message


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3))
names = st.one_of(st.sampled_from([*COLUMNS, "columns", "data", "index", "rows"]), st.text("ab"))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


@given(anything)
def test_any_document_is_read_or_refused(document: Any) -> None:
    try:
        _, rows = read(document)
    except RecordingError:
        return
    assert all(isinstance(row, dict | list) for _, row in rows)
