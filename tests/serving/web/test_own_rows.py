"""The view of rows of one's own in a real browser."""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, FilePayload, Page, Request, Route, expect

from tests.conftest import full_memory, serve, watched
from tests.serving.web.views import LINE, TITLES, as_csv, open_line, predict
from tests.shipped import COLUMNS, FEATURES, LETTERS

Rows = list[dict[str, str]]
# With letters and two models more rows are two requests.
ROWS_A_REQUEST = 471


def with_commas(rows: Rows) -> str:
    return as_csv(rows).replace(",", ";").replace(".", ",")


def as_lines(rows: Rows) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def as_index(rows: Rows) -> str:
    return json.dumps({str(number): row for number, row in enumerate(rows)})


def as_lists(rows: Rows) -> list[list[float]]:
    return [[float(row[name]) for name in FEATURES] for row in rows]


def as_split(rows: Rows) -> str:
    data = [list(row.values()) for row in rows]
    return json.dumps({"columns": list(rows[0]), "index": list(range(len(rows))), "data": data})


# By the name of a file what is in it.
FILES: dict[str, Callable[[Rows], bytes]] = {
    "plain.csv": lambda rows: as_csv(rows).encode(),
    "without labels.csv": lambda rows: as_csv(rows, columns=tuple(FEATURES)).encode(),
    "in another order.tsv": lambda rows: (
        as_csv(rows, columns=COLUMNS[::-1]).replace(",", "\t").encode()
    ),
    "of a spreadsheet.csv": lambda rows: (
        with_commas(rows).replace("\n", "\r\n").encode("utf-8-sig")
    ),
    "utf-16.txt": lambda rows: as_csv(rows).replace(",", "\t").encode("utf-16"),
    "old line ends.csv": lambda rows: as_csv(rows).replace("\n", "\r").encode(),
    "records.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "index.json": lambda rows: as_index(rows).encode(),
    "split.json": lambda rows: as_split(rows).encode(),
    "lists.json": lambda rows: json.dumps(as_lists(rows)).encode(),
    "request.json": lambda rows: json.dumps({"rows": rows}).encode(),
    "lines.jsonl": lambda rows: as_lines(rows).encode(),
    "packed.csv.gz": lambda rows: gzip.compress(as_csv(rows).encode()),
    "packed.json.gz": lambda rows: gzip.compress(as_index(rows).encode()),
}
TYPES = {"csv": "text/csv", "tsv": "text/csv", "txt": "text/csv", "json": "application/json"}


@pytest.fixture(scope="module")
def shared_page(browser: Browser, server: str) -> Iterator[Page]:
    with watched(browser, server) as page:
        yield page


def choose(page: Page, name: str, content: bytes) -> list[Request]:
    """Choose a file; the requests that its rows are sent in, also those to come."""
    sent: list[Request] = []
    page.goto("/?view=rows")
    page.on("request", lambda sent_: sent.append(sent_) if "/predict?" in sent_.url else None)
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
    page.set_input_files("#file", file)
    return sent


def expect_answers(
    page: Page, predictions: dict[str, Any], lines: list[int], known: bool = True
) -> None:
    """The list has these stored lines, and no other rows."""
    listed = page.locator("#own-list tbody tr")
    expect(listed).to_have_count(len(lines))
    some_unlike = not all(predictions["familiar"][line] for line in lines)
    for number, line in enumerate(lines):
        said = [LETTERS[predictions["labels"][title][line]] for title in TITLES]
        truth = LETTERS[predictions["truth"][line]]
        marks = [
            letter if not known else f"{letter} {'✓' if letter == truth else '✗'}"
            for letter in said
        ]
        if some_unlike:
            marks.append("yes" if predictions["familiar"][line] else "no")
        expected = [str(number + 1), *([str(line), truth] if known else ["–"]), *marks]
        assert listed.nth(number).locator("td").all_inner_texts() == expected


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_kind_goes_as_it_is_and_is_predicted(
    shared_page: Page, predictions: dict[str, Any], rows: dict[int, dict[str, str]], name: str
) -> None:
    content = FILES[name](list(rows.values()))
    sent = choose(shared_page, name, content)
    known = name not in {"without labels.csv", "lists.json"}
    expect(shared_page.locator("#own-score")).to_contain_text(f"{len(rows)} rows")
    expect_answers(shared_page, predictions, list(rows), known)
    (request,) = sent
    *_, suffix = name.removesuffix(".gz").split(".")
    assert request.headers["content-type"] == TYPES.get(suffix, "application/x-ndjson")
    unpacked = gzip.decompress(content) if name.endswith(".gz") else content
    assert request.post_data_buffer == unpacked
    expect(shared_page.locator("#source")).to_have_text(name)
    shown = unpacked.decode("utf-16" if name.startswith("utf-16") else "utf-8-sig")
    expect(shared_page.locator("#text")).to_have_value(re.sub("\r\n?", "\n", shown))
    if known:
        score = shared_page.locator("#own-score")
        for title in TITLES:
            said = predictions["labels"][title]
            right = sum(said[line] == predictions["truth"][line] for line in rows)
            expect(score).to_contain_text(f"{title} {right}")


