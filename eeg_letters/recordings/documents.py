"""Tables as JSON documents: by rows or by columns, as pandas and others write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.values import check_unique

# Members of pandas' "split" and "tight"; the last two have no values.
SPLIT = frozenset({"columns", "index", "data", "index_names", "column_names"})

IsColumn = Callable[[str], bool]
# A row's key in the document, where it has one, and its values: by column, or in order.
KeyedRow = tuple[str | None, dict[str, Any] | list[Any]]


class Orient(StrEnum):
    """How a document has its rows; the names are those of pandas, where it has one."""

    ROWS = "rows"
    RECORDS = "records"
    VALUES = "values"
    SPLIT = "split"
    INDEX = "index"
    COLUMNS = "columns"
    ROW = "row"


@dataclass(frozen=True)
class Orientation:
    """A document as rows.

    Attributes
    ----------
    orient : Orient
        How the document has them.
    columns : tuple of str or None
        Every row's columns, in order, where the document has them once for all; None where each row
        has its own.
    rows : iterator of (str or None, dict or list)
        Each row once, with its key. It raises RecordingError where there is something else.
    """

    orient: Orient
    columns: tuple[str, ...] | None
    rows: Iterator[KeyedRow]


def orientation(where: str, document: Any, is_column: IsColumn) -> Orientation:
    """How a document has its rows, and the rows.

    Parameters
    ----------
    where : str
        What messages call the document.
    document : object
        As parsed from JSON.
    is_column : callable
        Whether a name is that of a column that is looked for.

    Raises
    ------
    RecordingError
        When there are no rows, or two readings are possible; names both.
    """
    if isinstance(document, list):
        return _of_list(where, document)
    if not isinstance(document, dict):
        raise RecordingError(f"{where}: neither a list nor an object of rows")
    if not document:
        raise RecordingError(f"{where}: the object has neither rows nor columns")
    found = orient_of(where, document, is_column)
    if found is Orient.ROWS:
        return Orientation(found, None, _listed(where, document["rows"]))
    if found is Orient.SPLIT:
        return _of_split(where, document)
    if found is Orient.ROW:
        return Orientation(found, None, iter([(None, document)]))
    if found is Orient.INDEX:
        return Orientation(found, None, iter(document.items()))
    names = tuple(document)
    keys = column_keys(where, document)
    return Orientation(found, names, _by_column(document, keys))


def orient_of(where: str, document: Mapping[str, Any], is_column: IsColumn) -> Orient:
    """How an object has its rows, by its names and by what kind of values it has.

    Parameters
    ----------
    where, document, is_column
        As of `orientation`; the object is not empty, and may be the beginning of a longer one.

    Raises
    ------
    RecordingError
        As `orientation`.
    """
    if document.keys() == {"rows"} and isinstance(document["rows"], list):
        return Orient.ROWS
    if is_split(document):
        return Orient.SPLIT
    kinds = {_kind(value) for value in document.values()}
    if len(kinds) > 1:
        raise RecordingError(f"{where}: {_mixture(document)}")
    (kind,) = kinds
    if kind is None:
        return Orient.ROW
    name = next(filter(is_column, document), None)
    if kind is list:
        return Orient.INDEX if name is None else Orient.COLUMNS
    inner = next((key for value in document.values() for key in value if is_column(key)), None)
    if name is None and inner is None:
        first = next(iter(document))
        raise RecordingError(
            f"{where}: neither {first!r} nor a name within it is a column; there must be rows of"
            " values by column, or columns of values by row"
        )
    if name is not None and inner is not None:
        raise RecordingError(
            f"{where}: {name!r} may be a column and {inner!r} a row of it, or {name!r} a row and"
            f' {inner!r} a column of it; send the rows as a list: {{"rows": [{{…}}]}}'
        )
    return Orient.COLUMNS if inner is None else Orient.INDEX


def is_split(document: Mapping[str, Any]) -> bool:
    """Whether an object has the members of pandas' "split"."""
    return (
        {"columns", "data"} <= document.keys() <= SPLIT
        and isinstance(document["columns"], list)
        and isinstance(document["data"], list)
    )


