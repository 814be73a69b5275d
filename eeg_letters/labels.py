"""Labels: the classes of a recording, and what stands for one in a table."""

from __future__ import annotations

import math
import re
import reprlib
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import SchemaError

LETTER_COLUMN = "# Letter"
# Where labels are looked for, unless a column is named.
LABEL_COLUMNS = (LETTER_COLUMN, "label", "Label", "Letter", "class", "target")
MAX_CLASSES = 1000

# Whole numbers that a column of INT64 can have.
_INT64 = range(-(2**63), 2**63)
# How many classes a message lists.
_LISTED = 12
# Columns whose numbers stand for letters, in upper or lower case.
_OF_LETTERS = (LETTER_COLUMN.casefold(), "letter")
_ALPHABET = tuple(string.ascii_uppercase)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


class LabelKind(StrEnum):
    """What labels are: letters by number or by name, whole numbers, or text."""

    LETTERS = "letters"
    NUMBERS = "numbers"
    TEXT = "text"


@dataclass(frozen=True)
class Labels:
    """The classes of a recording, in the order of the probabilities of an answer.

    A class is known by its index in this order. Of letters there are always all 26, so that the
    index of a letter is its number, 0 for A; of other classes there are those of the training
    recording: whole numbers ascending, text sorted by code point.

    Attributes
    ----------
    kind : LabelKind
        What they are.
    values : tuple of int or of str
        The label of each class, as answers give it.
    """

    kind: LabelKind
    values: tuple[int, ...] | tuple[str, ...]

    @property
    def are_letters(self) -> bool:
        """Whether a label stands for a letter."""
        return self.kind is LabelKind.LETTERS

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each class, as it is shown."""
        return _ALPHABET if self.are_letters else tuple(map(str, self.values))

    @property
    def noun(self) -> str:
        """What one class is called."""
        return "letter" if self.are_letters else "class"

    @property
    def plural(self) -> str:
        """What several classes are called."""
        return "letters" if self.are_letters else "classes"

    @cached_property
    def array(self) -> NDArray[Any]:
        """The label of each class, int64 or text, shape (n_classes,)."""
        return np.array(self.values, np.str_ if self.kind is LabelKind.TEXT else np.int64)

    def check(self) -> None:
        """Make sure that they are what `find_labels` may give.

        Raises
        ------
        ValueError
            When they are of another kind, out of order, or more than training takes.
        """
        kind = str if self.kind is LabelKind.TEXT else int
        if not all(type(value) is kind for value in self.values):
            raise ValueError("its classes are not all whole numbers or all text")
        if self.are_letters:
            if self.values != LETTERS.values:
                raise ValueError("its letters are not A to Z")
            return
        values: list[Any] = list(self.values)
        if len(values) > MAX_CLASSES:
            raise ValueError(f"it has {len(values)} classes, more than the {MAX_CLASSES} that fit")
        if values != sorted(set(values)):
            raise ValueError("its classes are not each once and in order")
        if kind is int and not all(value in _INT64 for value in values):
            raise ValueError("a class is larger than any label can be")

    @cached_property
    def _places(self) -> dict[int | str, int]:
        values: tuple[int | str, ...] = self.values
        return {value: place for place, value in enumerate(values)}

    def index(self, cell: Any) -> int:
        """The class that a label stands for.

        Parameters
        ----------
        cell : object
            A label as a table has it: a number, or text that may be one.

        Raises
        ------
        SchemaError
            When it is missing, or stands for none of the classes.
        """
        value = parse_label(cell)
        if self.are_letters:
            place = _letter(value)
            if place is None:
                raise SchemaError(
                    f"{_shown(value)} is not a letter (0 is A, {len(_ALPHABET) - 1} is Z)"
                )
            return place
        if self.kind is LabelKind.TEXT:
            value = cell.strip() if isinstance(cell, str) else str(value)
        found = self._places.get(value)
        if found is None:
            raise SchemaError(f"{_shown(value)} is none of the classes {listed(self.names)}")
        return found


def find_labels(cells: Iterable[Any], column: str) -> Labels:
    """The classes of a column of labels.

    Parameters
    ----------
    cells : iterable of object
        Every label, each one passed by `parse_label`.
    column : str
        The column's name: only one that is called letter has letters.

    Returns
    -------
    Labels
    """
    distinct = set(cells)
    values = {parse_label(cell) for cell in distinct}
    if column.casefold() in _OF_LETTERS and all(_letter(value) is not None for value in values):
        return LETTERS
    numbers = sorted(value for value in values if isinstance(value, int))
    if len(numbers) == len(values):
        return Labels(LabelKind.NUMBERS, tuple(numbers))
    texts = {cell.strip() if isinstance(cell, str) else str(parse_label(cell)) for cell in distinct}
    return Labels(LabelKind.TEXT, tuple(sorted(texts)))


LETTERS = Labels(LabelKind.LETTERS, tuple(range(len(_ALPHABET))))


def parse_label(cell: Any) -> int | str:
    """A label as a whole number, or as text without the blanks around it.

    Raises
    ------
    SchemaError
        When it is missing, or neither.
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        raise SchemaError("the value is missing")
    if isinstance(cell, str):
        text = cell.strip()
        if _WHOLE_NUMBER.fullmatch(text) and len(text) < 20:
            return _whole(int(text), cell)
        try:
            # float() would take "1_0" for 10.
            number = math.nan if "_" in text else float(text)
        except ValueError:
            return text
        if "_" in text:
            return text
    elif isinstance(cell, bool) or not isinstance(cell, int | float | np.number):
        raise SchemaError(f"{_shown(cell)} is neither a whole number nor text")
    elif isinstance(cell, int):
        return _whole(cell, cell)
    else:
        number = float(cell)
    if math.isnan(number) and not isinstance(cell, str):
        raise SchemaError("the value is missing")
    if not number.is_integer():
        raise SchemaError(f"{_shown(cell)} is neither a whole number nor text")
    return _whole(int(number), cell)


