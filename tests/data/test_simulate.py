"""The simulated recordings: the same bytes again, and models do on them as the README says."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eeg_letters.models import LDA, MLP, MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from tests.conftest import ROOT, real_recordings, stored_metadata

FILES = ("train.csv", "test.json")


def test_the_simulation_makes_the_shipped_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "data.simulate", str(tmp_path)], cwd=ROOT, check=True, timeout=60
    )
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_has_the_checksum_in_the_readme(name: str) -> None:
    readme = (DATA / "README.md").read_text()
    listed = re.findall(rf"^([0-9a-f]{{64}})  {re.escape(name)}$", readme, re.MULTILINE)
    assert listed == [hashlib.sha256((DATA / name).read_bytes()).hexdigest()]


@pytest.mark.parametrize("name", FILES)
def test_a_recording_has_fifty_rows_of_each_letter_in_blocks(name: str) -> None:
    recording = read_recording(DATA / name)
    assert list(recording.rows) == list(range(1300))
    np.testing.assert_array_equal(recording.letters, np.repeat(np.arange(26), 50))
    assert (recording.band_powers > 0).all()


def test_both_models_are_well_above_chance_and_differ(trained_home: Path) -> None:
    scores = {model: stored_metadata(trained_home, model)["accuracy"]["test"] for model in MODELS}
    assert all(0.5 <= score <= 0.9 for score in scores.values()), scores
    assert abs(scores[LDA] - scores[MLP]) >= 0.02


def test_the_readme_has_the_scores_that_training_gives(trained_home: Path) -> None:
    readme = (DATA / "README.md").read_text()
    for what, estimate in [("Second session", "test"), ("Blocked halves", "blocked")]:
        ((lda, mlp),) = re.findall(
            rf"^\| {what}[^|]*\| ([\d.]+) \| ([\d.]+) \|$", readme, re.MULTILINE
        )
        for model, written in [(LDA, lda), (MLP, mlp)]:
            score = stored_metadata(trained_home, model)["accuracy"][estimate]
            assert float(written) == pytest.approx(score, abs=0.01)


def test_no_row_of_a_real_recording_is_in_a_simulated_one() -> None:
    folder = real_recordings()
    real = {
        tuple(row)
        for name in ("train.csv", "test.csv")
        for row in read_recording(folder / name).band_powers
    }
    assert len(real) > 2000
    for name in FILES:
        assert not real & {tuple(row) for row in read_recording(DATA / name).band_powers}
