"""Dialects of CSV: separator, decimal mark, comments, and where the header is."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.columns import COMMENTS, is_known, is_no_feature
from eeg_letters.recordings.values import as_number

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
# What a table's beginning is told by; a header of 10,000 columns is within it.
HEAD_BYTES = 256 * 1024
# Rows whose numbers are looked at for the decimal mark.
_ROWS_LOOKED_AT = 50

# What EmotivPRO writes above the header.
_METADATA = re.compile(r"title:.*(?:headset|timestamp|sampling rate).*:.*", re.IGNORECASE)
_SEP_LINE = re.compile(r"sep=(.)", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.IGNORECASE)
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)
# "1,234" may be a thousand and some, "0,123" and "1,2345" may not.
_MAYBE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")

Knows = Callable[[str], bool]


@dataclass(frozen=True)
class Dialect:
    """How a table of text is written.

    Attributes
    ----------
    separator : str
        What stands between two cells.
    decimal_comma : bool
        Whether the decimal mark is a comma.
    names : tuple of str
        The header's cells.
    header_line : int
        The line that has the header, the first being 1.
    notes : tuple of str
        What was found out, in words; empty for the usual.
    """

    separator: str
    decimal_comma: bool
    names: tuple[str, ...]
    header_line: int
    notes: tuple[str, ...] = ()

    def cells(self, line: str) -> list[str] | None:
        """A line's cells, as many as there are columns; None where there is no row in it.

        No row is in a line that is empty, has separators and blanks alone, or is a comment: begins
        with one of `COMMENTS`, and has not as many cells as the header.

        Raises
        ------
        RecordingError
            When it is not CSV, or has fewer or more cells.
        """
        names = self.names
        try:
            found = split_line(line, self.separator)
        except csv.Error as error:
            if line.lstrip().startswith(COMMENTS):
                return None
            raise RecordingError(f", not CSV: {error}") from None
        if not any(cell.strip() for cell in found):
            return None
        if len(found) == len(names):
            return found
        if line.lstrip().startswith(COMMENTS):
            return None
        if len(found) < len(names):
            if not any(name.strip() for name in names[len(found) :]):
                return found + [""] * (len(names) - len(found))
            raise RecordingError(
                f", column {names[len(found)].strip()}: the line ends after {len(found)} of"
                f" {len(names)} values; is the file truncated?"
            )
        if any(cell.strip() for cell in found[len(names) :]):
            raise RecordingError(f", {len(found)} values for {len(names)} columns")
        return found[: len(names)]

    def number(self, cell: str) -> str:
        """A cell of a number with a point for its decimal mark; what is no number stays as it is.

        Where the decimal mark is a comma, a point makes it none: it may be meant for thousands.
        """
        if not self.decimal_comma:
            return cell
        if "." in cell and as_number(cell) is not None:
            return f"{cell} among decimal commas"
        return cell.replace(",", ".") if _COMMA_NUMBER.fullmatch(cell.strip()) else cell


def split_line(line: str, separator: str) -> list[str]:
    """Cells of one line.

    Raises
    ------
    csv.Error
        When a quote is not closed, or something follows it.
    """
    if '"' not in line:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator, strict=True), [])


@dataclass(frozen=True)
class _Head:
    # The lines of a table's beginning, numbered from 1.
    where: str
    lines: list[str]

    def filled(self, start: int) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.lines[start:], start + 1):
            if line.strip().strip(",;").strip():
                yield number, line


def find_dialect(where: str, head: str, is_whole: bool, knows: Knows = is_known) -> Dialect:
    """How a table is written, by its beginning.

    Parameters
    ----------
    where : str
        The file's name, for messages.
    head : str
        The beginning of the text; lines end with a line feed, a carriage return before it does not
        count.
    is_whole : bool
        Whether the text ends there; otherwise its last line may be cut off.
    knows : callable
        Whether a column of a name is one that is looked for.

    Raises
    ------
    RecordingError
        When there is no header, or two readings are possible; names both.
    """
    lines = [line.removesuffix("\r") for line in head.split("\n")]
    if not is_whole:
        if len(lines) == 1:
            raise RecordingError(f"{where}, line 1: longer than any header can be")
        lines.pop()
    before, separator = _preamble(where, lines[0])
    read = _Head(where, lines)
    number, header, following = _find_header(read, before, separator)
    separator = separator or _separator(where, number, header, following, knows)
    try:
        names = _uncommented(split_line(header, separator), knows)
    except csv.Error as error:
        raise RecordingError(f"{where}, line {number}: not CSV: {error}") from None
    notes = []
    if separator != ",":
        notes.append(f"cells separated by {SEPARATORS[separator]}s")
    if number > 1 + before:
        notes.append(f"header in line {number}")
    decimal_comma = _has_decimal_comma(read, Dialect(separator, False, names, number), knows)
    if decimal_comma:
        notes.append("decimal commas")
    return Dialect(separator, decimal_comma, names, number, tuple(notes))


def _preamble(where: str, line: str) -> tuple[int, str | None]:
    """How many lines are before anything else, and the separator that they name."""
    match = _SEP_LINE.fullmatch(line.strip("\ufeff \r"))
    if match is None:
        return (1, None) if _METADATA.match(line) else (0, None)
    if match[1] not in SEPARATORS:
        raise RecordingError(
            f"{where}, line 1: cells are separated by {match[1]!r}; comma, semicolon and tab are"
            " read"
        )
    return 1, match[1]


def _find_header(read: _Head, before: int, separator: str | None) -> tuple[int, str, str | None]:
    """The header's line number, the header, and the line that follows it."""
    comments: list[tuple[int, str]] = []
    filled = read.filled(before)
    for number, line in filled:
        if line.lstrip().startswith(COMMENTS):
            comments.append((number, line))
            continue
        if comments and _is_header(comments[-1][1], line, separator):
            return *comments[-1], line
        return (
            number,
            line,
            next((text for _, text in filled if not text.startswith(COMMENTS)), None),
        )
    if not comments:
        raise RecordingError(f"{read.where}: the file is empty")
    # Nothing but a header that is a comment.
    return *comments[-1], None


