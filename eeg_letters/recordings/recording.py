"""Reading a whole recording into memory, from CSV or JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import reprlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.values import band_power, check_unique, letter_number, whole_number
from eeg_letters.schema import COLUMNS, FEATURES, LETTER_COLUMN, LINE_COLUMN

_in_order = itemgetter(*FEATURES)


@dataclass(frozen=True)
class Recording:
    """A recording as it was read, checked.

    Attributes
    ----------
    path : pathlib.Path
        The file it came from.
    sha256 : str
        Checksum of the file's bytes, hexadecimal.
    rows : dict of int to bytes
        Each row as the file has it, by its line number: a JSON object of values by column.
    letters : ndarray of int64, shape (n_rows,)
        The letter thought of, 0 is A.
    band_powers : ndarray of float64, shape (n_rows, 160)
        Band powers in the order of `FEATURES`, in the unit of the file (µV²).
    """

    path: Path
    sha256: str
    rows: dict[int, bytes]
    letters: NDArray[np.int64]
    band_powers: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def read_recording(path: str | Path) -> Recording:
    """Read a recording from CSV, or from JSON where the file's name ends in ``.json``.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV with a header of `COLUMNS` (blanks around a name do not count, the order is free), or
        a JSON object of rows keyed by line number.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        When the file is missing or empty, or has anything but one finite number in each of the
        `COLUMNS` of each row, a band power below 0, a letter outside 0…25, or a duplicate line
        number.
        The message names file, line and column.
    """
    path = Path(path)
    content = _read_bytes(path)
    read_rows = _json_rows if path.suffix.lower() == ".json" else _csv_rows
    rows: dict[int, _Row] = {}
    for row in read_rows(path, _decode(path, content)):
        if row.line in rows:
            raise RecordingError(f"{row.where}, column {LINE_COLUMN}: duplicate line {row.line}")
        rows[row.line] = row
    if not rows:
        raise RecordingError(f"{path}: the file has no rows")
    return Recording(
        path,
        hashlib.sha256(content).hexdigest(),
        {line: row.as_json for line, row in rows.items()},
        np.array([row.letter for row in rows.values()], np.int64),
        np.array([row.band_powers for row in rows.values()], np.float64),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    # Rows are brought into this form as they are read: a dict of their 162 strings takes ten times
    # the memory, and a service reads its recording at every start.
    where: str
    line: int
    letter: int
    band_powers: array[float]
    as_json: bytes


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


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        _check_columns(f"{path}, line {reader.line_num}", header)
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
            yield _row(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise RecordingError(f"{path}, line {reader.line_num}: not CSV: {error}") from None


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    def convert(pairs: list[tuple[str, Any]]) -> Any:
        members = dict(pairs)
        if LETTER_COLUMN not in members:
            check_unique(str(path), [name for name, _ in pairs], "row")
            return members
        where = f"{path}, line {reprlib.repr(members.get(LINE_COLUMN))}"
        _check_columns(where, [name for name, _ in pairs])
        return _row(where, members)

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
        if not isinstance(row, _Row):
            raise RecordingError(f"{path}, line {key!r}: not a row: it has no {LETTER_COLUMN}")
        if str(row.line) != key:
            raise RecordingError(
                f"{row.where}, column {LINE_COLUMN}: {row.line} differs from the row's key {key!r}"
            )
        yield row


def _parse_int(digits: str) -> int | float:
    # orjson writes integers of 64 bits at most, and int() refuses thousands of digits.
    return int(digits) if len(digits) < 19 else float(digits)


def _check_columns(where: str, names: Sequence[str]) -> None:
    if tuple(names) == COLUMNS:
        return
    check_unique(where, names, "column")
    for name in names:
        if name not in COLUMNS:
            raise RecordingError(
                f"{where}, column {reprlib.repr(name)}: no such column in a recording"
            )
    for name in COLUMNS:
        if name not in names:
            raise RecordingError(f"{where}, column {name}: the column is missing")


def _row(where: str, row: dict[str, Any]) -> _Row:
    letter = letter_number(where, row)
    return _Row(
        where,
        whole_number(where, row, LINE_COLUMN),
        letter,
        _band_powers(where, row),
        orjson.dumps(row),
    )


def _band_powers(where: str, row: Mapping[str, Any]) -> array[float]:
    # A service reads 200,000 values at every start: look at each of them only where one is bad.
    values = _in_order(row)
    try:
        if "_" not in "".join(values):
            numbers = array("d", map(float, values))
            if all(map(math.isfinite, numbers)) and min(numbers) >= 0:
                return numbers
    except (TypeError, ValueError):
        pass
    return array("d", [band_power(where, row, name) for name in FEATURES])
