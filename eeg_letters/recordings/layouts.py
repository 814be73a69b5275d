"""Which column of a recording is what, and rows that are read by that."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, SchemaError, UserError
from eeg_letters.labels import LABEL_COLUMNS, find_label_column, find_labels, parse_label
from eeg_letters.recordings.columns import (
    check_header,
    clean_names,
    find_columns,
    find_line_column,
    is_known,
    known_by,
)
from eeg_letters.recordings.values import as_number, class_index, feature_value, whole_number
from eeg_letters.scales import Scale
from eeg_letters.schema import (
    Features,
    Schema,
    find_band_powers,
    getter,
    other_features,
    parse_band_power,
)

T = TypeVar("T")
# What was made of each row, with its key where the file has keys.
Read = Sequence[tuple[str | None, T]]
# What a survey makes of a row: nothing, which must not look like a value of JSON.
_SEEN = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is kept: a dict of its 162 strings would take ten times the memory.

    Attributes
    ----------
    where : str
        File and place of the row, for messages.
    line : int or None
        Its line number, where the file has them.
    label : int
        Index of its class.
    features : array of float
        On the scale of the file.
    as_json : bytes
        The row as the file has it.
    """

    where: str
    line: int | None
    label: int
    features: array[float]
    as_json: bytes


@dataclass(frozen=True)
class Layout:
    """Which column of a file is what.

    Attributes
    ----------
    schema : Schema
        Its features and classes, or those that it is read by.
    columns : tuple of str
        All columns.
    label_column : str
        The one that has the labels.
    line : str or None
        The one that has the line numbers.
    spelled : tuple of str
        Those of the features, as the file spells them.
    scale : Scale or None
        What the features' values are; None where they are no band powers.
    """

    schema: Schema
    columns: tuple[str, ...]
    label_column: str
    line: str | None
    spelled: tuple[str, ...]
    scale: Scale | None

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns that are neither line number nor label nor feature."""
        used = {self.line, self.label_column, *self.spelled}
        return tuple(name for name in self.columns if name not in used)

    def to_powers(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features as models take them."""
        return features if self.scale is None else self.scale.to_power(features)

    @cached_property
    def _in_order(self) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
        return getter(self.spelled)

    def convert(self, where: str, row: dict[str, Any]) -> Row:
        """What a row is made into.

        Raises
        ------
        RecordingError
            When a value is missing or bad; names the column.
        """
        try:
            cells = self._in_order(row)
            cell = row[self.label_column]
            line = None if self.line is None else whole_number(where, row, self.line)
        except KeyError as error:
            stripped = {name.strip(): value for name, value in row.items()}
            if stripped.keys() != row.keys():
                return self.convert(where, stripped)
            raise RecordingError(
                f"{where}, column {error.args[0]}: the column is missing"
            ) from None
        label = class_index(where, {self.label_column: cell}, self.label_column, self.schema.labels)
        try:
            as_json = orjson.dumps(row, _default)
        except TypeError:
            raise RecordingError(f"{where}: not UTF-8 text") from None
        return Row(where, line, label, self._features(where, row, cells), as_json)

    def _features(self, where: str, row: Mapping[str, Any], cells: Sequence[Any]) -> array[float]:
        # A service reads 200,000 values at every start: look at each only where one is bad.
        scale = self.scale
        try:
            if "_" not in "".join(cells):
                numbers = array("d", map(float, cells))
                if all(map(math.isfinite, numbers)) and (
                    scale is None or (scale is Scale.POWER and min(numbers) >= 0)
                ):
                    return numbers
        except (TypeError, ValueError):
            pass
        return array("d", [feature_value(where, row, name, scale) for name in self.spelled])


def _default(value: Any) -> str:
    # Of what JSON has no form for, such as a time.
    return str(value)


