"""Every route and every refusal, over HTTP, of the service as `make serve` starts it."""

from __future__ import annotations

import json
import math
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bentoml
import httpx
import numpy as np
import pytest

from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.serving.api.routes import MODEL_FACTS
from eeg_letters.settings import DATA
from tests.conftest import latest_entry, stored_metadata
from tests.shipped import FEATURES, LETTERS

BOTH_WAYS = True

TITLES = [model.title for model in MODELS]
ROW = [1.0 + 0.01 * number for number in range(len(FEATURES))]
UNKNOWN_LINE = 99_999


@pytest.fixture(scope="module")
def stored() -> Recording:
    return read_recording(DATA / "test.json")


def assert_problem(response: httpx.Response, status: int, *fragments: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    for fragment in fragments:
        assert fragment in problem["detail"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_line_is_the_row_exactly_as_the_file_has_it(client: httpx.Client, method: str) -> None:
    document = json.loads((DATA / "test.json").read_text())
    for line in ("0", "232", "1299"):
        response = client.request(method, f"/line/{line}")
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert list(response.json().items()) == list(document[line].items())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_predictions_of_stored_rows_add_up_to_the_score(
    client: httpx.Client, stored: Recording, method: str
) -> None:
    lines = list(stored.rows)
    predictions = [client.request(method, f"/prediction/{line}").json() for line in lines]
    score = client.request(method, "/score").json()
    for title in ("LDA", "Neural Network"):
        labels = np.array([prediction[f"prediction {title}"] for prediction in predictions])
        assert score[f"Score {title}"] == pytest.approx((labels == stored.labels).mean())
    assert set(predictions[0]) == {"prediction LDA", "prediction Neural Network"}


def test_stored_predictions_are_those_of_each_line(client: httpx.Client, stored: Recording) -> None:
    answer = client.get("/predictions").json()
    assert answer["lines"] == list(stored.rows)
    assert answer["truth"] == stored.labels.tolist()
    score = client.get("/score").json()
    assert list(answer["labels"]) == [model.title for model in MODELS]
    for title, labels in answer["labels"].items():
        assert score[f"Score {title}"] == np.mean(np.array(labels) == stored.labels)
        for line in (0, 232, 1299):
            assert labels[line] == client.get(f"/prediction/{line}").json()[f"prediction {title}"]


NAMES = {"name", "title", "version", "feature_names", "electrodes", "bands", "scale", "labels"}
NAMES |= {"classes", "class_names"}


def test_models_are_those_of_the_store(client: httpx.Client, trained_home: Path) -> None:
    answers = client.get("/models").json()
    assert [(answer["name"], answer["title"]) for answer in answers] == [
        (model.name, model.title) for model in MODELS
    ]
    for answer, model in zip(answers, MODELS, strict=True):
        stored = stored_metadata(trained_home, model)
        assert answer["version"] == latest_entry(trained_home, model).name
        facts = {*MODEL_FACTS} - {"adapting_weight"}
        assert set(answer) == {*NAMES, *facts, "training", "test"}
        assert answer["feature_names"] == list(FEATURES)
        assert answer["electrodes"] == [name.partition("/")[0] for name in FEATURES]
        assert answer["bands"] == [name.partition("/")[2] for name in FEATURES]
        assert answer["class_names"] == list(LETTERS)
        assert answer["classes"] == list(range(26))
        assert answer["labels"] == "letters"
        for name in facts:
            assert answer[name] == stored[name]
        # Names of files may tell of a person.
        for name in ("training", "test"):
            (recording,) = stored[name]["recordings"]
            content = {"sha256": recording["sha256"], "rows": 1300}
            assert answer[name] == {**content, "recordings": [content]}


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    response = client.head("/score")
    assert response.status_code == 200
    assert response.content == b""


def test_predict_answers_label_letter_and_probabilities(
    client: httpx.Client, stored: Recording
) -> None:
    rows = stored.features[:3].tolist()
    predictions = client.post("/predict", json={"rows": rows}).json()["predictions"]
    assert len(predictions) == len(rows)
    for line, prediction in enumerate(predictions):
        by_line = client.get(f"/prediction/{line}").json()
        assert set(prediction) == {*TITLES, "familiar"}
        for title in TITLES:
            answer = prediction[title]
            assert answer["label"] == by_line[f"prediction {title}"]
            assert answer["letter"] == LETTERS[answer["label"]]
            assert len(answer["probabilities"]) == 26
            assert math.fsum(answer["probabilities"]) == pytest.approx(1)
            assert max(answer["probabilities"]) == answer["probabilities"][answer["label"]]


def test_rows_by_name_in_any_order_answer_as_rows_in_order(client: httpx.Client) -> None:
    named = dict(reversed(list(zip(FEATURES, ROW, strict=True))))
    in_order, by_name = (
        client.post("/predict", json={"rows": [row]}).json() for row in (ROW, named)
    )
    assert by_name == in_order


def test_stored_rows_can_be_sent_as_they_are_answered(client: httpx.Client) -> None:
    lines = [*range(200), 232]  # More than a body has that is parsed at once.
    stored = [client.get(f"/line/{line}").json() for line in lines]
    assert {"Line", "# Letter"} <= stored[0].keys()
    assert isinstance(stored[0][FEATURES[0]], str)
    for rows, asked in ((stored, lines), (stored[-1:], lines[-1:])):
        answers = client.post("/predict", json={"rows": rows}).json()["predictions"]
        assert [
            {f"prediction {title}": row[title]["label"] for title in TITLES} for row in answers
        ] == [client.get(f"/prediction/{line}").json() for line in asked]


@pytest.mark.parametrize("name", ["Line", "# Letter"])
@pytest.mark.parametrize("value", [4, "4", 'a "},{:\\ b', "true", None, False])
@pytest.mark.parametrize("n_rows", [1, 300])
def test_line_number_and_label_are_not_looked_at(
    client: httpx.Client, name: str, value: Any, n_rows: int
) -> None:
    rows = [{name: value, **NAMED, FEATURES[3]: f" {ROW[3]} "}, {**NAMED, name: value}] * n_rows
    answers = client.post("/predict", json={"rows": rows}).json()["predictions"]
    (right,) = client.post("/predict", json={"rows": [ROW]}).json()["predictions"]
    assert len(answers) == len(rows)
    for model in MODELS:
        assert {answer[model.title]["label"] for answer in answers} == {right[model.title]["label"]}


def test_no_rows_have_no_predictions(client: httpx.Client) -> None:
    assert client.post("/predict", json={"rows": []}).json() == {"predictions": []}


def changed(value: Any, number: int = 1) -> list[Any]:
    return [ROW, [*ROW[:number], value, *ROW[number + 1 :]]]


NAMED = dict(zip(FEATURES, ROW, strict=True))
BAD_ROWS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "too narrow": ([ROW, ROW[:-1]], ("Row 1", "159 values", "160")),
    "too wide": ([ROW, [*ROW, 1.0]], ("Row 1", "161 values")),
    "empty row": ([[]], ("Row 0", "0 values")),
    "a string": (changed("1.5"), ("Row 1", "feature Cz/alpha", '"1.5"')),
    "true": (changed(True), ("Row 1", "feature Cz/alpha", "true")),
    "false": (changed(False, 159), ("Row 1", "feature Fp2/gamma", "false")),
    "null": (changed(None), ("Row 1", "feature Cz/alpha", "null")),
    "a list": (changed([1.0]), ("Row 1", "feature Cz/alpha", "a list")),
    "an object": (changed({"x": 1.0}), ("Row 1", "feature Cz/alpha", "an object")),
    "a negative number": (changed(-0.5), ("Row 1", "feature Cz/alpha", "-0.5 is negative")),
    "a named negative number": (
        [NAMED, {**NAMED, "Oz/gamma": -2}],
        ("Row 1", "feature Oz/gamma", "-2.0 is negative"),
    ),
    "a negative number after some that are nearly": (
        [[0.0, 1e-300, 0.001, -1e-300, *ROW[4:]]],
        ("Row 0", "feature Cz/betaH", "-1e-300 is negative"),
    ),
    "a negative number far down": (
        [ROW] * 300 + changed(-0.5),
        ("Row 301", "feature Cz/alpha", "-0.5 is negative"),
    ),
    "not a row": ([ROW, 5], ("Row 1",)),
    "rows are an object": (NAMED, ("list of rows",)),
    "a missing name": (
        [{name: value for name, value in NAMED.items() if name != "Oz/gamma"}],
        ("Row 0", "no feature Oz/gamma"),
    ),
    "an unknown name": ([ROW, {**NAMED, "Az/theta": 1.0}], ("Row 1", '"Az/theta"')),
    "another name beside the line": (
        [{"Line": 1, "# Letter": 2, **NAMED, "Timestamp": 3}],
        ("Row 0", '"Timestamp"'),
    ),
    "a line that is a list": ([{**NAMED, "Line": [1]}], ("Row 0", "column Line", "a list")),
    "a label that is an object": ([{**NAMED, "# Letter": {}}], ("column # Letter", "an object")),
    "a named string": ([{**NAMED, "Oz/gamma": "x"}], ("Row 0", "feature Oz/gamma", '"x"')),
    "no number": ([{**NAMED, "Oz/gamma": ""}], ("feature Oz/gamma", '"" is not a number')),
    "digits with a line": ([{**NAMED, "Oz/gamma": "1_0"}], ("feature Oz/gamma", '"1_0"')),
    "NaN as text": ([{**NAMED, "Oz/gamma": "NaN"}], ("feature Oz/gamma", "not a finite number")),
    "infinity as text": ([{**NAMED, "Oz/gamma": "1e400"}], ("feature Oz/gamma", "not a finite")),
    "negative as text": ([{**NAMED, "Oz/gamma": "-2"}], ("feature Oz/gamma", "-2.0 is negative")),
    "true beside text": ([{**NAMED, "Cz/theta": "1", "Oz/gamma": True}], ("Oz/gamma", "true")),
    "null beside text": ([{**NAMED, "Cz/theta": "1", "Oz/gamma": None}], ("Oz/gamma", "null")),
    "a named true": ([{**NAMED, "Oz/gamma": True}], ("Row 0", "feature Oz/gamma", "true")),
}


@pytest.mark.parametrize(("rows", "fragments"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_refused_by_name(
    client: httpx.Client, rows: Any, fragments: tuple[str, ...]
) -> None:
    assert_problem(client.post("/predict", json={"rows": rows}), 422, *fragments)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("shape", ["list", "object"])
def test_a_number_that_json_does_not_have_is_refused_by_row_and_feature(
    client: httpx.Client, token: str, shape: str
) -> None:
    rows = json.dumps([ROW, ROW] if shape == "list" else [NAMED, NAMED])
    before, last, after = rows.rpartition("1.01")
    assert last
    body = f'{{"rows": {before}{token}{after}}}'
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert_problem(response, 400, "row 1, feature Cz/alpha")


BAD_BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "not JSON": (b"rows=1", 400),
    "cut": (b'{"rows": [[1.0, ', 400),
    "not UTF-8": (b'{"rows": "\xff"}', 400),
    "nested deeply": (b"[" * 100_000, 400),
    "a list of no rows": (b"[1]", 422),
    "null": (b"null", 422),
    "no rows": (b"{}", 422),
    "rows null": (b'{"rows": null}', 422),
    "another member": (b'{"rows": [], "model": "LDA"}', 422),
    "rows twice": (b'{"rows": [], "rows": []}', 422),
    "a line twice": (
        b'{"rows": ['
        + json.dumps(NAMED).replace("{", '{"Line": 1, "Line": 2, ', 1).encode()
        + b"]}",
        422,
    ),
    "a label twice, with a colon escaped": (
        b'{"rows": ['
        + json.dumps(NAMED).replace("{", '{"# Letter": 1, "# Letter": "\\u003a", ', 1).encode()
        + b"]}",
        422,
    ),
    "a feature twice": (
        b'{"rows": [' + json.dumps(NAMED).replace("{", '{"Cz/theta": 7, ', 1).encode() + b"]}",
        422,
    ),
}


@pytest.mark.parametrize(("body", "status"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_is_no_request_is_refused(
    client: httpx.Client, body: bytes, status: int
) -> None:
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert_problem(response, status)


NESTED = {
    "a row in a list": [[ROW]],
    "rows in a list": [[ROW] * 3],
    "a value in a list": [[[value] for value in ROW]],
    "a value in a named row in a list": [{**NAMED, "Cz/theta": [1.0]}],
    "a named row in a list": [[NAMED, NAMED]],
    "a named row in a named row": [{**NAMED, "Cz/theta": NAMED}],
    "a text of brackets": [[*ROW[:-1], "],"], {"},": 1}],
    "objects only": [{"a": {"b": [{}]}}],
}


@pytest.mark.parametrize("rows", NESTED.values(), ids=NESTED.keys())
@pytest.mark.parametrize("indent", [None, 1])
def test_nested_rows_are_refused_alike_in_a_small_and_a_large_body(
    client: httpx.Client, rows: list[Any], indent: int | None
) -> None:
    headers = {"content-type": "application/json"}
    for before in (0, 100):
        for times in (1, 20_000 // len(json.dumps(rows)) + 1, 400_000 // len(json.dumps(rows))):
            document = {"rows": [ROW] * before + rows * times}
            body = json.dumps(document, indent=indent)
            response = client.post("/predict", content=body, headers=headers)
            assert_problem(response, 422, f"Row {before}")


OTHER_BODIES: dict[str, Any] = {
    "a list of numbers": ROW * 200,
    "a text": "x" * 100_000,
    "another name": {"data": [ROW] * 200},
    "another member": {"rows": [ROW] * 200, "model": "LDA"},
    "another list": {"rows": [ROW] * 200, "model": ["LDA"]},
    "another list first": {"model": ["LDA"] * 20_000, "rows": [ROW]},
    "no list": {"rows": {"0": [ROW] * 200}},
    "a long text": {"rows": "x" * 100_000},
}


@pytest.mark.parametrize("document", OTHER_BODIES.values(), ids=OTHER_BODIES.keys())
def test_another_document_is_refused_alike_in_a_small_and_a_large_body(
    client: httpx.Client, document: Any
) -> None:
    assert_problem(client.post("/predict", json=document), 422)


def test_a_large_body_of_which_the_end_is_missing_is_not_json(client: httpx.Client) -> None:
    body = json.dumps({"rows": [ROW] * 200}).encode()
    headers = {"content-type": "application/json"}
    for cut in (body[:-1], body[:-2], body[:-3], body[:100_000], body + b"}", b"{" + body):
        response = client.post("/predict", content=cut, headers=headers)
        assert_problem(response, 400, "not JSON")


@pytest.mark.parametrize("path", ["/predict", "/line", "/prediction"])
@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/vnd.bentoml+pickle",
     "multipart/form-data; boundary=x", "application/jsonx"],
)  # fmt: skip
def test_only_json_is_accepted(client: httpx.Client, path: str, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert_problem(client.post(path, content=b"{}", headers=headers), 415, "application/json")


@pytest.mark.parametrize("path", ["/line", "/prediction"])
@pytest.mark.parametrize("line", [UNKNOWN_LINE, -1, 10**17, "1300", "9" * 5000])
def test_an_unknown_line_is_not_found(client: httpx.Client, path: str, line: int | str) -> None:
    assert_problem(client.get(f"{path}/{line}"), 404, "no stored row")


@pytest.mark.parametrize("path", ["/line", "/prediction"])
@pytest.mark.parametrize("line", ["x", "1.5", "1e3", "٣", "%00", "232%20", "0x10"])
def test_a_line_that_is_no_number_is_refused(client: httpx.Client, path: str, line: str) -> None:
    assert_problem(client.get(f"{path}/{line}"), 400)


@pytest.mark.parametrize(
    "path", ["/nope", "/line/", "/line/1/2", "/score/", "/predict/1", "/.env"]
)  # fmt: skip
def test_an_unknown_path_is_not_found(client: httpx.Client, path: str) -> None:
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/predict", "POST"),
        ("GET", "/prediction", "POST"),
        ("PUT", "/line/232", "GET, HEAD, POST"),
        ("DELETE", "/score", "GET, HEAD, POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("OPTIONS", "/predict", "POST"),
        ("TRACE", "/score", "GET, HEAD, POST"),
    ],
)
def test_a_wrong_method_gets_an_allow_header(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    response = client.request(method, path)
    assert_problem(response, 405, method)
    assert response.headers["allow"] == allow


@pytest.mark.parametrize("line", ["232", True, None, 1.5, [232], {"line": 232}])
def test_a_line_in_a_body_must_be_a_whole_number(client: httpx.Client, line: Any) -> None:
    assert_problem(client.post("/prediction", json={"line": line}), 422, "whole number")


def test_a_value_nested_deeply_is_refused(client: httpx.Client) -> None:
    body = b'{"rows": [[' + b"[" * 300 + b"]" * 300 + b", 1" * 159 + b"]]}"
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert_problem(response, 422, "Row 0, feature Cz/theta")


def test_a_content_length_of_many_zeros_is_a_number(server: str) -> None:
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        connection.sendall(
            b"POST /line HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"connection: close\r\ncontent-length: %s10\r\n\r\n" % (b"0" * 5000) + b'{"line":1}'
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/line", "/prediction"])
def test_a_body_larger_than_any_that_names_a_line_is_refused(
    client: httpx.Client, path: str
) -> None:
    assert_problem(client.post(path, json={"line": [0] * 1000}), 413, "1024 bytes")


@pytest.mark.parametrize("path", ["/line", "/prediction"])
def test_a_line_must_not_stand_twice(client: httpx.Client, path: str) -> None:
    headers = {"content-type": "application/json"}
    response = client.post(path, content=b'{"line": 1, "line": 2}', headers=headers)
    assert_problem(response, 422, "duplicate")


def test_a_body_over_the_limit_is_refused_and_the_service_goes_on(client: httpx.Client) -> None:
    def chunks() -> Any:
        for _ in range(9):
            yield b" " * 1024 * 1024

    announced = client.post(
        "/predict", content=b"".join(chunks()), headers={"content-type": "application/json"}
    )
    chunked = client.post(
        "/predict", content=chunks(), headers={"content-type": "application/json"}
    )
    for response in (announced, chunked):
        assert_problem(response, 413, str(8 * 1024 * 1024))
    assert client.get("/readyz").status_code == 200


def test_one_bad_request_harms_no_other_on_its_connection(server: str) -> None:
    address = urlsplit(server)
    body = json.dumps({"rows": [ROW]}).encode()
    good = (
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )
    bad = (
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 2\r\n\r\n{}"
    )
    last = b"GET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        connection.sendall(good + bad + good + last)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"422", b"200", b"404"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_page_asks_no_other_host(client: httpx.Client) -> None:
    response = client.get("/", headers={"accept": "text/html"})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"//(?!www\.w3\.org/)[\w.-]+\.[a-z]+", response.text)


def test_bentomls_own_client_has_the_four_apis(server: str, stored: Recording) -> None:
    with bentoml.SyncHTTPClient(server) as client:
        assert client.line(line=232) == json.loads(stored.rows[232])
        assert client.prediction(line=232) == httpx.get(f"{server}/prediction/232").json()
        assert client.score() == httpx.get(f"{server}/score").json()
        (named,) = client.predict(rows=[json.loads(stored.rows[232])])["predictions"]
        assert named["LDA"]["label"] == client.prediction(line=232)["prediction LDA"]
        answer = client.predict(rows=[ROW])
        assert answer == httpx.post(f"{server}/predict", json={"rows": [ROW]}).json()
        with pytest.raises(bentoml.exceptions.NotFound, match=str(UNKNOWN_LINE)):
            client.prediction(line=UNKNOWN_LINE)


def test_every_native_api_has_a_route(client: httpx.Client) -> None:
    document = client.get("/docs.json").json()
    for api in client.get("/schema.json").json()["routes"]:
        assert "post" in document["paths"][api["route"]]
