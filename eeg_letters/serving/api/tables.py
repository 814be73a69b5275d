"""Tables of comma-, semicolon- or tab-separated values as rows, in parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus

import numpy as np

from eeg_letters.errors import Problem, RecordingError
from eeg_letters.recordings.columns import (
    Columns,
    check_header,
    find_columns,
    known_by,
    row_numbers,
)
from eeg_letters.recordings.dialects import HEAD_BYTES, Dialect, find_dialect
from eeg_letters.recordings.exports import ExportReader, find_export
from eeg_letters.recordings.lines import LineReader
from eeg_letters.scales import Scale, all_stand_for_powers
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.facts import Fact, Facts, Part, printable, told, turn, unreadable
from eeg_letters.serving.api.limits import RowLimit, check_columns
from eeg_letters.serving.api.refusals import refused
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.api.texts import Text

# The header is among so many lines: comments and empty lines may be before it.
_HEAD_LINES = 1000
_HEAD_CELLS = 2048
# About a millisecond of work, where lines are read quickly and where they are not.
_QUICK_CELLS = 8 * 1024
_SLOW_CELLS = 1024
_MOST_LINES = 512
# What only the reader of one line at a time understands, or refuses.
_ODD = (b'"', b"[", b"]", b"{", b"\0")
# JSON has a whole number for it, which has no sign.
_MINUS_ZERO = re.compile(rb"-0(?![.eE0-9])")
_COMMENTS = (b"#", b"%")
_SEPARATORS = b",;\t \r"
# A longer line may have so many cells that it takes long to see that they are empty.
_LONG_BYTES = 8 * 1024


class Table:
    """The rows of a table.

    Parameters
    ----------
    text : Text
        Of the table, with a header.
    schema : Schema
        Whose features are its columns.
    parser : RowParser
        Of the same features.
    limit : RowLimit
        The most rows that are taken.
    facts : Facts, optional
        What is told of lines and labels; without, they are not looked at.

    Attributes
    ----------
    notes : list of str
        What was found out, in words; complete once the first part is there.
    """

    def __init__(
        self,
        text: Text,
        schema: Schema,
        parser: RowParser,
        limit: RowLimit,
        facts: Facts | None = None,
    ) -> None:
        self.notes = list(text.notes)
        self._text = text
        self._schema = schema
        self._parser = parser
        self._limit = limit
        self._facts = facts

    def parts(self) -> Iterator[Part]:
        """The rows, in order.

        Raises
        ------
        Problem
            400 when it is no table; 413; 422, naming the first bad line and its column.
        """
        batches = self._text.lines()
        head, is_whole = _head(batches)
        dialect = self._find_dialect(head[:_HEAD_LINES], is_whole and len(head) <= _HEAD_LINES)
        yield turn(self._parser.width)
        export = self._find_export(dialect)
        columns = self._find_columns(dialect, export)
        reader = _Reader(dialect, columns, self._parser, self._facts)
        convert = None if export is None else export.converter()
        yield turn(self._parser.width)
        number = dialect.header_line
        n_rows = 0
        for lines in _then(head[number:], batches):
            for start in range(0, len(lines), reader.most_lines):
                some = lines[start : start + reader.most_lines]
                if convert is not None:
                    some = [*map(convert, some)]
                for part in reader.parts(some, number + start):
                    n_rows += len(part.rows)
                    self._limit.check(n_rows)
                    yield part
            number += len(lines)

    def _find_dialect(self, head: Sequence[bytes], is_whole: bool) -> Dialect:
        for place, line in enumerate(head):
            if line.strip(_SEPARATORS):
                n_cells = max(map(line.count, (b",", b";", b"\t"))) + 1
                check_columns(n_cells, self._parser.width)
                if not line.lstrip().startswith(_COMMENTS):
                    # Enough numbers tell of the decimal mark.
                    end = place + 2 + _HEAD_CELLS // n_cells
                    is_whole = is_whole and end >= len(head)
                    head = head[:end]
                    break
        return _find_dialect(head, is_whole, known_by(self._schema))

    def _find_export(self, dialect: Dialect) -> ExportReader | None:
        try:
            where = f"Line {dialect.header_line}"
            return find_export(where, dialect, self._schema.label_column)
        except RecordingError as error:
            raise unreadable(error) from None

    def _find_columns(self, dialect: Dialect, export: ExportReader | None) -> Columns:
        names = dialect.names if export is None else export.names
        try:
            where = f"Line {dialect.header_line}"
            check_header(where, [name.strip() for name in dialect.names])
            columns = find_columns(where, names, self._schema)
        except RecordingError as error:
            raise unreadable(error) from None
        self.notes += dialect.notes
        if export is not None:
            columns = export.known(columns)
            _check_scale(columns, export)
            self.notes += export.notes
        self.notes += told(columns)
        return columns


def _check_scale(columns: Columns, export: ExportReader) -> None:
    # Rows have the models' scale until they are answered.
    own = columns.schema.values_scale
    if own not in (Scale.POWER, columns.scale):
        raise refused(
            f"The values of a table of {export.export.title} are {columns.scale}, and those of the"
            f" models' rows {own}."
        )


def _head(batches: Iterator[list[bytes]]) -> tuple[list[bytes], bool]:
    head: list[bytes] = []
    size = 0
    for lines in batches:
        head += lines
        size += sum(map(len, lines))
        if size >= HEAD_BYTES or len(head) > _HEAD_LINES:
            return head, False
    return head, True


def _find_dialect(head: Sequence[bytes], is_whole: bool, knows: Callable[[str], bool]) -> Dialect:
    text = b"\n".join(head)
    try:
        # The last line is a whole one, too.
        shown = text.decode(errors="surrogateescape") + ("" if is_whole else "\n")
        dialect = find_dialect("The body", shown, is_whole, knows)
        names = "".join(dialect.names)
        names.encode()
    except UnicodeEncodeError:
        raise _no_table("its header is not UTF-8 text") from None
    except RecordingError as error:
        detail = printable(str(error))
        if "not CSV" in detail or "the file is empty" in detail:
            raise _no_table(detail.removeprefix("The body").lstrip(",: ")) from None
        raise unreadable(error) from None
    if "\0" in names:
        raise _no_table("its header has a NUL byte")
    return dialect


def _no_table(why: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, f"The body is not a table: {why}.")


def _then(first: list[bytes], rest: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    yield first
    yield from rest


class _Reader:
    # Reads lines, as many at once as are written as JSON has its numbers, others one by one.
    def __init__(
        self, dialect: Dialect, columns: Columns, parser: RowParser, facts: Facts | None
    ) -> None:
        self._dialect = dialect
        self._columns = columns if facts is not None else replace(columns, line=None, label=None)
        self._features = replace(columns, line=None, label=None)
        self._lines = LineReader(dialect, self._columns)
        self._parser = parser
        self._facts = facts
        self._separator = dialect.separator.encode()
        self._odd: tuple[bytes, ...] = _ODD
        if dialect.decimal_comma:
            # A decimal point is refused; beside separators that are commas, numbers are quoted.
            self._odd += (b".", b",") if dialect.separator == "," else (b".",)
        self._blanks = b" \t\r" + self._separator
        self._width = len(dialect.names)
        places = {name: place for place, name in enumerate(columns.names)}
        self._places = [places[name] for name in columns.features]
        self._others = [
            (name, places[name])
            for name in (self._columns.line, self._columns.label)
            if name is not None
        ]
        self.most_lines = max(1, min(_MOST_LINES, _QUICK_CELLS // self._width))

    @cached_property
    def _first(self) -> int | None:
        # Where the features begin, if there is nothing between and after them.
        first = self._places[0]
        return first if self._places == [*range(first, self._width)] else None

    def parts(self, lines: Sequence[bytes], before: int) -> Iterator[Part]:
        """Rows of the lines after so many."""
        for number, line in enumerate(lines, before + 1):
            if len(line) > _LONG_BYTES and line.strip(self._blanks):
                try:
                    check_columns(line.count(self._separator) + 1, self._parser.width)
                except Problem as problem:
                    raise Problem(problem.status, f"Line {number}: {problem.detail}") from None
        part = self._quick(lines, before)
        if part is None:
            yield from self._slow(lines, before)
        else:
            yield part

    def _slow(self, lines: Sequence[bytes], before: int) -> Iterator[Part]:
        step = max(1, _SLOW_CELLS // self._width)
        for start in range(0, len(lines), step):
            rows: list[list[float]] = []
            facts: list[Fact] = []
            for number, line in enumerate(lines[start : start + step], before + start + 1):
                try:
                    row = self._lines.row(line)
                    if row is None:
                        continue
                    values, _, _ = row_numbers(row, self._features, 0)
                    if self._facts is not None:
                        facts.append(self._told(self._facts, row))
                except RecordingError as error:
                    raise _of_line(number, str(error)) from None
                rows.append(values)
            array = np.array(rows, np.float64).reshape(-1, self._parser.width)
            yield Part(self._on_scale(array), None if self._facts is None else facts)

    def _quick(self, lines: Sequence[bytes], before: int) -> Part | None:
        # None for whatever is anything else than rows of numbers as JSON has them, or wrong.
        whole = b"\n".join(lines)
        if any(mark in whole for mark in self._odd):
            return None
        texts: list[bytes] = []
        kept: list[tuple[int, list[bytes]]] = []
        for number, line in enumerate(lines, before + 1):
            if not line.strip(self._blanks):
                continue
            cells = self._cells(line)
            if cells is None:
                if line.lstrip().startswith(_COMMENTS):
                    continue
                return None
            texts.append(self._features_of(cells))
            if self._facts is not None:
                kept.append((number, cells))
        rows = self._parse(texts)
        if rows is None:
            return None
        return Part(rows, None if self._facts is None else [self._fact(*one) for one in kept])

    def _cells(self, line: bytes) -> list[bytes] | None:
        if self._first is not None:
            # The parser counts the features.
            cells = line.split(self._separator, self._first)
            if len(cells) <= self._first:
                return None
            last = cells[-1].rstrip(self._blanks)
            is_longer = self._separator in cells[-1][len(last) :]
            if is_longer and not line.lstrip().startswith(_COMMENTS):
                cells[-1] = last
            return cells
        cells = line.split(self._separator)
        if len(cells) == self._width:
            return cells
        is_longer = len(cells) > self._width and not line.lstrip().startswith(_COMMENTS)
        if is_longer and not any(cell.strip() for cell in cells[self._width :]):
            return cells[: self._width]
        return None

    def _features_of(self, cells: list[bytes]) -> bytes:
        if self._first is not None:
            text = cells[-1]
            if self._separator == b",":
                return text
            # Without a decimal comma one is no part of a number, and must not become a separator.
            mark = b"." if self._dialect.decimal_comma else b"?"
            return text.replace(b",", mark).replace(self._separator, b",")
        if self._dialect.decimal_comma:
            return b",".join([cells[place].replace(b",", b".") for place in self._places])
        return b",".join([cells[place] for place in self._places])

    def _parse(self, texts: list[bytes]) -> Floats | None:
        if not texts:
            return np.empty((0, self._parser.width))
        text = b"[[%b]]" % b"],[".join(texts)
        if b"-0" in text and _MINUS_ZERO.search(text):
            return None
        rows = self._parser.parse_lists(text)
        if rows is None or len(rows) != len(texts):
            return None
        if not all_stand_for_powers(rows, self._columns.scale):
            return None
        return self._on_scale(rows)

    def _on_scale(self, rows: Floats) -> Floats:
        # As rows of the models' own are: an export may have logarithms where they have powers.
        scale = self._columns.scale
        return (
            rows if scale is None or scale is self._columns.schema.scale else scale.to_power(rows)
        )

    def _told(self, facts: Facts, row: Mapping[str, str]) -> Fact:
        columns = self._columns
        try:
            return facts.of("", row, columns.line, columns.label)
        except RecordingError:
            # A marker may be of something else.
            if columns.is_sparse:
                return facts.of("", row, columns.line, None)
            raise

    def _fact(self, number: int, cells: list[bytes]) -> Fact:
        assert self._facts is not None  # noqa: S101
        row: dict[str, str] = {}
        try:
            for name, place in self._others:
                cell = cells[place].removesuffix(b"\r").decode()
                row[name] = self._dialect.number(cell)
            return self._told(self._facts, row)
        except UnicodeDecodeError:
            raise _of_line(number, f", column {name}: not UTF-8 text") from None
        except RecordingError as error:
            raise _of_line(number, str(error)) from None


def _of_line(number: int, why: str) -> Problem:
    detail = f"Line {number}{printable(why)}."
    no_text = why.startswith(", not CSV") or "not UTF-8 text" in why or "a NUL byte" in why
    return Problem(HTTPStatus.BAD_REQUEST if no_text else HTTPStatus.UNPROCESSABLE_ENTITY, detail)