class Converter:
    """Reads rows by a schema, as they come."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.label_columns = _candidates(schema.label_column)
        self.used: list[str] = []
        self.notes: tuple[str, ...] = ()
        self.is_export = False
        self.knows = known_by(schema)

    def begin(  # noqa: D102
        self, where: str, columns: Sequence[str], notes: Sequence[str], scale: Scale | None
    ) -> None:
        self.is_export = scale is not None
        found = find_columns(where, columns, self._schema)
        if found.label is None:
            raise _no_label(where, found.names, self._schema.label_column)
        names = tuple(name for name in found.names if name)
        self.used = [*found.features, found.label, *([found.line] if found.line else [])]
        scale = None if found.scale is None else scale or found.scale
        self._layout = Layout(self._schema, names, found.label, found.line, found.features, scale)
        self.notes = (*notes, *_told(found.label, notes))

    def convert(self, where: str, row: dict[str, Any]) -> Row:  # noqa: D102
        return self._layout.convert(where, row)

    def finish(self, read: Read[Row]) -> tuple[Layout, Read[Row]]:
        """Layout and rows, once all were read."""
        return self._layout, read


class Survey:
    """Looks at rows as they come, to find the layout of a file.

    Parameters
    ----------
    label, scale
        As `eeg_letters.recordings.recording.read_recording` has them.
    """

    def __init__(self, label: str | None, scale: Scale | None) -> None:
        self._named = label
        self._scale = scale
        self.label_columns = _candidates(label)
        self.used: list[str] = []
        self.notes: tuple[str, ...] = ()
        self.is_export = False
        self._labels: set[Any] = set()
        self._with_numbers: set[str] = set()

    def knows(self, name: str) -> bool:  # noqa: D102
        return name == self._named or is_known(name)

    def begin(  # noqa: D102
        self, where: str, columns: Sequence[str], notes: Sequence[str], scale: Scale | None
    ) -> None:
        self._where = where
        self.is_export = scale is not None
        if scale is not None and self._scale not in (None, scale):
            raise UserError(f"--scale {self._scale}: the values of {where} are {scale}")
        self._scale = scale or self._scale
        self._columns = tuple(name for name in clean_names(where, columns) if name)
        try:
            column = find_label_column(self._columns, self._named)
        except SchemaError as error:
            raise RecordingError(f"{where}, {error}") from None
        if column is None or self._named not in (None, column):
            raise _no_label(where, self._columns, self._named)
        self._label_column = column
        # Where no name tells a feature, any column may be one.
        has_powers = any(parse_band_power(name) for name in self._columns)
        self.used = [n for n in self._columns if not has_powers or n == column or is_known(n)]
        self.notes = (*notes, *_told(column, notes))
        self._line = find_line_column(self._columns)
        rest = [name for name in self._columns if name not in (self._line, column)]
        # What may have labels tells the label to whoever learns from it.
        others = [name for name in rest if find_label_column([name]) is None]
        self._may_be_numbers = () if has_powers else tuple(others)

    def convert(self, where: str, row: dict[str, Any]) -> Any:
        """Look at a row."""
        row = _stripped(row)
        self.see_numbers(row)
        self.see_label(where, row)
        return _SEEN

    def see_numbers(self, row: Mapping[str, Any]) -> None:
        """Note which columns of a row have numbers, where no name tells a feature."""
        self._with_numbers.update(
            name
            for name in self._may_be_numbers
            if name not in self._with_numbers
            and (number := as_number(row.get(name))) is not None
            and math.isfinite(number)
        )

    def see_label(self, where: str, row: Mapping[str, Any]) -> None:
        """Note the label of a row.

        Raises
        ------
        RecordingError
            When it is none.
        """
        self._labels.add(_label(where, row, self._label_column))

    def features(self) -> Features:
        """The features, once `see_numbers` was told of all rows.

        Raises
        ------
        RecordingError
            When there are none.
        """
        rest = [name for name in self._columns if name not in (self._line, self._label_column)]
        try:
            powers = find_band_powers(rest)
        except SchemaError as error:
            raise RecordingError(f"{self._where}, {error}") from None
        if powers is not None:
            return powers
        # A column with any number is meant to have them: what is none in it is an error.
        found = [name for name in self._may_be_numbers if name in self._with_numbers]
        if not found:
            raise RecordingError(
                f"{self._where}: no column has features: none names an electrode and a band, and"
                " none has numbers"
            )
        return other_features(found)

    def layout(self, features: Features) -> Layout:
        """The layout, once `see_label` was told of all rows."""
        if self._scale is not None and not features.are_powers:
            raise UserError(f"--scale {self._scale}: the features are no band powers")
        labels = find_labels(self._labels, self._label_column)
        schema = Schema(features, labels, self._named, self._scale or Scale.POWER)
        return Layout(
            schema,
            self._columns,
            self._label_column,
            self._line,
            features.names,
            schema.values_scale,
        )


class Collector(Survey):
    """Keeps rows until all are there, to find the layout that they have."""

    def convert(self, where: str, row: dict[str, Any]) -> Any:
        """The row, and where it stands."""
        return where, _stripped(row)

    def finish(self, read: Read[tuple[str, dict[str, Any]]]) -> tuple[Layout, Read[Row]]:
        """Layout and rows, once all were read."""
        for _, (_, row) in read:
            self.see_numbers(row)
        features = self.features()
        for _, (where, row) in read:
            self.see_label(where, row)
        layout = self.layout(features)
        return layout, [(key, layout.convert(*row)) for key, row in read]


def _stripped(row: dict[str, Any]) -> dict[str, Any]:
    return {name.strip(): value for name, value in row.items()}


def _candidates(named: str | None) -> Sequence[str]:
    return LABEL_COLUMNS if named is None else (named, *LABEL_COLUMNS)


def _label(where: str, row: Mapping[str, Any], column: str) -> Any:
    if "\ufffd" in str(row.get(column)):
        raise RecordingError(f"{where}, column {column}: not UTF-8 text")
    if column not in row:
        raise RecordingError(f"{where}, column {column}: the column is missing")
    try:
        parse_label(row[column])
    except SchemaError as error:
        raise RecordingError(f"{where}, column {column}: {error}") from None
    return row[column]


def _told(label: str, notes: Sequence[str]) -> tuple[str, ...]:
    is_told = label == LABEL_COLUMNS[0] or any("labels from" in note for note in notes)
    return () if is_told else (f"labels in column {label}",)


def _no_label(where: str, names: Sequence[str], named: str | None) -> RecordingError:
    check_header(where, names)
    first, *others = LABEL_COLUMNS
    if named is not None:
        return RecordingError(f"{where}, column {named}: the column is missing")
    return RecordingError(
        f"{where}, column {first}: the column is missing; the labels may also be in"
        f" {', '.join(others)}, or in another one that `train.py --label` names"
    )