def column_keys(where: str, document: Mapping[str, Any]) -> Sequence[str] | range:
    """Keys of the rows of an object that has values by column.

    Raises
    ------
    RecordingError
        When a column has not the same rows as the first; names the column.
    """
    columns = iter(document.items())
    first, values = next(columns)
    keys = range(len(values)) if isinstance(values, list) else tuple(values)
    for name, column in columns:
        check_column(where, name, column, first, keys)
    return keys


def check_column(
    where: str, name: str, column: Any, first: str, keys: Sequence[str] | range
) -> None:
    """Make sure that a column has the same rows as the first one.

    Raises
    ------
    RecordingError
        When it has others; names both columns.
    """
    if len(column) != len(keys):
        raise RecordingError(
            f"{where}, column {name}: {len(column)} values, and column {first} has {len(keys)}"
        )
    if not isinstance(keys, range):
        missing = next((key for key in keys if key not in column), None)
        if missing is not None:
            raise RecordingError(f"{where}, row {missing}, column {name}: the value is missing")


def split_columns(where: str, columns: Sequence[Any]) -> tuple[str, ...] | None:
    """Column names of pandas' "split"; None where they are but the numbers 0, 1, ….

    Raises
    ------
    RecordingError
        When they are something else.
    """
    if all(isinstance(name, str) for name in columns):
        check_unique(where, [name.strip() for name in columns if name.strip()], "column")
        return tuple(columns)
    if list(columns) == list(range(len(columns))):
        return None
    raise RecordingError(f"{where}: the names of columns are not all text")


def _kind(value: Any) -> type | None:
    return next((kind for kind in (dict, list) if isinstance(value, kind)), None)


_KINDS: dict[type | None, str] = {dict: "an object", list: "a list", None: "a single value"}


def _mixture(document: Mapping[str, Any]) -> str:
    first, *names = document
    kind = _kind(document[first])
    other = next(name for name in names if _kind(document[name]) is not kind)
    return (
        f"{first!r} is {_KINDS[kind]} and {other!r} {_KINDS[_kind(document[other])]}; rows and"
        " columns are all of one kind"
    )


def _of_list(where: str, rows: list[Any]) -> Orientation:
    are_values = bool(rows) and isinstance(rows[0], list)
    orient = Orient.VALUES if are_values else Orient.RECORDS
    return Orientation(orient, None, _listed(where, rows))


def _listed(where: str, rows: list[Any]) -> Iterator[KeyedRow]:
    for number, row in enumerate(rows):
        if not isinstance(row, list | dict):
            raise RecordingError(f"{where}, row {number}: neither a list nor an object of values")
        yield None, row


def _of_split(where: str, document: Mapping[str, Any]) -> Orientation:
    names = split_columns(where, document["columns"])
    data, index = document["data"], document.get("index")
    if isinstance(index, list) and len(index) != len(data):
        raise RecordingError(f"{where}: {len(data)} rows, and {len(index)} names of them")
    keys = map(str, index) if isinstance(index, list) else None
    width = len(document["columns"])
    return Orientation(Orient.SPLIT, names, _split_rows(where, data, names, width, keys))


def _split_rows(
    where: str,
    data: list[Any],
    names: tuple[str, ...] | None,
    width: int,
    keys: Iterator[str] | None,
) -> Iterator[KeyedRow]:
    for number, row in enumerate(data):
        if not isinstance(row, list):
            raise RecordingError(f"{where}, row {number}: not a list of values")
        if len(row) != width:
            raise RecordingError(f"{where}, row {number}: {len(row)} values for {width} columns")
        key = None if keys is None else next(keys)
        yield key, row if names is None else dict(zip(names, row, strict=True))


def _by_column(document: Mapping[str, Any], keys: Sequence[str] | range) -> Iterator[KeyedRow]:
    for key in keys:
        row = {name: values[key] for name, values in document.items()}
        yield None if isinstance(keys, range) else str(key), row