@pytest.mark.parametrize("form", ["CSV", "JSON lines", "JSON"])
def test_pasted_rows_are_predicted(
    shared_page: Page, predictions: dict[str, Any], rows: dict[int, dict[str, str]], form: str
) -> None:
    of_form = {"CSV": as_csv, "JSON lines": as_lines, "JSON": as_index}[form]
    predict(shared_page, of_form(list(rows.values())))
    expect_answers(shared_page, predictions, list(rows))


def test_how_a_table_was_read_is_told(page: Page, rows: dict[int, dict[str, str]]) -> None:
    predict(page, with_commas([{**row, "mood": "calm"} for row in rows.values()]))
    told = page.locator("#own-read-as")
    expect(told).to_contain_text("Read as: ")
    expect(told).to_contain_text("semicolon")
    expect(told).to_contain_text("decimal comma")


@pytest.mark.parametrize("number", ["7", "9007199254740993", "9223372036854775807"])
def test_line_numbers_have_all_their_digits(
    page: Page, rows: dict[int, dict[str, str]], number: str
) -> None:
    predict(page, as_csv([{**rows[LINE], "Line": number}]))
    expect(page.locator("#own-list tbody td.number")).to_have_text(number)


def test_other_rows_take_the_place_of_those_before(
    page: Page, predictions: dict[str, Any], rows: dict[int, dict[str, str]]
) -> None:
    predict(page, as_csv(list(rows.values())))
    expect_answers(page, predictions, list(rows))
    page.fill("#text", as_csv([rows[LINE + 3], rows[LINE + 1]]))
    page.click("#own >> text=Predict")
    expect_answers(page, predictions, [LINE + 3, LINE + 1])


def test_an_edited_field_takes_the_place_of_the_file(
    page: Page, predictions: dict[str, Any], rows: dict[int, dict[str, str]]
) -> None:
    choose(page, "utf-16.txt", FILES["utf-16.txt"](list(rows.values())))
    expect(page.locator("#own-score")).to_contain_text(f"{len(rows)} rows")
    lines = page.input_value("#text").splitlines(keepends=True)
    page.fill("#text", "".join(lines[:2]))
    expect(page.locator("#source")).to_be_empty()
    page.click("#own >> text=Predict")
    expect_answers(page, predictions, [LINE])


def test_a_row_is_picked_by_pointer_and_by_keyboard(
    page: Page, rows: dict[int, dict[str, str]]
) -> None:
    predict(page, as_csv(list(rows.values())))
    value = page.locator("#own-reading .map").first.locator(".value")
    page.click("#own-list [data-place='3']")
    expect(value).to_have_text(f"Oz {float(rows[LINE + 3]['Oz/theta']):.3g} µV²")
    page.keyboard.press("ArrowUp")
    expect(page.locator(":focus")).to_have_attribute("aria-current", "true")
    expect(value).to_have_text(f"Oz {float(rows[LINE + 2]['Oz/theta']):.3g} µV²")
    expect(page.locator("#said")).to_contain_text("Row 3.")


def in_another_unit(row: dict[str, str]) -> dict[str, str]:
    return {**row, **{name: str(1e6 * float(row[name])) for name in FEATURES}}


