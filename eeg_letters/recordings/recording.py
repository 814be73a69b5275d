"""Reading a whole recording into memory."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
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
from eeg_letters.recordings.sources import Source, bytes_source, display_name
from eeg_letters.recordings.values import as_number, class_index, feature_value, whole_number
from eeg_letters.recordings.whole_text import Reader, text_rows
from eeg_letters.scales import Scale
from eeg_letters.schema import (
    Features,
    Schema,
    find_band_powers,
    getter,
    other_features,
    parse_band_power,
)


@dataclass(frozen=True)
class Recording:
    """A recording as it was read, checked.

    Attributes
    ----------
    path : pathlib.Path
        The file it came from.
    sha256 : str
        Checksum of the file's bytes, hexadecimal.
    schema : Schema
        Its features and classes, or those that it was read by.
    columns : tuple of str
        The file's columns, in its order.
    unused : tuple of str
        Those that are neither line number nor label nor feature.
    label_column : str
        The one that has the labels.
    rows : dict of int to bytes
        Each row as the file has it, by its line number: a JSON object of values by column.
    labels : ndarray of int64, shape (n_rows,)
        Index of the class of each row, in the order of the schema's labels.
    features : ndarray of float64, shape (n_rows, n_features)
        Values in the order of the schema's features, in the unit of the file (band powers: µV²);
        logarithms have become powers.
    notes : tuple of str
        What was found out of how the file is written, in words.
    """

    path: Path
    sha256: str
    schema: Schema
    columns: tuple[str, ...]
    unused: tuple[str, ...]
    label_column: str
    rows: dict[int, bytes]
    labels: NDArray[np.int64]
    features: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


# Makes the rows of a file, each with its key where the file has keys, having told of the columns.
RowsOf = Callable[[Source, Reader], Iterable[tuple[str | None, Any]]]


def read_recording(
    path: str | Path,
    schema: Schema | None = None,
    label: str | None = None,
    scale: Scale | None = None,
    rows_of: RowsOf = text_rows,
) -> Recording:
    """Read a recording, as a rule from CSV or JSON; its first bytes tell which.

    Parameters
    ----------
    path : str or pathlib.Path
        Text with a header, in any dialect of CSV, or JSON (`eeg_letters.recordings.documents` says
        in which forms).
    schema : Schema, optional
        What to read it by: its features must be there, its labels are those of the schema's
        classes. Without it, the recording's own schema is found.
    label : str, optional
        The column of the labels, where no schema is given; by default one of `LABEL_COLUMNS`.
    scale : Scale, optional
        What the values of band powers are, where no schema is given; by default what the file
        tells, or powers.
    rows_of : callable
        Reads the rows; `eeg_letters.recordings.any_format` has one for more formats.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        When the file is missing or empty, lacks a column or has a duplicate, has a feature that is
        no finite number, a band power below 0, a label that stands for no class, or a duplicate
        line number. The message names file, line and column.
    """
    path = Path(path)
    content = _read_bytes(path)
    source = bytes_source(display_name(str(path)), content)
    reader = _Collector(label, scale) if schema is None else _Converter(schema)
    read = list(rows_of(source, reader))
    if not read:
        what = "rows with a label" if reader.is_export else "rows"
        raise RecordingError(f"{source.name}: the file has no {what}")
    layout, by_key = reader.finish(read)
    rows = _by_line(source.name, layout.line or "", by_key)
    return Recording(
        path,
        hashlib.sha256(content).hexdigest(),
        layout.schema,
        layout.columns,
        layout.unused,
        layout.label_column,
        {line: row.as_json for line, row in rows.items()},
        np.array([row.label for row in rows.values()], np.int64),
        layout.to_powers(np.array([row.features for row in rows.values()], np.float64)),
        (*source.notes, *reader.notes),
    )


T = TypeVar("T")
# What was made of each row, with its key where the file has keys.
_Read = Sequence[tuple[str | None, T]]


@dataclass(frozen=True, slots=True)
class _Row:
    # Rows are brought into this form as they are read: a dict of their 162 strings takes ten times
    # the memory, and a service reads its recording at every start.
    where: str
    line: int | None
    label: int
    features: array[float]
    as_json: bytes


def _by_line(name: str, column: str, by_key: _Read[_Row]) -> dict[int, _Row]:
    rows: dict[int, _Row] = {}
    for place, (key, row) in enumerate(by_key):
        line = place if row.line is None else row.line
        if key is not None and row.line is None:
            if not (key.isascii() and key.isdecimal()):
                raise RecordingError(f"{name}, row {key!r}: the row's key is no line number")
            line = int(key)
        elif key is not None and str(line) != key:
            raise RecordingError(
                f"{row.where}, column {column}: {line} differs from the row's key {key!r}"
            )
        if line in rows:
            where = f"{row.where}, column {column}" if column else row.where
            raise RecordingError(f"{where}: duplicate line {line}")
        rows[line] = row
    return rows


@dataclass(frozen=True)
class _Layout:
    # Which column of a file is what.
    schema: Schema
    columns: tuple[str, ...]
    label_column: str
    line: str | None
    # The features' columns, as the file spells them.
    spelled: tuple[str, ...]
    scale: Scale | None

    @property
    def unused(self) -> tuple[str, ...]:
        used = {self.line, self.label_column, *self.spelled}
        return tuple(name for name in self.columns if name not in used)

    def to_powers(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return features if self.scale is None else self.scale.to_power(features)

    @cached_property
    def _in_order(self) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
        return getter(self.spelled)

    def convert(self, where: str, row: dict[str, Any]) -> _Row:
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
        return _Row(where, line, label, self._features(where, row, cells), as_json)

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


class _Converter:
    # Reads rows by a schema, as they come.
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.label_columns = _candidates(schema.label_column)
        self.used: list[str] = []
        self.notes: tuple[str, ...] = ()
        self.is_export = False
        self.knows = known_by(schema)

    def begin(
        self, where: str, columns: Sequence[str], notes: Sequence[str], scale: Scale | None
    ) -> None:
        self.is_export = scale is not None
        found = find_columns(where, columns, self._schema)
        if found.label is None:
            raise _no_label(where, found.names, self._schema.label_column)
        names = tuple(name for name in found.names if name)
        self.used = [*found.features, found.label, *([found.line] if found.line else [])]
        scale = None if found.scale is None else scale or found.scale
        self._layout = _Layout(self._schema, names, found.label, found.line, found.features, scale)
        self.notes = (*notes, *_told(found.label, notes))

    def convert(self, where: str, row: dict[str, Any]) -> _Row:
        return self._layout.convert(where, row)

    def finish(self, read: _Read[_Row]) -> tuple[_Layout, _Read[_Row]]:
        return self._layout, read


class _Collector:
    # Keeps rows until all are there, to find the schema that they have.
    def __init__(self, label: str | None, scale: Scale | None) -> None:
        self._named = label
        self._scale = scale
        self.label_columns = _candidates(label)
        self.used: list[str] = []
        self.notes: tuple[str, ...] = ()
        self.is_export = False

    def knows(self, name: str) -> bool:
        return name == self._named or is_known(name)

    def begin(
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

    def convert(self, where: str, row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return where, {name.strip(): value for name, value in row.items()}

    def finish(self, read: _Read[tuple[str, dict[str, Any]]]) -> tuple[_Layout, _Read[_Row]]:
        layout = self._find_layout([row for _, row in read])
        return layout, [(key, layout.convert(*row)) for key, row in read]

    def _find_layout(self, rows: Sequence[tuple[str, dict[str, Any]]]) -> _Layout:
        column = self._label_column
        line = find_line_column(self._columns)
        try:
            rest = [name for name in self._columns if name not in (line, column)]
            # What may have labels tells the label to whoever learns from it.
            others = [name for name in rest if find_label_column([name]) is None]
            features = find_band_powers(rest) or self._numeric(others, rows)
        except SchemaError as error:
            raise RecordingError(f"{self._where}, {error}") from None
        cells = [_label(where, row, column) for where, row in rows]
        if self._scale is not None and not features.are_powers:
            raise UserError(f"--scale {self._scale}: the features are no band powers")
        schema = Schema(
            features, find_labels(cells, column), self._named, self._scale or Scale.POWER
        )
        scale = schema.values_scale
        return _Layout(schema, self._columns, column, line, features.names, scale)

    def _numeric(
        self, columns: Sequence[str], rows: Sequence[tuple[str, dict[str, Any]]]
    ) -> Features:
        # A column with any number is meant to have them: what is none in it is an error.
        found = [
            name
            for name in columns
            if any(
                (number := as_number(row.get(name))) is not None and math.isfinite(number)
                for _, row in rows
            )
        ]
        if not found:
            raise RecordingError(
                f"{self._where}: no column has features: none names an electrode and a band, and"
                " none has numbers"
            )
        return other_features(found)


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


def _read_bytes(path: Path) -> bytes:
    name = display_name(str(path))
    try:
        if path.exists() and not path.is_file():
            raise RecordingError(f"{name}: cannot be read: not a regular file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordingError(f"{name}: there is no such file") from None
    except OSError as error:
        raise RecordingError(f"{name}: cannot be read: {error.strerror}") from None
    return content
