"""The fast parsers give what the slow ones give, of any table and of any damage to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from eeg_letters.labels import LETTERS, LabelKind, Labels
from eeg_letters.recordings import csv_chunks, json_chunks
from eeg_letters.recordings.chunks import Parsed
from eeg_letters.recordings.columns import Columns, find_columns
from eeg_letters.recordings.dialects import Dialect
from eeg_letters.recordings.lines import LineReader
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema, find_band_powers, other_features

POWERS = find_band_powers(["Cz/theta", "Cz/alpha"])
assert POWERS is not None
BY_POWERS = Schema(POWERS, LETTERS)
OTHERS = other_features(["one", "two"])
TEXTS = Labels(LabelKind.TEXT, ("left", "right"))
NUMBERS = Labels(LabelKind.NUMBERS, (-1, 0, 7))
SCHEMAS = st.builds(
    Schema,
    st.sampled_from([POWERS, OTHERS]),
    st.sampled_from([LETTERS, TEXTS, NUMBERS]),
    st.none(),
    st.sampled_from(list(Scale)),
)
# Of a usual row, and what a spreadsheet, a program or an accident makes of one.
USUAL = st.floats(0, 100).map(lambda number: repr(round(number, 3)))
ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            "nan",
            "inf",
            "-inf",
            "1_0",
            "1e5",
            "1E5",
            "+1",
            "-0",
            "-0.0",
            "-1",
            "0x1",
            ".5",
        ),
        *("5.", "1.5 ", " 1.5", "1,5", "1.234,5", "1e999", "9" * 400, "NaN", "true", "null", "A"),
        *("left", "right", '"', '"1"', '"1,5"', '"a""b"', "1\r", "\u0661", "\ufffd", "#", "# 1"),
        *(str(2**53 + 1), str(2**63 - 1), str(2**63), "1e3", "-7", "7.0", "7.5", "٣"),
    ]
)
DAMAGE = [b"", b"\0", b"\xff", b"\r", b"\n", b'"', b",", b"\n\n", b"\n,,,\n"]
CELLS = st.one_of(USUAL, USUAL, USUAL, st.integers(0, 25).map(str), ODD, st.text(max_size=6))


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, LineReader]:
    schema = draw(SCHEMAS)
    names = ["Line", "label", *schema.features.names, "note"]
    if draw(st.booleans()):
        names.remove("Line")
    if draw(st.booleans()):
        names.remove("label")
    separator = draw(st.sampled_from([",", ";", "\t"]))
    comma = draw(st.booleans())
    keep = ["note"] if draw(st.booleans()) else []
    columns = find_columns("x", names, schema, keep)
    lines = [
        separator.join(draw(CELLS).replace(".", "," if comma else ".") for _ in names)
        for _ in range(draw(st.integers(1, 12)))
    ]
    text = "\n".join(lines).encode(errors="surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        extra = draw(st.sampled_from(DAMAGE))
        text = text[:place] + extra + text[place + draw(st.integers(0, 2)) :]
    return text, LineReader(Dialect(separator, comma, tuple(names), 1), columns)


def same(fast: Parsed, slow: Parsed) -> None:
    for name in ("features", "lines", "classes", "places"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name), err_msg=name)
    assert fast.kept == slow.kept
    assert [replace(row) for row in fast.rejected] == [replace(row) for row in slow.rejected]


@given(tables())
def test_csv_by_the_library_is_csv_by_the_line(table: tuple[bytes, LineReader]) -> None:
    text, reader = table
    same(csv_chunks.parse_lines(text, reader), csv_chunks.parse_lines(text, reader, fast=False))


VALUES: st.SearchStrategy[object] = st.one_of(
    st.floats(0, 100),
    st.floats(0, 100),
    st.integers(0, 25),
    st.sampled_from([None, True, False, "", "1.5", "A", "left", -1, 2**63, 2**53 + 1, 1e300, []]),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[bytes, Columns]:
    schema = draw(SCHEMAS)
    names = ["Line", "label", *schema.features.names, "note"]
    columns = find_columns("x", names, schema, ["note"])
    rows = [{name: draw(VALUES) for name in names} for _ in range(draw(st.integers(1, 12)))]
    for row in rows:
        if draw(st.integers(0, 9)) == 0:
            del row[draw(st.sampled_from(names))]
    text = b"\n".join(
        orjson.dumps(row, option=orjson.OPT_PASSTHROUGH_DATACLASS)
        if all(not isinstance(value, int) or value < 2**64 for value in row.values())
        else b"{}"
        for row in rows
    )
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(text)))
        extra = draw(st.sampled_from([b"", b"\0", b"\xff", b"\n", b'"', b",", b" ", b"1"]))
        text = text[:place] + extra + text[place + draw(st.integers(0, 1)) :]
    return text, columns


@given(documents())
def test_json_by_columns_is_json_by_the_value(document: tuple[bytes, Columns]) -> None:
    text, columns = document
    same(json_chunks.parse_lines(text, columns), json_chunks.parse_lines(text, columns, fast=False))


def test_a_quote_that_a_part_leaves_open_makes_a_bad_row() -> None:
    # Found by the test above: at the end of a part the library closed it.
    names = ("Cz/theta", "Cz/alpha", "note")
    reader = LineReader(Dialect(",", False, names, 1), find_columns("x", names, BY_POWERS))
    text = b'1,2,3\n4,5,"\n6\n' + b"7,8,9\n" * 8
    fast = csv_chunks.parse_lines(text, reader)
    same(fast, csv_chunks.parse_lines(text, reader, fast=False))
    assert [row.place for row in fast.rejected] == [1, 2]
