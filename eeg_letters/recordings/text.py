"""Tables of text, cut into chunks at line breaks."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from arro3.core import Array, DataType, Field

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.chunks import SLOT_BYTES, Chunk, Parsed
from eeg_letters.recordings.columns import Columns
from eeg_letters.recordings.sources import Source


class TextTable:
    """A table of text with a row in each line.

    Parameters
    ----------
    source : Source
        The file, read from where it stands.
    columns : Columns
        The table's.
    parse : callable
        Makes the rows of a chunk.
    first_place : int
        How many lines come before.
    begun : bytes
        What was read of the lines already.
    notes : sequence of str
        How the table is written.
    """

    def __init__(
        self,
        source: Source,
        columns: Columns,
        parse: Callable[[mmap.mmap, Chunk], Parsed],
        first_place: int,
        begun: bytes,
        notes: Sequence[str] = (),
    ) -> None:
        self.where = f"{source.name}, line"
        self.columns = columns
        self.first_place = first_place
        self.name = source.name
        self.notes = (*source.notes, *notes)
        self._source = source
        self._parse = parse
        self._begun = begun

    def kept_fields(self) -> list[Field]:
        """Kept columns are text."""
        return [Field(name, DataType.string()) for name in self.columns.keep]

    def take_kept(self, parsed: Parsed) -> list[Array]:
        """Kept columns of the good rows."""
        return [Array(values, DataType.string()) for values in parsed.kept]

    def bytes_read(self) -> int:
        """Bytes of the file that were read."""
        return self._source.bytes_read()

    def chunks(self, slots: Sequence[mmap.mmap]) -> Iterator[Chunk]:
        """Chunks of whole lines, as many as fit into a slot."""
        begun, place = self._begun, self.first_place
        for index, slot in cycle(enumerate(slots)):
            slot[: len(begun)] = begun
            length = len(begun)
            with memoryview(slot) as view:
                while length < SLOT_BYTES and (count := self._source.file.readinto(view[length:])):
                    length += count
            if length == 0:
                return
            cut = length if length < SLOT_BYTES else slot.rfind(b"\n") + 1
            if cut == 0:
                raise RecordingError(f"{self.name}, line {place + 1}: longer than any row can be")
            lines = slot[:cut].count(b"\n") + (slot[cut - 1] != 0x0A)
            begun = slot[cut:length]
            yield Chunk(self._parse, self.columns, index, cut, lines)
            place += lines
            if length < SLOT_BYTES:
                return
