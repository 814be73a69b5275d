"""Rows from lines of CSV, one at a time: what quicker parsers have to agree with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.columns import Columns
from eeg_letters.recordings.dialects import Dialect


@dataclass(frozen=True)
class LineReader:
    """Reads the lines of a table after its header.

    Attributes
    ----------
    dialect : Dialect
        How the table is written.
    columns : Columns
        Which column is what.
    """

    dialect: Dialect
    columns: Columns

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        columns = self.columns
        others = (columns.line, columns.label)
        return (*columns.features, *(name for name in others if name is not None))

    def row(self, line: bytes) -> dict[str, str] | None:
        """Values by column, as text; numbers with a decimal point.

        Parameters
        ----------
        line : bytes
            Without the line feed at its end.

        Returns
        -------
        dict of str to str or None
            None where there is no row in the line: `Dialect.cells`.

        Raises
        ------
        RecordingError
            When it is no row of this table; says why and in which column.
        """
        if b"\0" in line:
            raise RecordingError(", a NUL byte in the line")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            # Of another encoding may be what is not used.
            text = line.decode(errors="surrogateescape")
        cells = self.dialect.cells(text.removesuffix("\r"))
        if cells is None:
            return None
        row = dict(zip(self.columns.names, cells, strict=True))
        if not text.isprintable():
            self._check_text(row)
        if self.dialect.decimal_comma:
            for name in self._numbers:
                row[name] = self.dialect.number(row[name])
        return row

    def _check_text(self, row: dict[str, str]) -> None:
        for name in (*self._numbers, *self.columns.keep):
            try:
                row[name].encode()
            except UnicodeEncodeError:
                raise RecordingError(f", column {name}: not UTF-8 text") from None
