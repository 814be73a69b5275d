"""What the fast way to parse a message takes is what the thorough way makes of it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from eeg_letters.errors import Problem
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.live.messages import MessageParser, Unreadable
from tests.serving.live.conftest import NAMES, ROW
from tests.shipped import SCHEMA

PARSER = MessageParser(
    SCHEMA.features, SCHEMA.labels, RowParser(SCHEMA.features), RowParser(SCHEMA.features)
)
ROW_TEXT = json.dumps(ROW)
REST = json.dumps(ROW[1:])[1:]


def thorough(text: bytes) -> tuple[dict[str, Any], list[float]]:
    document = PARSER.load(text)
    assert document is not None
    row = PARSER.parse(document, text)
    assert row.truth is None
    members = {name: value for name, value in document.items() if name != "row"}
    return members, row.values[0].tolist()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"id": 7},
        {"id": "a-1"},
        {"time": 1.5},
        {"id": 0, "time": 1732887000},
        {"id": 2**64 - 1, "time": -0.0},
        {"id": True, "time": True},
        {"id": 1.0},
    ],
)
def test_lists_of_numbers_are_taken_with_what_stands_beside_them(members: dict[str, Any]) -> None:
    chance = random.Random(1)
    numbers = [chance.uniform(0, 1000) * 10.0 ** chance.randint(-30, 30) for _ in NAMES]
    numbers[:3] = [0, 2**53, 1e-320]
    text = json.dumps({**members, "row": numbers}).encode()
    taken = PARSER.parse_list(text)
    assert taken is not None
    others, row = taken
    # 1 is not 1.0 for a client, nor true.
    assert repr((others, row.values[0].tolist())) == repr(thorough(text))
    assert others == members


@pytest.mark.parametrize("label", ["A", 0, 25, 3.0])
def test_a_label_is_taken_as_the_thorough_way_takes_it(label: float | str) -> None:
    text = json.dumps({"row": ROW, "label": label}).encode()
    taken, document = PARSER.parse_list(text), PARSER.load(text)
    assert taken is not None
    assert document is not None
    assert taken[1].truth == PARSER.parse(document, text).truth == SCHEMA.labels.index(label)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"row": {ROW_TEXT}, "row": {ROW_TEXT}}}',
        f'{{"row": {ROW_TEXT}, "r\\u006fw": {ROW_TEXT}}}',
        f'{{"id": 1, "row": {ROW_TEXT}, "id": 2}}',
        f'{{"id": 1, "i\\u0064": 2, "row": {ROW_TEXT}}}',
        f'{{"row": {ROW_TEXT}, "unknown": 1}}',
        f'{{"row": {ROW_TEXT}, "label": "none"}}',
        f'{{"row": {ROW_TEXT}, "pow": 1}}',
        f'{{"pow": {ROW_TEXT}}}',
        f'{{"row": {ROW_TEXT}, "time": {{}}}}',
        f'{{"row": {ROW_TEXT}, "time": null}}',
        f'{{"row": {ROW_TEXT}, "id": {{"a": 1}}}}',
        f'{{"row": {ROW_TEXT}, "id": [1]}}',
        f'{{"row": [true, {REST}}}',
        f'{{"row": [null, {REST}}}',
        f'{{"row": ["1", {REST}}}',
        f'{{"row": [[1, 2], {REST}}}',
        f'{{"row": [-1, {REST}}}',
        f'{{"row": [1e400, {REST}}}',
        f'{{"row": [NaN, {REST}}}',
        f'{{"row": [01, {REST}}}',
        f'{{"row": [{REST}}}',
        f'{{"row": [1, 1, {REST}}}',
        f'{{"row": {ROW_TEXT}}} {{}}',
        f'{{"row": {ROW_TEXT}',
        f'\ufeff{{"row": {ROW_TEXT}}}',
        f'[{{"row": {ROW_TEXT}}}]',
        f'{{"row": {json.dumps(dict(zip(NAMES, ROW, strict=True)))}}}',
        '{"row": []}',
        '{"row": 1}',
        "[]",
        "1",
        "",
    ],
)
def test_whatever_else_is_left_to_the_thorough_way(text: str) -> None:
    assert PARSER.parse_list(text.encode()) is None


def test_text_that_is_not_utf_8_is_left_to_it() -> None:
    text = b'{"id": "\xff", "row": ' + ROW_TEXT.encode() + b"}"
    assert PARSER.parse_list(text) is None
    with pytest.raises(Unreadable):
        PARSER.load(text)


@pytest.mark.parametrize("seed", range(8))
def test_of_damaged_messages_none_is_taken_that_would_be_refused(seed: int) -> None:
    chance = random.Random(seed)
    whole = f'{{"id": 12, "time": 3.5, "row": {ROW_TEXT}}}'.encode()
    taken = 0
    for _ in range(2000):
        text = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(text))
            text[place : place + chance.randint(0, 2)] = chance.choice(
                (b"", b"[", b"]", b",", b"-", b"e", b"9", b"true", b'"', b":", b"\\", b"\xc3", b" ")
            )
        parsed = PARSER.parse_list(bytes(text))
        if parsed is None:
            continue
        taken += 1
        try:
            members, numbers = thorough(bytes(text))
        except (Problem, Unreadable) as error:
            pytest.fail(f"{bytes(text)!r}: {error}")
        assert repr((parsed[0], parsed[1].values[0].tolist())) == repr((members, numbers))
        assert all(math.isfinite(number) for number in numbers)
    assert taken > 100
