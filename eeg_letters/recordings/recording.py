"""Reading a whole recording into memory, from CSV or JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import reprlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, SchemaError
from eeg_letters.labels import (
    LABEL_COLUMNS,
    LETTER_COLUMN,
    find_label_column,
    find_labels,
    parse_label,
)
from eeg_letters.recordings.values import (
    MOST_WHOLE_NUMBER,
    as_number,
    check_unique,
    class_index,
    feature_value,
    whole_number,
)
from eeg_letters.schema import (
    LINE_COLUMN,
    Features,
    Schema,
    find_band_powers,
    getter,
    other_features,
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
        Values in the order of the schema's features, in the unit of the file (band powers: µV²).
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

    def __len__(self) -> int:
        return len(self.rows)


def read_recording(
    path: str | Path, schema: Schema | None = None, label: str | None = None
) -> Recording:
    """Read a recording from CSV, or from JSON where the file's name ends in ``.json``.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV with a header (blanks around a name do not count, the order is free), or a JSON object
        of rows keyed by line number.
    schema : Schema, optional
        What to read it by: its features must be there, its labels are those of the schema's
        classes. Without it, the recording's own schema is found.
    label : str, optional
        The column of the labels, where no schema is given; by default one of `LABEL_COLUMNS`.

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
    text = _decode(path, content)
    read_rows = _json_rows if path.suffix.lower() == ".json" else _csv_rows
    reader = _Collector(label) if schema is None else _Converter(schema)
    read = list(read_rows(path, text, reader))
    if not read:
        raise RecordingError(f"{path}: the file has no rows")
    layout, by_key = reader.finish(read)
    rows = _by_line(path, by_key)
    return Recording(
        path,
        hashlib.sha256(content).hexdigest(),
        layout.schema,
        layout.columns,
        layout.unused,
        layout.label_column,
        {line: row.as_json for line, row in rows.items()},
        np.array([row.label for row in rows.values()], np.int64),
        np.array([row.features for row in rows.values()], np.float64),
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


def _by_line(path: Path, by_key: _Read[_Row]) -> dict[int, _Row]:
    rows: dict[int, _Row] = {}
    for place, (key, row) in enumerate(by_key):
        line = place if row.line is None else row.line
        if key is not None and row.line is None:
            if not (key.isascii() and key.isdecimal()):
                raise RecordingError(f"{path}, row {key!r}: the row's key is no line number")
            line = int(key)
        elif key is not None and str(line) != key:
            raise RecordingError(
                f"{row.where}, column {LINE_COLUMN}: {line} differs from the row's key {key!r}"
            )
        if line in rows:
            raise RecordingError(f"{row.where}, column {LINE_COLUMN}: duplicate line {line}")
        rows[line] = row
    return rows


@dataclass(frozen=True)
class _Layout:
    # Which column of a file is what.
    schema: Schema
    columns: tuple[str, ...]
    label_column: str
    # The features' columns, as the file spells them.
    spelled: tuple[str, ...]

    @property
    def unused(self) -> tuple[str, ...]:
        used = {LINE_COLUMN, self.label_column, *self.spelled}
        return tuple(name for name in self.columns if name not in used)

    @cached_property
    def _in_order(self) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
        return getter(self.spelled)

    def convert(self, where: str, row: dict[str, Any]) -> _Row:
        try:
            cells = self._in_order(row)
            cell = row[self.label_column]
            line = whole_number(where, row, LINE_COLUMN) if LINE_COLUMN in self.columns else None
        except KeyError as error:
            stripped = {name.strip(): value for name, value in row.items()}
            if stripped.keys() != row.keys():
                return self.convert(where, stripped)
            raise RecordingError(
                f"{where}, column {error.args[0]}: the column is missing"
            ) from None
        label = class_index(where, {self.label_column: cell}, self.label_column, self.schema.labels)
        return _Row(where, line, label, self._features(where, row, cells), orjson.dumps(row))

    def _features(self, where: str, row: Mapping[str, Any], cells: Sequence[Any]) -> array[float]:
        # A service reads 200,000 values at every start: look at each only where one is bad.
        are_powers = self.schema.features.are_powers
        try:
            if "_" not in "".join(cells):
                numbers = array("d", map(float, cells))
                if all(map(math.isfinite, numbers)) and (not are_powers or min(numbers) >= 0):
                    return numbers
        except (TypeError, ValueError):
            pass
        return array("d", [feature_value(where, row, name, are_powers) for name in self.spelled])


class _Reader(Protocol):
    # Told of the columns once, then of each row; of what it made of the rows in the end.
    label_columns: Sequence[str]

    def begin(self, where: str, columns: Sequence[str]) -> None: ...

    def convert(self, where: str, row: dict[str, Any]) -> Any: ...

    def finish(self, read: _Read[Any]) -> tuple[_Layout, _Read[_Row]]: ...


class _Converter:
    # Reads rows by a schema, as they come.
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.label_columns = _candidates(schema.label_column)

    def begin(self, where: str, columns: Sequence[str]) -> None:
        names = tuple(name.strip() for name in columns)
        check_unique(where, names, "column")
        try:
            spelled = self._schema.features.spelled(names)
            rest = [name for name in names if name not in spelled]
            label = find_label_column(rest, self._schema.label_column)
        except SchemaError as error:
            raise RecordingError(f"{where}, {error}") from None
        if label is None:
            raise _no_label(where, self._schema.label_column)
        self._layout = _Layout(self._schema, names, label, spelled)

    def convert(self, where: str, row: dict[str, Any]) -> _Row:
        return self._layout.convert(where, row)

    def finish(self, read: _Read[_Row]) -> tuple[_Layout, _Read[_Row]]:
        return self._layout, read


class _Collector:
    # Keeps rows until all are there, to find the schema that they have.
    def __init__(self, label: str | None) -> None:
        self._named = label
        self.label_columns = _candidates(label)

    def begin(self, where: str, columns: Sequence[str]) -> None:
        self._where = where
        self._columns = tuple(name.strip() for name in columns)
        check_unique(where, self._columns, "column")
        try:
            column = find_label_column(self._columns, self._named)
        except SchemaError as error:
            raise RecordingError(f"{where}, {error}") from None
        if column is None or self._named not in (None, column):
            raise _no_label(where, self._named)
        self._label_column = column

    def convert(self, where: str, row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return where, {name.strip(): value for name, value in row.items()}

    def finish(self, read: _Read[tuple[str, dict[str, Any]]]) -> tuple[_Layout, _Read[_Row]]:
        layout = self._find_layout([row for _, row in read])
        return layout, [(key, layout.convert(*row)) for key, row in read]

    def _find_layout(self, rows: Sequence[tuple[str, dict[str, Any]]]) -> _Layout:
        column = self._label_column
        try:
            rest = [name for name in self._columns if name not in (LINE_COLUMN, column)]
            # What may have labels tells the label to whoever learns from it.
            others = [name for name in rest if name not in LABEL_COLUMNS]
            features = find_band_powers(rest) or self._numeric(others, rows)
        except SchemaError as error:
            raise RecordingError(f"{self._where}, {error}") from None
        cells = [_label(where, row, column) for where, row in rows]
        schema = Schema(features, find_labels(cells, column), self._named)
        return _Layout(schema, self._columns, column, features.names)

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
    if column not in row:
        raise RecordingError(f"{where}, column {column}: the column is missing")
    try:
        parse_label(row[column])
    except SchemaError as error:
        raise RecordingError(f"{where}, column {column}: {error}") from None
    return row[column]


def _no_label(where: str, named: str | None) -> RecordingError:
    first, *others = LABEL_COLUMNS
    if named is not None:
        return RecordingError(f"{where}, column {named}: the column is missing")
    return RecordingError(
        f"{where}, column {first}: the column is missing; the labels may also be in"
        f" {', '.join(others)}, or in another one that `train.py --label` names"
    )


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise RecordingError(f"{path}: cannot be read: not a regular file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    return content


def _decode(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecordingError(f"{path}, line {line}: not UTF-8 text") from None
    if not text.strip():
        raise RecordingError(f"{path}: the file is empty")
    return text


def _csv_rows(path: Path, text: str, into: _Reader) -> Iterator[tuple[None, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        into.begin(f"{path}, line {reader.line_num}", header)
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not cells:
                continue
            if len(cells) < len(header):
                raise RecordingError(
                    f"{where}, column {header[len(cells)]}: the line ends after {len(cells)} of"
                    f" {len(header)} values; is the file truncated?"
                )
            if len(cells) > len(header):
                raise RecordingError(f"{where}: {len(cells)} values for {len(header)} columns")
            yield None, into.convert(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise RecordingError(f"{path}, line {reader.line_num}: not CSV: {error}") from None


def _json_rows(path: Path, text: str, into: _Reader) -> Iterator[tuple[str, Any]]:
    converted: list[object] = []

    def convert(pairs: list[tuple[str, Any]]) -> Any:
        members = dict(pairs)
        if not any(
            name in into.label_columns or name.strip() in into.label_columns for name in members
        ):
            check_unique(str(path), [name for name, _ in pairs], "row")
            return members
        number = members.get(LINE_COLUMN)
        place = f"row {len(converted)}" if number is None else f"line {reprlib.repr(number)}"
        where = f"{path}, {place}"
        if len(members) != len(pairs):
            check_unique(where, [name for name, _ in pairs], "column")
        if not converted:
            into.begin(where, list(members))
        row = into.convert(where, members)
        converted.append(None)
        return row

    try:
        document = json.loads(text, object_pairs_hook=convert, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        raise RecordingError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    except RecursionError:
        raise RecordingError(f"{path}: not a recording: nested too deeply") from None
    if not isinstance(document, dict):
        raise RecordingError(f"{path}: not a JSON object of rows keyed by line number")
    for key, row in document.items():
        if not isinstance(row, _Row | tuple):
            raise RecordingError(f"{path}, line {key!r}: not a row: it has no {LETTER_COLUMN}")
        yield key, row


def _parse_int(digits: str) -> int | float:
    # orjson writes integers of 64 bits at most, and int() refuses thousands of digits.
    if len(digits) <= len(str(MOST_WHOLE_NUMBER)) and int(digits) <= MOST_WHOLE_NUMBER:
        return int(digits)
    return float(digits)
