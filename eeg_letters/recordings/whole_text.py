"""The rows of a recording in CSV, as they come, or in JSON, all of which is in memory."""

from __future__ import annotations

import io
import json
import reprlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import orjson

from eeg_letters.errors import RecordingError
from eeg_letters.labels import LETTER_COLUMN
from eeg_letters.recordings.columns import clean_names
from eeg_letters.recordings.dialects import HEAD_BYTES, find_dialect
from eeg_letters.recordings.documents import orientation
from eeg_letters.recordings.exports import MARKED, find_export
from eeg_letters.recordings.sources import Source, arrow_format
from eeg_letters.recordings.values import MOST_WHOLE_NUMBER, check_unique
from eeg_letters.scales import Scale
from eeg_letters.schema import LINE_COLUMN

# So many have as many characters as tell the dialect.
_HEAD_BYTES = 4 * HEAD_BYTES


class Reader(Protocol):
    """Told of the columns once, then of each row; of what it made of the rows in the end."""

    label_columns: Sequence[str]
    # The columns that are used, once they are known.
    used: list[str]
    notes: tuple[str, ...]
    # Whether the rows are those of an export, once that is known.
    is_export: bool

    def knows(self, name: str) -> bool:
        """Whether a column of a name is one that is looked for."""

    def begin(
        self, where: str, columns: Sequence[str], notes: Sequence[str], scale: Scale | None
    ) -> None:
        """Take the columns, what was found out of how they are written, and the scale if known."""

    def convert(self, where: str, row: dict[str, Any]) -> Any:
        """Make something of a row, by column."""


def text_rows(source: Source, into: Reader) -> Iterator[tuple[str | None, Any]]:
    """What a reader makes of each row, with its key where the file has keys.

    Raises
    ------
    RecordingError
        When a line is no row, or the reader refuses it.
    """
    head = source.file.read(_HEAD_BYTES)
    while head and not head.strip():
        # Rows may begin after a page of nothing.
        more = source.file.read(_HEAD_BYTES)
        head = head + more if more else b""
    if not head:
        raise RecordingError(f"{source.name}: the file is empty")
    if kind := arrow_format(head):
        raise RecordingError(f"{source.name}: {kind}, which is read by training and batch alone")
    if head.lstrip()[:1] in (b"{", b"["):
        return _json_rows(source.name, head + source.file.read(), into)
    return _csv_rows(source.name, head, source.file, into)


def _csv_rows(
    name: str, head: bytes, rest: io.BufferedReader, into: Reader
) -> Iterator[tuple[None, Any]]:
    beginning = head.decode(errors="replace")
    is_whole = len(beginning) <= HEAD_BYTES and not rest.peek(1)
    dialect = find_dialect(name, beginning[:HEAD_BYTES], is_whole, into.knows)
    where = f"{name}, line {dialect.header_line}"
    export = find_export(where, dialect, into.label_columns[0])
    lines: Iterator[bytes] = islice(_lines(head, rest), dialect.header_line, None)
    if export is None:
        names = dialect.names
        into.begin(where, names, dialect.notes, None)
    else:
        names = export.names
        into.begin(where, names, (*dialect.notes, *export.notes), export.export.scale)
        as_text = (line.decode(errors="replace").encode() for line in lines)
        lines = map(export.converter(), as_text)
    names = clean_names(where, names)
    for number, content in enumerate(lines, dialect.header_line + 1):
        where = f"{name}, line {number}"
        line = content.decode(errors="replace")
        if "\0" in line:
            raise RecordingError(f"{where}, a NUL byte in the line")
        try:
            cells = dialect.cells(line.removesuffix("\r"))
        except RecordingError as error:
            raise RecordingError(f"{where}{error}") from None
        if cells is None:
            continue
        row = dict(zip(names, cells, strict=True))
        if dialect.decimal_comma:
            row |= {column: dialect.number(row[column]) for column in into.used}
        row.pop("", None)
        if export is not None and export.has_labels and not row[MARKED]:
            continue
        yield None, into.convert(where, row)


def _lines(head: bytes, rest: io.BufferedReader) -> Iterator[bytes]:
    """Lines without their line feeds; what was read already is their beginning."""
    *whole, last = head.split(b"\n")
    yield from whole
    last += rest.readline()
    while last.endswith(b"\n"):
        yield last[:-1]
        last = rest.readline()
    yield last


