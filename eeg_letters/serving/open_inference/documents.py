"""The JSON of a request, of which the numbers are nearly all there is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import Any, NamedTuple

import numpy as np
import orjson

from eeg_letters.errors import Problem
from eeg_letters.serving.api.large import BLANKS, PART_BYTES
from eeg_letters.serving.api.names import check_names
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.open_inference.refusals import refused
from eeg_letters.serving.open_inference.tensors import Numbers

# What a list of numbers may have around it: name, datatype, shape and parameters.
_TENSOR_BYTES = 512

_KEY = b'"data"'
_LIST = re.compile(rb'"data"[ \t\r\n]*:[ \t\r\n]*(\[)[ \t\r\n]*(\[?)')
_END_OF_ROWS = re.compile(rb"\][ \t\r\n]*\]")
# A millisecond of work at most.
_SEARCHED_BYTES = 256 * 1024
# Stands for a list of numbers while the rest of a request is read; no client can guess it.
_NUMBERS = token_hex(16)

Pause = Callable[[], Awaitable[None]]


class Document(NamedTuple):
    """A request's JSON, parsed.

    Attributes
    ----------
    members : dict
        Of the JSON object.
    numbers : dict of str to Numbers
        What was not parsed, by the text that stands in its place.
    """

    members: dict[str, Any]
    numbers: dict[str, Numbers]


async def read_document(text: bytes, parser: RowParser, pause: Pause) -> Document:
    """Parse a request; of a large one all but its lists of numbers.

    To parse a large one at once would keep all other requests waiting.

    Parameters
    ----------
    text : bytes
        JSON.
    parser : RowParser
        Of the model's features, each of which may have a list of its own.
    pause : callable
        Awaited after each part of the work on a large request.

    Raises
    ------
    Problem
        400; 422 for a duplicate name.
    """
    rest, numbers = text, {}
    if len(text) > PART_BYTES:
        found = await _find_numbers(text, parser.width, pause)
        numbers = {f"{_NUMBERS}{place}": part for place, part in enumerate(found)}
        size = len(text) - sum(part.after - part.before for part in found)
        if size > PART_BYTES + _TENSOR_BYTES * len(found):
            raise _too_long()
        rest = _without(numbers, text)
    try:
        members = parse(rest)
    except orjson.JSONDecodeError as error:
        raise refused(
            f"The body is not JSON: line {error.lineno}, column {error.colno}"
            f"{await _culprit(rest, error.pos, parser, pause)}: {error.msg}."
        ) from None
    if numbers:
        inputs = members.get("inputs")
        given = inputs if isinstance(inputs, list) else ()
        data = [tensor.get("data") for tensor in given if isinstance(tensor, dict)]
        if [token for token in data if isinstance(token, str)] != [*numbers]:
            raise _too_long()
    return Document(members, numbers)


def _too_long() -> Problem:
    return refused(
        'The JSON, apart from a list of numbers or of rows in the "data" of each input, is longer'
        f" than {PART_BYTES} bytes."
    )


def _without(numbers: Mapping[str, Numbers], text: bytes) -> bytes:
    pieces: list[bytes] = []
    end = 0
    for token, part in numbers.items():
        pieces += (text[end : part.before], b'"', token.encode(), b'"')
        end = part.after
    return b"".join((*pieces, text[end:]))


async def _find_numbers(text: bytes, most: int, pause: Pause) -> list[Numbers]:
    found: list[Numbers] = []
    start = 0
    while len(found) < most:
        numbers = await _next_numbers(text, start, pause)
        if numbers is None:
            break
        found.append(numbers)
        start = numbers.after
    return found


async def _next_numbers(text: bytes, start: int, pause: Pause) -> Numbers | None:
    key = text.find(_KEY, start)
    opening = _LIST.match(text, key) if key >= 0 else None
    if opening is None:
        return None
    before, start = opening.span(1)[0], opening.end()
    by_row = bool(opening[2])
    if by_row:
        start -= 1
        inside, after = await _end_of_rows(text, start, pause)
        openings = await _count(text, b"[", start, inside, pause)
        is_flat = openings == await _count(text, b"]", start, inside, pause)
    else:
        inside = text.find(b"]", start)
        after = inside + 1
        is_flat = text.find(b"[", start, inside) < 0
    # Whether what seems to be the end is not within a text.
    if (
        inside < 0
        or not is_flat
        or await _count(text, b'"', start, inside, pause) % 2
        or text.find(b"\\", start, inside) >= 0
    ):
        return None
    return Numbers(text, before, start, inside, after, by_row)


async def _end_of_rows(text: bytes, start: int, pause: Pause) -> tuple[int, int]:
    """Where the last row ends, and the list; -1 and 0 where they do not."""
    while start < len(text):
        stop = start + _SEARCHED_BYTES
        if found := _END_OF_ROWS.search(text, start, stop):
            return found.start() + 1, found.end()
        await pause()
        # A row that ends last may be followed by more blanks, but not by only blanks.
        done = len(text[start:stop].rstrip(BLANKS)) - 1
        if done <= 0:
            break
        start += done
    return -1, 0


async def _count(text: bytes, byte: bytes, start: int, end: int, pause: Pause) -> int:
    count = 0
    for first in range(start, end, _SEARCHED_BYTES):
        size = min(_SEARCHED_BYTES, end - first)
        # Quicker than bytes.count.
        count += int(np.count_nonzero(np.frombuffer(text, np.uint8, size, first) == byte[0]))
        if first + size < end:
            await pause()
    return count


def parse(text: bytes) -> dict[str, Any]:
    """The members of a small request's JSON.

    Raises
    ------
    orjson.JSONDecodeError
        When it is not JSON; `read_document` says where, and what stands there.
    Problem
        400; 422 for a duplicate name.
    """
    document = orjson.loads(text)
    if not isinstance(document, dict):
        raise refused("The body must be a JSON object.")
    # A dict hides a duplicate name. Only where there are more colons than names and texts have can
    # there be one; a colon may be escaped.
    colons = text.count(b":")
    escaped = b"\\" in text
    if colons == _count_usual(document) and not escaped:
        return document
    try:
        if escaped or colons != _count_colons(document):
            check_names(text)
    except RecursionError:
        raise refused("The body is nested too deeply.") from None
    return document


def _count_usual(document: dict[str, Any]) -> int:
    # The names that most requests have, at a tenth of the time that it takes to look everywhere.
    owners = [document]
    for name in ("inputs", "outputs"):
        if isinstance(tensors := document.get(name), list):
            owners += tensors
    count = 0
    for owner in owners:
        if isinstance(owner, dict):
            count += len(owner)
            if isinstance(parameters := owner.get("parameters"), dict):
                count += len(parameters)
    return count


def _count_colons(value: Any) -> int:
    # As many as its JSON has, or fewer.
    if isinstance(value, dict):
        names: int = len(value) + sum(name.count(":") for name in value)
        return names + sum(map(_count_colons, value.values()))
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, list) and value and isinstance(value[0], dict | str | list):
        return sum(map(_count_colons, value))
    return 0


async def _culprit(text: bytes, fault: int, parser: RowParser, pause: Pause) -> str:
    # Many JSON writers write NaN and Infinity, which JSON does not have: say which value it was.
    numbers = await _next_numbers(text, 0, pause) if text.isascii() else None
    if numbers is None or not numbers.start <= fault < numbers.end:
        return ""
    return f" ({parser.position(text.count(b',', numbers.start, fault))})"