def _is_header(comment: str, following: str, separator: str | None) -> bool:
    # "# Letter,Cz/theta" over a line of numbers: it has the names, and as many.
    for mark in SEPARATORS if separator is None else (separator,):
        cells = following.split(mark)
        is_row = any(as_number(cell.replace(",", ".")) is not None for cell in cells)
        if is_row and len(cells) > 1 and len(comment.split(mark)) == len(cells):
            return True
    return False


def _uncommented(names: list[str], knows: Knows) -> tuple[str, ...]:
    # A header may be a comment to other programs, as numpy.savetxt has it.
    first = names[0].strip()
    bare = first[1:].strip()
    if first.startswith(COMMENTS) and not knows(first) and knows(bare):
        return bare, *names[1:]
    return tuple(names)


def _separator(where: str, number: int, header: str, following: str | None, knows: Knows) -> str:
    there = [mark for mark in SEPARATORS if mark in header]
    if len(there) < 2:
        return there[0] if there else ","
    possible = [mark for mark in there if _fits(header, following, mark)]
    if len(possible) > 1:
        known = [mark for mark in possible if _knows_any(header, mark, knows)]
        possible = known or possible
    if len(possible) == 1:
        return possible[0]
    one, other, *_ = possible or there
    raise RecordingError(
        f"{where}, line {number}: the columns may be separated by {SEPARATORS[one]}s or by"
        f" {SEPARATORS[other]}s; put a line such as sep={one} before the first"
    )


def _fits(header: str, following: str | None, mark: str) -> bool:
    if following is None:
        return True
    try:
        return len(split_line(header, mark)) == len(split_line(following, mark))
    except csv.Error:
        return False


def _knows_any(header: str, mark: str, knows: Knows) -> bool:
    try:
        return any(knows(name.strip()) for name in split_line(header, mark))
    except csv.Error:
        return False


def _has_decimal_comma(read: _Head, dialect: Dialect, knows: Knows) -> bool:
    # Features, where their names tell them; otherwise any column may be one.
    names = [name.strip() for name in dialect.names]
    wanted = [knows(name) and not is_no_feature(name) for name in names]
    if not any(wanted):
        wanted = [not is_no_feature(name) for name in names]
    comma: tuple[int, str, str] | None = None
    point: tuple[int, str, str] | None = None
    is_sure = False
    for number, line in list(read.filled(dialect.header_line))[:_ROWS_LOOKED_AT]:
        # Nothing without a comma in a cell: the usual file is not looked at twice.
        if dialect.separator == "," and '"' not in line:
            continue
        try:
            cells = dialect.cells(line) or []
        except RecordingError:
            continue
        for name, cell, is_wanted in zip(dialect.names, cells, wanted, strict=False):
            cell = cell.strip()
            if not is_wanted:
                continue
            if _COMMA_NUMBER.fullmatch(cell):
                comma = comma or (number, name.strip(), cell)
                is_sure = is_sure or not _MAYBE_THOUSANDS.fullmatch(cell)
            elif point is None and _POINT_NUMBER.fullmatch(cell):
                point = number, name.strip(), cell
    if comma is None:
        return False
    number, name, cell = comma
    place = f"{read.where}, line {number}, column {name}"
    if point is not None:
        raise RecordingError(
            f"{place}: {cell} has a decimal comma, and {point[2]} in line {point[0]}, column"
            f" {point[1]}, a decimal point; a file must have one of them"
        )
    if not is_sure:
        raise RecordingError(
            f"{place}: {cell} may be {cell.replace(',', '.')} or {cell.replace(',', '')}; write"
            " numbers with a decimal point, and nothing between thousands"
        )
    return True
