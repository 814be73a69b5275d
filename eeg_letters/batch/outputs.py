"""Output files: their columns, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, Schema
from numpy.typing import NDArray

from eeg_letters.errors import UserError
from eeg_letters.labels import LETTER_COLUMN, Labels
from eeg_letters.models import Model
from eeg_letters.recordings.writing import label_array, label_type, name_array
from eeg_letters.schema import LINE_COLUMN
from eeg_letters.scoring.bulk import Scores

FILE_COLUMN = "File"
FAMILIAR_COLUMN = "Familiar"
TRUE_LETTER_COLUMN = "Letter"


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
    of_label = label_type(labels)
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


def _labels(classes: NDArray[np.int64], labels: Labels) -> list[Array]:
    """The label of each row, and its letter where labels are letters."""
    columns = [label_array(classes, labels)]
    if labels.are_letters:
        columns.append(name_array(classes, labels))
    return columns
