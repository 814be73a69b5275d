"""What was kept is scored again with the versions that answered it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, select, update

from eeg_letters.database.answered import from_bytes, to_bytes
from eeg_letters.database.engine import writing
from eeg_letters.database.importing import add_recording
from eeg_letters.database.kept import NOT_KEPT, RECORDING_GONE
from eeg_letters.database.replaying import VERSION_GONE, replay
from eeg_letters.database.tables import predictions
from eeg_letters.models import LDA
from eeg_letters.settings import DATA, Settings
from tests.conftest import latest_entry, run_python, select_rows
from tests.database.conftest import Keeping, load, run, succeed
from tests.headsets.conftest import TRAIN


def counts(output: str) -> dict[str, int]:
    """The table that a replay prints."""
    lines = [line.rsplit(maxsplit=1) for line in output.splitlines()[:7]]
    return {name.strip(): int(number.replace(",", "")) for name, number in lines}


def expected(kept: int, equal: int, different: int = 0, **reasons: int) -> dict[str, int]:
    gone = {name: reasons.get(name.replace(" ", "_"), 0) for name in _REASONS}
    return {
        "kept": kept,
        "equal": equal,
        "different": different,
        "not replayable": sum(gone.values()),
        **gone,
    }


_REASONS = (NOT_KEPT, RECORDING_GONE, VERSION_GONE)


def some_rows(keeping: Keeping, number: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array(list(keeping.inference.rows.values())[:number])


def change(engine: Engine, request_id: str, row: int, **values: object) -> None:
    with writing(engine) as connection:
        connection.execute(
            update(predictions)
            .where(predictions.c.request_id == request_id, predictions.c.row == row)
            .values(**values)
        )


def test_all_rows_are_answered_as_they_were(
    database: str, keeping: Keeping, trained_home: Path
) -> None:
    rows = some_rows(keeping, 300)
    keeping.rows("many", rows)
    for number in range(3):
        keeping.rows(f"one {number}", rows[number][np.newaxis])
        # The shipped file is the one that a service without settings has.
        keeping.stored_row(f"stored {number}", number)
    assert counts(succeed(database, "replay", home=trained_home)) == expected(306, 306)


@pytest.mark.usefixtures("engine")
def test_nothing_kept_is_no_difference(database: str, trained_home: Path) -> None:
    assert counts(succeed(database, "replay", home=trained_home)) == expected(0, 0)


def test_a_label_that_differs_is_told(
    database: str, keeping: Keeping, engine: Engine, trained_home: Path
) -> None:
    rows = some_rows(keeping, 3)
    keeping.rows("a", rows)
    (lda, _) = (each.classes for each in keeping.inference.predict(rows))
    change(engine, "a", 1, lda_class=(lda[1] + 1) % 26)
    finished = run(database, "replay", home=trained_home)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert counts(finished.stdout) == expected(3, 2, 1)
    names = keeping.inference.schema.labels.names
    assert finished.stdout.splitlines()[7:] == [
        f"a, row 1: LDA predicted {names[(lda[1] + 1) % 26]}, and now {names[lda[1]]}"
    ]


@pytest.mark.parametrize(("by", "different"), [(2e-9, 1), (5e-10, 0)])
def test_probabilities_may_differ_in_the_last_digits_alone(
    keeping: Keeping,
    engine: Engine,
    by: float,
    different: int,
    trained_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(trained_home))
    keeping.rows("a", some_rows(keeping, 3))
    with engine.connect() as connection:
        wanted = select(predictions.c.mlp_probabilities).where(predictions.c.row == 2)
        stored = connection.execute(wanted).scalar_one()
    change(engine, "a", 2, mlp_probabilities=to_bytes(from_bytes([stored]) + by)[0])
    replayed = replay(engine, Settings())
    assert (replayed.n_equal, replayed.n_different) == (3 - different, different)
    told = ["a, row 2: Neural Network: a probability differs by 2.0e-09"]
    assert replayed.different == told * different


def test_what_cannot_be_scored_again_is_counted(
    database: str, keeping: Keeping, engine: Engine, trained_home: Path, tmp_path: Path
) -> None:
    rows = some_rows(keeping, 4)
    keeping.rows("kept", rows)
    keeping.rows("not", rows[:3], keep_rows=False)
    keeping.stored_row("stored", 3)
    change(engine, "stored", 0, recording_sha256="0" * 64)
    told = counts(succeed(database, "replay", home=trained_home))
    assert told == expected(8, 4, band_powers_not_kept=3, recording_gone=1)
    # Another version is there, but not the one that answered.
    home = tmp_path / "home"
    shutil.copytree(trained_home / "models", home / "models")
    shutil.rmtree(latest_entry(home, LDA))
    told = counts(succeed(database, "replay", home=home))
    assert told == expected(8, 0, band_powers_not_kept=3, recording_gone=1, version_gone=4)


def test_only_the_models_that_were_asked_are_compared(
    database: str, keeping: Keeping, engine: Engine, trained_home: Path
) -> None:
    keeping.rows("a", some_rows(keeping, 2))
    change(engine, "a", 0, lda_class=None, lda_probabilities=None)
    change(engine, "a", 1, mlp_class=None, mlp_probabilities=None)
    assert counts(succeed(database, "replay", home=trained_home)) == expected(2, 2)


def test_rows_from_a_time_on(database: str, keeping: Keeping, trained_home: Path) -> None:
    rows = some_rows(keeping, 3)
    keeping.rows("a", rows[:2], at=1_782_900_000_000_000)
    keeping.rows("b", rows[2:], at=1_782_900_001_000_000)
    for since in ("2026-07-01T10:00:01", "2026-07-01T12:00:01+02:00"):
        told = counts(succeed(database, "replay", "--since", since, home=trained_home))
        assert told == expected(1, 1)


def test_stored_rows_of_a_recording_in_the_database(
    engine: Engine, tmp_path: Path, trained_home: Path
) -> None:
    # Its columns are in another order.
    path = tmp_path / "reversed.csv"
    lines = [line.split(",") for line in (DATA / "train.csv").read_text().splitlines()[:21]]
    path.write_text("".join(",".join(line[::-1]) + "\n" for line in lines))
    served = Keeping(engine, load(trained_home, Settings(test_data=path)))
    served.stored_row("a", 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(trained_home))
        replayed = replay(engine, Settings())
        assert (replayed.n_equal, replayed.not_replayable) == (0, {RECORDING_GONE: 1})
        replayed = replay(engine, Settings(test_data=path))
        assert (replayed.n_equal, replayed.n_different) == (1, 0)
        add_recording(engine, path, "reversed")
        replayed = replay(engine, Settings())
        assert (replayed.n_equal, replayed.n_different) == (1, 0)


def test_models_of_some_letters(engine: Engine, tmp_path: Path) -> None:
    letters = (3, 4, 19)
    train = select_rows(tmp_path / "train.csv", letters, slice(0, 20))
    test = select_rows(tmp_path / "test.csv", letters, slice(20, 30))
    run_python(tmp_path, TRAIN.format(train=str(train), test=str(test)))
    inference = load(tmp_path, Settings(test_data=test))
    keeping = Keeping(engine, inference)
    keeping.rows("a", np.array(list(inference.rows.values())))
    for line in list(inference.rows)[:3]:
        keeping.stored_row(f"stored {line}", line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(tmp_path))
        replayed = replay(engine, Settings(test_data=test))
    assert (replayed.n_kept, replayed.n_equal, replayed.different) == (33, 33, [])