def test_rows_unlike_the_training_are_marked_in_words(
    page: Page, client: httpx.Client, rows: dict[int, dict[str, str]]
) -> None:
    given = list(rows.values())
    mixed = [given[0], in_another_unit(given[1]), given[2], in_another_unit(given[3])]
    powers = [[float(row[name]) for name in FEATURES] for row in mixed]
    answers = client.post("/predict", json={"rows": powers}).json()["predictions"]
    familiar = [answer["familiar"] for answer in answers]
    assert familiar[1::2] == [False, False]
    predict(page, as_csv(mixed))
    unlike = familiar.count(False)
    told = page.locator("#own-unfamiliar")
    expect(told).to_contain_text(f"{unlike} of 4 rows are far from every class of the training")
    expect(page.locator("#said")).to_contain_text("far from every class of the training")
    expect(page.locator("#own-list thead th").last).to_have_text("Familiar")
    marks = page.locator("#own-list tbody td:last-child").all_inner_texts()
    assert marks == ["yes" if is_familiar else "no" for is_familiar in familiar]
    page.click("#own-list [data-place='1']")
    sentence = page.locator("#own-reading .sentence")
    expect(sentence).to_contain_text("This row is far from every class of the training.")
    page.click("#own-list [data-place='0']")
    if familiar[0]:
        expect(sentence).not_to_contain_text("unlike")


def test_where_all_rows_are_familiar_nothing_is_said_of_it(
    page: Page, client: httpx.Client, rows: dict[int, dict[str, str]]
) -> None:
    powers = [[float(row[name]) for name in FEATURES] for row in rows.values()]
    answers = client.post("/predict", json={"rows": powers}).json()["predictions"]
    usual = [row for row, answer in zip(rows.values(), answers, strict=True) if answer["familiar"]]
    predict(page, as_csv([in_another_unit(usual[0])]))
    expect(page.locator("#own-unfamiliar")).to_contain_text("1 of 1 row is far from")
    predict(page, as_csv(usual))
    expect(page.locator("#own-list tbody tr")).to_have_count(len(usual))
    expect(page.locator("#own-unfamiliar")).to_be_hidden()
    expect(page.locator("#own-list thead th").last).to_have_text(TITLES[-1])


def test_marked_rows_fit_on_a_telephone(
    browser: Browser, server: str, rows: dict[int, dict[str, str]]
) -> None:
    with watched(browser, server, viewport={"width": 400, "height": 800}) as page:
        predict(page, as_csv([in_another_unit(row) for row in rows.values()]))
        expect(page.locator("#own-list tbody td.unlike")).to_have_count(len(rows))
        for place in ("document.documentElement", "document.getElementById('own-list')"):
            assert page.evaluate(f"{place}.scrollWidth <= {place}.clientWidth")


def ask_for_the_stored_line(page: Page) -> Route:
    """Open the view of own rows and press its button; the request that waits for its answer."""
    page.goto("/?view=rows")
    asked: list[Route] = []
    page.route(re.compile(r"/line/"), lambda route: asked.append(route))
    with page.expect_request(re.compile(r"/line/")):
        page.click("#example")
    expect(page.locator("#predict")).to_be_disabled()
    return asked[0]


def test_a_stored_line_on_its_way_is_waited_for(page: Page) -> None:
    request = ask_for_the_stored_line(page)
    predict_button = page.locator("#predict")
    request.continue_()
    predict_button.click()
    expect(page.locator("#own-score")).to_contain_text("1 row")


def test_a_stored_line_on_its_way_does_not_come_after_clear(page: Page) -> None:
    ask_for_the_stored_line(page)
    page.click("#clear")
    expect(page.locator("#predict")).to_be_enabled()
    expect(page.locator("#text")).to_have_value("")


def test_of_two_presses_for_a_stored_line_the_last_is_waited_for(page: Page) -> None:
    page.goto("/?view=rows")
    asked: list[Route] = []
    page.route(re.compile(r"/line/"), lambda route: asked.append(route))
    for _ in range(2):
        with page.expect_request(re.compile(r"/line/")):
            page.click("#example")
    # The first has been given up when this is answered.
    page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
    expect(page.locator("#predict")).to_be_disabled()
    asked[1].continue_()
    page.locator("#predict").click()
    expect(page.locator("#own-score")).to_contain_text("1 row")


