"""What `make serve` and `make bento` do before: they train where there is no model, and only there.

Trainings in these tests are of a recording that is not there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from eeg_letters.models import LDA, MLP
from eeg_letters.scoring.store import SCORER_FILE
from tests.conftest import ROOT, environment, flip_a_bit, latest_entry, make_command


def make_models(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*make_command("models"), "TRAIN=nowhere.csv"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def home(trained_home: Path, tmp_path: Path) -> Path:
    """A copy of the trained store, to be damaged."""
    return Path(shutil.copytree(trained_home / "models", tmp_path / "home" / "models").parent)


@pytest.mark.parametrize("left", [(), ("models",), ("models/eeg-lda", "models/eeg-mlp")])
def test_without_a_model_it_trains(tmp_path: Path, left: tuple[str, ...]) -> None:
    for folder in left:
        (tmp_path / folder).mkdir(parents=True)
    made = make_models(tmp_path)
    assert made.returncode != 0
    assert "nowhere.csv: there is no such file" in made.stderr


def test_with_models_it_does_nothing(home: Path) -> None:
    made = make_models(home)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")


def damage(home: Path) -> None:
    flip_a_bit(latest_entry(home, LDA) / SCORER_FILE)


def lose_one(home: Path) -> None:
    shutil.rmtree(home / "models" / MLP.name)


def spoil_the_metadata(home: Path) -> None:
    (latest_entry(home, MLP) / "model.yaml").write_text("{")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (damage, "checksum"),
        (lose_one, "there is no model eeg-mlp"),
        (spoil_the_metadata, "cannot be read"),
    ],
)
def test_an_error_of_the_store_is_shown_and_moves_nothing(
    home: Path, fault: Callable[[Path], None], said: str
) -> None:
    fault(home)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    made = make_models(home)
    assert made.returncode != 0
    # BentoML logs what its parsers raise, too.
    *_, sentence, complaint = made.stderr.splitlines()
    assert said in sentence
    assert "make train" in sentence
    assert re.match(r"make(\[\d+\])?: \*\*\*", complaint)
    assert made.stdout == ""
    after = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert after == before


def test_a_store_that_cannot_be_used_is_no_reason_to_train(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = make_models(tmp_path / "file" / "home")
    assert made.returncode != 0
    assert "set BENTOML_HOME" in made.stderr.splitlines()[0]
    assert "nowhere.csv" not in made.stderr
