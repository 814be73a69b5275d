"""The schema of a recording: its features, where each was measured, and its classes."""

from __future__ import annotations

import math
import re
import reprlib
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import SchemaError
from eeg_letters.montage import canonical_name, modern_name

LINE_COLUMN = "Line"
LETTER_COLUMN = "# Letter"
# Where labels are looked for, unless a column is named.
LABEL_COLUMNS = (LETTER_COLUMN, "label", "Label", "Letter", "class", "target")
MAX_CLASSES = 1000

# Whole numbers that a column of INT64 can have.
_INT64 = range(-(2**63), 2**63)
# How many classes a message lists.
_LISTED = 12
_ALPHABET = tuple(string.ascii_uppercase)

_BAND = re.compile(
    r"(low|high|mid|upper|lower)?[ _-]?(delta|theta|alpha|mu|smr|sigma|beta|gamma)"
    r"[ _-]?(l|m|h|low|mid|high|\d)?",
    re.IGNORECASE,
)
_SLASHED = re.compile(r"([^/]+)/([^/]+)")
_POW = re.compile(r"POW\.([^.]+)\.([^.]+)", re.IGNORECASE)
_UNDERSCORED = re.compile(r"([^_]+(?:_[^_]+)?)_([^_]+)")
_NUMBERED = re.compile(r"[A-Za-z]{1,4}[0-9]{1,3}")
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
        The column's name: only `LETTER_COLUMN` has letters.

    Returns
    -------
    Labels
    """
    distinct = set(cells)
    values = {parse_label(cell) for cell in distinct}
    if column == LETTER_COLUMN and all(_letter(value) is not None for value in values):
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
        The column, where one is named and is there; otherwise it is the one of `LABEL_COLUMNS`.

    Raises
    ------
    SchemaError
        When two could have them.
    """
    if wanted is not None and wanted in names:
        return wanted
    candidates = [name for name in LABEL_COLUMNS if name in names]
    if len(candidates) > 1:
        raise SchemaError(
            f"columns {candidates[0]} and {candidates[1]}: both may have the labels; there must be"
            " one"
        )
    return candidates[0] if candidates else None


