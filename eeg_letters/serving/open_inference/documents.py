"""The JSON of a request, of which the numbers are nearly all there is."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import Any, NamedTuple

import orjson

from eeg_letters.serving.api.large import PART_BYTES
from eeg_letters.serving.api.rows import RowParser, check_names
from eeg_letters.serving.open_inference.refusals import refused
from eeg_letters.serving.open_inference.tensors import Numbers

# What a list of numbers may have around it: name, datatype, shape and parameters.
_TENSOR_BYTES = 512

_BACKSLASH = ord("\\")
_KEY = b'"data"'
_LIST = re.compile(rb'"data"[ \t\r\n]*:[ \t\r\n]*(\[)[ \t\r\n]*(\[?)')
_END_OF_ROWS = re.compile(rb"\][ \t\r\n]*\]")
# Stands for a list of numbers while the rest of a request is read; no client can guess it.
_NUMBERS = token_hex(16)


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


def read_document(text: bytes, parser: RowParser) -> Document:
    """Parse a request; of a large one all but its lists of numbers.

    To parse a large one at once would keep all other requests waiting.

    Parameters
    ----------
    text : bytes
        JSON.
    parser : RowParser
        Of the model's features, each of which may have a list of its own.

    Raises
    ------
    Problem
        400; 422 for a duplicate name.
    """
    if len(text) <= PART_BYTES:
        return Document(_parse(text, parser), {})
    found = _find_numbers(text, parser.width)
    numbers = {f"{_NUMBERS}{place}": part for place, part in enumerate(found)}
    pieces: list[bytes] = []
    end = 0
    for token, part in numbers.items():
        pieces += (text[end : part.before], b'"', token.encode(), b'"')
        end = part.after
    rest = b"".join((*pieces, text[end:]))
    if len(rest) <= PART_BYTES + _TENSOR_BYTES * len(numbers):
        members = _parse(rest, parser)
        inputs = members.get("inputs")
        if isinstance(inputs, list):
            data = [tensor.get("data") for tensor in inputs if isinstance(tensor, dict)]
            if [token for token in data if isinstance(token, str)] == [*numbers]:
                return Document(members, numbers)
    raise refused(
        'The JSON, apart from a list of numbers or of rows in the "data" of each input, is longer'
        f" than {PART_BYTES} bytes."
    )


def _find_numbers(text: bytes, most: int) -> list[Numbers]:
    found: list[Numbers] = []
    start = 0
    while len(found) < most and (numbers := _next_numbers(text, start)) is not None:
        found.append(numbers)
        start = numbers.after
    return found


def _next_numbers(text: bytes, start: int) -> Numbers | None:
    key = text.find(_KEY, start)
    opening = _LIST.match(text, key) if key > 0 and text[key - 1] != _BACKSLASH else None
    if opening is None:
        return None
    before, end = opening.span(1)[0], opening.end()
    if opening[2]:
        closing = _END_OF_ROWS.search(text, end)
        if closing is None:
            return None
        inside, start, after = closing.start() + 1, end - 1, closing.end()
        is_flat = text.count(b"[", start, inside) == text.count(b"]", start, inside)
    else:
        inside = text.find(b"]", end)
        start, after = end, inside + 1
        is_flat = inside >= 0 and text.find(b"[", start, inside) < 0
    # Whether what seems to be the end is not within a text.
    is_outside = text.count(b'"', start, inside) % 2 == 0 and text.find(b"\\", start, inside) < 0
    if not (is_flat and is_outside):
        return None
    return Numbers(text, before, start, inside, after, bool(opening[2]))


def _parse(text: bytes, parser: RowParser) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise refused(
            f"The body is not JSON: line {error.lineno}, column {error.colno}"
            f"{_culprit(text, error.pos, parser)}: {error.msg}."
        ) from None
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


def _culprit(text: bytes, fault: int, parser: RowParser) -> str:
    # Many JSON writers write NaN and Infinity, which JSON does not have: say which value it was.
    numbers = _next_numbers(text, 0) if text.isascii() else None
    if numbers is None or not numbers.start <= fault < numbers.end:
        return ""
    return f" ({parser.position(text.count(b',', numbers.start, fault))})"
