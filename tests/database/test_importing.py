"""Recordings in the database: the same rows as in the file, whole or not at all."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import orjson
import polars
import pytest
from sqlalchemy import Engine, func, select

from eeg_letters.database.answered import from_bytes
from eeg_letters.database.engine import open_engine
from eeg_letters.database.importing import Imported, add_recording, remove_recording
from eeg_letters.database.tables import recording_rows, recordings
from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings.any_format import read_any
from eeg_letters.scales import Scale
from eeg_letters.settings import DATA, SHIPPED, Settings
from tests.conftest import select_rows


def count_rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(recording_rows)).scalar_one()


def names(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = connection.execute(select(recordings.c.name, recordings.c.id))
        return {row.name: row.id for row in found}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return select_rows(tmp_path / "small.csv", (0, 4), slice(3))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return select_rows(tmp_path / "other.csv", (0, 5), slice(2))


def test_the_database_has_what_the_file_has(engine: Engine) -> None:
    imported = add_recording(engine, SHIPPED, "shipped")
    recording = read_any(SHIPPED)
    assert (imported.n_rows, imported.sha256, imported.is_new) == (
        len(recording),
        recording.sha256,
        True,
    )
    with engine.connect() as connection:
        entry = connection.execute(select(recordings)).one()
        rows = connection.execute(select(recording_rows).order_by(recording_rows.c.line)).all()
    assert (entry.name, entry.sha256, entry.n_rows) == ("shipped", recording.sha256, len(rows))
    assert entry.schema == recording.schema.to_metadata()
    assert json.loads(entry.columns) == list(recording.columns)
    assert entry.label_column == recording.label_column
    stored = {row.line: zlib.decompress(row.document) for row in rows}
    assert stored == recording.rows
    order = np.argsort(list(recording.rows))
    assert [row._mapping["class"] for row in rows] == recording.labels[order].tolist()
    np.testing.assert_array_equal(
        from_bytes([row.powers for row in rows]), recording.features[order]
    )


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_every_format_that_training_reads_is_imported(
    engine: Engine, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"recording.{ending}"
    table = polars.read_csv(DATA / "train.csv").head(60)
    if ending == "parquet":
        table.write_parquet(path)
        assert add_recording(engine, path, "x").n_rows == 60
        return
    workbook = pytest.importorskip("openpyxl").Workbook()
    for row in [table.columns, *table.rows()]:
        workbook.active.append(list(row))
    workbook.save(path)
    assert add_recording(engine, path, "x").n_rows == 60


def test_the_same_content_again_changes_nothing(engine: Engine, small: Path) -> None:
    add_recording(engine, small, "a")
    before = names(engine)
    again = small.rename(small.with_name("renamed.csv"))
    assert not add_recording(engine, again, "a", replace=True).is_new
    assert names(engine) == before
    assert count_rows(engine) == 6


def test_the_same_content_may_have_another_name(engine: Engine, small: Path) -> None:
    for name in ("a", "b"):
        assert add_recording(engine, small, name).is_new
    assert names(engine).keys() == {"a", "b"}
    assert count_rows(engine) == 12


def test_other_content_under_a_used_name_is_refused(
    engine: Engine, small: Path, other: Path
) -> None:
    add_recording(engine, small, "a")
    with pytest.raises(UserError, match=r"other\.csv: the recording a in the database is another"):
        add_recording(engine, other, "a")
    assert count_rows(engine) == 6


def test_the_same_file_read_in_another_way_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("label,Cz/theta,Cz/alpha\n1,0.5,0.25\n2,0.75,0.5\n")
    add_recording(engine, path, "a")
    with pytest.raises(UserError, match="is of this file, but was read in another way"):
        add_recording(engine, path, "a", scale=Scale.DB)
    add_recording(engine, path, "a", replace=True, scale=Scale.DB)
    with engine.connect() as connection:
        stored = connection.execute(select(recording_rows.c.powers)).scalars().all()
    np.testing.assert_allclose(from_bytes(stored)[0], [10**0.05, 10**0.025])


def test_replaced_it_has_another_number_and_no_row_of_the_old(
    engine: Engine, small: Path, other: Path
) -> None:
    add_recording(engine, small, "a")
    before = names(engine)["a"]
    add_recording(engine, other, "a", replace=True)
    assert names(engine)["a"] != before
    assert count_rows(engine) == 4


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "ä", "a" * 101, "a'; DROP TABLE served"])
def test_a_name_that_is_none_is_refused(engine: Engine, small: Path, name: str) -> None:
    with pytest.raises(UserError, match="is no name of a recording: letters and digits"):
        add_recording(engine, small, name)
    assert names(engine) == {}


def test_a_line_number_of_more_than_64_bits_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    row = {"label": "1", "Cz/theta": "0.5"}
    path.write_bytes(orjson.dumps({str(2**63 - 1): row, str(2**63): row}))
    with pytest.raises(RecordingError, match=rf"x\.json, line {2**63}: a line number in the"):
        add_recording(engine, path, "x")
    path.write_bytes(orjson.dumps({str(2**63 - 1): row, "0": row}))
    assert add_recording(engine, path, "x").n_rows == 2


def test_a_bad_row_leaves_nothing(engine: Engine, small: Path) -> None:
    small.write_text(small.read_text() + "6,0,x" + ",1" * 159 + "\n")
    with pytest.raises(RecordingError, match=r"small\.csv, line 8, column "):
        add_recording(engine, small, "a")
    assert (names(engine), count_rows(engine)) == ({}, 0)


class Stop(BaseException):
    pass


def test_interrupted_it_leaves_what_was_there(engine: Engine, small: Path) -> None:
    add_recording(engine, small, "a")
    before = names(engine)

    def stop(*_: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        add_recording(engine, SHIPPED, "a", replace=True, progress=stop)
    assert (names(engine), count_rows(engine)) == (before, 6)


def second_meanwhile(database: str, first: Callable[..., object], second: Path) -> list[object]:
    """What a second import of the name gives or raises that begins while the first is at it."""
    told: list[object] = []
    engine = open_engine(Settings(database=database))

    def add() -> None:
        try:
            told.append(add_recording(engine, second, "a"))
        except UserError as error:
            told.append(error)

    thread = Thread(target=add)

    def begin(*_: int) -> None:
        if thread.ident is None:
            thread.start()
            # It waits for the end of the first.
            thread.join(1)
            assert thread.is_alive()

    first(progress=begin)
    thread.join(10)
    engine.dispose()
    return told


def test_of_two_imports_of_one_name_one_is_refused(
    database: str, engine: Engine, other: Path
) -> None:
    def first(**more: Callable[[int, int], None]) -> None:
        add_recording(engine, SHIPPED, "a", progress=more["progress"])

    (told,) = second_meanwhile(database, first, other)
    assert isinstance(told, UserError)
    assert str(told).endswith("is another; --replace puts this one in its place")
    assert count_rows(engine) == 1300


def test_of_two_imports_of_one_content_one_does_nothing(database: str, engine: Engine) -> None:
    def first(**more: Callable[[int, int], None]) -> None:
        add_recording(engine, SHIPPED, "a", progress=more["progress"])

    (told,) = second_meanwhile(database, first, SHIPPED)
    assert isinstance(told, Imported)
    assert not told.is_new
    assert count_rows(engine) == 1300


def test_removed_it_is_gone_with_its_rows(engine: Engine, small: Path, other: Path) -> None:
    add_recording(engine, small, "a")
    add_recording(engine, other, "b")
    remove_recording(engine, "a")
    assert names(engine).keys() == {"b"}
    assert count_rows(engine) == 4
    with pytest.raises(UserError, match=r"^a: there is no such recording in the database$"):
        remove_recording(engine, "a")


def test_columns_of_no_use_are_kept_in_the_rows(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    row = {"label": "left", "Cz/theta": "0.5", "comment": 'it\'s; "here"'}
    path.write_bytes(orjson.dumps([row, {**row, "label": "right"}]))
    assert add_recording(engine, path, "x").unused == ("comment",)
    with engine.connect() as connection:
        document = connection.execute(select(recording_rows.c.document)).scalars().first()
    assert orjson.loads(zlib.decompress(document or b"")) == row
