"""JSON Lines: a row in each line, as an object or as a list."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import orjson

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.facts import Facts, Part, turn
from eeg_letters.serving.api.limits import RowLimit
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.api.texts import Text

# A few milliseconds of work: of rows by name, which are the most, and of short lines.
_PART_BYTES = 32 * 1024
_MOST_LINES = 256
_BLANKS = b" \t\r"


def parts(
    text: Text, parser: RowParser, limit: RowLimit, facts: Facts | None = None
) -> Iterator[Part]:
    """The rows, in order.

    Parameters
    ----------
    text : Text
        Lines of JSON; empty ones are passed over.
    parser : RowParser
        Of the rows.
    limit : RowLimit
        The most rows that are taken.
    facts : Facts, optional
        What is told of lines and labels; without, they are not looked at.

    Raises
    ------
    Problem
        400 when a line is not JSON; 413; 422, naming the first bad line and its column.
    """
    n_rows = 0
    for batch in _batches(text):
        if not batch:
            yield turn(parser.width)
            continue
        numbers, lines = zip(*batch, strict=True)
        rows, found = _read(lines, numbers, parser, facts)
        n_rows += len(rows)
        limit.check(n_rows)
        yield Part(rows, found)


def _batches(text: Text) -> Iterator[list[tuple[int, bytes]]]:
    # Lines with their numbers, without those that are empty.
    number = 0
    for lines in text.lines():
        batch: list[tuple[int, bytes]] = []
        size = 0
        for number, line in enumerate(lines, number + 1):  # noqa: B020 goes on counting
            if stripped := line.strip(_BLANKS):
                batch.append((number, stripped))
                size += len(stripped)
            if size > _PART_BYTES or len(batch) == _MOST_LINES:
                yield batch
                batch, size = [], 0
        yield batch


def _read(
    lines: tuple[bytes, ...], numbers: tuple[int, ...], parser: RowParser, facts: Facts | None
) -> tuple[Floats, list[dict[str, Any]] | None]:
    text = b"[%b]" % b",".join(lines)
    # A list that has as many brackets as lines, one at the beginning of each, is none of lines that
    # are JSON together only.
    if all(line.startswith(b"[") for line in lines):
        rows = parser.parse_lists(text)
        if rows is not None and len(rows) == len(lines) and parser.stand_for_powers(rows):
            return rows, None if facts is None else [{} for _ in lines]
    loaded = [_load(line, number) for line, number in zip(lines, numbers, strict=True)]
    places = [f"Line {number}" for number in numbers]
    rows = parser.placed(places.__getitem__).convert(loaded, text, 0)
    return rows, None if facts is None else facts.of_rows(loaded, places)


def _load(line: bytes, number: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        detail = f"Line {number} is not JSON: column {error.colno}: {error.msg}."
        raise Problem(HTTPStatus.BAD_REQUEST, detail) from None
