"""A Bento with a recording of its user's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from eeg_letters import __version__
from image.bento import tracked
from tests.conftest import ROOT, environment, run_python, serve
from tests.headsets.conftest import TRAIN
from tests.headsets.trials import TRIALS, write

TRIAL = TRIALS["Muse, event codes"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with models of four electrodes."""
    home = tmp_path_factory.mktemp("packing")
    train, test = (
        write(home / f"{session} session.csv", TRIAL, number)
        for number, session in enumerate(("first", "second"))
    )
    run_python(home, TRAIN.format(train=str(train), test=str(test)))
    return home


def make_bento(home: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    # The interpreter's environment, and no other: the target asks for packages by files' times.
    bin_ = Path(sys.executable).parent
    return subprocess.run(
        ["make", "--no-print-directory", f"VENV={bin_.parent}", "bento", *settings],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_packed_recording_is_served(home: Path) -> None:
    made = make_bento(home, f"TEST={home / 'second session.csv'}")
    assert made.returncode == 0, made.stderr
    assert not (ROOT / "data" / "packed").exists()
    with serve(home, f"eeg-letters:{__version__}") as (url, _):
        rows = httpx.get(f"{url}/predictions").json()["lines"]
        assert len(rows) == TRIAL.rows_per_class * len(TRIAL.labels)
        assert httpx.get(f"{url}/line/0").json()["class"] == TRIAL.labels[0]


def test_a_recording_that_does_not_fit_is_not_packed(home: Path) -> None:
    made = make_bento(home, "TEST=data/test.json")
    assert made.returncode != 0
    assert f"column {TRIAL.features[0]}: the column is missing" in made.stderr
    assert "Traceback" not in made.stderr


def test_only_what_git_tracks_gets_into_a_bento(home: Path) -> None:
    untracked = [
        ROOT / name
        for name in (
            "eeg_letters/.env",
            "eeg_letters/key.pem",
            "eeg_letters/serving/web/page/notes.js",
            "eeg_letters/local_settings.py",
            "data/packed/old.csv",
        )
    ]
    try:
        for file in untracked:
            file.parent.mkdir(exist_ok=True)
            assert not file.exists()
            file.write_text("a secret")
        made = make_bento(home)
    finally:
        for file in untracked:
            file.unlink()
        (ROOT / "data" / "packed").rmdir()
    assert made.returncode == 0, made.stderr
    source = home / "bentos" / "eeg-letters" / __version__ / "src"
    packed = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    parts = ("service.py", "eeg_letters/", "data/")
    assert packed == {"bentofile.yaml", *(name for name in tracked() if name.startswith(parts))}
    for file in (home / "bentos").rglob("*"):
        assert not file.is_file() or b"a secret" not in file.read_bytes()


def test_without_git_there_is_one_sentence(home: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "image", tmp_path / "image")
    made = subprocess.run(
        [sys.executable, "-m", "image.bento", "0.0.0"],
        cwd=tmp_path,
        env=environment(home, GIT_CEILING_DIRECTORIES=str(tmp_path.parent)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 1
    assert "files that git tracks" in made.stderr.splitlines()[-1]
