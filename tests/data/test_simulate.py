"""The simulated recordings: the same bytes again, and models do on them as the README says."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.simulate import BANDS, ELECTRODES, Design, band_centres, parse_design
from eeg_letters.errors import UserError
from eeg_letters.labels import LETTER_COLUMN, LETTERS, LabelKind, Labels
from eeg_letters.models import LDA, MLP, MODELS
from eeg_letters.montage import flat_positions
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.settings import DATA
from tests import shipped
from tests.conftest import ROOT, real_recordings, stored_metadata

FILES = ("train.csv", "test.json")
EPOC = "AF3,F7,F3,FC5,T7,P7,O1,O2,P8,T8,FC6,F4,F8,AF4"


def run_simulate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "data.simulate", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def simulate(folder: Path, *options: str) -> tuple[Recording, Recording]:
    """Both recordings, the second one read by the schema of the first."""
    finished = run_simulate(folder, *options)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    assert {path.name for path in folder.iterdir()} == set(FILES)
    train = read_recording(folder / "train.csv")
    return train, read_recording(folder / "test.json", train.schema)


def test_the_simulation_makes_the_shipped_files_byte_for_byte(tmp_path: Path) -> None:
    simulate(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_the_defaults_may_be_written_out() -> None:
    electrodes, bands = ",".join(shipped.ELECTRODES), ",".join(shipped.BANDS)
    assert parse_design(electrodes, bands, None, "50") == Design()


def test_another_cap_is_read_with_the_schema_that_was_asked_for(tmp_path: Path) -> None:
    both = simulate(
        tmp_path / "not" / "yet",
        *("--electrodes", EPOC, "--bands", "Theta,alpha,BetaL,betaH,gamma"),
        *("--classes", "right, left,feet,tongue", "--rows-per-class", "6"),
    )
    for recording in both:
        features = recording.schema.features
        assert features.electrode_names == tuple(EPOC.split(","))
        assert features.band_names == ("Theta", "alpha", "BetaL", "betaH", "gamma")
        assert (features.names[0], len(features)) == ("AF3/Theta", 70)
        assert recording.label_column == "label"
        assert recording.schema.labels == Labels(
            LabelKind.TEXT, ("feet", "left", "right", "tongue")
        )
        np.testing.assert_array_equal(recording.labels, np.repeat([2, 1, 0, 3], 6))
        assert list(recording.rows) == list(range(24))
        assert recording.unused == ()
        assert (recording.features > 0).all()
    assert not np.array_equal(both[0].features, both[1].features)


def test_the_example_in_the_readme_is_simulated(tmp_path: Path) -> None:
    readme = (DATA / "README.md").read_text()
    (options,) = re.findall(r"data\.simulate DIRECTORY \\\n(.+?)```", readme, re.DOTALL)
    train, test = simulate(tmp_path, *options.replace("\\\n", " ").split())
    assert (
        train.schema.describe() == "14 electrodes × 5 bands, 4 classes: feet, left, right, tongue"
    )
    assert len(train) == len(test) == 160


@pytest.mark.parametrize(
    ("classes", "values"), [("769,770,-1", (-1, 769, 770)), ("4", (0, 1, 2, 3)), ("04,2", (2, 4))]
)
def test_classes_may_be_whole_numbers(
    tmp_path: Path, classes: str, values: tuple[int, ...]
) -> None:
    train, _ = simulate(
        tmp_path,
        *("--electrodes", "Cz", "--bands", "mu"),
        *("--classes", classes, "--rows-per-class", "1"),
    )
    assert train.schema.labels == Labels(LabelKind.NUMBERS, values)
    assert train.features.shape == (len(values), 1)


def test_another_cap_has_letters_unless_classes_are_named(tmp_path: Path) -> None:
    train, _ = simulate(
        tmp_path, "--electrodes", "EEG1,EEG2,Cz", "--bands", "delta,beta", "--rows-per-class", "2"
    )
    assert (train.label_column, train.schema.labels) == (LETTER_COLUMN, LETTERS)
    assert train.schema.features.electrode_names == ("EEG1", "EEG2", "Cz")
    assert train.schema.features.placed == ("Cz",)


def test_names_that_csv_must_quote_are_read_back(tmp_path: Path) -> None:
    train, test = simulate(
        tmp_path,
        *("--electrodes", 'µ"1', "--bands", "theta"),
        *("--classes", 'Füße,"Hände"', "--rows-per-class", "1"),
    )
    assert train.schema.labels.values == ('"Hände"', "Füße")
    assert train.schema.features.electrode_names == test.schema.features.electrode_names == ('µ"1',)


def test_electrodes_are_where_their_users_would_look() -> None:
    names = ("Cz", "C4", "T4", "AF3", "EEG1", "EEG2", "EEG3")
    places = Design(electrodes=names).places
    np.testing.assert_array_equal(places[:2], [(0, 0), (0.5, 0)])
    np.testing.assert_array_equal(places[2:4], flat_positions(["T8", "AF3"]))
    # Unknown ones keep away from each other.
    unknown = places[4:]
    apart = np.linalg.norm(unknown[:, None] - unknown, axis=-1)[np.triu_indices(3, 1)]
    assert apart == pytest.approx(apart[0])
    assert apart[0] > 0.5


def test_bands_have_their_frequencies_and_unknown_ones_are_between() -> None:
    assert dict(band_centres(("delta", "Theta", "beta"))) == {
        "delta": 2.0,
        "theta": 6.0,
        "beta": 20.0,
    }
    centres = [hz for _, hz in band_centres(("a", "b", "c"))]
    assert sorted(centres) == centres
    assert 2 < centres[0] < centres[-1] < 60


def test_a_largest_recording_is_allowed() -> None:
    electrodes = ",".join(f"EEG{number}" for number in range(64))
    design = parse_design(electrodes, "delta,theta,alpha,mu,beta,betaL,betaH,gamma", "1000", None)
    assert (design.n_rows, len(design.features)) == (50_000, 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"electrodes": "Cz,,Pz"}, "--electrodes: a name is empty"),
        ({"bands": ""}, "--bands: a name is empty"),
        ({"classes": "left,left"}, "--classes: left is there twice"),
        ({"classes": "left"}, "--classes: 1 name; there can be 2 to 1,000, with commas between"),
        ({"classes": ",".join(map(str, range(1001)))}, "--classes: 1,001 names; there can be"),
        ({"classes": "1"}, "--classes: 1 is not from 2 to 1,000"),
        ({"classes": "1001"}, "--classes: 1001 is not from 2 to 1,000"),
        ({"classes": "9" * 5000}, "--classes: '999"),
        ({"classes": "²"}, "--classes: 1 name"),
        ({"classes": "1,01"}, "--classes: two names stand for the same number"),
        ({"classes": "1.5,2"}, "--classes: '1.5' is neither a whole number nor text"),
        ({"classes": "nan,2"}, "--classes: 'nan' is neither a whole number nor text"),
        ({"classes": "a\nb,c"}, "--classes: 'a\\nb' has characters that cannot be printed"),
        ({"classes": "\udcff,c"}, "--classes: '\\udcff' has characters that cannot be printed"),
        ({"rows": "some"}, "--rows-per-class: 'some' is not a whole number from 1"),
        ({"rows": "0"}, "--rows-per-class: 0 is not from 1"),
        ({"rows": "100000"}, "each file would have 416,000,000 band powers"),
        ({"electrodes": "T3,T7"}, "columns T3/theta and T7/theta: both are of one electrode"),
        ({"bands": "beta,Beta"}, "columns Cz/beta and Cz/Beta: both are of one electrode"),
        ({"electrodes": "A/B"}, "A/B/theta is no name of a band power"),
        ({"electrodes": "Cz,EEG1", "bands": "first"}, "EEG1/first is no name of a band power"),
    ],
)
def test_options_that_make_no_recording_are_refused(options: dict[str, str], message: str) -> None:
    names = ("electrodes", "bands", "classes", "rows")
    with pytest.raises(UserError) as refusal:
        parse_design(*(options.get(name) for name in names))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_wrong_option_ends_in_one_sentence(tmp_path: Path) -> None:
    finished = run_simulate(tmp_path, "--rows-per-class", "0")
    assert finished.returncode == 2
    assert finished.stderr == (
        "python -m data.simulate: --rows-per-class: 0 is not from 1 to 50,000,000\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_files_are_not_overwritten_by_others() -> None:
    before = [(DATA / name).stat().st_mtime_ns for name in FILES]
    finished = run_simulate("--classes", "2", "--rows-per-class", "1")
    assert finished.returncode == 2
    assert finished.stderr == (
        "python -m data.simulate: name a directory: without one, the shipped files would be"
        " overwritten by others\n"
    )
    assert [(DATA / name).stat().st_mtime_ns for name in FILES] == before


def test_a_directory_that_cannot_be_made_ends_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finished = run_simulate(tmp_path / "file")
    assert finished.returncode == 2
    assert finished.stderr == (
        f"python -m data.simulate: {tmp_path}/file: cannot be made: File exists\n"
    )


def test_the_shipped_files_have_the_schema_of_the_defaults() -> None:
    assert (shipped.ELECTRODES, shipped.BANDS) == (ELECTRODES, BANDS)
    assert shipped.SCHEMA.labels == LETTERS
    assert ("Line", LETTER_COLUMN, *Design().features) == shipped.COLUMNS


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_has_the_checksum_in_the_readme(name: str) -> None:
    readme = (DATA / "README.md").read_text()
    listed = re.findall(rf"^([0-9a-f]{{64}})  {re.escape(name)}$", readme, re.MULTILINE)
    assert listed == [hashlib.sha256((DATA / name).read_bytes()).hexdigest()]


@pytest.mark.parametrize("name", FILES)
def test_a_recording_has_fifty_rows_of_each_letter_in_blocks(name: str) -> None:
    recording = read_recording(DATA / name)
    assert list(recording.rows) == list(range(1300))
    np.testing.assert_array_equal(recording.labels, np.repeat(np.arange(26), 50))
    assert (recording.features > 0).all()


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
        for row in read_recording(folder / name).features
    }
    assert len(real) > 2000
    for name in FILES:
        assert not real & {tuple(row) for row in read_recording(DATA / name).features}
