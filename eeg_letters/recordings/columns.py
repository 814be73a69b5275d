"""Which column of a table is what, and the checks of one row by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eeg_letters.errors import RecordingError, SchemaError, UserError
from eeg_letters.labels import LABEL_COLUMNS, find_label_column
from eeg_letters.recordings.values import (
    as_number,
    check_unique,
    class_index,
    feature_value,
    whole_number,
)
from eeg_letters.scales import Scale
from eeg_letters.schema import LINE_COLUMN, Schema, parse_band_power

# A header may be a comment to other programs, as numpy.savetxt and gnuplot have it.
COMMENTS = ("#", "%")


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes
    ----------
    schema : Schema
        What the table is read by.
    names : tuple of str
        All of them, in the table's order, without the blanks around them; those without a name are
        never used.
    features : tuple of str
        Those that have the schema's features, in its order, as the table spells them.
    line : str or None
        The one that has the line numbers.
    label : str or None
        The one that has the labels.
    keep : tuple of str
        Those that are carried through to the output.
    scale : Scale or None
        What the features' values are; None where they are no band powers.
    is_sparse : bool
        Whether a row may have no label: markers of an export begin somewhere.
    """

    schema: Schema
    names: tuple[str, ...]
    features: tuple[str, ...]
    line: str | None
    label: str | None
    keep: tuple[str, ...] = ()
    scale: Scale | None = Scale.POWER
    is_sparse: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out, in words; an export says itself where its labels are."""
        return () if self.label is None or self.is_sparse else (f"labels in column {self.label}",)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Those with a name that are neither used nor kept."""
        used = {*self.features, self.line, self.label, *self.keep, ""}
        return tuple(name for name in self.names if name not in used)


def find_columns(
    where: str, names: Sequence[str], schema: Schema, keep: Sequence[str] = ()
) -> Columns:
    """Columns of a table, once all that are needed were found among its names.

    Parameters
    ----------
    where : str
        The file, and the line of the names where there is one, for messages.
    names : sequence of str
        All columns, in the table's order.
    schema : Schema
        What the table is read by.
    keep : sequence of str
        Those to carry through.

    Raises
    ------
    RecordingError
        When a column is missing, there is a duplicate, or two may have the labels.
    UserError
        When a column is to be kept that is read anyway.
    """
    stripped = clean_names(where, names)
    try:
        features = schema.features.spelled(stripped)
        taken = frozenset(features)
        rest = [name for name in stripped if name not in taken]
        label = find_label_column(rest, schema.label_column)
    except SchemaError as error:
        check_header(where, stripped)
        raise RecordingError(f"{where}, {error}") from None
    line = find_line_column(rest)
    for name in keep:
        if name in (*features, line, label):
            raise UserError(f"--keep {name}: only columns that are not a recording's can be kept")
        if name not in stripped:
            raise RecordingError(f"{where}, column {name}: the column is missing")
    return Columns(schema, stripped, features, line, label, tuple(keep), schema.values_scale)


def clean_names(where: str, names: Sequence[str]) -> tuple[str, ...]:
    """Column names without the blanks around them.

    Raises
    ------
    RecordingError
        When there is a duplicate; columns without a name are none.
    """
    stripped = tuple(name.strip() for name in names)
    named = [name for name in stripped if name]
    if len(set(named)) < len(named):
        check_header(where, named)  # Of values some are often the same.
    check_unique(where, named, "column")
    return stripped


_FOLDED_LABELS = frozenset(name.casefold() for name in LABEL_COLUMNS)


def is_no_feature(name: str) -> bool:
    """Whether a column's name tells that it has line numbers or labels."""
    return name.casefold() == LINE_COLUMN.casefold() or name.casefold() in _FOLDED_LABELS


def is_known(name: str) -> bool:
    """Whether a column's name tells what it has: line number, label, or electrode and band."""
    return is_no_feature(name) or parse_band_power(name) is not None


def known_by(schema: Schema) -> Callable[[str], bool]:
    """Whether a column of a name is one that is looked for, of tables that are read by a schema."""
    named = () if schema.label_column is None else (schema.label_column,)
    names = (*schema.features.names, *named, LINE_COLUMN, *LABEL_COLUMNS)
    wanted = frozenset(name.casefold() for name in names)
    return lambda name: name.casefold() in wanted


def find_line_column(names: Sequence[str]) -> str | None:
    """The column that has the line numbers; upper and lower case count where both are there."""
    if LINE_COLUMN in names:
        return LINE_COLUMN
    return next((name for name in names if name.casefold() == LINE_COLUMN.casefold()), None)


def check_header(where: str, names: Sequence[str]) -> None:
    """Make sure that names are no values of a row.

    Raises
    ------
    RecordingError
        When all of them are numbers.
    """
    named = [name for name in names if name]
    if len(named) > 1 and all(as_number(name) is not None for name in named):
        raise RecordingError(
            f"{where}: there is no header; the first line must have the names of the columns, such"
            " as Line,# Letter,Cz/theta"
        )


def row_numbers(
    row: Mapping[str, Any], columns: Columns, place: int
) -> tuple[list[float], int, int]:
    """Features, line number and class of one row, checked one by one.

    The class is -1 where there is none and need be none.

    Parameters
    ----------
    row : dict of str to object
        Values by column, as text or numbers.
    columns : Columns
        The table's.
    place : int
        The row's number where it has none of its own.

    Raises
    ------
    RecordingError
        When a value is missing or bad; names the column.
    """
    line = columns.line
    for name in (*columns.features, line, columns.label):
        if name is not None and name not in row:
            raise RecordingError(f", column {name}: the column is missing")
    return (
        [feature_value("", row, name, columns.scale) for name in columns.features],
        place if line is None else whole_number("", row, line),
        _class(row, columns),
    )


def _class(row: Mapping[str, Any], columns: Columns) -> int:
    if columns.label is None:
        return 0
    try:
        return class_index("", row, columns.label, columns.schema.labels)
    except RecordingError:
        if columns.is_sparse:
            return -1
        raise
