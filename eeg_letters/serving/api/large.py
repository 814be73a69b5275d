"""Large bodies, a part at a time.

To parse a large body at once would keep all other requests waiting, and be slower by half for want
of warm memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from eeg_letters.errors import Problem
from eeg_letters.serving.api.refusals import not_json, other_member, refused

# About 70 rows, a few milliseconds of work.
PART_BYTES = 64 * 1024

BLANKS = b" \t\r\n"
_BLANK = rb"[ \t\r\n]*+"
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# Of a list or an object that has no list or object in it.
INSIDE = rb'[^\[\]{}"]*+(?:%b[^\[\]{}"]*+)*+' % STRING
_FLAT_ROWS = re.compile(
    rb"(?:%b(?:\[%b\]|\{%b\})%b,)*+" % (_BLANK, INSIDE, INSIDE, _BLANK), re.DOTALL
)
_NAME = re.compile(rb"%b(%b)%b(:?)%b" % (_BLANK, STRING, _BLANK, _BLANK), re.DOTALL)
_OPEN_STRING = re.compile(rb'%b"' % _BLANK)
_EMPTY = re.compile(rb"\{%b\}" % _BLANK)
_VALUE = re.compile(rb'[{"]|-?[0-9]|true|false|null')
_AFTER_ROW = re.compile(rb"%b([,\]])" % _BLANK)
_NO_ROW = re.compile(rb"%b\]" % _BLANK)
_AFTER_ROWS = re.compile(rb"%b(?:,|\}\Z)" % _BLANK)
_BETWEEN_ROWS = re.compile(rb"[\]}][ \t\r\n]*,")
_CLOSING = re.compile(rb"\][ \t\r\n]*\}\Z")
_CLOSING_LIST = re.compile(rb"\]\Z")
_DECODER = json.JSONDecoder(parse_int=float)
# No token is longer that may be cut at the end of a part, except for strings.
_TOKEN_BYTES = 16


def cut(body: bytes, start: int, end: int, between: re.Pattern[bytes]) -> tuple[bytes, int | None]:
    """The beginning of a long list as a list of `PART_BYTES`, or little more.

    Parameters
    ----------
    body : bytes
        What the list stands in.
    start, end : int
        Where its inside begins and ends.
    between : re.Pattern
        What may be cut: the last byte of an item and all to the end of the comma.

    Returns
    -------
    bytes
        The shorter list.
    int or None
        Where the next one begins; None after the last.

    Raises
    ------
    Problem
        422, when there is nothing to cut for as long again.
    """
    if end - start > PART_BYTES:
        found = between.search(body, start + PART_BYTES, min(start + 2 * PART_BYTES, end))
        if found is not None:
            return b"[%b]" % body[start : found.start() + 1], found.end()
        if end - start > 2 * PART_BYTES:
            raise _too_long(start)
    return b"[%b]" % body[start:end], None


class LargeRows:
    """The rows of a large ``/predict`` body, as lists of some of them.

    A list ends where a row seems to end, which is quick to find. `load` looks closer where the
    list is no JSON: of a fault, a large body has the status that a small one has.

    Parameters
    ----------
    body : bytes
        ``{"rows": [...]}``, or the list alone.
    is_list : bool
        Which of both.

    Attributes
    ----------
    text : bytes
        The current list as JSON.

    Raises
    ------
    Problem
        400 or 422, also while it is iterated.
    """

    def __init__(self, body: bytes, is_list: bool = False) -> None:
        self._body = strip(body)
        self._is_list = is_list
        self._start = _begin_list(self._body) if is_list else _begin(self._body)
        pattern = _CLOSING_LIST if is_list else _CLOSING
        closing = pattern.search(self._body[-PART_BYTES:])
        self._end = len(self._body) - (len(closing[0]) if closing else 0)
        self._next: int | None = self._start
        # Where the rows' own list has ended, if that has been looked for.
        self._closed: int | None = None
        self.text = b""

    def __iter__(self) -> Iterator[bytes]:
        while self._next is not None:
            self._start = self._next
            self.text, self._next = cut(self._body, self._start, self._end, _BETWEEN_ROWS)
            yield self.text
        if self._closed is not None:
            if not self._is_list:
                _check_end(self._body, self._closed)
            elif self._closed < len(self._body):
                raise not_json(f"there is something after byte {self._closed}")

    def load(self, number: int) -> list[Any]:
        """The current list, parsed; the beginning of it, where it does not end between rows.

        Parameters
        ----------
        number : int
            That of its first row, for messages.

        Raises
        ------
        Problem
            400 or 422.
        """
        try:
            rows: list[Any] = orjson.loads(self.text)
        except orjson.JSONDecodeError:
            self._narrow(number)
        else:
            return rows
        try:
            rows = orjson.loads(self.text)
        except orjson.JSONDecodeError as error:
            raise self._not_json(number, error.msg) from None
        return rows

    def _narrow(self, number: int) -> None:
        # What seemed to be the end of a row may stand within a text, or end a list within a row.
        flat = _FLAT_ROWS.match(self._body, self._start, self._start + 2 * PART_BYTES)
        stop = self._start if flat is None else flat.end()
        if stop > self._start:
            self.text, self._next = b"[%b]" % self._body[self._start : stop - 1], stop
            return
        if empty := _NO_ROW.match(self._body, self._start):
            self.text, self._next, self._closed = b"[]", None, empty.end()
            return
        stop = self._end_of_row(number)
        after = _AFTER_ROW.match(self._body, stop)
        if after is None:
            raise self._not_json(number, "no comma after a row")
        self.text, self._next = b"[%b]" % self._body[self._start : stop], after.end()
        if after[1] == b"]":
            self._next, self._closed = None, after.end()

    def _end_of_row(self, number: int) -> int:
        part = self._body[self._start : self._start + 2 * PART_BYTES]
        text = part.decode(errors="surrogateescape")
        begin = len(text) - len(text.lstrip(BLANKS.decode()))
        try:
            _, stop = _DECODER.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            is_cut = self._start + len(part) < len(self._body)
            if is_cut and (error.pos > len(text) - _TOKEN_BYTES or "Unterminated" in error.msg):
                raise _too_long(self._start) from None
            raise self._not_json(number, error.msg) from None
        except RecursionError:
            raise self._not_json(number, "nested too deeply") from None
        return self._start + len(text[:stop].encode(errors="surrogateescape"))

    def _not_json(self, number: int, why: str) -> Problem:
        rows = self.text.count(b"]") + self.text.count(b"}")
        return not_json(f"in row {number} or one of the next {rows}: {why}")


def strip(body: bytes) -> bytes:
    """A large body without the blanks around it.

    Raises
    ------
    Problem
        422, when they are too many.
    """
    # No more than a part at either end: to look at a whole body of blanks would take long.
    head, tail = body[:PART_BYTES], body[-PART_BYTES:]
    begin = len(head) - len(head.lstrip(BLANKS))
    end = len(body) - len(tail) + len(tail.rstrip(BLANKS))
    if begin == len(head) or end == len(body) - len(tail):
        raise refused(f"There are more than {PART_BYTES} blanks around the JSON.")
    return body[begin:end]


def _begin_list(body: bytes) -> int:
    if not body.endswith(b"]"):
        raise _no_object(body)
    return 1


def _begin(body: bytes) -> int:
    """Where the inside of the list of rows begins."""
    ends = body[:1] + body[-1:]
    if ends == b"[]":
        raise refused("The body must be a JSON object.")
    if ends != b"{}":
        raise _no_object(body)
    if _EMPTY.fullmatch(body, 0, 2 * PART_BYTES):
        raise refused('The member "rows" is missing.')
    name, value = _name(body, 1)
    if name != "rows":
        raise other_member(name, "rows")
    if body[value : value + 1] == b"[":
        return value + 1
    if _VALUE.match(body, value):
        raise refused('"rows" must be a list of rows.')
    raise not_json('no value after "rows"')


def _no_object(body: bytes) -> Problem:
    if body[:1] in (b"{", b"["):
        return not_json(f"it begins with {body[:1].decode()} and does not end like that")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return not_json(f"line {error.lineno}, column {error.colno}: {error.msg}")
    return refused("The body must be a JSON object.")


def _name(body: bytes, start: int) -> tuple[str, int]:
    """A member's name, and where its value begins."""
    end = start + 2 * PART_BYTES
    found = _NAME.match(body, start, end)
    if found is None and end < len(body) and _OPEN_STRING.match(body, start):
        raise refused(f"The name after byte {start} is longer than any name can be.")
    if found is None or not found[2]:
        raise not_json(f"no name and colon after byte {start}")
    try:
        name: str = orjson.loads(found[1])
    except orjson.JSONDecodeError as error:
        raise not_json(f"the name after byte {start}: {error.msg}") from None
    return name, found.end()


def _check_end(body: bytes, start: int) -> None:
    """Make sure that there is nothing after the list of rows."""
    found = _AFTER_ROWS.match(body, start)
    if found is None:
        raise not_json(f"neither a comma nor the end after byte {start}")
    if found.end() < len(body):
        raise other_member(_name(body, found.end())[0], "rows")


def _too_long(start: int) -> Problem:
    return refused(f"A row after byte {start} is longer than any row can be.")
