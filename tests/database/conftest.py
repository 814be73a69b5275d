"""A database of either kind for each test, and a store whose answers are kept in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine

from eeg_letters.database import revisions
from eeg_letters.database.answered import Answered, Floats, Served
from eeg_letters.database.engine import open_engine
from eeg_letters.database.keeping import Keeper
from eeg_letters.serving.inference import Inference, load_inference
from eeg_letters.settings import Settings
from tests.conftest import ROOT, environment

KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'letters.sqlite'}"
        return
    yield request.getfixturevalue("postgresql_server").create()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine of a database with all tables."""
    engine = open_engine(Settings(database=database))
    revisions.upgrade(engine)
    yield engine
    engine.dispose()


def command_line(*arguments: str | Path) -> list[str]:
    """The command of the database."""
    return [sys.executable, "-m", "eeg_letters.database", *map(str, arguments)]


def run(
    database: str, *arguments: str | Path, home: Path = ROOT / "no-store", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command of the database to its end."""
    return subprocess.run(
        command_line(*arguments),
        cwd=ROOT,
        env=environment(home, EEG_DATABASE=database, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def succeed(database: str, *arguments: str | Path, home: Path = ROOT / "no-store") -> str:
    """What a run prints that must end well."""
    finished = run(database, *arguments, home=home)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def complaint(finished: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line that a run complains by, which must end with that status."""
    assert finished.returncode == status, finished.stdout + finished.stderr
    (line,) = finished.stderr.splitlines()
    return line.removeprefix("eeg_letters.database: ")


@dataclass(frozen=True)
class Keeping:
    """Keeps what a store's models answer, as a service does."""

    engine: Engine
    inference: Inference

    def _keep(self, answered: Answered, keep_rows: bool) -> None:
        versions = {stored.model.name: stored.version for stored in self.inference.models}
        keeper = Keeper(
            self.engine,
            Served(self.inference.schema, versions),
            _Scorers(self.inference),
            keep_rows,
        )
        keeper.start()
        keeper.keep(answered)
        keeper.close()
        assert keeper.rows_kept == answered.n_rows

    def rows(
        self,
        request_id: str,
        rows: Floats,
        *,
        at: int = 0,
        session: str | None = None,
        keep_rows: bool = True,
    ) -> None:
        """Keep a client's rows of one request."""
        predictions = self.inference.predict(rows)
        self._keep(
            Answered(
                at,
                request_id,
                "/predict",
                session,
                rows,
                [each.classes for each in predictions],
                [each.probabilities for each in predictions],
                self.inference.familiar(rows),
            ),
            keep_rows,
        )

    def stored_row(self, request_id: str, line: int) -> None:
        """Keep that a stored row was answered."""
        self._keep(
            Answered(
                0,
                request_id,
                "/prediction/{n}",
                None,
                self.inference.rows[line][np.newaxis],
                [[place] for place in self.inference.classify(self.inference.rows[line])],
                None,
                None,
                self.inference.rows_sha256,
                self.inference.schema.scale,
                line,
            ),
            True,
        )


class _Scorers:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def probabilities(self, rows: Floats) -> list[Floats]:
        return [prediction.probabilities for prediction in self._inference.predict(rows)]

    def familiar(self, rows: Floats) -> NDArray[np.bool_] | None:
        return self._inference.familiar(rows)


def load(home: Path, settings: Settings | None = None) -> Inference:
    """The models of a store, and the stored rows that settings name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        return load_inference(settings or Settings())


@pytest.fixture
def keeping(engine: Engine, trained_home: Path) -> Keeping:
    """Keeps what the models of the simulated recordings answer."""
    return Keeping(engine, load(trained_home))
