"""The schema of a recording: its features, where each was measured, and its classes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_letters.errors import SchemaError
from eeg_letters.labels import LabelKind, Labels, listed
from eeg_letters.montage import canonical_name, modern_name
from eeg_letters.scales import Scale

LINE_COLUMN = "Line"

_BAND = re.compile(
    r"(low|high|mid|upper|lower)?[ _-]?(delta|theta|alpha|mu|smr|sigma|beta|gamma)"
    r"[ _-]?(l|m|h|low|mid|high|\d)?",
    re.IGNORECASE,
)
_SLASHED = re.compile(r"([^/]+)/([^/]+)")
_POW = re.compile(r"POW\.([^.]+)\.([^.]+)", re.IGNORECASE)
_UNDERSCORED = re.compile(r"([^_]+(?:_[^_]+)?)_([^_]+)")
_NUMBERED = re.compile(r"[A-Za-z]{1,4}[0-9]{1,3}")


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

    def on_grid(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of the features, shape (n_features,), by electrode and band; NaN for none.

        Shape (n_electrodes, n_bands).
        """
        # The place -1 is that of the NaN.
        return np.append(values, np.nan)[self.grid]

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
        by_folded: dict[str, str] = {}
        twice: dict[str, str] = {}
        for column in columns:
            folded = column.casefold()
            if by_folded.setdefault(folded, column) != column:
                twice[folded] = column
        found = []
        for name in self.names:
            found_as = name if name in exact else by_folded.get(name.casefold())
            if found_as is None:
                raise SchemaError(f"column {name}: the column is missing")
            if found_as != name and name.casefold() in twice:
                other = twice[name.casefold()]
                raise SchemaError(f"columns {found_as} and {other}: both may be {name}")
            found.append(found_as)
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
    scale : Scale
        What the values of band powers are in the tables that are read by it.
    """

    features: Features
    labels: Labels
    label_column: str | None = None
    scale: Scale = Scale.POWER

    @property
    def values_scale(self) -> Scale | None:
        """The scale of the features; None where they are no band powers."""
        return self.scale if self.features.are_powers else None

    def describe(self) -> str:
        """Features and classes in words: ``32 electrodes × 5 bands, 26 letters``."""
        names = self.labels.names
        classes = f"{len(names)} {self.labels.plural}"
        if not self.labels.are_letters:
            classes += f": {listed(names)}"
        return f"{self.features.describe()}, {classes}"

    def to_metadata(self) -> str:
        """What the model store keeps of it, as JSON; `from_metadata` reads it.

        One text, since BentoML's metadata are YAML, which takes 0.1 ms for each name of a list.
        """
        document: dict[str, Any] = {
            "features": self.features.names,
            "electrodes": self.features.electrodes,
            "bands": self.features.bands,
            "labels": self.labels.kind.value,
            "classes": self.labels.values,
            "label_column": self.label_column,
        }
        if self.scale is not Scale.POWER:
            document["scale"] = self.scale.value
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_metadata(cls, stored: Any) -> Schema:
        """Read what `to_metadata` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is something else.
        """
        document = json.loads(stored)
        features = Features(
            *(tuple(document[part]) for part in ("features", "electrodes", "bands"))
        )
        _check_features(features)
        labels = Labels(LabelKind(document["labels"]), tuple(document["classes"]))
        labels.check()
        label_column = document["label_column"]
        if not isinstance(label_column, str | None):
            raise TypeError("the label column is no text")
        return cls(features, labels, label_column, Scale(document.get("scale", Scale.POWER)))


def _check_features(features: Features) -> None:
    names, electrodes, bands = features.names, features.electrodes, features.bands
    if not names or not len(set(names)) == len(names) == len(electrodes) == len(bands):
        raise ValueError("its features are none, or not each once with an electrode and a band")
    if not all(isinstance(name, str) for name in names):
        raise TypeError("a feature's name is no text")
    places = list(zip(electrodes, bands, strict=True))
    kind = str if features.are_powers else type(None)
    if not all(isinstance(part, kind) for place in places for part in place):
        raise TypeError("not all features are band powers, and not none")


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
    if one.scale != other.scale:
        return f"values as {other.scale} in place of {one.scale}"
    return None


def getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """A function that takes a row by name and gives the values of some names, in order.

    It raises KeyError for the first that is missing.
    """
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names)


def counted(number: int, noun: str) -> str:
    """A number and what it counts: ``1 band``, ``5 bands``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