def _json_rows(name: str, content: bytes, into: Reader) -> Iterator[tuple[str | None, Any]]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecordingError(f"{name}, line {line}: not UTF-8 text") from None
    rows = _JsonRows(name, into)
    if not are_lines(content):
        yield from rows.document(rows.load(text))
        return
    for number, part in enumerate(text.split("\n"), 1):
        if part.strip():
            yield None, rows.one(f"{name}, line {number}", part)


def are_lines(content: bytes) -> bool:
    """Whether a JSON text has an object on its first line, and something after it."""
    first, _, rest = content.lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest.strip():
        return False
    try:
        return isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


class _JsonRows:
    # An object that has a label is a row, and is made into one as soon as it is read: a dict of its
    # strings takes ten times the memory.
    def __init__(self, name: str, into: Reader) -> None:
        self._name = name
        self._into = into
        self._count = 0
        self._where: str | None = None
        labels = into.label_columns
        self._labels = frozenset(labels) | {label.casefold() for label in labels}

    def load(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self._object, parse_int=_parse_int)
        except json.JSONDecodeError as error:
            where = self._where or f"{self._name}, line {error.lineno}"
            raise RecordingError(f"{where}, column {error.colno}: not JSON: {error.msg}") from None
        except RecursionError:
            raise RecordingError(f"{self._name}: not a recording: nested too deeply") from None

    def one(self, where: str, line: str) -> Any:
        self._where = where
        before, row = self._count, self.load(line)
        if self._count != before + 1 or isinstance(row, _PLAIN):
            raise RecordingError(f"{where}: not a row: it has no {LETTER_COLUMN}")
        return row

    def document(self, document: Any) -> Iterator[tuple[str | None, Any]]:
        if isinstance(document, dict) and document.keys() == {"rows"}:
            document = document["rows"]
        if isinstance(document, _PLAIN) and not self._count:
            yield from self._plain(document)
        elif isinstance(document, list):
            for number, row in enumerate(document):
                yield None, self._is_row(f"row {number}", row)
        elif isinstance(document, dict):
            for key, row in document.items():
                yield key, self._is_row(f"line {key!r}", row)
        else:
            yield None, document

    def _is_row(self, place: str, row: Any) -> Any:
        if isinstance(row, _PLAIN):
            raise RecordingError(f"{self._name}, {place}: not a row: it has no {LETTER_COLUMN}")
        return row

    def _plain(self, document: Any) -> Iterator[tuple[str | None, Any]]:
        if document in ([], {}):
            return
        for key, row in orientation(self._name, document, self._into.knows).rows:
            place = f"row {self._count if key is None else repr(key)}"
            if not isinstance(row, dict):
                row = self._is_row(place, row)
            yield key, self._row(f"{self._name}, {place}", row)

    def _object(self, pairs: list[tuple[str, Any]]) -> Any:
        members = dict(pairs)
        label = self._label_of(members)
        if label is None or isinstance(members[label], dict | list):
            what = "row" if label is None else "column"
            check_unique(self._name, [name for name, _ in pairs], what)
            return members
        number = members.get(LINE_COLUMN)
        place = f"row {self._count}" if number is None else f"line {reprlib.repr(number)}"
        where = self._where or f"{self._name}, {place}"
        if len(members) != len(pairs):
            check_unique(where, [name for name, _ in pairs], "column")
        return self._row(where, members)

    def _label_of(self, members: dict[str, Any]) -> str | None:
        labels = self._labels
        exact = next((name for name in members if name in labels), None)
        if exact is not None:
            return exact
        return next((name for name in members if name.strip().casefold() in labels), None)

    def _row(self, where: str, members: dict[str, Any]) -> Any:
        if not self._count:
            self._into.begin(where, list(members), (), None)
        row = self._into.convert(where, members)
        self._count += 1
        return row


# Whatever a reader makes of a row is none of these.
_PLAIN = (dict, list, str, int, float, type(None))


def _parse_int(digits: str) -> int | float:
    # orjson writes integers of 64 bits at most, and int() refuses thousands of digits.
    if len(digits) <= len(str(MOST_WHOLE_NUMBER)) and int(digits) <= MOST_WHOLE_NUMBER:
        return int(digits)
    return float(digits)
