"""Tables, JSON Lines and JSON of every orientation, over HTTP."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from eeg_letters.settings import Settings
from tests.serving.api.test_routes import assert_problem
from tests.shipped import FEATURES

_random = random.Random(1)
LETTERS = "ABHZ"
N_ROWS = 200
ROWS = [[round(_random.uniform(0, 9), 3) for _ in FEATURES] for _ in range(N_ROWS)]
LINES = [*range(7, 7 + N_ROWS - 1), 2**63 - 1]
COLUMNS = ("Line", "# Letter", *FEATURES)
RECORDS: list[dict[str, Any]] = [
    {"Line": line, "# Letter": LETTERS[n % 4], **dict(zip(FEATURES, row, strict=True))}
    for n, (line, row) in enumerate(zip(LINES, ROWS, strict=True))
]
CSV = {"content-type": "text/csv"}
AS_JSON = {"content-type": "application/json"}
AS_LINES = {"content-type": "application/x-ndjson"}


def table(
    n_rows: int,
    columns: tuple[str, ...] = COLUMNS,
    separator: str = ",",
    end: str = "\n",
    mark: str = ".",
    quoting: int = csv.QUOTE_MINIMAL,
    changed: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Some of the rows as CSV; `changed` has a function of the row for a column."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(columns)
    for number, record in enumerate(RECORDS[:n_rows]):
        row = {**record, **{name: change(number) for name, change in changed.items()}}
        cells = [row.get(name, row.get(name.capitalize(), "")) for name in columns]
        writer.writerow([str(cell).replace(".", mark) for cell in cells])
    return file.getvalue()


NUMBERS = {"# Letter": lambda n: "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(LETTERS[n % 4])}
DIALECTS: dict[str, Any] = {
    "plain": {},
    "CRLF": {"end": "\r\n"},
    "CR": {"end": "\r"},
    "tabs": {"separator": "\t"},
    "semicolons": {"separator": ";"},
    "decimal commas": {"separator": ";", "mark": ","},
    "quoted decimal commas": {"mark": ","},
    "all quoted": {"quoting": csv.QUOTE_ALL},
    "other order": {"columns": (*FEATURES[::-1], "Line", "# Letter")},
    "an index column": {"columns": ("", *COLUMNS)},
    "other columns": {
        "columns": ("Time", *COLUMNS, "Note"),
        "changed": {"Note": lambda _: "so, so"},
    },
    "trailing commas": {"columns": (*COLUMNS, "", "")},
    "numbers of letters": {"changed": NUMBERS},
    "floats of letters": {"changed": {"# Letter": lambda n: f"{NUMBERS['# Letter'](n)}.0"}},
    "Label": {
        "columns": ("Line", "Label", *FEATURES),
        "changed": {"Label": lambda n: LETTERS[n % 4]},
    },
}


def dialect(name: str, n_rows: int) -> bytes:
    if name == "UTF-8 with a mark":
        return table(n_rows).encode("utf-8-sig")
    if name == "UTF-16":
        return table(n_rows, separator="\t").encode("utf-16")
    if name == "UTF-16 without a mark":
        return table(n_rows).encode("utf-16-be")
    if name == "comments":
        comments = table(n_rows).replace("\n", "\n# a comment, or two\n\n,,,\n", 3)
        return f"% recorded today\n\n{comments}".encode()
    if name == "sep=":
        return f"sep=;\n{table(n_rows, separator=';')}".encode()
    if name == "upper case":
        head, _, rest = table(n_rows).partition("\n")
        return f"{head.upper()}\n{rest}".encode()
    if name == "a header that is a comment":
        return b"#" + table(n_rows).encode()
    if name == "no last line feed":
        return table(n_rows).rstrip("\n").encode()
    return table(n_rows, **DIALECTS[name]).encode()


OTHER_DIALECTS = (
    *("UTF-8 with a mark", "UTF-16", "UTF-16 without a mark", "comments", "sep=", "upper case"),
    *("a header that is a comment", "no last line feed"),
)


def predictions(client: httpx.Client, n_rows: int) -> bytes:
    return client.post("/predict", json={"rows": ROWS[:n_rows]}).raise_for_status().content


def assert_values(response: httpx.Response, n_rows: int, right: bytes) -> None:
    answers = response.raise_for_status().json()["predictions"]
    facts = [
        {name: answer.pop(name) for name in ("values", "line", "label", "letter")}
        for answer in answers
    ]
    assert answers == json.loads(right)["predictions"]
    assert [fact["values"] for fact in facts] == ROWS[:n_rows]
    assert [fact["line"] for fact in facts] == LINES[:n_rows]
    assert [fact["letter"] for fact in facts] == [LETTERS[n % 4] for n in range(n_rows)]
    assert [fact["label"] for fact in facts] == [NUMBERS["# Letter"](n) for n in range(n_rows)]


@pytest.mark.parametrize("n_rows", [1, 30, N_ROWS])
@pytest.mark.parametrize("name", [*DIALECTS, *OTHER_DIALECTS])
def test_every_dialect_is_answered_as_the_same_rows(
    client: httpx.Client, name: str, n_rows: int
) -> None:
    body, right = dialect(name, n_rows), predictions(client, n_rows)
    assert client.post("/predict", content=body, headers=CSV).content == right
    # One row by itself tells nothing of letters beside decimal marks.
    with_values = client.post("/predict?values=true", content=body, headers=CSV)
    assert_values(with_values, n_rows, right)


def documents(records: list[dict[str, Any]]) -> dict[str, Any]:
    table = [list(record.values()) for record in records]
    keys = [f"k:{number}" for number in range(len(records))]
    columns = list(zip(*table, strict=True))
    return {
        "records": records,
        "split": {"columns": COLUMNS, "index": keys, "data": table},
        "index": dict(zip(keys, records, strict=True)),
        "columns": {
            name: dict(zip(keys, column, strict=True))
            for name, column in zip(COLUMNS, columns, strict=True)
        },
        "columns of lists": dict(zip(COLUMNS, columns, strict=True)),
        "rows": {"rows": records},
        "upper case": [{name.upper(): value for name, value in row.items()} for row in records],
    }


@pytest.mark.parametrize("n_rows", [1, 10, N_ROWS])
@pytest.mark.parametrize("name", documents(RECORDS))
def test_every_orientation_is_answered_as_the_same_rows(
    client: httpx.Client, name: str, n_rows: int
) -> None:
    document, right = documents(RECORDS[:n_rows])[name], predictions(client, n_rows)
    response = client.post("/predict", json=document)
    assert response.content == right
    assert ("read-as" in response.headers) == (name != "rows")
    assert_values(client.post("/predict?values=true", json=document), n_rows, right)


@pytest.mark.parametrize("n_rows", [1, 10, N_ROWS])
@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl; charset=utf-8"])
def test_json_lines_are_answered_as_the_same_rows(
    client: httpx.Client, kind: str, n_rows: int
) -> None:
    right, headers = predictions(client, n_rows), {"content-type": kind}
    objects = "\n\n".join(json.dumps(record) for record in RECORDS[:n_rows])
    for body in (objects, "\ufeff" + objects + "\r\n", objects.replace("\n\n", "\r\n")):
        response = client.post("/predict", content=body.encode(), headers=headers)
        assert response.content == right
        with_values = client.post("/predict?values=true", content=body.encode(), headers=headers)
        assert_values(with_values, n_rows, right)
    lists = "\n".join(json.dumps(row) for row in ROWS[:n_rows]).encode()
    assert client.post("/predict", content=lists, headers=headers).content == right
    answers = client.post("/predict?values=true", content=lists, headers=headers).json()
    assert set(answers["predictions"][0]) == {"LDA", "Neural Network", "familiar", "values"}


def test_one_row_and_rows_in_order(client: httpx.Client) -> None:
    right = predictions(client, 1)
    assert client.post("/predict", json=RECORDS[0]).content == right
    assert client.post("/predict", json=ROWS[:1]).content == right
    assert client.post("/predict", json={"a": ROWS[0]}).content == right
    assert client.post("/predict", json=[]).json() == {"predictions": []}


def test_what_was_found_out_is_told(client: httpx.Client) -> None:
    columns = ("Zeit", *COLUMNS, "Größe 100%")
    body = table(3, columns, separator=";", mark=",").encode("utf-16")
    told = client.post("/predict", content=body, headers=CSV).headers["read-as"]
    assert told == (
        "UTF-16-LE; cells separated by semicolons; decimal commas; labels in column # Letter;"
        " ignored: Zeit, Gr%C3%B6%C3%9Fe 100%25"
    )
    columns = (*COLUMNS, *(f"{'é' * 40}{number}" for number in range(50)))
    told = client.post("/predict", content=table(3, columns).encode(), headers=CSV).headers[
        "read-as"
    ]
    assert len(told) < 1024
    assert told.isascii()
    document = documents(RECORDS[:2])["split"]
    told = client.post("/predict", json=document).headers["read-as"]
    assert told == "orientation split; labels in column # Letter"


def test_values_leave_out_what_is_missing_and_refuse_what_is_wrong(client: httpx.Client) -> None:
    body = table(
        3, changed={"# Letter": lambda n: "" if n == 1 else "B", "Line": lambda n: n or ""}
    )
    answers = client.post("/predict?values=true", content=body.encode(), headers=CSV).json()
    found = [{*answer} - {"LDA", "Neural Network", "familiar"} for answer in answers["predictions"]]
    assert found == [
        {"values", "label", "letter"},
        {"values", "line"},
        {"values", "line", "label", "letter"},
    ]
    body = table(3, changed={"# Letter": lambda _: "?"})
    assert client.post("/predict", content=body.encode(), headers=CSV).status_code == 200
    refused = client.post("/predict?values=true", content=body.encode(), headers=CSV)
    assert_problem(refused, 422, "Line 2, column # Letter: '?' is not a letter")
    rows = {"rows": [RECORDS[0], {**RECORDS[1], "# Letter": "?"}]}
    assert client.post("/predict?values=false", json=rows).status_code == 200
    assert_problem(client.post("/predict?values=true", json=rows), 422, "Row 1, column # Letter")
    assert_problem(client.post("/predict?values=1", json=rows), 422, "values must be true or false")
    assert client.post("/predict?value=true", json=rows).json() == (
        client.post("/predict", json=rows).json()
    )


GOOD = table(3)
BAD_TABLES: dict[str, tuple[bytes, int, tuple[str, ...]]] = {
    "nothing": (b"", 400, ("not a table",)),
    "blank": (b"\n ,,\n", 400, ("not a table",)),
    "a NUL byte": (GOOD.encode().replace(b".", b"\0", 1), 400, ("NUL",)),
    "an open quote": (GOOD.replace("8,B", '8,"B').encode(), 400, ("Line 3", "not CSV")),
    "UTF-16 that is cut": (GOOD.encode("utf-16")[:-1], 400, ("UTF-16",)),
    "Latin-1 names": (("é," + GOOD).encode("latin-1"), 400, ("header",)),
    "no header": (
        table(3, changed=NUMBERS).partition("\n")[2].encode(),
        422,
        ("Line 1", "no header"),
    ),
    "a missing column": (GOOD.replace("Oz/gamma", "x").encode(), 422, ("Line 1, column Oz/gamma",)),
    "a duplicate column": (("Cz/theta," + GOOD).encode(), 422, ("column Cz/theta: duplicate",)),
    "two label columns": (("label," + GOOD).encode(), 422, ("columns",)),
    "a line too short": ((GOOD + "9,A,1\n").encode(), 422, ("Line 5, column Cz/alpha", "ends")),
    "a line without its end": (
        GOOD.replace("\n", ",1\n").encode()[:-3],
        422,
        ("Line 4, column 1: the line ends after 162 of 163 values",),
    ),
    "a value too many": ((GOOD[:-1] + ",1\n").encode(), 422, ("Line 4", "163 values for 162")),
    "another separator": (GOOD.replace(",", "|").encode(), 422, ("Line 1",)),
    "two decimal marks": (
        table(2, separator=";", mark=",").replace(",", ".", 1).encode(),
        422,
        ("Line 2", "decimal comma", "decimal point"),
    ),
    "two separators": (b"sep=|\n" + GOOD.encode(), 422, ("'|'",)),
}
for _value, _said in {
    "": "the value is missing",
    "x": "'x' is not a number",
    "-1": "'-1' is negative",
    "nan": "'nan' is not a finite number",
    "1e999": "'1e999' is not a finite number",
    "1_0": "'1_0' is not a number",
    "true": "'true' is not a number",
}.items():
    _body = table(3, changed={"Cz/alpha": lambda n, value=_value: value if n == 1 else 1})
    BAD_TABLES[f"the value {_value!r}"] = (_body.encode(), 422, ("Line 3, column Cz/alpha", _said))


@pytest.mark.parametrize(("body", "status", "fragments"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_refused_by_line_and_column(
    client: httpx.Client, body: bytes, status: int, fragments: tuple[str, ...]
) -> None:
    response = client.post("/predict", content=body, headers=CSV)
    assert_problem(response, status)
    for fragment in fragments:
        assert fragment.casefold() in response.json()["detail"].casefold()


def test_a_bad_line_far_down_is_named(client: httpx.Client) -> None:
    body = table(N_ROWS, changed={"Oz/gamma": lambda n: "x" if n == N_ROWS - 2 else 1})
    response = client.post("/predict", content=body.encode(), headers=CSV)
    assert_problem(response, 422, f"Line {N_ROWS}, column Oz/gamma: 'x' is not a number")


BAD_LINES: dict[str, tuple[list[Any], int, str]] = {
    "not JSON": ([RECORDS[0], "{"], 400, "Line 2 is not JSON"),
    "two lists in a line": (
        [f"{json.dumps(ROWS[0])},{json.dumps(ROWS[1])}"],
        400,
        "Line 1 is not JSON",
    ),
    "a list that is cut": (["[1,", "2]"], 400, "Line 1 is not JSON"),
    "a negative number": ([ROWS[0], "", [-1, *ROWS[0][1:]]], 422, "Line 3, column Cz/theta: -1"),
    "true": ([{**RECORDS[0], "Oz/gamma": True}], 422, "Line 1, column Oz/gamma: true"),
    "a name": (["", {**RECORDS[0], "x": 1}], 422, 'Line 2: there is no column "x"'),
    "a short list": ([ROWS[0][1:]], 422, "Line 1 has 159 values"),
    "a text": (['"x"'], 422, "Line 1 is neither"),
    "a duplicate": ([json.dumps(RECORDS[0])[:-1] + ',"Line":1}'], 422, 'duplicate name "Line"'),
}


@pytest.mark.parametrize(("lines", "status", "fragment"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_of_json_is_refused(
    client: httpx.Client, lines: list[Any], status: int, fragment: str
) -> None:
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    response = client.post("/predict", content=body.encode(), headers=AS_LINES)
    assert_problem(response, status, fragment)


def changed(name: str, **members: Any) -> Any:
    return {**documents(RECORDS[:3])[name], **members}


BAD_DOCUMENTS: dict[str, tuple[Any, str]] = {
    "neither": ({"a": {"b": 1}}, "neither 'a' nor"),
    "both": ({"Cz/theta": {"Line": 1}}, "may be a column"),
    "a mixture": (changed("index", a=1), "of one kind"),
    "a column of another length": (changed("columns of lists", Line=[1]), "column Line has 1"),
    "a column of other rows": (
        changed("columns", **{"Cz/theta": {"k:0": 1, "y": 2, "k:2": 3}}),
        "row k:1, column Cz/theta: the value is missing",
    ),
    "a missing column": (
        {"columns": COLUMNS[:-1], "data": [[1] * 161]},
        "column Fp2/gamma: the column is missing",
    ),
    "a short row": ({"columns": COLUMNS, "data": [[1, 2]]}, "row 0: 2 values for 162 columns"),
    "a value": (
        changed("columns of lists", **{"Cz/alpha": [1, "x", 2]}),
        "Row 1, column Cz/alpha: 'x' is not a number",
    ),
    "a value by key": (
        changed("columns", **{"Cz/alpha": {"k:0": 1, "k:1": None, "k:2": 2}}),
        "Row k:1, column Cz/alpha: the value is missing",
    ),
    "true": (changed("columns of lists", **{"Cz/alpha": [1, True, 2]}), "True is not a number"),
    "negative": (changed("columns of lists", **{"Cz/alpha": [1, 2, -2]}), "Row 2, column Cz/alpha"),
    "a name in a row": ({"k": {**RECORDS[0], "x": 1}}, 'Row k: there is no feature "x"'),
}


@pytest.mark.parametrize(("document", "fragment"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_a_bad_document_is_refused(client: httpx.Client, document: Any, fragment: str) -> None:
    assert_problem(client.post("/predict", json=document), 422, fragment)


def test_other_media_types_are_refused_with_those_that_are_read(client: httpx.Client) -> None:
    response = client.post("/predict", content=b"x", headers={"content-type": "text/plain"})
    assert_problem(response, 415, "text/plain", "application/json", "text/csv")
    assert response.headers["accept"] == (
        "application/json, text/csv, text/tab-separated-values, application/x-ndjson,"
        " application/jsonl, application/x-jsonlines"
    )
    assert_problem(client.post("/predict", content=GOOD.encode()), 415, "missing")
    assert_problem(client.post("/line", content=b"{}", headers=CSV), 415, "application/json.")


def test_limits_are_those_of_any_rows(client: httpx.Client) -> None:
    most = Settings().max_rows
    header, _, line = table(1).partition("\n")
    body = f"{header}\n{line * most}".encode()
    answer = client.post("/predict", content=body, headers=CSV).json()
    assert len(answer["predictions"]) == most
    assert_problem(client.post("/predict", content=body + line.encode(), headers=CSV), 413, "2000")
    cells = Settings().max_cells // (52 + len(FEATURES))
    body = f"{header}\n{line * (cells + 1)}".encode()
    refused = client.post("/predict?values=true", content=body, headers=CSV)
    assert_problem(refused, 413, f"more than {cells} rows", "160 values")
    body = b"a," * Settings().max_body_bytes
    assert_problem(client.post("/predict", content=body, headers=CSV), 413, "bytes")
    for document in (["1"] * 20, ROWS[:1] * (most + 1)):
        lines = "\n".join(json.dumps(row) for row in document).encode()
        status = client.post("/predict", content=lines, headers=AS_LINES).status_code
        assert status == (413 if len(document) > most else 422)


def test_a_compressed_table_is_read(client: httpx.Client) -> None:
    headers = {**CSV, "content-encoding": "gzip"}
    response = client.post("/predict", content=gzip.compress(GOOD.encode()), headers=headers)
    assert response.content == predictions(client, 3)
