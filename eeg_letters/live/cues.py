"""Which class is shown when, while a recording is made."""

from __future__ import annotations

import string

import numpy as np

from eeg_letters.errors import SchemaError, UserError
from eeg_letters.labels import LETTER_COLUMN, Labels, find_labels

_OTHER_COLUMN = "label"
_LETTERS = string.ascii_uppercase


def parse_classes(text: str) -> tuple[str, ...]:
    """Classes of a command line: ``A-Z``, ``A,E,I`` or names with commas between them.

    Raises
    ------
    UserError
        When they are fewer than two, or one comes twice.
    """
    classes: list[str] = []
    for part in filter(None, map(str.strip, text.split(","))):
        first, dash, last = part.partition("-")
        if dash and first in _LETTERS and last in _LETTERS and len(first) == len(last) == 1:
            classes += _LETTERS[_LETTERS.index(first) : _LETTERS.index(last) + 1]
        else:
            classes.append(part)
    if len(set(classes)) < len(classes) or len(classes) < 2:
        raise UserError(f"--cues {text}: they must be two classes or more, each once")
    return tuple(classes)


def label_column(classes: tuple[str, ...]) -> tuple[str, Labels]:
    """The column that labels of these classes belong into, and what they are there.

    Raises
    ------
    UserError
        When one is no label, or two are the same.
    """
    letters = all(name in _LETTERS and len(name) == 1 for name in classes)
    column = LETTER_COLUMN if letters else _OTHER_COLUMN
    try:
        labels = find_labels(classes, column)
    except SchemaError as error:
        raise UserError(f"--cues: {error}") from None
    if not letters and len(labels.values) < len(classes):
        raise UserError("--cues: two of them are the same number")
    return column, labels


def cue_order(
    classes: tuple[str, ...], rounds: int, generator: np.random.Generator
) -> list[tuple[str, ...]]:
    """Every class once a round, at random, and of three or more none twice in a row.

    In blocks, what drifts with time would look like the classes. Of two, the one could always be
    told from the other if none came twice in a row.
    """
    order: list[tuple[str, ...]] = []
    while len(order) < rounds:
        shown = tuple(classes[place] for place in generator.permutation(len(classes)))
        if not order or len(classes) == 2 or shown[0] != order[-1][-1]:
            order.append(shown)
    return order
