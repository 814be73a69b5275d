"""Each trial trained and served, by `make test-headsets`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import run_python, run_train, serve
from tests.headsets.trials import TRIALS, Trial, write

# As train.py, without its report.
TRAIN = """
from pathlib import Path
from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.training.saving import make_entry, save_entries
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.familiarity import fit_familiarity
from eeg_letters.training.finishing import train
from eeg_letters.training.judging import judge
training = Dataset((read_recording({train!r}),))
test = Dataset((read_recording({test!r}, training.schema),))
trained = [train(model, training, test, "auto", lambda *_: None) for model in MODELS]
judgement, familiarity = judge(trained, training, test), fit_familiarity(training)
save_entries([make_entry(model, judgement, 1, familiarity) for model in trained])
"""


@dataclass(frozen=True)
class Served:
    """A trial that is served: its files, its store, and where it answers."""

    trial: Trial
    train: Path
    test: Path
    home: Path
    url: str
    log: Path


@pytest.fixture(
    scope="session",
    # The tests of a trial in one process, which trains it once.
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in TRIALS],
)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Models trained on one session and served with the rows of the other."""
    trial = TRIALS[request.param]
    folder = tmp_path_factory.mktemp("headset")
    train = write(folder / "train.csv", trial, 1)
    test = write(folder / "test.csv", trial, 2, shuffled=True)
    if trial.has_report:
        finished = run_train(folder, "--train", train, "--test", test)
        assert finished.returncode == 0, finished.stderr
        assert f"Unused columns of {test}: comment" in finished.stdout.replace("\n", "")
    else:
        run_python(folder, TRAIN.format(train=str(train), test=str(test)))
    log = folder / "log"
    with serve(folder, log=log, EEG_TEST_DATA=str(test)) as (url, _):
        yield Served(trial, train, test, folder, url, log)


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """An HTTP client of the trial's service."""
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client
