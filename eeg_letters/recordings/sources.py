"""Files as streams of what is in them: decompressed, and text as UTF-8 with line feeds."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from eeg_letters.errors import RecordingError

STDIN = "-"
_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Source:
    """An open file.

    Attributes
    ----------
    name : str
        What messages call it.
    file : io.BufferedReader
        What is in it, from the beginning: text as UTF-8 without a byte order mark, in lines that
        end with a line feed.
    notes : tuple of str
        What was found out, in words: compression and encoding, where they are not the usual.
    """

    name: str
    file: io.BufferedReader
    notes: tuple[str, ...]
    _raw: io.RawIOBase | io.BytesIO

    def bytes_read(self) -> int:
        """Bytes of the file itself that were read, 0 where it is a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file; its first bytes tell compression and encoding.

    Parameters
    ----------
    path : str
        A file, or `STDIN`.

    Raises
    ------
    RecordingError
        When it cannot be read, or is of a format that has no tables; also while it is read, when
        it is damaged.
    """
    name = display_name(path)
    with _open(path, name) as raw:
        yield _source(name, raw)


def bytes_source(name: str, content: bytes) -> Source:
    """A file of that content, all of which is in memory; errors are those of `open_source`."""
    return _source(name, io.BytesIO(content))


def _source(name: str, raw: io.RawIOBase | io.BytesIO) -> Source:
    whole: io.BufferedReader = io.BufferedReader(
        _Whole(raw, f"{name}: cannot be read"), _BLOCK_BYTES
    )
    file, notes = _decompressed(name, whole)
    start = file.peek(_BLOCK_BYTES)[:_BLOCK_BYTES]
    _check_kind(name, start)
    file, encoding = _as_utf8(name, file, start)
    return Source(name, file, (*notes, *encoding), raw)


# Of a library that panics on what is none; by a file's first bytes.
_ARROW_FORMATS = {b"PAR1": "Parquet", b"ARROW1": "Feather", b"FEA1": "Feather"}


def arrow_format(start: bytes) -> str | None:
    """Parquet or Feather, by a file's first bytes; None where it is neither."""
    return next((kind for magic, kind in _ARROW_FORMATS.items() if start.startswith(magic)), None)


def display_name(path: str) -> str:
    """A file's name as text; bytes that are not UTF-8 are escaped."""
    return (
        "standard input" if path == STDIN else os.fsencode(path).decode(errors="backslashreplace")
    )


@contextmanager
def _open(path: str, name: str) -> Iterator[io.RawIOBase]:
    if path == STDIN:
        assert isinstance(sys.stdin.buffer, io.BufferedReader)  # noqa: S101
        yield sys.stdin.buffer.raw
        return
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115
    except FileNotFoundError:
        raise RecordingError(f"{name}: there is no such file") from None
    except OSError as error:
        raise RecordingError(f"{name}: cannot be read: {error.strerror}") from None
    with file:
        yield file


def _open_zstd(file: IO[bytes]) -> IO[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return cast(IO[bytes], zstd.ZstdFile(file))


# By a file's first bytes.
_COMPRESSIONS: dict[bytes, tuple[str, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\x28\xb5\x2f\xfd": ("zstd", _open_zstd),
}
_KINDS = {
    re.compile(rb"0 {7}[ -~]{80}", re.DOTALL): "EDF, which has raw signals",
    re.compile(rb"\xffBIOSEMI"): "BDF, which has raw signals",
    re.compile(rb"XDF:"): "XDF, which has raw signals",
    re.compile(rb"\x89HDF\r\n"): "HDF5",
    re.compile(rb"MATLAB 5\.0 MAT-file"): "a MATLAB file",
    re.compile(rb"\xd0\xcf\x11\xe0"): "an old Excel file; save it as .xlsx or CSV",
    re.compile(rb"%PDF-"): "PDF",
    re.compile(rb"\x93NUMPY"): "a NumPy array, which has no column names",
    re.compile(rb"\x80[\x02-\x05]"): "a pickle, which is never opened",
}


def _check_kind(name: str, start: bytes) -> None:
    for magic, kind in _KINDS.items():
        if magic.match(start):
            raise RecordingError(f"{name}: not a table of band powers, but {kind}")


def _decompressed(name: str, raw: io.BufferedReader) -> tuple[io.BufferedReader, tuple[str, ...]]:
    start = raw.peek(8)
    for magic, (compression, opened) in _COMPRESSIONS.items():
        if start.startswith(magic):
            inner = _Whole(opened(raw), f"{name}: damaged {compression}, or truncated")
            return io.BufferedReader(inner, _BLOCK_BYTES), (f"{compression}-compressed",)
    return raw, ()


class _Whole(io.RawIOBase):
    # Reads as much as is asked for if there is so much, of a pipe too: what is told by a beginning
    # must not depend on how it arrives.
    def __init__(self, inner: Any, sentence: str) -> None:
        self._inner = inner
        self._sentence = sentence

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view, length = memoryview(buffer), 0
        # The libraries for compression raise errors of their own.
        try:
            while length < len(view) and (count := self._inner.readinto(view[length:])):
                length += count
        except Exception as error:  # noqa: BLE001
            raise RecordingError(f"{self._sentence}: {error}") from None
        return length


# Longest first: UTF-32's mark begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}
# Of letters without their accents, every other byte is NUL.
_WITHOUT_MARK = {
    re.compile(rb"(?:[\x09\x20-\x7e]\x00){8}"): "utf-16-le",
    re.compile(rb"(?:\x00[\x09\x20-\x7e]){8}"): "utf-16-be",
}


def find_encoding(start: bytes) -> tuple[str, bytes]:
    """Encoding of a text and its byte order mark, by its first bytes; UTF-8 where nothing tells."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding, mark
    for pattern, encoding in _WITHOUT_MARK.items():
        if pattern.match(start):
            return encoding, b""
    return "utf-8", b""


def _as_utf8(
    name: str, file: io.BufferedReader, start: bytes
) -> tuple[io.BufferedReader, tuple[str, ...]]:
    encoding, mark = find_encoding(start)
    if mark:
        file.read(len(mark))
    notes = () if encoding == "utf-8" else (encoding.upper(),)
    # Of what is no text, a carriage return is no line's end.
    is_text = b"\0" not in start or encoding != "utf-8"
    cr = "\r".encode(encoding)
    if is_text and cr in start and "\n".encode(encoding) not in start:
        notes = (*notes, "lines that end with a carriage return alone")
    elif encoding == "utf-8":
        return file, notes
    return io.BufferedReader(_Recoded(name, file, encoding), _BLOCK_BYTES), notes


class _Recoded(io.RawIOBase):
    # A text of another encoding, or with other line ends, as UTF-8 with line feeds.
    def __init__(self, name: str, file: io.BufferedReader, encoding: str) -> None:
        self._name = name
        self._file = file
        self._encoding = encoding
        # UTF-8 is not decoded: which line has what is none, its reader says.
        self._decode = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        self._lines = io.IncrementalNewlineDecoder(None, translate=True)
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            block = self._file.read1(_BLOCK_BYTES)
            self._pending = self._recode(block)
            if not block:
                break
        taken, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _recode(self, block: bytes) -> bytes:
        if self._decode is None:
            text = block.decode("latin-1")
            return self._lines.decode(text, final=not block).encode("latin-1")
        try:
            text = self._decode.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise RecordingError(
                f"{self._name}: not {self._encoding.upper()} text: {error.reason}"
            ) from None
        return self._lines.decode(text, final=not block).encode(errors="replace")