@pytest.mark.parametrize("power", ["5e-324", "1.7e308"])
def test_extreme_floats_are_shown(page: Page, power: str) -> None:
    # First, for a page that draws a scale without an end does not answer any more.
    page.goto("/?view=rows")
    scale = page.evaluate(f"() => scaleFor('theta', [{power}]).map(Math.log10)")
    assert np.isfinite(np.array(scale, float)).all()
    predict(page, json.dumps([[float(power)] * len(FEATURES)]))
    expect(page.locator("#own-score")).to_contain_text("1 row")
    expect(page.locator("#own-reading .legend")).to_contain_text("far from the usual")
    assert 0 < page.locator("#own-reading .tick").count() < 100


LONG: dict[str, Callable[[Rows], str]] = {
    "CSV": lambda rows: "# of a long session\n\n" + as_csv(rows) + 1000 * ",,\n",
    "CSV with old line ends": lambda rows: as_csv(rows).replace("\n", "\r"),
    "CSV with decimal commas": with_commas,
    "JSON lines": as_lines,
    "JSON list": json.dumps,
    "JSON index": as_index,
}


@pytest.mark.parametrize("form", LONG)
def test_a_long_file_goes_in_several_requests(
    page: Page, rows: dict[int, dict[str, str]], form: str
) -> None:
    text = LONG[form](list(rows.values()) * 400)
    sent = choose(page, "session", text.encode())
    expect(page.locator("#own-score")).to_contain_text("2,000 rows")
    assert len(sent) == -(-2000 // ROWS_A_REQUEST)
    expect(page.locator("#source")).to_have_text("session")
    expect(page.locator("#text")).to_have_value("")
    page.click("text=Later rows")
    expect(page.locator("#pages")).to_contain_text("Rows 101–200 of 2,000")
    expect(page.locator("#own-list [aria-current]")).to_have_text("101")


METADATA = "title:demo,start timestamp:1700000000.1,headset type:EPOCX,sampling rate:eeg_128,"


def marked(rows: Rows, marker: str, other: str, column: str) -> str:
    """An export: a marker in the first row alone, and a column that tells the program."""
    first, *rest = [{**row, column: "", other: "1"} for row in rows]
    return as_csv([{**first, column: marker}, *rest], columns=(other, *FEATURES, column))


EXPORTS: dict[str, Callable[[Rows], str]] = {
    "metadata above the header": lambda rows: f"{METADATA}\n{as_csv(rows)}",
    "EmotivPRO": lambda rows: marked(rows, "A", "POW.AF3.Theta", "MarkerValueInt"),
    "Mind Monitor": lambda rows: (
        "\ufeff"
        + marked(
            [
                {**row, **{name: f"{np.log10(float(row[name]))}" for name in FEATURES}}
                for row in rows
            ],
            "/Marker/A",
            "TimeStamp",
            "Elements",
        )
    ),
}


@pytest.mark.parametrize("program", EXPORTS)
def test_an_export_of_a_headset_goes_whole(
    page: Page, rows: dict[int, dict[str, str]], program: str
) -> None:
    sent = choose(page, "session.csv", EXPORTS[program](list(rows.values()) * 96).encode())
    score = page.locator("#own-score")
    expect(score).to_contain_text("480 rows")
    expect(score).to_contain_text("of 480 whose letter is known")
    assert len(sent) == 1


@pytest.mark.parametrize("mark", [";", "\t", ","])
def test_all_parts_have_the_decimal_mark_of_the_first_row(
    browser: Browser, server: str, rows: dict[int, dict[str, str]], mark: str
) -> None:
    # Alone, the later part would have nothing but whole numbers and one that may be a thousand.
    first = {name: f"{float(value):.4f}" for name, value in rows[LINE].items()}
    later = {name: f"{float(value):.0f}" for name, value in rows[LINE].items()}
    of_place = [{**first, "Line": "1", "# Letter": rows[LINE]["# Letter"]}] + [
        {**later, "Line": f"{place}", "# Letter": rows[LINE]["# Letter"]} for place in range(2, 601)
    ]
    of_place[590]["Oz/gamma"] = "1.234"

    def written(some: Rows) -> str:
        cells = [[row[name].replace(".", ",") for name in COLUMNS] for row in some]
        quoted = [[f'"{cell}"' for cell in line] if mark == "," else line for line in cells]
        return "\n".join(mark.join(line) for line in [list(COLUMNS), *quoted]) + "\n"

    with watched(browser, server, refusals=True) as page:
        sent = choose(page, "session.csv", f"# by hand\n\n{written(of_place)}".encode())
        expect(page.locator("#own-score")).to_contain_text("600 rows")
        assert len(sent) == 2
        # None of the rows is there twice.
        assert page.evaluate("ownRows.map(({ line }) => line)") == list(range(1, 601))
        place = FEATURES.index("Oz/gamma")
        assert page.evaluate(f"ownRows[590].values[{place}]") == 1.234
        of_place[590]["Oz/gamma"] = "much"
        choose(page, "session.csv", f"# by hand\n\n{written(of_place)}".encode())
        expect(page.locator("#own-problem")).to_contain_text("Line 594, column Oz/gamma")


def in_order(rows: Rows) -> Rows:
    return [{**rows[place % len(rows)], "Line": str(479 - place)} for place in range(480)]


WRAPPED: dict[str, Callable[[list[str]], str]] = {
    "list": lambda rows: f" [{', '.join(rows)}]\n",
    "rows": lambda rows: f'{{ "rows" : [{", ".join(rows)}] }}',
    "index": lambda rows: (
        "{" + ",\n".join(f'"{479 - place}": {row}' for place, row in enumerate(rows)) + "}"
    ),
}


@pytest.mark.parametrize("form", WRAPPED)
def test_rows_of_a_cut_document_stay_as_they_are_written(
    page: Page, rows: dict[int, dict[str, str]], form: str
) -> None:
    texts = [json.dumps(row) for row in in_order(list(rows.values()))]
    # More digits than a number of the page has.
    texts[0] = json.dumps({**rows[LINE], "Line": 9007199254740993})
    sent = choose(page, "session.json", WRAPPED[form](texts).encode())
    expect(page.locator("#own-score")).to_contain_text("480 rows")
    assert len(sent) == 2
    expected = ["9007199254740993", *range(478, -1, -1)]
    assert page.evaluate("ownRows.map(({ line }) => line)") == expected


def test_signs_of_json_in_a_string_end_no_row(page: Page) -> None:
    items = [' {"a]},\\"": "\\\\"}', '[["]"], {}] ', '{"\\\\\\"[{": ","}']
    page.goto("/?view=rows")
    found = page.evaluate("(text) => itemsIn(text)", f" [{','.join(items)}]\n")
    assert found == items


@pytest.mark.parametrize("form", WRAPPED)
def test_a_name_that_a_cut_document_has_twice_is_refused(
    browser: Browser, server: str, rows: dict[int, dict[str, str]], form: str
) -> None:
    texts = [json.dumps(row) for row in in_order(list(rows.values()))]
    twice = [*texts[:475], texts[475].replace("{", '{"Oz/gamma": 1, ', 1), *texts[476:]]
    documents = [WRAPPED[form](twice)]
    if form == "index":
        documents.append(WRAPPED[form](texts).replace('"0": {', '"479": {'))
    with watched(browser, server, refusals=True) as page:
        for document in documents:
            choose(page, "session.json", document.encode())
            expect(page.locator("#own-problem")).to_contain_text("duplicate name")


def test_json_with_a_byte_order_mark_is_predicted(
    page: Page, rows: dict[int, dict[str, str]]
) -> None:
    for text in (json.dumps(list(rows.values())), as_index(list(rows.values()))):
        choose(page, "rows.json", text.encode("utf-8-sig"))
        expect(page.locator("#own-score")).to_contain_text(f"{len(rows)} rows")


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_a_file_of_utf_32_is_read(
    page: Page, rows: dict[int, dict[str, str]], encoding: str
) -> None:
    text = as_csv(
        [{**row, "mood": "\U0001f600"} for row in rows.values()], columns=(*COLUMNS, "mood")
    )
    choose(page, "rows.csv", f"\ufeff{text}".encode(encoding))
    expect(page.locator("#own-score")).to_contain_text(f"{len(rows)} rows")
    expect(page.locator("#text")).to_have_value(text)
    sent = choose(
        page, "session.csv", ("\ufeff" + as_csv(list(rows.values()) * 100)).encode(encoding)
    )
    expect(page.locator("#own-score")).to_contain_text("500 rows")
    assert len(sent) == 2


def test_clear_ends_what_is_under_way(page: Page, rows: dict[int, dict[str, str]]) -> None:
    held: list[Route] = []
    page.route(re.compile(r"/predict\?"), lambda route: held.append(route))
    choose(page, "session", as_csv(list(rows.values()) * 200).encode())
    expect(page.locator("#progress")).to_contain_text("0 of 1,000 lines")
    with page.expect_event("requestfailed"):
        page.click("#clear")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#source")).to_be_empty()
    expect(page.locator("#own-problem")).to_be_empty()
    assert len(held) == 1


def test_a_long_file_of_utf_16_goes_in_several_requests(
    page: Page, rows: dict[int, dict[str, str]]
) -> None:
    sent = choose(page, "session.txt", as_csv(list(rows.values()) * 100).encode("utf-16"))
    expect(page.locator("#own-score")).to_contain_text("500 rows")
    assert len(sent) == 2


@pytest.mark.parametrize("form", LONG)
def test_a_fault_in_a_long_file_has_its_own_place(
    browser: Browser, server: str, rows: dict[int, dict[str, str]], form: str
) -> None:
    good = list(rows.values()) * 200
    lines = {"CSV": "Line 904", "JSON lines": "Line 901"}
    places = {**lines, "JSON list": "Row 900", "JSON index": "900"}
    text = LONG[form]([*good[:900], {**good[900], "Oz/gamma": "much"}, *good[901:]])
    with watched(browser, server, refusals=True) as page:
        choose(page, "session", text.encode())
        problem = page.locator("#own-problem")
        expect(problem).to_contain_text(
            re.compile(rf"{places.get(form, 'Line 902')}\b.*Oz/gamma.*much")
        )
        expect(page.locator("#progress")).to_be_hidden()


def test_what_stands_before_the_rows_is_found(page: Page) -> None:
    cases = {
        "a,b\n1,2": 1,
        "a,b": 1,
        "\n;;\na;b\n1;2": 3,
        "sep=;\na;b\n1;2": 2,
        "# made by hand\n% twice\na,b\n1,2": 3,
        "# a,b\n1,2\n3,4": 1,
        "# by hand\n# a,b\n1,2": 2,
        "# a,b\nLine,Letter\n1,2": 2,
        "\ufeff# Letter;b\r\n1,5;2\r\n": 1,
        "# Letter\tb\rA\t2e-3\r": 1,
    }
    page.goto("/?view=rows")
    found = page.evaluate("(texts) => texts.map((text) => linesBefore(asBytes(text)))", [*cases])
    assert dict(zip(cases, found, strict=True)) == cases


def test_what_may_be_json_is_told_by_how_values_follow_each_other(page: Page) -> None:
    cases = {
        "a,b\n1,2": "text/csv",
        "# {\n": "text/csv",
        '{"a": 1}': "application/json",
        '\ufeff {"a": 1}\n\n': "application/json",
        '{\n"a": 1\n}': "application/json",
        "[[1, 2]\n,[3, 4]]": "application/json",
        "[[1, 2],\n[3, 4]]": "application/json",
        "[\n[1, 2]\n]": "application/json",
        '{"a": 1} \r\n\r\n {"a": 2}\r\n': "application/x-ndjson",
        "\n\n[1]\n[2": "application/x-ndjson",
    }
    page.goto("/?view=rows")
    found = page.evaluate("(texts) => texts.map((text) => typeOf(asBytes(text)))", [*cases])
    assert dict(zip(cases, found, strict=True)) == cases


def test_a_file_is_dropped(page: Page, rows: dict[int, dict[str, str]]) -> None:
    page.goto("/?view=rows")
    dropped = page.evaluate_handle(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File([text], "dropped.json"));
          return data;
        }""",
        json.dumps({str(line): row for line, row in rows.items()}),
    )
    page.dispatch_event("#text", "drop", {"dataTransfer": dropped})
    expect(page.locator("#own-score")).to_contain_text(f"{len(rows)} rows")
    expect(page.locator("#source")).to_have_text("dropped.json")


def test_faults_are_told_as_the_service_tells_them(
    browser: Browser, server: str, rows: dict[int, dict[str, str]]
) -> None:
    good = list(rows.values())
    bad = [*good[:2], {**good[2], "Oz/gamma": "much"}]
    missing = [{name: row[name] for name in row if name != "Oz/gamma"} for row in good]
    cases = (
        (as_csv(bad), "Line 4, column Oz/gamma: "),
        (with_commas(bad), "Line 4, column Oz/gamma: "),
        (as_csv(bad).replace("\n", "\n\n"), "Line 7, column Oz/gamma: "),
        (as_csv(good) + "1,2,3", "Line 7, column "),
        (as_csv([*good[:2], {**good[2], "# Letter": "26"}]), "Line 4, column # Letter: "),
        (as_csv(good, header=False), "there is no header"),
        (as_csv(missing, columns=tuple(missing[0])), "column Oz/gamma: the column is missing"),
        (as_lines(bad), "Line 3, column Oz/gamma: "),
        (f"{as_lines(good[:1])}\n[1, 2", "Line 2"),
        (json.dumps({"rows": bad}), "Row 2, feature Oz/gamma: "),
        (json.dumps(as_lists(good))[:-1], "not JSON"),
    )
    with watched(browser, server, refusals=True) as page:
        for text, sentence in cases:
            predict(page, text)
            expect(page.locator("#own-problem")).to_contain_text(sentence, ignore_case=True)
            expect(page.locator("#own-result")).to_be_hidden()
            expect(page.locator("#progress")).to_be_hidden()
        predict(page, " \n")
        expect(page.locator("#own-problem")).to_have_text("There are no rows.")


def test_files_that_the_page_does_not_take_are_named(page: Page) -> None:
    zstd = b"\x28\xb5\x2f\xfd rest"
    cases = (
        ("rows.csv.bz2", bz2.compress(b"1,2"), "is compressed by bzip2"),
        ("rows.csv.zst", zstd, "is compressed by zstd"),
        ("rows.xlsx", b"PK\x03\x04", "save its table as CSV"),
        ("rows.parquet", b"PAR1", "python -m eeg_letters.batch"),
        ("rows.feather", b"ARROW1\0\0", "is Feather"),
        ("rows.feather", b"FEA1\0\0\0\0", "is Feather"),
        ("rows.csv.gz", gzip.compress(b"1,2")[:-4], "cannot be unpacked here"),
        ("zeros.gz", gzip.compress(bytes(70_000_000), 1), "python -m eeg_letters.batch"),
    )
    for name, content, sentence in cases:
        sent = choose(page, name, content)
        expect(page.locator("#own-problem")).to_contain_text(name)
        expect(page.locator("#own-problem")).to_contain_text(sentence)
        assert sent == []


def test_a_busy_service_is_asked_again(
    browser: Browser, trained_home: Path, rows: dict[int, dict[str, str]]
) -> None:
    many = list(rows.values()) * 40
    with (
        serve(trained_home, EEG_MAX_CONCURRENCY="1") as (url, _),
        watched(browser, url, refusals=True) as page,
    ):
        open_line(page)
        with full_memory(url):
            with page.expect_response(lambda response: response.status == 503):
                predict(page, as_csv(many))
            expect(page.locator("#busy")).to_contain_text("asking again in 1 s")
        expect(page.locator("#own-score")).to_contain_text(f"{len(many)} rows")
        expect(page.locator("#busy")).to_be_hidden()


def test_limits_lead_to_smaller_requests(
    browser: Browser, trained_home: Path, rows: dict[int, dict[str, str]]
) -> None:
    with (
        serve(trained_home, EEG_MAX_ROWS="3") as (url, _),
        watched(browser, url, refusals=True) as page,
    ):
        open_line(page)
        predict(page, as_csv(list(rows.values())))
        expect(page.locator("#own-score")).to_contain_text("5 rows")


def test_what_is_too_much_in_one_piece_is_for_batch(
    browser: Browser, trained_home: Path, rows: dict[int, dict[str, str]]
) -> None:
    with (
        serve(trained_home, EEG_MAX_ROWS="3") as (url, _),
        watched(browser, url, refusals=True) as page,
    ):
        predict(page, as_split(list(rows.values())))
        expect(page.locator("#own-problem")).to_contain_text("more than")
        expect(page.locator("#own-problem")).to_contain_text("python -m eeg_letters.batch")
