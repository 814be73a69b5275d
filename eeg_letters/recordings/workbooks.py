"""Tables in Excel workbooks (.xlsx); the library for them is an extra."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings.values import check_unique

# Of every .zip file, which a workbook is.
MAGIC = b"PK\x03\x04"


def read_workbook(name: str, content: bytes) -> tuple[int, list[str], list[dict[str, Any] | None]]:
    """The table in a workbook's only sheet that is not empty.

    Parameters
    ----------
    name : str
        What messages call it.
    content : bytes
        The file.

    Returns
    -------
    int
        The row of the header, the first being 1.
    list of str
        The header's cells.
    list of dict or None
        Values by column, as numbers, text or times, of each row after it; None for an empty one.

    Raises
    ------
    RecordingError
        When it is no workbook, or has no table or more than one.
    UserError
        When the library is not installed.
    """
    rows = _only_sheet(name, content)
    filled = (place for place, row in enumerate(rows) if any(_is_filled(cell) for cell in row))
    header = next(filled)
    names = [str(cell).strip() for cell in rows[header]]
    check_unique(f"{name}, row {header + 1}", [column for column in names if column], "column")
    return header + 1, names, list(_by_column(names, rows[header + 1 :]))


def _only_sheet(name: str, content: bytes) -> list[list[Any]]:
    try:
        import python_calamine
    except ImportError:
        raise UserError(
            f"{name}: an Excel workbook, for which the extra excel must be installed:"
            " pip install 'eeg-letters[excel]'; or save it as CSV"
        ) from None
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = {
            title: book.get_sheet_by_name(title).to_python(skip_empty_area=False)
            for title in book.sheet_names
        }
    except Exception as error:  # noqa: BLE001 the library raises several without a base of its own
        raise RecordingError(f"{name}: not an Excel workbook, or damaged: {error}") from None
    filled = {
        title: rows
        for title, rows in sheets.items()
        if any(_is_filled(cell) for row in rows for cell in row)
    }
    if not filled:
        raise RecordingError(f"{name}: the file is empty")
    if len(filled) > 1:
        one, other, *_ = filled
        raise RecordingError(
            f"{name}: sheets {one} and {other} both have a table; save the one to read by itself"
        )
    (rows,) = filled.values()
    return rows


def _by_column(names: list[str], rows: list[list[Any]]) -> Iterator[dict[str, Any] | None]:
    for row in rows:
        if any(_is_filled(cell) for cell in row):
            yield {column: cell for column, cell in zip(names, row, strict=False) if column}
        else:
            yield None


def _is_filled(cell: Any) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None
