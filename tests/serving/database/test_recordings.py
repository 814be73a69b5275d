"""Recordings of the database are answered as the rows of the file, while they come and go."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert, literal, select, text

from eeg_letters.database.engine import writing
from eeg_letters.database.importing import add_recording, remove_recording
from eeg_letters.database.tables import recording_rows, recordings, scores
from eeg_letters.models import MODELS
from eeg_letters.settings import DATA
from tests.conftest import serve_process
from tests.shipped import FEATURES, LETTERS

FILE = DATA / "test.json"
NAME = "session-2"
MAX_ROWS = 500
TITLES = [model.title for model in MODELS]
# Of a recording whose score is worked out in the background.
LARGE = 20 * 1300


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"EEG_MAX_ROWS": str(MAX_ROWS), "EEG_KEEP_PREDICTIONS": "true"}


@pytest.fixture(scope="module", autouse=True)
def recording(engine: Engine) -> None:
    """The recording that the service has in a file, in the database as well."""
    add_recording(engine, FILE, NAME)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The rows of that file."""
    return list(json.loads(FILE.read_text()).values())


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """The name of a recording that a test makes."""
    yield "made"
    with writing(engine) as connection:
        connection.execute(recordings.delete().where(recordings.c.name.in_(["made", "other"])))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows as a CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def enlarge(engine: Engine, name: str, times: int) -> None:
    """Repeat the rows of a recording under other line numbers."""
    with writing(engine) as connection:
        found = connection.execute(select(recordings).where(recordings.c.name == name)).one()
        of_it = recording_rows.c.recording_id == found.id
        for time_ in range(1, times):
            again = select(
                recording_rows.c.recording_id,
                recording_rows.c.line + literal(time_ * found.n_rows),
                *(recording_rows.c[column] for column in ("class", "powers", "document")),
            ).where(of_it, recording_rows.c.line < found.n_rows)
            columns = ["recording_id", "line", "class", "powers", "document"]
            connection.execute(insert(recording_rows).from_select(columns, again))
        connection.execute(
            recordings.update()
            .where(recordings.c.id == found.id)
            .values(n_rows=found.n_rows * times)
        )


def await_score(client: httpx.Client, name: str) -> dict[str, Any]:
    """The score of a recording, once it is worked out."""
    deadline = time.monotonic() + 60
    while (answer := client.get(f"/recordings/{name}/score")).status_code == 503:
        assert int(answer.headers["retry-after"]) >= 1
        assert f"The score of {name} is being worked out" in answer.json()["detail"]
        assert time.monotonic() < deadline
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *(
            (method, f"/{what}/232", None)
            for method in ("GET", "POST")
            for what in ("line", "prediction")
        ),
        *(("POST", f"/{what}", b'{"line": 232}') for what in ("line", "prediction")),
        *((method, "/score", None) for method in ("GET", "POST")),
        ("HEAD", "/line/232", None),
        # Refused alike.
        *(
            ("GET", f"/line/{line}", None)
            for line in ("-0", "00232", "5000", "-1", "x", "2.0", "1_0")
        ),
        *(("GET", f"/prediction/{line}", None) for line in ("9" * 300, "9" * 3000, "٣", "%00")),
        *(
            ("POST", f"/{what}", body)
            for what in ("line", "prediction")
            for body in (b"{}", b"", b'{"line": "7"}', b'{"line": 7, "line": 8}', b'{"line": true}')
        ),
        ("POST", "/line", b'{"line": 1e300}'),
        ("POST", "/line", b'{"line": 232}'.ljust(2000)),
        ("DELETE", "/score", None),
    ],
)
def test_a_recording_is_answered_as_the_file(
    client: httpx.Client, method: str, path: str, body: bytes | None
) -> None:
    headers = {"content-type": "application/json"}
    of_file, of_database = (
        client.request(method, f"{prefix}{path}", content=body, headers=headers)
        for prefix in ("", f"/recordings/{NAME}")
    )
    assert of_database.status_code == of_file.status_code
    assert of_database.content == of_file.content
    assert of_database.headers["content-type"] == of_file.headers["content-type"]


def test_recordings_are_listed(client: httpx.Client) -> None:
    (listed,) = client.get("/recordings").json()
    imported_at = datetime.fromisoformat(listed.pop("imported_at"))
    assert imported_at.tzinfo == UTC
    assert 0 <= time.time() - imported_at.timestamp() < 600
    assert listed == {
        "name": NAME,
        "rows": 1300,
        "classes": list(LETTERS),
        "sha256": hashlib.sha256(FILE.read_bytes()).hexdigest(),
    }


def test_thousands_of_recordings_are_listed(client: httpx.Client, engine: Engine) -> None:
    columns = [column for column in recordings.c if column.name not in ("id", "name")]
    made = recordings.c.name.startswith("many-")
    with writing(engine) as connection:
        row = connection.execute(select(*columns).where(recordings.c.name == NAME)).one()
        names = [f"many-{number:04}" for number in range(8000)]
        connection.execute(insert(recordings), [{**row._mapping, "name": name} for name in names])
    try:
        # Again, since nothing is remembered of so many.
        for _ in range(2):
            answer = client.get("/recordings")
            assert answer.status_code == 200
            *many, one = answer.json()
            assert [each.pop("name") for each in many] == names
            assert one.pop("name") == NAME
            assert many == [one] * len(names)
    finally:
        with writing(engine) as connection:
            connection.execute(recordings.delete().where(made))


