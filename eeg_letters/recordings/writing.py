"""Tables that are written, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from arro3.core import Array, DataType, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_csv, write_parquet
from numpy.typing import NDArray

from eeg_letters.errors import OutputError
from eeg_letters.labels import LabelKind, Labels

ENDINGS = (".csv", ".parquet")

_ROW_GROUP_ROWS = 64 * 1024


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


def label_type(labels: Labels) -> DataType:
    """The type of a column of labels."""
    return DataType.string() if labels.kind is LabelKind.TEXT else DataType.int64()


def label_array(classes: NDArray[np.int64], labels: Labels) -> Array:
    """The label of each row.

    Parameters
    ----------
    classes : ndarray of int64, shape (n_rows,)
        Index of its class, -1 for a row without one: its label is null.
    labels : Labels
        What rows are labelled.
    """
    return _take(classes, Array([*labels.values, None], label_type(labels)))


def name_array(classes: NDArray[np.int64], labels: Labels) -> Array:
    """The name of the class of each row; arguments as `label_array` has them."""
    return _take(classes, Array([*labels.names, None], DataType.string()))


def _take(classes: NDArray[np.int64], values: Array) -> Array:
    # The last value is that of rows without a class.
    places = np.where(classes < 0, len(values) - 1, classes)
    return values.take(Array.from_numpy(places.astype(np.uint32)))