def _whole(number: int, cell: Any) -> int:
    if number not in _INT64:
        raise SchemaError(f"{_shown(cell)} is larger than any label can be")
    return number


def _letter(value: int | str) -> int | None:
    if isinstance(value, int):
        return value if 0 <= value < len(_ALPHABET) else None
    return _ALPHABET.index(value) if value in _ALPHABET else None


def find_label_column(names: Sequence[str], wanted: str | None = None) -> str | None:
    """The column that has the labels, or None where none has.

    Parameters
    ----------
    names : sequence of str
        All columns, without the blanks around them.
    wanted : str, optional
        The column, where one is named and is there; otherwise it is the one of `LABEL_COLUMNS`,
        in upper or lower case.

    Raises
    ------
    SchemaError
        When two could have them.
    """
    if wanted is not None:
        alike = [name for name in names if name.casefold() == wanted.casefold()]
        if wanted in alike or len(alike) == 1:
            return wanted if wanted in alike else alike[0]
    order = list(dict.fromkeys(name.casefold() for name in LABEL_COLUMNS))
    candidates = [name for name in names if name.casefold() in order]
    candidates.sort(key=lambda name: order.index(name.casefold()))
    if len(candidates) > 1:
        raise SchemaError(
            f"columns {candidates[0]} and {candidates[1]}: both may have the labels; there must be"
            " one"
        )
    return candidates[0] if candidates else None


def listed(names: Sequence[str]) -> str:
    """Names with commas between them, the first few of many."""
    shown = ", ".join(names[:_LISTED])
    return f"{shown} … {names[-1]}" if len(names) > _LISTED else shown


def _shown(cell: Any) -> str:
    return reprlib.repr(cell.item() if isinstance(cell, np.generic) else cell)
