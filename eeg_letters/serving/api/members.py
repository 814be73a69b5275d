"""Large JSON objects that are no ``{"rows": ...}``, some members at a time."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

import orjson

from eeg_letters.serving.api.large import INSIDE, PART_BYTES, STRING, strip
from eeg_letters.serving.api.names import check_names
from eeg_letters.serving.api.refusals import not_json, quoted, refused

# The longest column: to make sure that it has no row twice may take some milliseconds.
_LARGEST_BYTES = 256 * 1024

# A few milliseconds of work, where members are short.
_PART_BYTES = PART_BYTES // 8
# No token is longer that may be cut at the end of a part, except for strings.
_TOKEN_BYTES = 32

_BLANK = rb"[ \t\r\n]*+"
_NAME = rb"%b%b%b:%b" % (_BLANK, STRING, _BLANK, _BLANK)
_FLAT = rb"(?:\[%b\]|\{%b\}|%b|[-+.\w]++)" % (INSIDE, INSIDE, STRING)
_MEMBERS = re.compile(rb"(?:%b%b%b,)*+" % (_NAME, _FLAT, _BLANK), re.DOTALL)
_MEMBER = re.compile(rb"%b%b%b(,|\Z)" % (_NAME, _FLAT, _BLANK), re.DOTALL)
_ROWS = re.compile(
    rb"%b(%b)%b:%b\[(?=%b[\[{])" % (_BLANK, STRING, _BLANK, _BLANK, _BLANK), re.DOTALL
)
_ROW = rb"%b(?:\[%b\]|\{%b\})%b" % (_BLANK, INSIDE, INSIDE, _BLANK)
_SOME_ROWS = re.compile(rb"(?:%b,)*+" % _ROW, re.DOTALL)
_LAST_ROW = re.compile(rb"%b\]%b(,|\Z)" % (_ROW, _BLANK), re.DOTALL)


class Members:
    """The members of an object.

    Parameters
    ----------
    body : bytes
        Begins with a brace.

    Attributes
    ----------
    text : bytes
        The current members as JSON.

    Raises
    ------
    Problem
        400 or 422, also while it is iterated.
    """

    def __init__(self, body: bytes) -> None:
        self._body = strip(body)
        if self._body[-1:] != b"}":
            raise not_json("it begins with { and does not end like that")
        self._end = len(self._body) - 1
        self._at = 1
        self.text = b""
        # What is open where the next members, or rows, begin.
        self._opened = b"{"
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Some members at a time; a value that is a list of rows comes in parts, by its name."""
        more = b","
        while more:
            end = min(self._at + _PART_BYTES, self._end)
            found = _MEMBERS.match(self._body, self._at, end)
            if found is not None and found.end() > self._at:
                self._take(found.end() - 1)
                self._at = found.end()
                yield self._load()
                continue
            largest = min(self._at + _LARGEST_BYTES, self._end)
            found = _MEMBER.match(self._body, self._at, largest)
            if found is not None and (found[1] or largest == self._end):
                more = found[1]
                self._take(found.start(1))
                self._at = found.end()
                yield self._load()
                continue
            rows = _ROWS.match(self._body, self._at, largest)
            if rows is None:
                raise self._fault()
            more = yield from self._rows(rows)

    def _rows(self, opened: re.Match[bytes]) -> Generator[dict[str, Any], None, bytes]:
        # A list of rows.
        name = opened[1]
        self._note(self._name(name))
        self._at = opened.end()
        self._opened = b'{"":['
        while True:
            end = min(self._at + _PART_BYTES, self._end)
            found = _SOME_ROWS.match(self._body, self._at, end)
            if found is not None and found.end() > self._at:
                self.text = b"{%b:[%b]}" % (name, self._body[self._at : found.end() - 1])
                self._at = found.end()
                yield self._parse()
                continue
            last = _LAST_ROW.match(self._body, self._at, min(end + PART_BYTES, self._end))
            if last is None:
                raise self._fault()
            self.text = b"{%b:[%b}" % (name, self._body[self._at : last.start(1)])
            self._at = last.end()
            self._opened = b"{"
            yield self._parse()
            return last[1]

    def _name(self, text: bytes) -> str:
        try:
            name: str = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise not_json(f"after byte {self._at}: {error.msg}") from None
        return name

    def _take(self, end: int) -> None:
        self.text = b"{%b}" % self._body[self._at : end]

    def _load(self) -> dict[str, Any]:
        members = self._parse()
        # A dict hides a duplicate name; a colon may be escaped.
        if b"\\" in self.text or self.text.count(b":") != _count_colons(members):
            check_names(self.text)
        for name in members:
            self._note(name)
        return members

    def _note(self, name: str) -> None:
        if name in self._seen:
            raise refused(f"An object has the duplicate name {quoted(name)}.")
        self._seen.add(name)

    def _parse(self) -> dict[str, Any]:
        try:
            members: dict[str, Any] = orjson.loads(self.text)
        except orjson.JSONDecodeError as error:
            raise not_json(f"after byte {self._at}: {error.msg}") from None
        return members

    def _fault(self) -> Exception:
        # No member begins here that can be taken.
        part = self._body[self._at : self._at + PART_BYTES]
        is_whole = self._at + PART_BYTES >= len(self._body)
        try:
            orjson.loads(self._opened + part)
        except orjson.JSONDecodeError as error:
            # Where all of the part is right, it is the end that is missing.
            if is_whole or error.pos < len(part) - _TOKEN_BYTES:
                return not_json(f"after byte {self._at}: {error.msg}")
        return refused(
            f"After byte {self._at} there is neither a row nor a column of single values, or a"
            " longer one than any can be."
        )


def _count_colons(members: dict[str, Any]) -> int:
    colons = len(members) + sum(name.count(":") for name in members)
    for value in members.values():
        if isinstance(value, dict):
            texts = [text for text in value.values() if isinstance(text, str)]
            colons += len(value) + "".join(value).count(":") + "".join(texts).count(":")
        elif isinstance(value, list):
            colons += "".join(text for text in value if isinstance(text, str)).count(":")
        elif isinstance(value, str):
            colons += value.count(":")
    return colons
