"""What was answered, written as a recording that training reads."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars
import pytest
from sqlalchemy import Engine, update

from eeg_letters.database import kept
from eeg_letters.database.engine import writing
from eeg_letters.database.exporting import WHERE_GONE, export_rows
from eeg_letters.database.importing import add_recording, remove_recording
from eeg_letters.database.kept import FileRows
from eeg_letters.database.tables import predictions
from eeg_letters.errors import OutputError, UserError
from eeg_letters.models import LDA
from eeg_letters.recordings.any_format import read_any
from eeg_letters.scales import Scale
from eeg_letters.settings import DATA, SHIPPED, Settings
from tests.conftest import run_python, run_train, select_rows, stored_metadata
from tests.database.conftest import Keeping, complaint, load, run, succeed
from tests.headsets.conftest import TRAIN
from tests.headsets.trials import TRIALS, write
from tests.shipped import FEATURES, SCHEMA

ENDINGS = pytest.mark.parametrize("ending", ["csv", "parquet"])
# No file that a service has its rows from.
FILE = FileRows(DATA / "none.json")


def label(engine: Engine, request_id: str, classes: dict[int, int]) -> None:
    """Say what rows of a request turned out to be."""
    with writing(engine) as connection:
        for row, true_class in classes.items():
            connection.execute(
                update(predictions)
                .where(predictions.c.request_id == request_id, predictions.c.row == row)
                .values(true_class=true_class)
            )


def table(path: Path) -> polars.DataFrame:
    return polars.read_parquet(path) if path.suffix == ".parquet" else polars.read_csv(path)


@ENDINGS
def test_labelled_rows_are_read_as_a_recording(
    keeping: Keeping, engine: Engine, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"out.{ending}"
    recording = read_any(SHIPPED)
    rows = recording.features[:30]
    keeping.rows("a", rows[:20])
    keeping.rows("b", rows[20:])
    label(engine, "a", {0: 4, 19: 25})
    label(engine, "b", {3: 0})
    assert export_rows(engine, output, FILE, labelled=True).n_rows == 3
    exported = read_any(output, SCHEMA)
    np.testing.assert_array_equal(exported.features, rows[[0, 19, 23]])
    assert exported.labels.tolist() == [4, 25, 0]
    assert list(exported.rows) == [0, 1, 2]
    # Without a schema nothing else is taken for a feature.
    assert read_any(output).schema == SCHEMA


@ENDINGS
def test_each_row_tells_of_its_answer(keeping: Keeping, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"out.{ending}"
    rows = read_any(SHIPPED).features[:2]
    keeping.rows('it\'s, "b"', rows, at=1_782_900_000_250_000, session="s1")
    export_rows(keeping.engine, output, FILE)
    found = table(output)
    about = ["Time", "Session", "Request", "Row in request"]
    answers = ["LDA prediction", "Neural Network prediction"]
    assert found.columns == ["Line", "# Letter", *FEATURES, *about, *answers]
    assert found["Time"].cast(str).to_list()[0].startswith("2026-07-01T10:00:00.25")
    assert found["Session"].to_list() == ["s1", "s1"]
    assert found["Request"].to_list() == ['it\'s, "b"'] * 2
    assert found["Row in request"].cast(str).to_list() == ["0", "1"]
    predicted = keeping.inference.predict(rows)
    for title, prediction in zip(answers, predicted, strict=True):
        assert found[title].to_list() == [
            SCHEMA.labels.names[place] for place in prediction.classes
        ]


@ENDINGS
def test_rows_without_feedback_have_an_empty_label(
    keeping: Keeping, engine: Engine, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"out.{ending}"
    keeping.rows("a", read_any(SHIPPED).features[:3])
    label(engine, "a", {1: 7})
    assert export_rows(engine, output, FILE).n_rows == 3
    assert table(output)["# Letter"].to_list() == [None, 7, None]


def test_rows_from_a_time_on(keeping: Keeping, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    rows = read_any(SHIPPED).features[:3]
    for number, row in enumerate(rows):
        keeping.rows(str(number), row[np.newaxis], at=number)
    assert export_rows(keeping.engine, output, FILE, since=1).n_rows == 2
    np.testing.assert_array_equal(table(output).select(FEATURES).to_numpy(), rows[1:])
    with pytest.raises(UserError, match=r"out\.csv: no rows are kept since then"):
        export_rows(keeping.engine, output, FILE, since=3)
    assert output.exists()


def test_rows_of_a_stored_recording_have_its_band_powers(
    keeping: Keeping, engine: Engine, tmp_path: Path
) -> None:
    output = tmp_path / "out.parquet"
    for line in (3, 5, 3):
        keeping.stored_row(f"r{line}", line)
    keeping.rows("b", keeping.inference.rows[0][np.newaxis])
    exported = export_rows(engine, output, FILE)
    assert (exported.n_rows, exported.reasons) == (1, f"3 recording gone ({WHERE_GONE})")
    add_recording(engine, SHIPPED, "shipped")
    exported = export_rows(engine, output, FILE)
    assert (exported.n_rows, exported.reasons) == (4, "")
    stored = keeping.inference.rows
    np.testing.assert_array_equal(
        table(output).select(FEATURES).to_numpy(), [stored[line] for line in (3, 5, 3, 0)]
    )
    remove_recording(engine, "shipped")
    assert export_rows(engine, output, FILE).n_rows == 1
    # From the file that the service has its rows from.
    assert export_rows(engine, output, FileRows(SHIPPED)).n_rows == 4
    np.testing.assert_array_equal(
        table(output).select(FEATURES).to_numpy(), [stored[line] for line in (3, 5, 3, 0)]
    )


def test_rows_of_a_file_that_the_service_was_given_need_it_too(
    database: str, engine: Engine, trained_home: Path, tmp_path: Path
) -> None:
    file, output = select_rows(tmp_path / "session2.csv", (3, 9), slice(2)), tmp_path / "out.csv"
    served = Keeping(engine, load(trained_home, Settings(test_data=file)))
    served.stored_row("a", next(iter(served.inference.rows)))
    message = complaint(run(database, "export", output), 2)
    assert message == f"{output}: none of 1 rows can be written: 1 recording gone ({WHERE_GONE})"
    told = succeed(database, "replay", home=trained_home)
    assert told.endswith(f"\nrecording gone: {WHERE_GONE}\n")
    misspelled = tmp_path / "session3.csv"
    for arguments in (["export", output], ["replay"]):
        finished = run(database, *arguments, EEG_TEST_DATA=str(misspelled))
        message = complaint(finished, 2)
        assert message.startswith(f"EEG_TEST_DATA: {misspelled}: ")
        finished = run(database, *arguments, home=trained_home, EEG_TEST_DATA=str(file))
        assert (finished.returncode, finished.stderr) == (0, "")
        assert "recording gone:" not in finished.stdout
    assert table(output).height == 1


def test_rows_whose_band_powers_were_not_kept_are_left_out(
    database: str, keeping: Keeping, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    rows = keeping.inference.rows
    keeping.rows("a", rows[0][np.newaxis], keep_rows=False)
    assert complaint(run(database, "export", output), 2) == (
        f"{output}: none of 1 rows can be written: 1 band powers not kept"
    )
    assert list(tmp_path.glob("*out*")) == []
    keeping.rows("b", rows[1][np.newaxis])
    assert succeed(database, "export", output) == (
        f"{output}: 1 rows\nleft out: 1 band powers not kept\n"
    )


def test_more_rows_than_are_read_at_a_time(
    keeping: Keeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "CHUNK_ROWS", 7)
    output = tmp_path / "out.parquet"
    rows = read_any(SHIPPED).features[:30]
    keeping.rows("a", rows)
    seen: list[tuple[int, int]] = []
    export_rows(keeping.engine, output, FILE, progress=lambda *told: seen.append(told))
    assert seen == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]
    np.testing.assert_array_equal(table(output).select(FEATURES).to_numpy(), rows)
    assert table(output)["Line"].to_list() == list(range(30))


@pytest.fixture(scope="module")
def trial_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Scale], Path]:
    """Trains the models of a trial, with values on a scale, into a store of their own."""

    @cache
    def train(name: str, scale: Scale) -> Path:
        home = tmp_path_factory.mktemp("trial")
        trial = TRIALS[name]
        files = [write(home / f"{number}.csv", trial, number) for number in range(2)]
        script = TRAIN
        if scale is Scale.DB:
            for file in files:
                to_decibel(file, trial.features)
            script = "from eeg_letters.scales import Scale\n" + TRAIN.replace(
                "{train!r}", "{train!r}, scale=Scale.DB"
            )
        run_python(home, script.format(train=str(files[0]), test=str(files[1])))
        return home

    return train


def to_decibel(file: Path, features: tuple[str, ...]) -> None:
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        for row in rows:
            powers = {name: 10 * np.log10(float(row[name])) for name in features}
            writer.writerow({**row, **powers})


@pytest.mark.parametrize(
    ("trial", "scale"),
    [
        ("Muse, event codes", Scale.DB),
        ("features without electrodes", Scale.POWER),
    ],
)
def test_other_features_classes_and_scales(
    engine: Engine,
    tmp_path: Path,
    trial_home: Callable[[str, Scale], Path],
    trial: str,
    scale: Scale,
) -> None:
    home = trial_home(trial, scale)
    inference = load(home, Settings(test_data=home / "1.csv"))
    schema = inference.schema
    assert schema.values_scale in (None, scale)
    rows = np.array(list(inference.rows.values()))[:4]
    Keeping(engine, inference).rows("a", rows)
    label(engine, "a", {0: 2, 1: 0, 2: 1, 3: 2})
    for ending in ("csv", "parquet"):
        output = tmp_path / f"out.{ending}"
        export_rows(engine, output, FILE, labelled=True)
        exported = read_any(output, schema)
        np.testing.assert_allclose(exported.features, rows, rtol=1e-12)
        assert (exported.label_column, exported.labels.tolist()) == ("label", [2, 0, 1, 2])


def test_rows_of_other_features_than_the_newest_are_left_out(
    keeping: Keeping, engine: Engine, tmp_path: Path, trial_home: Callable[[str, Scale], Path]
) -> None:
    home = trial_home("Muse, event codes", Scale.POWER)
    other = load(home, Settings(test_data=home / "1.csv"))
    Keeping(engine, other).rows("a", np.array(list(other.rows.values()))[:5])
    keeping.rows("b", keeping.inference.rows[0][np.newaxis])
    exported = export_rows(engine, tmp_path / "out.csv", FILE)
    assert exported.n_rows == 1
    assert exported.reasons == "5 of other features or classes than the newest"


def test_what_cannot_be_written(database: str, keeping: Keeping, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    message = complaint(run(database, "export", output, "--labelled"), 2)
    assert message == f"{output}: no rows with feedback are kept"
    message = complaint(run(database, "export", tmp_path / "out.xlsx"), 2)
    assert message.endswith("out.xlsx: an output ends in .csv or .parquet")
    keeping.rows("a", keeping.inference.rows[0][np.newaxis])
    missing = tmp_path / "none" / "nowhere" / "out.csv"
    with pytest.raises(OutputError):
        export_rows(keeping.engine, missing, FILE)
    assert "cannot be written" in complaint(run(database, "export", missing), 1)


# The databases differ in nothing that training sees.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_training_adapts_by_what_was_exported(
    database: str, keeping: Keeping, engine: Engine, tmp_path: Path
) -> None:
    letters = (0, 4, 9)
    recording = read_any(SHIPPED)
    some = np.concatenate([np.flatnonzero(recording.labels == place)[:5] for place in letters])
    keeping.rows("a", recording.features[some])
    label(engine, "a", dict(enumerate(recording.labels[some].tolist())))
    output = tmp_path / "out.parquet"
    assert succeed(database, "export", output, "--labelled") == f"{output}: 15 rows\n"
    train = select_rows(tmp_path / "train.csv", letters, slice(0, 20))
    test = select_rows(tmp_path / "test.csv", letters, slice(30, 50))
    finished = run_train(
        tmp_path, "--train", train, "--adapt", output, "--test", test, "--preprocessing", "log1p"
    )
    assert finished.returncode == 0, finished.stderr
    told = stored_metadata(tmp_path, LDA)["training"]["recordings"][1]
    assert (told["rows"], told["adapting"]) == (15, True)
