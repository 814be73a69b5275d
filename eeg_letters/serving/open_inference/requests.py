"""Requests of the Open Inference Protocol: from a body to rows and to what is asked for.

docs/protocol.md says what is taken and what is not.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from secrets import token_hex
from typing import Any, NamedTuple

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.rows import PART_BYTES, PART_ROWS, RowLimit, RowParser, cut

INPUT = "rows"
_FP64: np.dtype[Any] = np.dtype("<f8")
INPUT_TYPES: dict[str, np.dtype[Any]] = {"FP64": _FP64, "FP32": np.dtype("<f4")}
# The length of the JSON before binary data, in bytes.
HEADER_LENGTH = b"inference-header-content-length"

# Names of tensors, and whether in binary.
Outputs = tuple[tuple[str, bool], ...]

_NUMBER_TYPES = frozenset({float, int})
_BACKSLASH = ord("\\")
_KEY = b'"data"'
_LIST = re.compile(rb'"data"[ \t\r\n]*:[ \t\r\n]*(\[)[ \t\r\n]*(\[?)')
_END_OF_ROWS = re.compile(rb"\][ \t\r\n]*\]")
_BETWEEN_NUMBERS = re.compile(rb"[^,],")
_BETWEEN_ROWS = re.compile(rb"\][ \t\r\n]*,")
# Stands for the numbers while the rest of a request is read; no client can guess it.
_NUMBERS = token_hex(16)
_NUMBERS_JSON = orjson.dumps(_NUMBERS)


@dataclass(slots=True)
class InferenceRequest:
    """A request for predictions, its rows still to be read.

    Attributes
    ----------
    id : str or None
        The client's name for it.
    parameters : bytes
        Its parameters as JSON, without those that have been followed; empty when there are none.
    outputs : tuple of (str, bool)
        Names of the tensors that are asked for, and whether in binary.
    n_rows : int
        Number of its rows.
    in_parts : bool
        Whether it is so large that others should be answered between the parts.
    rows : iterator of ndarray of float64, shape (some, n_features)
        Finite, in the order of the body; raises `Problem` 400 or 422, naming row and feature.
    """

    id: str | None
    parameters: bytes
    outputs: Outputs
    n_rows: int
    in_parts: bool
    rows: Iterator[Floats]


def parse_request(
    body: bytes,
    header_length: bytes | None,
    names: tuple[str, ...],
    parser: RowParser,
    limit: RowLimit,
) -> InferenceRequest:
    """An inference request, in JSON alone or with its tensor in binary after the JSON.

    Parameters
    ----------
    body : bytes
        The request's body.
    header_length : bytes or None
        Value of the header `HEADER_LENGTH`, if there is one.
    names : tuple of str
        What the model can answer with.
    parser : RowParser
        Of the model's features.
    limit : RowLimit
        The most rows that are taken.

    Returns
    -------
    InferenceRequest

    Raises
    ------
    Problem
        400 or 413.
    """
    length = len(body) if header_length is None else _length(header_length, len(body))
    text = body if length == len(body) else body[:length]
    document, numbers = _read_document(text, parser)
    tensor = _only_input(document)
    datatype = tensor.get("datatype")
    dtype = INPUT_TYPES.get(datatype) if isinstance(datatype, str) else None
    if dtype is None:
        raise _refused(
            f'Input "{INPUT}": the datatype is {_written(datatype)}; it must be one of'
            f" {', '.join(INPUT_TYPES)}."
        )
    n_rows = _n_rows(tensor.get("shape"), parser.width, limit)
    size = _parameters(tensor).get("binary_data_size")
    kept = _parameters(document)
    all_binary = kept.pop("binary_data_output", False) is True
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise _refused(f'The member "id" is {_written(request_id)}; it must be a string.')
    if size is None:
        if length != len(body):
            raise _refused(
                f"After the JSON there are {len(body) - length} bytes, but the tensor has no"
                ' parameter "binary_data_size".'
            )
        if numbers is None:
            raise _refused(f'Input "{INPUT}": the member "data" is missing.')
        rows = _json_rows(numbers, n_rows, dtype, parser)
    else:
        if "data" in tensor:
            raise _refused(f'Input "{INPUT}" has both "data" and "binary_data_size".')
        rows = _binary_rows(body, length, size, n_rows, dtype, parser)
    return InferenceRequest(
        request_id,
        _dumps(kept) if kept else b"",
        _requested(document.get("outputs"), names, all_binary),
        n_rows,
        len(text) > PART_BYTES or n_rows > limit.part,
        limit.parts(rows),
    )


class _Numbers(NamedTuple):
    # A list of numbers or of rows within JSON: from `before` to `after`, with its brackets; from
    # `start` to `end`, without.
    text: bytes
    before: int
    start: int
    end: int
    after: int
    by_row: bool


def _length(header: bytes, size: int) -> int:
    digits = header.decode("latin-1")
    # int() refuses thousands of digits.
    if not re.fullmatch("[0-9]{1,18}", digits) or int(digits) > size:
        raise _refused(
            f"Inference-Header-Content-Length is {digits[:40]}; the body has {size} bytes."
        )
    return int(digits)


def _read_document(text: bytes, parser: RowParser) -> tuple[dict[str, Any], Any]:
    """The document, and its numbers: a list, or where they are in a large body; None if missing."""
    if len(text) > PART_BYTES:
        # To parse a large body at once would keep all other requests waiting. Its numbers are
        # nearly all there is: they are cut out, and a token takes their place.
        numbers = _find_numbers(text)
        if numbers and len(text) - (numbers.after - numbers.before) <= PART_BYTES:
            head, tail = text[: numbers.before], text[numbers.after :]
            document = _parse(head + _NUMBERS_JSON + tail, parser)
            if _only_input(document).get("data") == _NUMBERS:
                return document, numbers
        raise _refused(
            f'The JSON, apart from a list of numbers or of rows in "data", is longer than'
            f" {PART_BYTES} bytes."
        )
    document = _parse(text, parser)
    tensor = _only_input(document)
    data = tensor.get("data")
    if "data" in tensor and not isinstance(data, list):
        raise _refused(f'Input "{INPUT}": "data" is {_written(data)}, and no list.')
    return document, data


def _find_numbers(text: bytes) -> _Numbers | None:
    key = text.find(_KEY, 0, PART_BYTES)
    if key <= 0 or text[key - 1] == _BACKSLASH:
        return None
    opening = _LIST.match(text, key)
    if opening is None:
        return None
    before, end = opening.span(1)[0], opening.end()
    if not opening[2]:
        closing = text.find(b"]", end)
        if closing < 0 or text.find(b"[", end, closing) >= 0:
            return None
        return _Numbers(text, before, end, closing, closing + 1, False)
    found = _END_OF_ROWS.search(text, end)
    if found is None:
        return None
    return _Numbers(text, before, end - 1, found.start() + 1, found.end(), True)


def _parse(text: bytes, parser: RowParser) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refused(
            f"The body is not JSON: line {error.lineno}, column {error.colno}"
            f"{_culprit(text, error.pos, parser)}: {error.msg}."
        ) from None
    if not isinstance(document, dict):
        raise _refused("The body must be a JSON object.")
    return document


def _culprit(text: bytes, fault: int, parser: RowParser) -> str:
    # Many JSON writers write NaN and Infinity, which JSON does not have: say which value it was.
    numbers = _find_numbers(text) if text.isascii() else None
    if numbers is None or not numbers.start <= fault < numbers.end:
        return ""
    return f" ({parser.position(text.count(b',', numbers.start, fault))})"


def _only_input(document: Mapping[str, Any]) -> dict[str, Any]:
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _refused(f'The member "inputs" must be a list of one tensor, "{INPUT}".')
    tensor: dict[str, Any] = inputs[0]
    if tensor.get("name") != INPUT:
        name = _written(tensor.get("name"))
        raise _refused(f'There is no input {name}; the only one is "{INPUT}".')
    return tensor


def _n_rows(shape: Any, width: int, limit: RowLimit) -> int:
    # To JSON Schema 2.0 is a whole number, and true is none.
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or type(shape[0]) not in (int, float)
        or shape[0] < 0
        or shape[0] != shape[0] // 1
        or shape[1] != width
    ):
        raise _refused(f'Input "{INPUT}": the shape is {_written(shape)}; it must be [n, {width}].')
    n_rows = int(shape[0])
    limit.check(n_rows)
    return n_rows


def _parameters(owner: Mapping[str, Any]) -> dict[str, Any]:
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise _refused(f'"parameters" are {_written(parameters)}, and no object.')
    return parameters


@cache
def _everything(names: tuple[str, ...], binary: bool) -> Outputs:
    return tuple((name, binary) for name in names)


def _requested(asked: Any, names: tuple[str, ...], all_binary: bool) -> Outputs:
    if asked is None or asked == []:
        return _everything(names, all_binary)
    if not isinstance(asked, list):
        raise _refused('The member "outputs" must be a list of tensors.')
    requested: dict[str, bool] = {}
    for tensor in asked:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str) or name not in names:
            raise _refused(f"There is no output {_written(name)}; there are {', '.join(names)}.")
        if name in requested:
            raise _refused(f"Output {name} is asked for twice.")
        binary = _parameters(tensor).get("binary_data", all_binary)
        requested[name] = binary is True
    return tuple(requested.items())


def _binary_rows(
    body: bytes, start: int, size: Any, n_rows: int, dtype: np.dtype[Any], parser: RowParser
) -> Iterator[Floats]:
    needed = n_rows * parser.width * dtype.itemsize
    if type(size) is not int or size != needed:
        raise _refused(
            f'Input "{INPUT}": "binary_data_size" is {_written(size)}; its shape and datatype need'
            f" {needed}."
        )
    if len(body) - start != size:
        raise _refused(f"After the JSON there are {len(body) - start} bytes, not {size}.")
    values = np.frombuffer(body, dtype, n_rows * parser.width, start)
    return _tensor_rows(values.reshape(n_rows, parser.width), parser)


def _tensor_rows(tensor: NDArray[Any], parser: RowParser) -> Iterator[Floats]:
    for first in range(0, len(tensor), PART_ROWS):
        rows = np.array(tensor[first : first + PART_ROWS], np.float64)
        _check_finite(rows, first, parser)
        parser.check(rows, first)
        yield rows


def _json_rows(
    numbers: _Numbers | list[Any], n_rows: int, dtype: np.dtype[Any], parser: RowParser
) -> Iterator[Floats]:
    width = parser.width
    needed = n_rows * width
    read = done = 0
    rest: list[Floats] = []
    for values in _parts(numbers, parser):
        if read and not values.size:
            raise _refused("The data is not JSON: no value after a comma.")
        read += values.size
        if read > needed:
            break
        if rest:
            values = np.concatenate((*rest, values))
        rest = []
        if begun := read % width:
            rest = [values[-begun:]]
            values = values[:-begun]
        rows = values.reshape(-1, width)
        if dtype is not _FP64:
            rows = _rounded(rows, dtype)
            _check_finite(rows, done, parser)
        parser.check(rows, done)
        yield rows
        done += len(rows)
    if read != needed:
        count = f"{read}" if read < needed else f"more than {needed}"
        raise _refused(f'Input "{INPUT}": the data has {count} values; its shape needs {needed}.')


def _parts(numbers: _Numbers | list[Any], parser: RowParser) -> Iterator[Floats]:
    if not isinstance(numbers, _Numbers):
        yield _to_floats(numbers, 0, bool(numbers) and isinstance(numbers[0], list), parser)
        return
    read = 0
    text, by_row = numbers.text, numbers.by_row
    between = _BETWEEN_ROWS if by_row else _BETWEEN_NUMBERS
    for part in cut(text, numbers.start, numbers.end, between):
        values = _flat(parser.parse_lists(part)) if by_row else _parse_flat(part)
        if values is None:
            values = _parse_any(part, read, by_row, parser)
        read += values.size
        yield values


def _rounded(rows: Floats, dtype: np.dtype[Any]) -> Floats:
    # So that a number is the same one in JSON and in binary.
    with np.errstate(over="ignore"):
        return rows.astype(dtype).astype(np.float64)


def _flat(rows: Floats | None) -> Floats | None:
    return None if rows is None else rows.ravel()


def _parse_flat(part: bytes) -> Floats | None:
    # As `parse_lists`, of numbers in one list; the buffer would hide a list within it.
    if part.find(b"[", 1) >= 0:
        return None
    try:
        document: Any = simdjson.Parser().parse(part)
        return np.frombuffer(document.as_buffer(of_type="d"))
    except (ValueError, TypeError, AttributeError, RuntimeError):
        return None


def _parse_any(part: bytes, first: int, by_row: bool, parser: RowParser) -> Floats:
    # Whatever simdjson does not take: names what is wrong.
    try:
        values = orjson.loads(part)
    except orjson.JSONDecodeError as error:
        place = parser.position(first + part.count(b",", 0, error.pos))
        raise _refused(f"{place}: the data is not JSON: {error.msg}.") from None
    return _to_floats(values, first, by_row, parser)


def _to_floats(values: list[Any], first: int, by_row: bool, parser: RowParser) -> Floats:
    width = parser.width
    if by_row:
        for number, row in enumerate(values, first // width):
            if not isinstance(row, list):
                raise _refused(f"Row {number} is {_written(row)}, and no list of numbers.")
            if len(row) != width:
                raise _refused(f"Row {number} has {len(row)} values; a row has {width}.")
        values = [value for row in values for value in row]
    if not _NUMBER_TYPES.issuperset(map(type, values)):
        parser.only_numbers(values, first)
    return np.frombuffer(array("d", values))


def _check_finite(rows: Floats, first: int, parser: RowParser) -> None:
    finite = np.isfinite(rows)
    if not finite.all():
        place = parser.position(first * parser.width + int(finite.argmin()))
        raise _refused(f"{place}: the value is not a finite number.")


def _dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise _refused("The body is nested too deeply.") from None


def _written(value: Any) -> str:
    text = _dumps(value).decode()
    return text if len(text) <= 40 else text[:40] + "…"


def _refused(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail)