def test_predictions_come_in_pages(client: httpx.Client) -> None:
    expected = client.get("/predictions").json()
    pages = [client.get(f"/recordings/{NAME}/predictions").json()]
    while "next" in pages[-1]:
        after = {"after": pages[-1]["next"]}
        pages.append(client.get(f"/recordings/{NAME}/predictions", params=after).json())
    assert [len(page["lines"]) for page in pages] == [500, 500, 300]
    for column in ("lines", "truth"):
        assert [value for page in pages for value in page[column]] == expected[column]
    for title in TITLES:
        labels = [label for page in pages for label in page["labels"][title]]
        assert labels == expected["labels"][title]


@pytest.mark.parametrize(
    ("after", "n_rows", "is_all"),
    [
        (-1, 500, False),
        (-(2**63), 500, False),
        (798, 500, False),
        # Exactly as many as there may be.
        (799, 500, True),
        (1299, 0, True),
        (2**63 - 1, 0, True),
    ],
)
def test_predictions_begin_after_any_line(
    client: httpx.Client, after: int, n_rows: int, is_all: bool
) -> None:
    page = client.get(f"/recordings/{NAME}/predictions", params={"after": after}).json()
    assert [len(column) for column in (page["lines"], page["truth"])] == [n_rows, n_rows]
    assert {title: len(labels) for title, labels in page["labels"].items()} == dict.fromkeys(
        TITLES, n_rows
    )
    assert ("next" not in page) == is_all


@pytest.mark.parametrize("after", ["", "x", "1.5", "1 OR 1=1", str(2**63), "9" * 5000])
def test_predictions_after_no_line_are_refused(client: httpx.Client, after: str) -> None:
    refused = client.get(f"/recordings/{NAME}/predictions", params={"after": after})
    assert refused.status_code == 422
    assert "after must be the number of a line" in refused.json()["detail"]


@pytest.mark.parametrize("what", ["line/7", "prediction/7", "score", "predictions"])
@pytest.mark.parametrize(
    "unknown", ["session-3", "x'; DROP TABLE recordings; --", "%00", "a%00b", "SESSION-2", "é" * 9]
)
def test_an_unknown_recording_is_not_found_by_name(
    client: httpx.Client, unknown: str, what: str
) -> None:
    answer = client.get(f"/recordings/{unknown}/{what}")
    assert answer.status_code == 404
    named = json.dumps(unknown.replace("%00", "\0"), ensure_ascii=False)
    assert answer.json()["detail"] == f"There is no recording {named}."


def test_columns_and_labels_are_found_by_name_and_value(
    client: httpx.Client, engine: Engine, rows: list[dict[str, str]], name: str, tmp_path: Path
) -> None:
    others = [
        {
            "Note": "x",
            **{feature.lower(): row[feature] for feature in reversed(FEATURES)},
            "Line": row["Line"],
            "label": row["# Letter"],
        }
        for row in rows
        # So that the recording's own classes are 4, 5 and so on.
        if int(row["# Letter"]) >= 4
    ]
    add_recording(engine, write(tmp_path / "others.csv", others), name)
    assert client.get("/recordings").json()[0]["classes"] == [str(n) for n in range(4, 26)]
    lines = [int(row["Line"]) for row in others]
    page = client.get(f"/recordings/{name}/predictions").json()
    assert page["lines"] == lines[:MAX_ROWS]
    assert page["truth"] == [int(row["label"]) for row in others[:MAX_ROWS]]
    everything = client.get("/predictions").json()
    place = {line: place for place, line in enumerate(everything["lines"])}
    for title, labels in page["labels"].items():
        assert labels == [everything["labels"][title][place[line]] for line in page["lines"]]
    for line in lines[::100]:
        answered = client.get(f"/recordings/{name}/prediction/{line}").json()
        assert answered == client.get(f"/prediction/{line}").json()
        assert client.get(f"/recordings/{name}/line/{line}").json()["Note"] == "x"
    right = {
        title: sum(
            everything["labels"][title][place[n]] == everything["truth"][place[n]] for n in lines
        )
        for title in TITLES
    }
    assert await_score(client, name) == {
        f"Score {title}": right[title] / len(lines) for title in TITLES
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda row: {key: row[key] for key in row if key != FEATURES[5]}, FEATURES[5]),
        (
            lambda row: {
                **{key: row[key] for key in row if key != "# Letter"},
                "label": int(row["# Letter"]) + 4,
            },
            "29 is not a letter",
        ),
    ],
    ids=["a column", "a class"],
)
def test_a_recording_that_does_not_fit_is_told_by_column_or_class(
    client: httpx.Client,
    engine: Engine,
    rows: list[dict[str, str]],
    name: str,
    tmp_path: Path,
    change: Any,
    named: str,
) -> None:
    # The last class is 29.
    changed = [change(row) for row in rows if int(row["# Letter"]) in (0, 25)]
    add_recording(engine, write(tmp_path / "misfit.csv", changed), name)
    line = changed[-1]["Line"]
    assert client.get(f"/recordings/{name}/line/{line}").json()["Line"] == line
    for what in (f"prediction/{line}", "score", "predictions"):
        refused = client.get(f"/recordings/{name}/{what}")
        assert refused.status_code == 409
        assert f"The recording {name} does not fit the models" in refused.json()["detail"]
        assert named in refused.json()["detail"]
    with engine.connect() as connection:
        assert (
            connection.execute(
                select(scores).join(recordings).where(recordings.c.name == name)
            ).all()
            == []
        )


