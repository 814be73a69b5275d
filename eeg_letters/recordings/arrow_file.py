"""Parquet and Feather files as the Arrow library reads them: counted, and without some columns."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

from eeg_letters.recordings.parquet_footer import Footer, read_footer

_MAGIC = b"PAR1"
# Its length and the magic bytes are after a footer.
_TRAILER_BYTES = 8


class ArrowFile(io.RawIOBase):
    """A regular file, open to be read.

    Parameters
    ----------
    path : str
        Its name.
    """

    # They are read column by column, not from front to back, and parts of them more than once:
    # progress is the share of so many equal parts of the file that were read.
    _PARTS = 10_000

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115
        self._size = Path(path).stat().st_size
        self._seen = bytearray(self._PARTS)
        # Of the file there is so much, and then what is in the footer's place.
        self._end = self._size
        self._tail = b""
        self._at = 0

    def footer(self) -> Footer:
        """The footer of a Parquet file.

        Raises
        ------
        ValueError
            When there is none.
        """
        self._file.seek(max(0, self._size - _TRAILER_BYTES))
        trailer = self._file.read(_TRAILER_BYTES)
        length = int.from_bytes(trailer[:4], "little")
        if trailer[4:] != _MAGIC or not 0 < length <= self._size - _TRAILER_BYTES - len(_MAGIC):
            raise ValueError("it has no footer")
        self._file.seek(self._size - _TRAILER_BYTES - length)
        return read_footer(self._file.read(length))

    def leave_out(self, footer: Footer, wanted: Callable[[str], bool]) -> None:
        """Read on as a file of the columns alone whose names are wanted."""
        new = footer.without_others(wanted)
        self._file.seek(self._size - _TRAILER_BYTES)
        length = int.from_bytes(self._file.read(4), "little")
        self._end = self._size - _TRAILER_BYTES - length
        self._tail = new + len(new).to_bytes(4, "little") + _MAGIC

    def close(self) -> None:
        """Close it."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """It is read."""
        return True

    def seekable(self) -> bool:
        """It is not read from front to back."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Read on from another place."""
        size = self._end + len(self._tail)
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: size}[whence]
        return self._at

    def tell(self) -> int:
        """The place that is read on from."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Some bytes, fewer at the end."""
        whole = self._end + len(self._tail)
        stop = whole if size < 0 else min(self._at + size, whole)
        part = b""
        if self._at < self._end:
            self._file.seek(self._at)
            self._seen[self._at * (self._PARTS - 1) // self._size] = 1
            part = self._file.read(min(stop, self._end) - self._at)
            self._at += len(part)
            if self._at < self._end:
                return part
        tail = self._tail[self._at - self._end : max(0, stop - self._end)]
        self._at += len(tail)
        return part + tail

    def bytes_read(self) -> int:
        """About how many bytes of the file were read."""
        return sum(self._seen) * self._size // self._PARTS
