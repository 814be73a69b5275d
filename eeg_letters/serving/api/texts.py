"""Bodies that are text, as lines: of any Unicode encoding and with any line ends, in parts."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from http import HTTPStatus

from eeg_letters.errors import Problem
from eeg_letters.recordings.sources import find_encoding
from eeg_letters.serving.api.large import PART_BYTES
from eeg_letters.serving.api.refusals import refused

# What encoding and line ends are told by.
_START_BYTES = 256 * 1024
# Of lines without anything in them, so many take about a millisecond.
_MOST_LINES = 4096
_BLOCK_BYTES = PART_BYTES


class Text:
    """A body's lines, some at a time.

    Parameters
    ----------
    body : bytes
        UTF-8, or UTF-16 or UTF-32 that can be told by its beginning.

    Attributes
    ----------
    notes : tuple of str
        What was found out, in words, where it is not the usual.
    """

    def __init__(self, body: bytes) -> None:
        start = body[:_START_BYTES]
        self._body = body
        self._encoding, self._mark = find_encoding(start)
        is_utf8 = self._encoding == "utf-8"
        self.notes = () if is_utf8 else (self._encoding.upper(),)
        self._ends_with_cr = (
            "\r".encode(self._encoding) in start and "\n".encode(self._encoding) not in start
        )
        if self._ends_with_cr:
            self.notes = (*self.notes, "lines that end with a carriage return alone")

    def lines(self) -> Iterator[list[bytes]]:
        """Lines as UTF-8 without line feeds; a list may be empty, where others have their turn.

        Raises
        ------
        Problem
            400 when the body is not text of its encoding; 422 when a line is too long for a row.
        """
        pending = b""
        for block in self._blocks():
            whole, newline, pending = (pending + block).rpartition(b"\n")
            if len(pending) > 2 * PART_BYTES:
                raise refused("A line is longer than any row can be.")
            lines = whole.split(b"\n") if newline else []
            if len(lines) <= _MOST_LINES:
                yield lines
            else:
                for i in range(0, len(lines), _MOST_LINES):
                    yield lines[i : i + _MOST_LINES]
        if pending:
            yield [pending]

    def _blocks(self) -> Iterator[bytes]:
        body, start = self._body, len(self._mark)
        size = _BLOCK_BYTES
        blocks = (body[i : i + size] for i in range(start, len(body), size))
        if self._encoding == "utf-8" and not self._ends_with_cr:
            return blocks
        return self._recoded(blocks)

    def _recoded(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        # As `eeg_letters.recordings.sources` does it with files. UTF-8 is not decoded: in which
        # line it is none, the reader of lines says.
        is_utf8 = self._encoding == "utf-8"
        decoder = codecs.getincrementaldecoder("latin-1" if is_utf8 else self._encoding)()
        ends = io.IncrementalNewlineDecoder(None, translate=True)
        try:
            for block in (*blocks, None):
                text = decoder.decode(block or b"", final=block is None)
                text = ends.decode(text, final=block is None)
                yield text.encode("latin-1") if is_utf8 else text.encode(errors="replace")
        except UnicodeDecodeError as error:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"The body is not {self._encoding.upper()} text: {error.reason}.",
            ) from None
