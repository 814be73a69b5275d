"""Requests of the Open Inference Protocol: from a body to rows and to what is asked for.

docs/protocol.md says what is taken and what is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import orjson

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.large import PART_BYTES
from eeg_letters.serving.api.limits import RowLimit
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.open_inference.documents import Document, Pause, parse, read_document
from eeg_letters.serving.open_inference.inputs import Inputs, parameters_of
from eeg_letters.serving.open_inference.refusals import dumps, refused, written
from eeg_letters.serving.open_inference.tensors import PART_VALUES, Tensor

# The length of the JSON before binary data, in bytes.
HEADER_LENGTH = b"inference-header-content-length"
# int() refuses thousands of digits.
_LENGTH = re.compile("[0-9]{1,18}")
# Parameters of a requested output that ask for another form of it than there is.
_OTHER_FORMS = ("classification", "shared_memory_region")
# Parameters of a request that are not repeated: what they say is not so of the answer.
_OF_REQUESTS = ("binary_data_output", "content_type")

_MISSING_HEADER = (
    "the header Inference-Header-Content-Length is missing, which has the length of the JSON where"
    " binary data come after it"
)

# The output that is not in an answer unless it is named.
ON_REQUEST = "familiar"

# Names of tensors, and whether in binary.
Outputs = tuple[tuple[str, bool], ...]


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
    is_little : bool
        Whether it has so few rows that it can be answered at once.
    in_parts : bool
        Whether it is so large that others should be answered between the parts.
    rows : iterator of ndarray of float64, shape (some, n_features)
        Finite, in the order of the body; raises `Problem` 400 or 422, naming row and feature.
    """

    id: str | None
    parameters: bytes
    outputs: Outputs
    n_rows: int
    is_little: bool
    in_parts: bool
    rows: Iterator[Floats]


async def parse_request(
    body: bytes,
    header_length: bytes | None,
    names: tuple[str, ...],
    parser: RowParser,
    limit: RowLimit,
    pause: Pause,
) -> InferenceRequest:
    """An inference request, in JSON alone or with tensors in binary after the JSON.

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
    pause : callable
        Awaited after each part of the work on a large request.

    Returns
    -------
    InferenceRequest

    Raises
    ------
    Problem
        400, 413 or 422.
    """
    length = _length(header_length, len(body))
    text = body if length == len(body) else body[:length]
    try:
        document = await read_document(text, parser, pause)
    except Problem:
        if header_length is None and b'"binary_data_size"' in body:
            raise refused(f"The body is not JSON alone; {_MISSING_HEADER}.") from None
        raise
    return _request(document, body, length, header_length is not None, names, parser, limit)


def parse_small_request(
    body: bytes,
    header_length: bytes | None,
    names: tuple[str, ...],
    parser: RowParser,
    limit: RowLimit,
) -> InferenceRequest | None:
    """As `parse_request`, but at once; None for what is large or not JSON, which it must read."""
    length = _length(header_length, len(body))
    if len(body) > PART_BYTES:
        return None
    try:
        document = Document(parse(body if length == len(body) else body[:length]), {})
    except orjson.JSONDecodeError:
        return None
    return _request(document, body, length, header_length is not None, names, parser, limit)


def _request(
    document: Document,
    body: bytes,
    length: int,
    has_header: bool,
    names: tuple[str, ...],
    parser: RowParser,
    limit: RowLimit,
) -> InferenceRequest:
    members = document.members
    inputs = Inputs(document, body, length, parser, limit)
    _check_end(body, length, inputs, has_header)
    parameters = parameters_of(members)
    kept = parameters and {
        name: value for name, value in parameters.items() if name not in _OF_REQUESTS
    }
    all_binary = parameters.get("binary_data_output") is True
    request_id = members.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise refused(f'The member "id" is {written(request_id)}; it must be a string.')
    tensors = inputs.tensors
    n_rows = tensors[0].n_rows
    return InferenceRequest(
        request_id,
        dumps(kept) if kept else b"",
        _requested(members.get("outputs"), names, all_binary),
        n_rows,
        n_rows <= limit.few,
        length > PART_BYTES or n_rows > limit.part or n_rows * parser.width > PART_VALUES,
        limit.parts(_frame_rows(tensors, parser) if inputs.is_frame else _rows(tensors[0], parser)),
    )


def _length(header: bytes | None, size: int) -> int:
    if header is None:
        return size
    digits = header.decode("latin-1")
    if not _LENGTH.fullmatch(digits) or int(digits) > size:
        raise refused(
            f"Inference-Header-Content-Length is {digits[:40]}; the body has {size} bytes."
        )
    return int(digits)


def _check_end(body: bytes, length: int, inputs: Inputs, has_header: bool) -> None:
    if inputs.end == len(body):
        return
    found = f"After the JSON there are {len(body) - length} bytes"
    if inputs.end == length:
        raise refused(f'{found}, but the tensor has no parameter "binary_data_size".')
    hint = "" if has_header else f"; {_MISSING_HEADER}"
    raise refused(f"{found}, not {inputs.end - length}{hint}.")


@cache
def everything(names: tuple[str, ...], binary: bool) -> Outputs:
    """What is asked for where no output is named."""
    return tuple((name, binary) for name in names if name != ON_REQUEST)


def _requested(asked: Any, names: tuple[str, ...], all_binary: bool) -> Outputs:
    if asked is None or asked == []:
        return everything(names, all_binary)
    if not isinstance(asked, list):
        raise refused('The member "outputs" must be a list of tensors.')
    requested: dict[str, bool] = {}
    for tensor in asked:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str) or name not in names:
            raise refused(f"There is no output {written(name)}; there are {', '.join(names)}.")
        if name in requested:
            raise refused(f"Output {name} is asked for twice.")
        parameters = parameters_of(tensor)
        for form in _OTHER_FORMS:
            if parameters.get(form):
                raise refused(
                    f'Output {name}: the parameter "{form}" is not supported; probabilities and'
                    " labels are outputs of their own."
                )
        requested[name] = parameters.get("binary_data", all_binary) is True
    return tuple(requested.items())


def _rows(tensor: Tensor, parser: RowParser) -> Iterator[Floats]:
    width = parser.width
    done = 0
    rest: list[Floats] = []
    for values in tensor.values():
        if rest:
            values = np.concatenate((*rest, values))
        rest = []
        if begun := len(values) % width:
            rest = [values[-begun:]]
            values = values[:-begun]
        rows = values.reshape(-1, width)
        parser.check(rows, done)
        yield rows
        done += len(rows)


def _frame_rows(tensors: list[Tensor], parser: RowParser) -> Iterator[Floats]:
    places = {name: place for place, name in enumerate(parser.names)}
    n_rows = tensors[0].n_rows
    frame = np.empty((n_rows, parser.width))
    read = 0
    for tensor in tensors:
        row = 0
        for values in tensor.values():
            frame[row : row + len(values), places[tensor.name]] = values
            row += len(values)
            read += len(values)
            if read > PART_VALUES:
                read = 0
                # Others are answered between the parts.
                yield frame[:0]
    step = max(1, PART_VALUES // parser.width)
    for first in range(0, n_rows, step):
        rows = frame[first : first + step]
        parser.check(rows, first)
        yield rows
