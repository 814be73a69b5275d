"""Parquet: columns that nobody asked for, and footers that are damaged."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.arrow_file import ArrowFile
from eeg_letters.recordings.parquet_footer import read_footer
from eeg_letters.recordings.reading import read_rows
from tests.shipped import SCHEMA
from tests.spellings import shipped_rows

COLUMNS, ROWS = shipped_rows()
FRAME = pd.DataFrame(ROWS, columns=COLUMNS)


def with_others() -> pa.Table:
    """The rows, with columns of every shape between them that nobody asked for."""
    table = pa.Table.from_pandas(FRAME)
    n_rows = len(FRAME)
    others = {
        "text": pa.array(["x" * 1000] * n_rows),
        "list": pa.array([[1, 2, 3]] * n_rows),
        "struct": pa.array([{"a": 1, "b": {"c": [1.5], "d": "x"}}] * n_rows),
        "map": pa.array([[("a", 1)]] * n_rows, pa.map_(pa.string(), pa.int64())),
        "time": pa.array(pd.date_range("2026-01-01", periods=n_rows)),
        "category": pa.array(["a", "b"] * (n_rows // 2)).dictionary_encode(),
    }
    for place, (name, values) in enumerate(others.items()):
        table = table.add_column(place * 20, name, values)
    return table


def write(path: Path, table: pa.Table, **options: object) -> bytes:
    pq.write_table(table, path, row_group_size=7, **options)
    return path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "use_dictionary": False},
        {"write_statistics": False, "version": "1.0"},
        {"write_page_index": True, "data_page_version": "2.0"},
        {"sorting_columns": [pq.SortingColumn(30)]},
    ],
)
def test_other_columns_are_left_out(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "x.parquet"
    write(path, with_others(), **options)
    rows = read_rows(str(path), SCHEMA)
    np.testing.assert_array_equal(rows.features, FRAME[list(SCHEMA.features.names)])
    np.testing.assert_array_equal(rows.lines, FRAME["Line"])
    assert rows.labels is not None
    np.testing.assert_array_equal(rows.labels, FRAME["# Letter"])
    assert set(rows.ignored) == {"text", "list", "struct", "map", "time", "category"}


def test_other_columns_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    content = bytearray(write(path, with_others()))
    for group in range(pq.ParquetFile(path).metadata.num_row_groups):
        for leaf in range(len(COLUMNS) + 9):
            column = pq.ParquetFile(path).metadata.row_group(group).column(leaf)
            if column.path_in_schema in COLUMNS:
                continue
            start = column.dictionary_page_offset or column.data_page_offset
            content[start : start + column.total_compressed_size] = b"\xff" * (
                column.total_compressed_size
            )
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"decompress|Corrupt|page"):
        pq.read_table(path)
    rows = read_rows(str(path), SCHEMA)
    np.testing.assert_array_equal(rows.features, FRAME[list(SCHEMA.features.names)])


def test_what_is_left_is_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path, with_others())
    with ArrowFile(str(path)) as file:
        file.leave_out(file.footer(), lambda name: name in ("struct", "Cz/theta", "time"))
        left = pq.read_table(io.BytesIO(file.read()))
    assert left.equals(
        with_others().select(["Cz/theta", "struct", "time"]).select(left.column_names)
    )


PLAIN = io.BytesIO()
pq.write_table(with_others(), PLAIN)
CONTENT = PLAIN.getvalue()
LENGTH = int.from_bytes(CONTENT[-8:-4], "little")
FOOTER = CONTENT[-8 - LENGTH : -8]


# Not many, for each opens a file.
@settings(max_examples=50)
@given(st.integers(0, len(FOOTER) - 1), st.binary(max_size=12), st.integers(0, 20))
def test_a_damaged_footer_is_an_error_or_is_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, extra: bytes, less: int
) -> None:
    footer = FOOTER[:place] + extra + FOOTER[place + less :]
    path = tmp_path_factory.mktemp("damaged") / "x.parquet"
    path.write_bytes(CONTENT[: -8 - LENGTH] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    try:
        rows = read_rows(str(path), SCHEMA)
    except RecordingError:
        return
    assert rows.features.shape[1] == len(SCHEMA.features)


@given(st.binary(max_size=200))
def test_what_is_no_footer_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"footer|number|kind|early|deeply"):
        read_footer(content)