def test_what_is_imported_replaced_or_removed_is_seen_at_once(
    client: httpx.Client, engine: Engine, rows: list[dict[str, str]], name: str, tmp_path: Path
) -> None:
    def expected(some: list[dict[str, str]]) -> dict[str, float]:
        answers = [client.get(f"/prediction/{row['Line']}").json() for row in some]
        return {
            f"Score {title}": sum(
                answer[f"prediction {title}"] == int(row["# Letter"])
                for answer, row in zip(answers, some, strict=True)
            )
            / len(some)
            for title in TITLES
        }

    for some in (rows[:60], rows[200:300], rows[:60]):
        add_recording(engine, write(tmp_path / "some.csv", some), name, replace=True)
        listed = {each["name"]: each["rows"] for each in client.get("/recordings").json()}
        assert listed == {name: len(some), NAME: 1300}
        answered = {
            row["Line"]: client.get(f"/recordings/{name}/line/{row['Line']}") for row in some
        }
        assert {line: answer.json() for line, answer in answered.items()} == {
            row["Line"]: row for row in some
        }
        # Small: nobody is told to wait.
        score = client.get(f"/recordings/{name}/score")
        assert score.status_code == 200
        assert score.json() == expected(some)
    remove_recording(engine, name)
    assert [each["name"] for each in client.get("/recordings").json()] == [NAME]
    assert client.get(f"/recordings/{name}/line/0").status_code == 404


def test_the_score_of_a_large_recording_is_worked_out_once_while_others_are_answered(
    bento: Path, database: str, client: httpx.Client, engine: Engine, name: str
) -> None:
    add_recording(engine, FILE, name)
    enlarge(engine, name, LARGE // 1300)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(client.get, [f"/recordings/{name}/score"] * 4))
    assert {answer.status_code for answer in answers} == {503}
    # A small one does not wait for it.
    add_recording(engine, DATA / "train.csv", "other")
    assert client.get("/recordings/other/score").status_code == 200
    assert await_score(client, name) == client.get("/score").json()
    # Another process finds it in the database, and this one after a restart.
    with serve_process(bento, EEG_DATABASE=database) as (url, _):
        again = httpx.get(f"{url}/recordings/{name}/score")
        assert again.json() == client.get("/score").json()


def test_a_recording_is_replaced_and_removed_while_its_score_is_worked_out(
    service: tuple[str, Path], client: httpx.Client, engine: Engine, name: str
) -> None:
    add_recording(engine, FILE, name)
    enlarge(engine, name, LARGE // 1300)
    assert client.get(f"/recordings/{name}/score").status_code == 503
    add_recording(engine, DATA / "train.csv", name, replace=True)
    replaced = await_score(client, name)
    remove_recording(engine, name)
    add_recording(engine, DATA / "train.csv", name)
    assert await_score(client, name) == replaced
    assert replaced != client.get("/score").json()
    add_recording(engine, FILE, name, replace=True)
    enlarge(engine, name, LARGE // 1300)
    assert client.get(f"/recordings/{name}/score").status_code == 503
    remove_recording(engine, name)
    assert client.get(f"/recordings/{name}/score").status_code == 404
    log = service[1].read_text()
    assert "Traceback" not in log
    assert "is not there" not in log


def test_a_prediction_is_counted_and_kept_with_recording_and_line(
    client: httpx.Client, engine: Engine
) -> None:
    def scored() -> int:
        (line,) = [
            line
            for line in client.get("/metrics").text.splitlines()
            if line.startswith("eeg_rows_scored_total ")
        ]
        return round(float(line.split()[1]))

    before = scored()
    headers = {"x-request-id": "of-a-recording", "x-session-id": "anna"}
    answer = client.get(f"/recordings/{NAME}/prediction/232", headers=headers).json()
    assert scored() == before + 1
    kept = text(
        "SELECT route, session, recording_sha256, line, powers, lda_class, mlp_class"
        " FROM predictions WHERE request_id = 'of-a-recording'"
    )
    deadline = time.monotonic() + 20
    found = None
    while found is None:
        assert time.monotonic() < deadline
        with engine.connect() as connection:
            found = connection.execute(kept).first()
    route, session, sha256, line, powers, *classes = found
    assert route == "/recordings/{name}/prediction/{line}"
    assert (session, line, powers) == ("anna", 232, None)
    assert sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert classes == [answer[f"prediction {title}"] for title in TITLES]
