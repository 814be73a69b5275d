"""The parts of a request add up to it."""

from __future__ import annotations

import pytest

from benchmarks import stages
from benchmarks.counted import GET, LDA, MLP, ONE, READ, TELL, WRITE, requests

WHOLE = {
    LDA: 3.0,
    MLP: 15.0,
    TELL: 4.0,
    stages.APPLICATION: 35.0,
    stages.CONNECTION: 60.0,
    stages.SOCKET: 70.0,
    stages.CANNED: 25.0,
    stages.FLOOR: 7.0,
}


@pytest.mark.parametrize("of", [WHOLE, {READ: 6.0, WRITE: 2.0, **WHOLE}], ids=[GET, ONE])
def test_parts_are_in_the_order_of_a_request_and_together_all_of_it(of: dict[str, float]) -> None:
    parts = stages.parts(of)
    assert sum(parts.values()) == of[stages.SOCKET]
    read, write = ([READ], [WRITE]) if READ in of else ([], [])
    assert [*parts] == [
        *("socket and parser", "connection", "routing, limits and headers"),
        *(*read, LDA, MLP, *write, TELL, "rest"),
    ]
    assert parts["connection"] == 18
    assert parts["rest"] == 10


def test_the_application_is_asked_what_the_connection_would_ask() -> None:
    method, path, scheme, fields, body = stages.as_answered(requests()[ONE])
    assert (method, path, scheme) == ("POST", "/predict", "http")
    assert dict(fields)[b"content-length"] == b"%d" % len(body)
    assert (b"content-type", b"application/json") in fields
