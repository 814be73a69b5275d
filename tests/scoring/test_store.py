"""What serving reads from the model store, and the sentence for every store it cannot use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from eeg_letters.errors import StoreError
from eeg_letters.models import LDA, MLP, MODELS, Model
from eeg_letters.scoring.store import (
    NO_MODELS,
    PIPELINE_FILE,
    SCORER_FILE,
    load_model,
)
from eeg_letters.training.saving import Entry, save_entries
from tests.conftest import ROOT, environment, flip_a_bit, latest_entry, stored_metadata


def check_store(home: Path) -> subprocess.CompletedProcess[str]:
    """Load both models as the service does."""
    return subprocess.run(
        [sys.executable, "-m", "eeg_letters.scoring.store"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def edit_metadata(entry: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    document = yaml.safe_load((entry / "model.yaml").read_text())
    edit(document["metadata"])
    (entry / "model.yaml").write_text(yaml.safe_dump(document))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an empty store, which this process uses."""
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    return tmp_path


def entries_of(training: str) -> list[Entry]:
    """Entries of both models, as if fitted to some recording."""
    return [
        Entry(
            model,
            {name: f"{name} of {training}".encode() for name in (PIPELINE_FILE, SCORER_FILE)},
            {"accuracy": {"test": 0.7007692307692308}, "versions": {"scikit-learn": "1.9.1"}},
        )
        for model in MODELS
    ]


def latest(home: Path) -> list[str]:
    return [latest_entry(home, model).name for model in MODELS]


def versions(entries: Sequence[Entry]) -> list[str]:
    return [entry.tag.version for entry in entries]


def in_store(home: Path) -> set[str]:
    return {path.name for path in home.glob("models/*/*") if path.is_dir()}


def test_a_trained_store_is_what_serving_needs(trained_home: Path) -> None:
    finished = check_store(trained_home)
    assert finished.returncode == 0, finished.stderr


def test_an_empty_store_has_a_status_of_its_own(tmp_path: Path) -> None:
    finished = check_store(tmp_path)
    assert finished.returncode == NO_MODELS
    assert finished.stderr == ""


@pytest.mark.parametrize("file", ["models", "file"])
def test_a_store_that_is_no_directory_is_refused_with_what_to_set(
    tmp_path: Path, file: str
) -> None:
    home = tmp_path / "file" / "home" if file == "file" else tmp_path
    (tmp_path / file).touch()
    finished = check_store(home)
    assert finished.returncode == 1
    (sentence,) = finished.stderr.splitlines()
    assert str(home) in sentence
    assert "set BENTOML_HOME" in sentence


@pytest.mark.parametrize(
    ("damage", "fragments"),
    [
        (lambda entry: flip_a_bit(entry / SCORER_FILE), [SCORER_FILE, "checksum"]),
        (lambda entry: flip_a_bit(entry / PIPELINE_FILE), [PIPELINE_FILE, "checksum"]),
        (lambda entry: (entry / SCORER_FILE).unlink(), [SCORER_FILE, "No such file"]),
        (
            lambda entry: edit_metadata(entry, lambda metadata: metadata.pop("files")),
            ["without a compiled scorer"],
        ),
        (lambda entry: (entry / "model.yaml").unlink(), ["model.yaml"]),
        (lambda entry: (entry / "model.yaml").write_text("{"), ["cannot be read", "model.yaml"]),
        (lambda entry: (entry / "model.yaml").write_text("a: 1"), ["cannot be read"]),
    ],
    ids=[
        "scorer damaged",
        "pipeline damaged",
        "scorer missing",
        "saved by something else",
        "description missing",
        "description not YAML",
        "description of something else",
    ],
)
def test_a_damaged_entry_is_refused_by_name_with_what_to_run(
    home: Path, trained_home: Path, damage: Callable[[Path], object], fragments: list[str]
) -> None:
    shutil.copytree(trained_home, home, dirs_exist_ok=True)
    damage(latest_entry(home, MLP))
    assert load_model(LDA).model == LDA
    with pytest.raises(StoreError) as refusal:
        load_model(MLP)
    sentence = str(refusal.value)
    assert len(sentence.splitlines()) == 1
    for fragment in ["model eeg-mlp", *fragments, "run `make train` (or `python train.py`)"]:
        assert fragment in sentence


def test_saving_again_leaves_the_entries_as_they_are(home: Path) -> None:
    def state() -> dict[Path, tuple[bytes, int]]:
        return {
            file: (file.read_bytes(), file.stat().st_mtime_ns) for file in home.glob("models/*/*/*")
        }

    save_entries(entries_of("A"))
    before = state()
    assert {file.name for file in before} == {"model.yaml", PIPELINE_FILE, SCORER_FILE}
    save_entries(entries_of("A"))
    assert state() == before


def test_the_entries_saved_last_are_the_latest_even_when_they_were_there_before(
    home: Path,
) -> None:
    a, b = entries_of("A"), entries_of("B")
    for entries in (a, b, a):
        save_entries(entries)
        assert latest(home) == versions(entries)
    assert in_store(home) == {*versions(a), *versions(b)}


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, Path.unlink, lambda file: file.write_bytes(b"")],
    ids=["flipped bit", "deleted", "emptied"],
)
@pytest.mark.parametrize("name", [PIPELINE_FILE, SCORER_FILE, "model.yaml"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.name))
def test_saving_again_repairs_a_damaged_entry(
    home: Path, model: Model, name: str, damage: Callable[[Path], object]
) -> None:
    entries = entries_of("A")
    save_entries(entries)
    file = latest_entry(home, model) / name
    damage(file)
    save_entries(entries)
    assert latest(home) == versions(entries)
    assert in_store(home) == set(versions(entries))
    for entry in entries:
        for stored, content in entry.files.items():
            assert (latest_entry(home, entry.model) / stored).read_bytes() == content


def test_saving_again_repairs_an_edited_score(home: Path) -> None:
    save_entries(entries_of("A"))
    scores = stored_metadata(home, LDA)["accuracy"]
    edit_metadata(latest_entry(home, LDA), lambda metadata: metadata["accuracy"].update(test=1.0))
    assert stored_metadata(home, LDA)["accuracy"] != scores
    save_entries(entries_of("A"))
    assert stored_metadata(home, LDA)["accuracy"] == scores


def test_when_one_model_cannot_be_saved_neither_is_and_the_latest_stay(home: Path) -> None:
    a, b, c = entries_of("A"), entries_of("B"), entries_of("C")
    for entries in (a, b, a):
        save_entries(entries)
    # A file stands where the folder of the second entry has to be.
    (home / "models" / MLP.name / versions(c)[1]).touch()
    with pytest.raises(StoreError, match="the models cannot be saved: "):
        save_entries(c)
    assert latest(home) == versions(a)
    assert in_store(home) == {*versions(a), *versions(b)}
