"""Output files: their columns, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_csv, write_parquet
from numpy.typing import NDArray

from eeg_letters.errors import OutputError, UserError
from eeg_letters.labels import LETTER_COLUMN, LabelKind, Labels
from eeg_letters.models import Model
from eeg_letters.schema import LINE_COLUMN
from eeg_letters.scoring.bulk import Scores

ENDINGS = (".csv", ".parquet")
FILE_COLUMN = "File"
FAMILIAR_COLUMN = "Familiar"
TRUE_LETTER_COLUMN = "Letter"

_ROW_GROUP_ROWS = 64 * 1024


@dataclass(frozen=True)
class Predictions:
    """Predictions of some rows.

    Attributes
    ----------
    lines : ndarray of int64, shape (n_rows,)
        Line numbers.
    classes : ndarray of int64, shape (n_rows,), or None
        Index of the true class in the schema's labels, -1 for a row of which none is known; None
        where none is known of any.
    scores : list of Scores
        Of each model.
    familiar : ndarray of bool, shape (n_rows,), or None
        Whether each row is like those of the training; None where that is not written.
    kept : list of Array
        Columns of the input that are carried through.
    """

    lines: NDArray[np.int64]
    classes: NDArray[np.int64] | None
    scores: list[Scores]
    familiar: NDArray[np.bool_] | None
    kept: list[Array]


def make_schema(
    models: Sequence[Model],
    labels: Labels,
    label_column: str | None,
    all_probabilities: bool,
    familiar: bool,
    file: bool,
    kept: Sequence[Field],
) -> Schema:
    """Columns of an output.

    Parameters
    ----------
    models : sequence of Model
        Each gives a label and its probability.
    labels : Labels
        What rows are labelled; letters have their names beside them.
    label_column : str or None
        The column of the true labels in the input, if they are known.
    all_probabilities : bool
        Whether the probabilities of all labels are wanted.
    familiar : bool
        Whether it is wanted if each row is like those of the training.
    file : bool
        Whether the rows come from several files, so that each row names its own.
    kept : sequence of Field
        Columns that are carried through.

    Raises
    ------
    UserError
        When a kept column has the name of another.
    """
    fields = [Field(FILE_COLUMN, DataType.string())] if file else []
    fields.append(Field(LINE_COLUMN, DataType.int64()))
    of_label = _values(labels).type
    if label_column is not None and labels.are_letters:
        fields.append(Field(LETTER_COLUMN, of_label))
        fields.append(Field(TRUE_LETTER_COLUMN, DataType.string()))
    elif label_column is not None:
        fields.append(Field(label_column, of_label))
    for model in models:
        fields.append(Field(f"{model.title} label", of_label))
        if labels.are_letters:
            fields.append(Field(f"{model.title} letter", DataType.string()))
        fields.append(Field(f"{model.title} probability", DataType.float64()))
        if all_probabilities:
            # So named that no class can be taken for another column.
            of_one = "" if labels.are_letters else "probability of "
            fields += [
                Field(f"{model.title} {of_one}{name}", DataType.float64()) for name in labels.names
            ]
    if familiar:
        fields.append(Field(FAMILIAR_COLUMN, DataType.bool()))
    for place, field in enumerate(fields):
        if any(field.name == other.name for other in fields[:place]):
            raise UserError(f"column {field.name}: the predictions have a column of that name")
    names = {field.name for field in fields}
    for field in kept:
        if field.name in names:
            raise UserError(f"--keep {field.name}: the output has a column of that name already")
        names.add(field.name)
    return Schema([*fields, *kept])


def to_batch(
    predictions: Predictions, labels: Labels, schema: Schema, file: str | None
) -> RecordBatch:
    """Predictions as rows of an output."""
    n_rows = len(predictions.lines)
    columns = []
    if file is not None:
        columns.append(Array([file] * n_rows, DataType.string()))
    columns.append(Array.from_numpy(predictions.lines))
    if predictions.classes is not None:
        columns += _labels(predictions.classes, labels)
    for scores in predictions.scores:
        columns += [*_labels(scores.labels, labels), Array.from_numpy(scores.top)]
        if scores.probabilities is not None:
            columns += [Array.from_numpy(values) for values in scores.probabilities]
    if predictions.familiar is not None:
        columns.append(Array.from_numpy(predictions.familiar))
    return RecordBatch.from_arrays([*columns, *predictions.kept], schema=schema)


def write(path: Path, schema: Schema, batches: Iterator[RecordBatch]) -> None:
    """Write rows to a file as they come.

    Raises
    ------
    OutputError
        When the file cannot be written.
    BaseException
        Whatever `batches` raises.
    """
    raised: list[BaseException] = []

    def kept_apart() -> Iterator[RecordBatch]:
        # The library makes one text of whatever ends the batches, Ctrl-C too.
        try:
            yield from batches
        except BaseException as error:
            raised.append(error)
            raise

    reader = RecordBatchReader.from_batches(schema, kept_apart())
    try:
        if path.suffix == ".csv":
            write_csv(reader, str(path))
        else:
            write_parquet(
                reader,
                str(path),
                compression="snappy",
                column_dictionary_enabled={
                    name: False
                    for name in schema.names
                    if schema.field(name).type == DataType.float64()
                },
                max_row_group_size=_ROW_GROUP_ROWS,
            )
    except Exception as error:  # noqa: BLE001 the library raises no class of its own
        if raised:
            raise raised[0] from None
        raise OutputError(f"the output cannot be written: {error}") from None


def _labels(classes: NDArray[np.int64], labels: Labels) -> list[Array]:
    """The label of each row, and its letter where labels are letters."""
    # After the last class there is null, for rows without one.
    places = Array.from_numpy(np.where(classes < 0, len(labels.values), classes).astype(np.uint32))
    columns = [_values(labels).take(places)]
    if labels.are_letters:
        columns.append(Array([*labels.names, None], DataType.string()).take(places))
    return columns


def _values(labels: Labels) -> Array:
    are_text = labels.kind is LabelKind.TEXT
    return Array([*labels.values, None], DataType.string() if are_text else DataType.int64())
