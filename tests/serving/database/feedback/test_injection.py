"""Whatever text arrives where text is read, it is text: the tables stay as they are."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from sqlalchemy import func, inspect, select

from eeg_letters.database.tables import metadata
from tests.serving.database.feedback.conftest import ROW, Service

ATTACKS = {
    "a quote": b"'",
    "two quotes": b"''\"\"",
    "always true": b"' OR '1'='1",
    "another statement": b"'; DROP TABLE predictions; --",
    "a number and a statement": b"1; DELETE FROM feedback",
    "a union": b"x' UNION SELECT password FROM pg_shadow --",
    "placeholders": b"%s %(x)s :x ? $1 {0}",
    "a backslash": b"\\'; SELECT pg_sleep(9); --",
    "comments": b"/**/x--",
    "wildcards": b"%_*",
    "NUL": b"a\0b",
    "NUL alone": b"\0",
    "no UTF-8": b"\xff\xfe",
    "a surrogate": b"\xed\xa0\x80",
    "overlong": b"\xc0\xa7 OR 1=1",
    "other quotes": "ʼ＇′".encode(),
    "line ends": b"a\r\nb\n",
    "very long": b"x" * 6000,
    "very long and quoted": b"'" * 6000,
    "dollar quotes": b"$$; DROP TABLE served; $$",
}
PARAMETERS = ("since", "session", "label", "familiar", "limit", "after", "by", "other")


def rows(service: Service) -> dict[str, int]:
    """Rows of every table; all must be there."""
    with service.engine.connect() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }


def requests(attack: bytes, request_id: str) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Method, path, headers and body of requests that have the text where text is read."""
    escaped = quote_from_bytes(attack, safe="")
    for name in PARAMETERS:
        for path in ("/predictions/log", f"/predictions/log/{request_id}", "/accuracy"):
            yield "GET", f"{path}?{name}={escaped}", {}, None
    yield "GET", f"/predictions/log?{escaped}=1", {}, None
    yield "GET", f"/predictions/log?{escaped}", {}, None
    yield "GET", f"/predictions/log/{escaped}", {}, None
    yield "DELETE", f"/sessions/{escaped}", {}, None
    if not set(attack) & set(b"\0\r\n"):
        for name in ("x-request-id", "x-session-id", "authorization"):
            yield "POST", "/predict", {name: attack}, {"rows": [ROW]}
            yield "GET", "/prediction/232", {name: attack}, None
            yield "GET", "/predictions/log", {name: attack}, None
            told = {"request_id": request_id, "label": 1}
            yield "POST", "/feedback", {name: attack}, told
    text = attack.decode("latin-1")
    right = {"request_id": request_id, "row": 0, "label": 1}
    for name in ("request_id", "row", "label", "time"):
        yield "POST", "/feedback", {}, right | {name: text}
        yield "POST", "/feedback", {}, [right, right | {name: text}]
        yield "POST", "/feedback", {}, right | {name: [text]}
    yield "POST", "/feedback", {}, right | {text: 1}
    raw = json.dumps(right).encode()
    yield "POST", "/feedback", {}, raw.replace(request_id.encode(), attack)


@pytest.mark.parametrize("name", ATTACKS)
def test_text_is_text_wherever_it_is_read(service: Service, name: str) -> None:
    request_id = service.predict()
    assert service.tell({"request_id": request_id, "label": 1}).status_code == 202
    before = rows(service)
    url = service.client.base_url
    connection = http.client.HTTPConnection(url.host, url.port or 80, timeout=30)
    kept = 0
    for method, path, headers, body in requests(ATTACKS[name], request_id):
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        answer = response.read()
        assert 200 <= response.status < 300 or 400 <= response.status < 500, (path, body, answer)
        if response.status >= 400:
            assert json.loads(answer)["status"] == response.status
        kept += response.status == 200 and path in {"/predict", "/prediction/232"}
    connection.close()
    settled = service.predict()
    service.tell({"request_id": settled, "label": 1})
    after = rows(service)
    assert after.pop("predictions") == before.pop("predictions") + kept + 1
    assert after.pop("feedback") == before.pop("feedback") + 1
    after.pop("writers"), before.pop("writers")
    assert after == before
    (entry,) = service.entries(request_id)
    assert entry["truth"]["label"] == 1
    assert "Traceback" not in service.log.read_text()
