"""What is asked and answered of stored rows, wherever they are stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import Problem
from eeg_letters.serving.api.rows import parse_member
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.routing import Response, json_response

BOTH = ("GET", "POST")
# The largest body that names a line.
LINE_BYTES = 1024

_NUMBER = re.compile("-?[0-9]+")
# More than the float with the most digits has; int() would refuse a few thousand.
_MOST_DIGITS = 400
# Answers of labels that are kept: of 26 classes, all that two models can give.
_MOST_ANSWERS = 26 * 26


def line_number(text: str) -> int:
    """The line that a path asks for.

    Raises
    ------
    Problem
        400 where it is no number, 404 where no line can have so high a one.
    """
    if not _NUMBER.fullmatch(text):
        raise Problem(HTTPStatus.BAD_REQUEST, "A line is asked for by its number, such as 232.")
    if len(text) > _MOST_DIGITS:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no stored row with so high a number.")
    return int(text)


def line_in_body(body: bytes) -> str:
    """The line that a body asks for, ``{"line": 232}``, as a path has it.

    Raises
    ------
    Problem
        400 or 422.
    """
    line = parse_member(body, "line")
    # 232.0 is a whole number to JSON Schema, and true is none.
    if isinstance(line, float) and line.is_integer():
        line = int(line)
    if isinstance(line, bool) or not isinstance(line, int):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"line" must be a whole number.')
    if body.count(b":") != 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"line" is a duplicate name.')
    return str(line)


def no_line(text: str) -> Problem:
    """That no stored row has the line that was asked for: 404."""
    return Problem(HTTPStatus.NOT_FOUND, f"There is no stored row with line {text}.")


def build_named(inference: Inference) -> Callable[..., Response]:
    """A function that answers with the label of each class that it is given, one a model."""

    @lru_cache(maxsize=_MOST_ANSWERS)
    def named(*classes: int) -> Response:
        return json_response(inference.name(classes))

    return named


def by_column(
    inference: Inference,
    lines: Iterable[int],
    truth: NDArray[np.int64],
    classes: dict[str, NDArray[np.int64]],
    **more: int,
) -> Response:
    """Predictions of stored rows by column.

    Parameters
    ----------
    inference : Inference
        Whose they are.
    lines : iterable of int
        The rows' line numbers.
    truth : ndarray of int64, shape (n_rows,)
        Index of the true class of each.
    classes : dict of str to ndarray of int64, shape (n_rows,)
        Index of the class that each model gives each, by its title.
    more
        What else is told.
    """
    array = inference.schema.labels.array
    columns: dict[str, Any] = {
        "lines": list(lines),
        "truth": array[truth].tolist(),
        "labels": {title: array[places].tolist() for title, places in classes.items()},
        **more,
    }
    # A line number may have more digits than orjson writes.
    return Response(json.dumps(columns, separators=(",", ":"), ensure_ascii=False).encode())
