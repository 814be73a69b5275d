"""The ways from a table or a document to rows agree: quick or not, small or large."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eeg_letters.errors import Problem
from eeg_letters.labels import LETTERS
from eeg_letters.schema import Schema, find_band_powers, other_features
from eeg_letters.serving.api import jsonlines, oriented, rows, tables, texts
from eeg_letters.serving.api.facts import Facts, Part
from eeg_letters.serving.api.limits import RowLimit
from eeg_letters.serving.api.names import other_columns
from eeg_letters.serving.api.oriented import Oriented
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.api.tables import Table
from eeg_letters.serving.api.texts import Text

NAMES = ("Cz/theta", "Cz/alpha", "Pz/theta")
_features = find_band_powers(NAMES)
assert _features is not None
POWERS = Schema(_features, LETTERS)
# Not band powers: negative numbers, and minus zero, are right.
OTHERS = Schema(other_features(("x", "y", "Z")), LETTERS)
LIMIT = RowLimit(40, "too many")

Outcome = tuple[str, Any, Any]


def outcome(make_parts: Callable[[], Iterator[Part]]) -> Outcome:
    found: list[Part] = []
    try:
        found.extend(make_parts())
    except Problem as problem:
        return "refused", int(problem.status), problem.detail
    values = [list(map(float.hex, row)) for part in found for row in part.rows.tolist()]
    facts = [fact for part in found for fact in part.facts or ()]
    return "rows", values, facts


def read(body: bytes, schema: Schema, with_facts: bool) -> Outcome:
    parser = RowParser(schema.features, other_columns(schema))
    facts = Facts(schema) if with_facts else None
    return outcome(Table(Text(body), schema, parser, LIMIT, facts).parts)


def read_slowly(body: bytes, schema: Schema, with_facts: bool) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables._Reader, "_quick", lambda *_: None)
        return read(body, schema, with_facts)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(0, 10).map("{:.3f}".format),
    st.integers(0, 99).map(str),
)
odd_cells = st.sampled_from(
    [
        *["", " ", "-0", "-0.0", "0", "+1", ".5", "5.", "1e400", "-1e-400", "nan", "1_0", "true"],
        *["[1", "1]", "{", '"1"', '"1', '1,"', "1 2", "٣", "\x1f1", "\x0b", "1\r", "#1", "1;5"],
        *["0x1", "1e5", "1E+5", "01", "-01", "--1", "Infinity", "\0", "a\tb", "é", "\ud800"],
        *["1,5", "null", "9" * 400],
    ]
)
labels = st.sampled_from(["A", "b", "3", "3.0", "", "26", "Z", "é", '"B"', "4 "])
line_numbers = st.sampled_from(["7", "7.0", "", "-1", "x", str(2**63 - 1), str(2**63), "1e3"])


@st.composite
def csv_tables(draw: st.DrawFn) -> tuple[bytes, Schema]:
    schema = draw(st.sampled_from([POWERS, OTHERS]))
    known = {**dict.fromkeys(schema.features.names, numbers)}
    known |= {"Line": line_numbers, "# Letter": labels, "note": labels}
    columns = [*schema.features.names]
    for name in draw(st.lists(st.sampled_from(["Line", "# Letter", "note", ""]), unique=True)):
        columns.insert(draw(st.integers(0, len(columns))), name)
    if draw(st.booleans()):
        columns = draw(st.permutations(columns))
    separator = draw(st.sampled_from(",,;\t"))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    oddness = draw(st.sampled_from([0, 0, 10, 2]))
    is_comma = separator != "," and draw(st.booleans())
    lines = [separator.join(columns)]
    for _ in range(draw(st.integers(0, 5))):
        cells = []
        for name in columns:
            is_odd = oddness and draw(st.integers(0, oddness)) == 0
            cell = draw(odd_cells if is_odd else known.get(name, st.just("")))
            cells.append(cell.replace(".", ",") if is_comma else cell)
        lines.append(separator.join(cells))
        if oddness and draw(st.integers(0, 3)) == 0:
            lines.append(
                draw(st.sampled_from(["", " ", separator * 3, "# hm", "%1,2,3", "#1,2,3,,,", "\r"]))
            )
        if oddness and draw(st.integers(0, 3)) == 0:
            lines[-1] += separator * draw(st.integers(1, 3))
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    return text.encode(encoding, errors="replace"), schema


@given(csv_tables(), st.booleans())
@settings(max_examples=600, deadline=None)
@example((b"x,y,Z\n1;5,2\n", OTHERS), False)
@example((b"x;y;Z\n1;2,5;3\n1;2;3,5\n", OTHERS), False)
@example((b"Line;x;y;Z\n1;2,5;3\n", OTHERS), True)
@example((b"x,y,Z,note\n-0,1,2,a\n", OTHERS), False)
@example((b"note,x,y,Z\n1,2,3,4,,\n", OTHERS), False)
@example((b"note,x,y,Z\n1,2,3,,\n", OTHERS), False)
@example((b"note,x,y,Z,more\n#1,2,3,4,5,,\n", OTHERS), False)
@example((b"note,x,y,Z\n#1,2,3,4,,\n", OTHERS), False)
def test_lines_are_read_quickly_as_they_are_one_by_one(
    table: tuple[bytes, Schema], with_facts: bool
) -> None:
    assert read(*table, with_facts) == read_slowly(*table, with_facts)


@given(csv_tables(), st.booleans(), st.data())
@settings(max_examples=600, deadline=None)
def test_damaged_lines_are_read_quickly_as_they_are_one_by_one(
    table: tuple[bytes, Schema], with_facts: bool, data: st.DataObject
) -> None:
    body, schema = table
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(body)))
        written = data.draw(st.sampled_from([b"", b"-", b".", b",", b";", b"\n", b'"', b"\xff"]))
        body = body[:where] + written + body[where + data.draw(st.integers(0, 1)) :]
    assert read(body, schema, with_facts) == read_slowly(body, schema, with_facts)


def test_usual_lines_are_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables._Reader, "_slow", None)
    for body in (
        b"Line,# Letter,Cz/theta,Cz/alpha,Pz/theta\n7,A,1.5,2,3e-1\n",
        b"Cz/theta\tCz/alpha\tnote\tPz/theta\r\n1.5\t2\tso, so\t3e-1\r\n\r\n",
        b"Cz/theta;Cz/alpha;Pz/theta;Line\n1,5;2;0,3;7\n# a comment\n",
        b"Cz/theta,Cz/alpha,Pz/theta\n1.5,2,3e-1,,\n,,\n",
    ):
        assert read(body, POWERS, True)[1] == [list(map(float.hex, (1.5, 2.0, 0.3)))]


@given(csv_tables(), st.booleans(), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_parts_of_any_size_have_the_same_rows(
    table: tuple[bytes, Schema], with_facts: bool, size: int
) -> None:
    whole = read(*table, with_facts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_BLOCK_BYTES", size)
        assert read(*table, with_facts) == whole


def read_document(body: bytes, with_facts: bool) -> Outcome:
    parser = RowParser(POWERS.features, other_columns(POWERS))
    facts = Facts(POWERS) if with_facts else None
    return outcome(Oriented(body, POWERS, parser, LIMIT, facts).parts)


def read_as_large(body: bytes, with_facts: bool) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        for module in (oriented, rows):
            patch.setattr(module, "PART_BYTES", 1)
        return read_document(body, with_facts)


values: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 9), st.floats(0, 9), st.sampled_from(["1.5", "x", None, True, -1, [], {}])
)
usual_values = st.one_of(st.integers(0, 9), st.floats(0, 9), st.just("1.5"))
keys = st.sampled_from(["0", "1", "a:b", "é", 'q"', "Line"])
columns = st.sampled_from([*NAMES, "CZ/ALPHA", "Line", "# Letter", "note", "data", "rows"])


@st.composite
def json_documents(draw: st.DrawFn) -> Any:
    cells = draw(st.sampled_from([usual_values, usual_values, values]))
    names = draw(st.sampled_from([NAMES, NAMES, ("Line", *NAMES), ("# Letter", *NAMES, "note")]))
    if draw(st.integers(0, 5)) == 0:
        names = tuple(draw(st.lists(columns, unique=True, max_size=6)))
    index = draw(st.lists(keys.filter("Line".__ne__), unique=True, max_size=4))
    if draw(st.integers(0, 5)) == 0:
        index = draw(st.lists(keys, unique=True, max_size=4))
    table = [[draw(cells) for _ in names] for _ in index]
    records = [dict(zip(names, row, strict=True)) for row in table]
    by_column = {name: [row[n] for row in table] for n, name in enumerate(names)}
    document: Any = draw(
        st.sampled_from(
            [
                records,
                table,
                {"rows": records},
                {"columns": names, "index": index, "data": table},
                {"columns": names, "data": table},
                dict(zip(index, records, strict=True)),
                dict(zip(index, table, strict=True)),
                by_column,
                {name: dict(zip(index, column, strict=True)) for name, column in by_column.items()},
                records[0] if records else {},
            ]
        )
    )
    if isinstance(document, dict) and draw(st.integers(0, 5)) == 0:
        document = {**document, draw(columns): draw(values)}
    return document


@given(json_documents(), st.booleans(), st.booleans())
@settings(max_examples=800, deadline=None)
def test_a_large_document_is_read_as_a_small_one(
    document: Any, with_facts: bool, indented: bool
) -> None:
    body = json.dumps(document, indent=1 if indented else None).encode()
    small, large = read_document(body, with_facts), read_as_large(body, with_facts)
    if small[0] == "rows":
        assert large == small
    else:
        assert large[:2] == small[:2]


@given(json_documents(), st.data())
@settings(max_examples=600, deadline=None)
def test_a_large_document_that_is_damaged_is_refused_as_a_small_one(
    document: Any, data: st.DataObject
) -> None:
    body = json.dumps(document).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(body)))
        written = data.draw(st.sampled_from([b"", b"-", b".", b",", b"[", b"]", b"}", b'"', b":"]))
        body = body[:where] + written + body[where + data.draw(st.integers(0, 1)) :]
    if body.strip()[:1] not in (b"{", b"["):
        return
    small, large = read_document(body, False), read_as_large(body, False)
    assert (small[0] == "rows") == (large[0] == "rows"), (small, large)
    if small[0] == "rows":
        assert large == small


@pytest.mark.parametrize(
    "body",
    [
        b'{"Cz/theta":{"0":1,"0":2},"Cz/alpha":{"0":1},"Pz/theta":{"0":1}}',
        b'{"Cz/theta":[1],"Cz/alpha":[1],"Pz/theta":[1],"Cz/theta":[1]}',
        b'{"0":[1,2,3],"1":[1,2,3],"0":[1,2,3]}',
        b'{"Cz/theta":1,"Cz/alpha":2,"Pz/theta":3,"Cz/th\\u0065ta":3}',
    ],
)
def test_a_duplicate_name_is_refused(body: bytes) -> None:
    for read_any in (read_document, read_as_large):
        kind, status, detail = read_any(body, False)
        assert (kind, status) == ("refused", 422)
        assert "duplicate name" in detail


def read_lines(body: bytes, with_facts: bool) -> Outcome:
    parser = RowParser(POWERS.features, other_columns(POWERS))
    facts = Facts(POWERS) if with_facts else None
    return outcome(lambda: jsonlines.parts(Text(body), parser, LIMIT, facts))


@given(st.lists(st.one_of(json_documents(), st.just([1, 2, 3.5])), max_size=6), st.data())
@settings(max_examples=300, deadline=None)
def test_lines_of_json_are_read_as_one_by_one(documents: list[Any], data: st.DataObject) -> None:
    lines = [json.dumps(document).encode() for document in documents]
    if data.draw(st.booleans()):
        lines = [line.replace(b"], [", b"],\n[") for line in lines]
    found = read_lines(b"\n".join(lines), True)
    single = [read_lines(line, True) for line in b"\n".join(lines).split(b"\n")]
    if all(kind == "rows" for kind, _, _ in single):
        assert found[1] == [row for _, each, _ in single for row in each]
        assert found[2] == [fact for _, _, each in single for fact in each]
    else:
        assert found[0] == "refused"