@dataclass(frozen=True)
class Features:
    """The features of a row, in order, and where each was measured.

    Either all of them are band powers, or none is.

    Attributes
    ----------
    names : tuple of str
        As the recording has them, without the blanks around them.
    electrodes : tuple of str or None
        The electrode of each; None where its name tells none.
    bands : tuple of str or None
        The band of each; None where its name tells none.
    """

    names: tuple[str, ...]
    electrodes: tuple[str | None, ...]
    bands: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def are_powers(self) -> bool:
        """Whether they are band powers, none of which is negative."""
        return self.bands[0] is not None

    @cached_property
    def electrode_names(self) -> tuple[str, ...]:
        """Every electrode, in the order of the features."""
        return tuple(dict.fromkeys(name for name in self.electrodes if name is not None))

    @cached_property
    def band_names(self) -> tuple[str, ...]:
        """Every band, in the order of the features."""
        return tuple(dict.fromkeys(name for name in self.bands if name is not None))

    @cached_property
    def placed(self) -> tuple[str, ...]:
        """The electrodes whose places are known."""
        return tuple(name for name in self.electrode_names if canonical_name(name) is not None)

    @cached_property
    def grid(self) -> NDArray[np.int64]:
        """Index of the feature of each electrode in each band, -1 where there is none.

        Shape (n_electrodes, n_bands).
        """
        grid = np.full((len(self.electrode_names), len(self.band_names)), -1)
        for place, (electrode, band) in enumerate(zip(self.electrodes, self.bands, strict=True)):
            if electrode is not None and band is not None:
                grid[self.electrode_names.index(electrode), self.band_names.index(band)] = place
        return grid

    def spelled(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns of another table that have these features, as that table spells them.

        Parameters
        ----------
        columns : sequence of str
            Without the blanks around them; upper and lower case do not count.

        Raises
        ------
        SchemaError
            When one is missing; names it.
        """
        exact = set(columns)
        by_folded = {name.casefold(): name for name in columns}
        found = []
        for name in self.names:
            column = name if name in exact else by_folded.get(name.casefold())
            if column is None:
                raise SchemaError(f"column {name}: the column is missing")
            found.append(column)
        return tuple(found)

    def describe(self) -> str:
        """How many there are, in words: ``32 electrodes × 5 bands``."""
        electrodes, bands = len(self.electrode_names), len(self.band_names)
        if electrodes * bands == len(self):
            return f"{counted(electrodes, 'electrode')} × {counted(bands, 'band')}"
        return counted(len(self), "band power" if self.are_powers else "feature")


def find_band_powers(names: Sequence[str]) -> Features | None:
    """The columns whose names tell an electrode and a band; None where there is none.

    Parameters
    ----------
    names : sequence of str
        All columns, without the blanks around them and without duplicates.

    Raises
    ------
    SchemaError
        When two name the same electrode and band.
    """
    electrodes: dict[str, str] = {}
    bands: dict[str, str] = {}
    seen: dict[tuple[str, str], str] = {}
    found: list[tuple[str, str, str]] = []
    for name in names:
        parsed = parse_band_power(name)
        if parsed is None:
            continue
        electrode = canonical_name(parsed[0]) or electrodes.setdefault(
            parsed[0].casefold(), parsed[0]
        )
        band = bands.setdefault(parsed[1].casefold(), parsed[1])
        one = seen.setdefault((modern_name(electrode), band), name)
        if one != name:
            raise SchemaError(f"columns {one} and {name}: both are of one electrode and band")
        found.append((name, electrode, band))
    if not found:
        return None
    return Features(*(tuple(part) for part in zip(*found, strict=True)))


def other_features(names: Sequence[str]) -> Features:
    """Features whose names tell neither electrode nor band."""
    nothing = (None,) * len(names)
    return Features(tuple(names), nothing, nothing)


def parse_band_power(name: str) -> tuple[str, str] | None:
    """Electrode and band that a column's name tells, as it spells them.

    Understood are ``Cz/theta``, ``POW.AF3.Theta`` as EmotivPRO exports it, and ``Theta_TP9`` as
    Mind Monitor writes it, in upper or lower case. Either the electrode must be one of the 10-05
    system or the band a usual one; of the last form, the band must be.

    Returns
    -------
    tuple of (str, str) or None
        None where it tells none.
    """
    if match := _POW.fullmatch(name) or _SLASHED.fullmatch(name):
        electrode, band = match[1].strip(), match[2].strip()
        known = canonical_name(electrode) or _BAND.fullmatch(band)
        return (electrode, band) if electrode and band and known else None
    if match := _UNDERSCORED.fullmatch(name):
        band, electrode = match[1].strip(), match[2].strip()
        if _BAND.fullmatch(band) and (canonical_name(electrode) or _NUMBERED.fullmatch(electrode)):
            return electrode, band
    return None


@dataclass(frozen=True)
class Schema:
    """What a model is trained on and answers: the features of a row, and the classes.

    Attributes
    ----------
    features : Features
        What a row has.
    labels : Labels
        What it may be labelled.
    label_column : str or None
        The column of the labels where training named one; None where it is one of `LABEL_COLUMNS`.
    """

    features: Features
    labels: Labels
    label_column: str | None = None

    def describe(self) -> str:
        """Features and classes in words: ``32 electrodes × 5 bands, 26 letters``."""
        names = self.labels.names
        classes = f"{len(names)} {self.labels.plural}"
        if not self.labels.are_letters:
            classes += f": {listed(names)}"
        return f"{self.features.describe()}, {classes}"

    def to_metadata(self) -> dict[str, Any]:
        """What the model store keeps of it; `from_metadata` reads it.

        The store takes no None: an empty text stands for it.
        """
        return {
            "features": list(self.features.names),
            "electrodes": [name or "" for name in self.features.electrodes],
            "bands": [name or "" for name in self.features.bands],
            "labels": self.labels.kind.value,
            "classes": list(self.labels.values),
            "label_column": self.label_column or "",
        }

    @classmethod
    def from_metadata(cls, stored: Any) -> Schema:
        """Read what `to_metadata` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is something else.
        """
        names = tuple(stored["features"])
        electrodes, bands = (
            tuple(name or None for name in stored[part]) for part in ("electrodes", "bands")
        )
        labels = Labels(LabelKind(stored["labels"]), tuple(stored["classes"]))
        return cls(Features(names, electrodes, bands), labels, stored["label_column"] or None)


def difference(one: Schema, other: Schema) -> str | None:
    """What the second schema has that differs from the first, column first; None if nothing.

    The label column is no difference.
    """
    for wanted, found in zip(one.features.names, other.features.names, strict=False):
        if wanted != found:
            return f"column {found} in place of {wanted}"
    if len(one.features) != len(other.features):
        return f"{counted(len(other.features), 'feature')} in place of {len(one.features)}"
    if one.labels != other.labels:
        return (
            f"the {other.labels.plural} {listed(other.labels.names)} in place of the"
            f" {one.labels.plural} {listed(one.labels.names)}"
        )
    return None


def getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """A function that takes a row by name and gives the values of some names, in order.

    It raises KeyError for the first that is missing.
    """
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names)


def listed(names: Sequence[str]) -> str:
    """Names with commas between them, the first few of many."""
    shown = ", ".join(names[:_LISTED])
    return f"{shown} … {names[-1]}" if len(names) > _LISTED else shown


def counted(number: int, noun: str) -> str:
    """A number and what it counts: ``1 band``, ``5 bands``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shown(cell: Any) -> str:
    return reprlib.repr(cell.item() if isinstance(cell, np.generic) else cell)
