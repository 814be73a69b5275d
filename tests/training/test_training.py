"""train.py as its user runs it, and what it stores."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize

from eeg_letters.errors import CompilationError, RecordingError
from eeg_letters.models import LDA, MLP, MODELS, Model
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import FAMILIARITY_FILE, PIPELINE_FILE, SCORER_FILE
from eeg_letters.settings import DATA
from eeg_letters.training import pipelines
from eeg_letters.training.checks import check_trainable
from eeg_letters.training.compiling import check_scorer
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import evaluate
from eeg_letters.training.familiarity import fit_familiarity
from eeg_letters.training.finishing import TrainedModel, train
from eeg_letters.training.judging import judge
from eeg_letters.training.recipes import AUTO, Recipe
from eeg_letters.training.saving import Entry, make_entry
from eeg_letters.training.terminal import training_table
from tests.conftest import (
    ROOT,
    environment,
    flip_a_bit,
    latest_entry,
    run_python,
    run_train,
    select_rows,
    stored_metadata,
)
from tests.shipped import FEATURES, SCHEMA

SIGINT_SECONDS = 240


def silent(*_: object) -> None:
    """A progress that nobody watches."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small recordings; A and B are of different letters."""
    # A name that would be markup, to the library that prints the table.
    folder = tmp_path_factory.mktemp("recordings") / "x[" / "b]"
    folder.mkdir(parents=True)
    selections = {
        "A": ((0, 1, 2), slice(8)),
        "B": ((3, 4), slice(2)),
        "test": ((0, 1, 2, 3, 4), slice(30, 34)),
    }
    return {
        name: select_rows(folder / f"{name}.csv", *selection)
        for name, selection in selections.items()
    }


@pytest.fixture(scope="module")
def trained_on_a(
    tmp_path_factory: pytest.TempPathFactory, recordings: dict[str, Path]
) -> tuple[Path, str]:
    """A model store in which A was trained, and what train.py printed."""
    home = tmp_path_factory.mktemp("trained-on-a")
    return home, train_on(home, recordings, "A")


@pytest.fixture(scope="module")
def lda(recordings: dict[str, Path]) -> TrainedModel:
    """LDA, trained in this process on A."""
    return train(LDA, alone(recordings["A"]), alone(recordings["test"]), AUTO, silent)


def alone(path: Path) -> Dataset:
    """One recording."""
    return Dataset((read_recording(path),))


def train_on(home: Path, recordings: dict[str, Path], name: str) -> str:
    finished = run_train(home, "--train", recordings[name], "--test", recordings["test"])
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def entries(home: Path) -> set[str]:
    """Every entry in a store."""
    return {f"{path.parent.name}:{path.name}" for path in home.glob("models/*/*") if path.is_dir()}


def latest(home: Path) -> set[str]:
    return {f"{model.name}:{latest_entry(home, model).name}" for model in MODELS}


def assert_one_sentence(finished: subprocess.CompletedProcess[str], status: int) -> str:
    assert finished.returncode == status, finished.stderr
    assert finished.stdout == ""
    (sentence,) = finished.stderr.splitlines()
    assert sentence.startswith("train.py: ")
    return sentence


def test_a_good_recording_ends_in_a_table_of_both_models(
    trained_on_a: tuple[Path, str], recordings: dict[str, Path]
) -> None:
    home, printed = trained_on_a
    lines = printed.splitlines()
    assert str(recordings["A"]) in printed.replace("\n", "")
    assert "24 rows of 3 letters" in " ".join(printed.split())
    for heading in ("Test", "Accuracy", "Interval", "Balanced", "Macro F1", "Calibration"):
        assert heading in printed
    for heading in ("Training", "Preprocessing", "Fit", "Estimate"):
        assert heading in printed
    for model in MODELS:
        metadata = stored_metadata(home, model)
        tested, trained = (
            [cell.strip() for cell in line.strip("│").split("│")[1:]]
            for line in lines
            if line.startswith(f"│ {model.title}")
        )
        assert trained[0] == metadata["preprocessing"] + ", shrinkage" * metadata["shrinkage"]
        assert float(trained[1].removesuffix(" s")) >= 0
        assert trained[2:] == [shown(metadata, "accuracy", "blocked"), between(metadata, "blocked")]
        assert tested == [
            shown(metadata, "accuracy", "test"),
            between(metadata, "test"),
            shown(metadata, "balanced_accuracy", "test"),
            shown(metadata, "macro_f1", "test"),
            shown(metadata, "calibration_error", "test"),
        ]
    *_, lda, mlp, report = lines
    assert {line.removeprefix("Saved ") for line in (lda, mlp)} == latest(home) == entries(home)
    assert Path(report.removeprefix("Report ")).is_file()


def shown(metadata: dict[str, Any], figure: str, rows: str) -> str:
    return f"{metadata[figure][rows]:.4f}"


def between(metadata: dict[str, Any], rows: str) -> str:
    low, high = metadata["interval"][rows]
    return f"{low:.2f} to {high:.2f}"


def test_training_on_a_then_b_then_a_repairs_a_and_makes_it_the_latest_again(
    trained_on_a: tuple[Path, str], recordings: dict[str, Path], tmp_path: Path
) -> None:
    home = Path(shutil.copytree(trained_on_a[0], tmp_path / "home"))
    a = latest(home)
    scorer = latest_entry(home, LDA) / SCORER_FILE
    pipeline = latest_entry(home, MLP) / PIPELINE_FILE
    whole = scorer.read_bytes(), pipeline.read_bytes()
    printed = train_on(home, recordings, "B")
    b = latest(home)
    assert not a & b
    # A row a letter is too little to fit, so there is no estimate.
    assert printed.count("│        – │        – │\n") == 2
    assert set(stored_metadata(home, LDA)["accuracy"]) == {"test"}

    flip_a_bit(scorer)
    pipeline.unlink()
    train_on(home, recordings, "A")
    assert latest(home) == a
    assert entries(home) == a | b
    assert len(list((home / "reports").iterdir())) == 2
    assert (scorer.read_bytes(), pipeline.read_bytes()) == whole


def test_an_unwritable_store_ends_in_one_sentence_and_neither_model(
    tmp_path: Path, recordings: dict[str, Path]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / MLP.name).touch()
    finished = run_train(tmp_path, "--train", recordings["A"], "--test", recordings["test"])
    assert "cannot be saved" in assert_one_sentence(finished, 2)
    assert entries(tmp_path) == set()


def test_a_store_that_cannot_be_made_is_found_before_anything_is_fitted(
    tmp_path: Path, recordings: dict[str, Path]
) -> None:
    (tmp_path / "file").touch()
    files = ("--train", recordings["A"], "--test", recordings["test"])
    reports = ("--reports", tmp_path / "reports")
    finished = run_train(tmp_path / "file" / "home", *files, *reports)
    sentence = assert_one_sentence(finished, 2)
    assert "BENTOML_HOME" in sentence
    assert str(tmp_path / "file" / "home") in sentence


def broken(folder: Path, recordings: dict[str, Path], mistake: str) -> Path:
    """A recording with a mistake."""
    good = recordings["A"].read_text()
    path = folder / f"{mistake}.csv"
    match mistake:
        case "truncated":
            path.write_text(good[:-200])
        case "one letter":
            select_rows(path, (5,), slice(8))
        case "a row a letter":
            select_rows(path, (0, 1, 2), slice(1))
        case "one row again and again":
            header, first = good.splitlines()[:2]
            band_powers = first.split(",", 2)[2]
            rows = [f"{line},{line // 4},{band_powers}" for line in range(8)]
            path.write_text("\n".join([header, *rows]))
    return path


@pytest.mark.parametrize(
    ("mistake", "fragment"),
    [
        ("missing", "there is no such file"),
        ("one letter", "column # Letter: all rows from line 250 on are of the letter F"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_nothing_saved(
    tmp_path: Path, recordings: dict[str, Path], mistake: str, fragment: str
) -> None:
    path = broken(tmp_path, recordings, mistake)
    finished = run_train(tmp_path, "--train", path, "--test", recordings["test"])
    sentence = assert_one_sentence(finished, 2)
    assert str(path) in sentence
    assert fragment in sentence
    assert entries(tmp_path) == set()


SLOW_TO_IMPORT = {"bentoml", "joblib", "matplotlib", "pandas", "scipy", "sklearn"}


@pytest.mark.parametrize(
    ("option", "name", "content", "fragment"),
    [
        ("--train", "missing.csv", None, "there is no such file"),
        ("--train", "label.csv", "Line,Cz/theta\n", "line 1, column # Letter: the column is mis"),
        ("--train", "twice.csv", "Line,# Letter,Cz/theta,Cz/theta\n", "line 1"),
        ("--test", "electrode.csv", "Line,# Letter,Cz/theta\n", "line 1"),
        ("--reports", "file", "", "cannot be written"),
        ("--label", "Thought", None, "column Thought: the column is missing"),
        ("--preprocessing", "standardise", None, "--preprocessing standardise"),
        ("--help", None, None, "recordings to fit"),
    ],
)
def test_a_mistake_is_told_before_what_takes_seconds_is_imported(
    tmp_path: Path, option: str, name: str | None, content: str | None, fragment: str
) -> None:
    is_file = option in ("--train", "--test", "--reports")
    value = [] if name is None else [str(tmp_path / name) if is_file else name]
    if content is not None:
        Path(*value).write_text(content)
    imports = tmp_path / "imports"
    script = f"""
import pathlib, runpy, sys
sys.argv = {["train.py", option, *value]!r}
try:
    runpy.run_path("train.py", run_name="__main__")
finally:
    pathlib.Path({str(imports)!r}).write_text(" ".join(sys.modules))
"""
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == (0 if option == "--help" else 2)
    assert fragment in finished.stderr + finished.stdout
    imported = set(imports.read_text().split())
    assert "numpy" in imported
    assert not imported & SLOW_TO_IMPORT


def test_a_mistake_in_the_test_recording_is_found_before_anything_is_fitted(
    tmp_path: Path, recordings: dict[str, Path]
) -> None:
    finished = run_train(tmp_path, "--test", broken(tmp_path, recordings, "truncated"))
    assert "truncated.csv, line 25" in assert_one_sentence(finished, 2)
    assert entries(tmp_path) == set()


def test_unreadable_arguments_end_with_the_usage(tmp_path: Path) -> None:
    finished = run_train(tmp_path, "--epochs", "3")
    assert finished.returncode == 2
    assert finished.stderr.startswith("usage: train.py ")
    assert "train.py: error: unrecognized arguments: --epochs 3" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert entries(tmp_path) == set()


def test_training_imports_neither_arrow_nor_http(tmp_path: Path) -> None:
    script = """
import sys
import train
from eeg_letters.training.report import findings, writing
print(*{"arro3", "eeg_letters.serving.asgi"} & set(sys.modules))
"""
    assert run_python(tmp_path, script).strip() == ""


def test_no_more_rows_than_letters_are_refused(tmp_path: Path, recordings: dict[str, Path]) -> None:
    recording = alone(broken(tmp_path, recordings, "a row a letter"))
    with pytest.raises(RecordingError, match="3 rows of 3 letters; training takes more rows"):
        check_trainable(recording)


def test_rows_that_do_not_differ_are_refused(tmp_path: Path, recordings: dict[str, Path]) -> None:
    recording = alone(broken(tmp_path, recordings, "one row again and again"))
    check_trainable(recording)
    with pytest.raises(RecordingError, match="LDA cannot be fitted: the rows of a letter do not d"):
        train(LDA, recording, recording, AUTO, silent)


def test_a_letter_of_one_row_is_told_once_and_by_no_warning(
    tmp_path: Path, recordings: dict[str, Path]
) -> None:
    one = select_rows(tmp_path / "one.csv", (4,), slice(1)).read_text().splitlines()[1]
    path = tmp_path / "some.csv"
    path.write_text(f"{recordings['A'].read_text().rstrip()}\n{one}\n")
    finished = run_train(tmp_path, "--train", path, "--test", recordings["test"])
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    told = " ".join(finished.stdout.split())
    assert told.count("The training has a single row of the letter E: one row teaches little") == 1


def output_of(terminal: int, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    deadline = time.monotonic() + SIGINT_SECONDS
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                yield os.read(terminal, 65536)
            except OSError:  # Linux's way to say that no process has the other end open.
                return
    os.killpg(process.pid, signal.SIGABRT)  # Each process says where its threads are.
    stacks = b""
    while select.select([terminal], [], [], 5)[0]:
        try:
            stacks += os.read(terminal, 65536)
        except OSError:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    pytest.fail(
        f"train.py did not end within {SIGINT_SECONDS} s\n{stacks.decode(errors='replace')}"
    )


def train_at_a_terminal(home: Path, *arguments: str | Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start train.py with a terminal of its own, whose Ctrl-C reaches all of its processes."""
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "train.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment(home, TERM="xterm", COLUMNS="80", PYTHONFAULTHANDLER="1"),
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        process_group=0,
    )
    os.close(other_end)
    return process, terminal


def test_ctrl_c_while_the_display_shows_an_epoch_saves_nothing(tmp_path: Path) -> None:
    process, terminal = train_at_a_terminal(tmp_path, "--preprocessing", "log1p")
    seen, epoch = b"", None
    for output in output_of(terminal, process):
        seen += output
        if epoch is None and (epoch := re.search(rb"Neural Network: epoch (\d+), loss \d", seen)):
            os.killpg(process.pid, signal.SIGINT)
    os.close(terminal)
    assert process.wait(20) == 130
    assert epoch is not None
    assert int(epoch[1]) < 100  # It was shown while it fitted, not after.
    assert seen.endswith(b"train.py: interrupted, nothing saved\r\n")
    assert b"Traceback" not in seen
    assert b"\x1b[?25h" in seen  # The cursor is back.
    assert entries(tmp_path) == set()


def test_no_thread_keeps_it_from_ending(tmp_path: Path) -> None:
    script = "import threading, train; threading.Thread(target=threading.Event().wait).start()"
    finished = subprocess.run(
        [sys.executable, "-c", f"{script}; train.leave(3)"],
        cwd=ROOT,
        env=environment(tmp_path),
        timeout=60,
        check=False,
    )
    assert finished.returncode == 3


def has_workers(pid: int) -> bool:
    """Whether a process has begun others to fit models, and hears Ctrl-C itself."""
    process = Path(f"/proc/{pid}")
    children = " ".join(path.read_text() for path in process.glob("task/*/children")).split()
    commands = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    (ignored,) = re.findall(r"^SigIgn:\s*(\w+)", (process / "status").read_text(), re.MULTILINE)
    deaf = int(ignored, 16) >> (signal.SIGINT - 1) & 1
    return any("spawn_main" in command for command in commands) and not deaf


def test_ctrl_c_while_the_report_is_made_leaves_the_models_saved(
    tmp_path: Path, recordings: dict[str, Path]
) -> None:
    # Enough rows for processes of their own.
    training = select_rows(tmp_path / "train.csv", range(26), slice(8))
    arguments: list[str | Path] = ["--train", training, "--test", recordings["test"]]
    process, terminal = train_at_a_terminal(tmp_path, "--reports", tmp_path / "r", *arguments)
    seen, shown = b"", False
    for output in output_of(terminal, process):
        seen += output
        if not shown and b"Fits for the report" in seen and has_workers(process.pid):
            shown = True
            os.killpg(process.pid, signal.SIGINT)
    os.close(terminal)
    assert process.wait(20) == 130
    assert shown
    assert seen.endswith(b"train.py: interrupted, the models are saved, the report is not\r\n")
    assert b"Traceback" not in seen
    assert len(entries(tmp_path)) == len(MODELS)
    assert not list(tmp_path.glob("r/**/*.*"))


def test_a_report_that_cannot_be_written_ends_in_one_sentence_and_the_models_saved(
    trained_on_a: tuple[Path, str], tmp_path: Path, recordings: dict[str, Path]
) -> None:
    # Training again gives the same name.
    (before,) = (trained_on_a[0] / "reports").iterdir()
    report = tmp_path / "reports" / before.name
    report.parent.mkdir()
    report.touch()
    finished = run_train(tmp_path, "--train", recordings["A"], "--test", recordings["test"])
    assert finished.returncode == 2
    (sentence,) = finished.stderr.splitlines()
    assert sentence.startswith(f"train.py: {report}: cannot be written")
    assert sentence.endswith("; the models are saved, the report is not")
    assert len(entries(tmp_path)) == len(MODELS)


def test_a_name_that_is_no_text_loses_nothing(
    tmp_path: Path, recordings: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.write_bytes(recordings["A"].read_bytes())
    finished = run_train(tmp_path, "--train", path, "--test", recordings["test"])
    assert (finished.returncode, finished.stderr) == (0, "")
    assert list((tmp_path / "reports").glob("*/report.html"))


def test_the_estimate_fits_first_halves_and_scores_second_halves(tmp_path: Path) -> None:
    path = select_rows(tmp_path / "train.csv", range(26), slice(7))
    lines = path.read_text().splitlines()
    # Letters in turns: halves are of each letter's rows, not of the file.
    turned = [row for start in range(7) for row in islice(lines[1:], start, None, 7)]
    path.write_text("\n".join([lines[0], *turned]))
    recording = alone(path)
    trained = train(LDA, recording, recording, "l2", silent)

    directions = normalize(recording.features)
    first, second = slice(4 * 26), slice(4 * 26, None)
    classifier = LinearDiscriminantAnalysis().fit(directions[first], recording.labels[first])
    expected = classifier.score(directions[second], recording.labels[second])
    assert 0.2 < expected < 0.95
    assert trained.estimate is not None
    assert trained.estimate.accuracy == expected


def with_rows_scaled(recording: Recording) -> Recording:
    """The recording, each row louder or softer as a whole: nothing to rows of unit length."""
    factors = np.random.default_rng(0).lognormal(-8, 6, (len(recording), 1))
    return replace(recording, features=recording.features * factors)


@pytest.mark.parametrize("better", ["l2", "log1p"])
def test_the_preprocessing_with_the_better_estimate_is_chosen_whatever_the_test_says(
    better: str,
) -> None:
    recording = read_recording(DATA / "train.csv")
    if better == "l2":
        recording = with_rows_scaled(recording)
    training = Dataset((recording,))
    by_hand = {name: train(LDA, training, training, name, silent) for name in ("l2", "log1p")}
    other = by_hand["log1p" if better == "l2" else "l2"]
    # The other one labels every row of this test recording rightly.
    labels = other.scorer.predict(training.features)
    test = Dataset((replace(recording, labels=labels),))
    chosen = train(LDA, training, test, AUTO, silent)
    assert chosen.chosen.recipe.preprocessing == chosen.scorer.preprocessing == better
    estimates = {each.recipe: each.raw.accuracy for each in chosen.tried if each.raw}
    for name, trained in by_hand.items():
        assert trained.chosen.recipe == Recipe(name)
        assert trained.estimate is not None
        assert estimates[Recipe(name)] == trained.estimate.accuracy
    assert estimates[chosen.chosen.recipe] == max(estimates.values())
    assert chosen.test.accuracy < 1


def test_the_choice_can_be_made_by_hand(tmp_path: Path, recordings: dict[str, Path]) -> None:
    for name in ("l2", "log1p"):
        arguments: list[str | Path] = ["--train", recordings["A"], "--test", recordings["test"]]
        finished = run_train(tmp_path, *arguments, "--preprocessing", name)
        assert finished.returncode == 0, finished.stderr
        for model in MODELS:
            assert stored_metadata(tmp_path, model)["preprocessing"] == name
            scorer = Scorer.load((latest_entry(tmp_path, model) / SCORER_FILE).read_bytes())
            assert scorer.preprocessing == name
    finished = run_train(tmp_path, "--preprocessing", "zscore")
    assert finished.returncode == 2
    assert "invalid choice: 'zscore'" in finished.stderr


def test_held_out_rows_calibrate_the_probabilities() -> None:
    training, test = (alone(DATA / name) for name in ("train.csv", "test.json"))
    trained = train(LDA, training, test, "l2", silent)
    # Linear discriminant analysis of so few rows is too sure.
    assert trained.chosen.temperature > 2
    assert trained.estimate is not None
    assert trained.chosen.raw is not None
    before = trained.chosen.raw.calibration().error
    assert trained.estimate.calibration().error < before / 2
    np.testing.assert_array_equal(trained.test.labels, trained.uncalibrated_test.labels)
    assert trained.test.calibration().error < trained.uncalibrated_test.calibration().error


@pytest.mark.parametrize("epochs", [2, 1000])
def test_a_fit_that_did_not_converge_is_reported(
    recordings: dict[str, Path], monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    monkeypatch.setattr(pipelines, "MAX_ITERATIONS", epochs)
    recording = alone(recordings["A"])
    trained = train(MLP, recording, recording, AUTO, silent)
    table = training_table([trained], recording, 1)
    told = "the loss had not settled after 2 epochs" in str(table.caption)
    assert told is (epochs == 2)


def test_the_test_accuracy_is_the_share_of_rows_labelled_rightly(
    lda: TrainedModel, recordings: dict[str, Path]
) -> None:
    test = read_recording(recordings["test"])
    assert lda.test.accuracy == np.mean(lda.scorer.predict(test.features) == test.labels)
    assert lda.test.accuracy <= 0.6  # Two of the five letters are strangers.


def test_the_entry_of_a_model_depends_on_what_was_trained_alone(
    lda: TrainedModel, recordings: dict[str, Path]
) -> None:
    training, test = alone(recordings["A"]), alone(recordings["test"])

    def entry(trained: TrainedModel, test: Dataset) -> Entry:
        judgement = judge([trained], training, test)
        return make_entry(trained, judgement, 1, fit_familiarity(training))

    again = train(LDA, training, test, AUTO, silent)
    assert entry(again, test).tag == entry(lda, test).tag
    other = Dataset((replace(*test.recordings, sha256="0" * 64),))
    assert entry(lda, other).tag != entry(lda, test).tag


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_metadata_have_recordings_scores_and_versions(trained_home: Path, model: Model) -> None:
    metadata = stored_metadata(trained_home, model)
    entry = latest_entry(trained_home, model)

    def digest(file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()

    for of, name in (("training", "train.csv"), ("test", "test.json")):
        content = {"sha256": digest(DATA / name), "rows": 1300}
        assert metadata[of] == {**content, "recordings": [{"name": name, **content}]}
    assert metadata["files"] == {
        name: digest(entry / name) for name in (PIPELINE_FILE, SCORER_FILE, FAMILIARITY_FILE)
    }
    assert Schema.from_metadata(metadata["schema"]) == SCHEMA
    for library in ("scikit-learn", "numpy", "joblib"):
        assert metadata["versions"][library] == version(library)
    assert 0 < metadata["accuracy"]["blocked"] < 1
    test = read_recording(DATA / "test.json")
    scorer = Scorer.load((entry / SCORER_FILE).read_bytes())
    labels = scorer.predict(test.features)
    assert metadata["accuracy"]["test"] == np.mean(labels == test.labels)
    assert metadata["preprocessing"] == scorer.preprocessing
    assert metadata["temperature"] >= 1
    evaluation = evaluate(scorer, test.features, test.labels, 26)
    error = evaluation.calibration().error
    assert metadata["calibration_error"]["test"] == pytest.approx(error, rel=1e-12)


def test_bentoml_opens_the_pipelines_and_they_answer_as_the_scorers_do(
    trained_home: Path,
) -> None:
    script = """
import json, sys, bentoml, pandas as pd
rows = pd.read_json("data/test.json", orient="index", convert_axes=False).astype(float)
answers = {}
for name in ("eeg-lda", "eeg-mlp"):
    pipeline = bentoml.sklearn.load_model(f"{name}:latest")
    answers[name] = {
        "type": type(pipeline).__name__,
        "features": pipeline.feature_names_in_.tolist(),
        "classes": pipeline.classes_.tolist(),
        "labels": pipeline.predict(rows[pipeline.feature_names_in_]).tolist(),
        "sureness": pipeline.predict_proba(rows[pipeline.feature_names_in_]).max(axis=1).tolist(),
    }
json.dump(answers, sys.stdout)
"""
    answers = json.loads(run_python(trained_home, script))
    test = read_recording(DATA / "test.json")
    for model in MODELS:
        scorer = Scorer.load((latest_entry(trained_home, model) / SCORER_FILE).read_bytes())
        assert answers[model.name] == {
            "type": Pipeline.__name__,
            "features": list(FEATURES),
            "classes": list(range(26)),
            "labels": scorer.predict(test.features).tolist(),
            "sureness": pytest.approx(scorer.predict_proba(test.features).max(axis=1).tolist()),
        }


def with_bias(scorer: Scorer, amount: float) -> Scorer:
    """The scorer, its last class favoured."""
    bias = scorer.biases[-1].copy()
    bias[-1] += amount
    return replace(scorer, biases=(*scorer.biases[:-1], bias))


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        (lambda scorer: with_bias(scorer, 1e-6), "probabilities .* differ by "),
        (lambda scorer: with_bias(scorer, np.nan), "."),
        (lambda scorer: replace(scorer, classes=scorer.classes[::-1]), "different labels"),
    ],
    ids=["bias", "NaN", "labels"],
)
def test_a_scorer_that_differs_from_its_pipeline_is_refused_with_file_and_line(
    trained_home: Path, tmp_path: Path, tamper: Callable[[Scorer], Scorer], complaint: str
) -> None:
    # Not of the recording it was fitted to, where LDA gives one letter all of the probability.
    path = tmp_path / "late.json"
    rows = json.loads((DATA / "test.json").read_text())
    path.write_text(json.dumps({line: row for line, row in rows.items() if int(line) >= 900}))
    recording = read_recording(path)
    entry = latest_entry(trained_home, LDA)
    pipeline, scorer = (
        joblib.load(entry / PIPELINE_FILE),
        Scorer.load((entry / SCORER_FILE).read_bytes()),
    )
    dataset = Dataset((recording,))
    check_scorer(scorer, pipeline, dataset)
    with pytest.raises(CompilationError, match=complaint) as refusal:
        check_scorer(tamper(scorer), pipeline, dataset)
    place, _, line = str(refusal.value).partition(":")[0].partition(", line ")
    assert place == str(path)
    assert int(line) in recording.rows  # A line, not a position.


def test_a_scorer_that_differs_from_its_pipeline_is_not_saved(
    tmp_path: Path, recordings: dict[str, Path]
) -> None:
    # No recording is known to cause this, so the compiler is made to err.
    script = """
import runpy
from dataclasses import replace
from eeg_letters.training import finishing as training
compile_pipeline = training.compile_pipeline
def compile_wrongly(pipeline, labels):
    scorer = compile_pipeline(pipeline, labels)
    other = {"l2": "log1p", "log1p": "l2"}[scorer.preprocessing]
    return replace(scorer, preprocessing=other)
training.compile_pipeline = compile_wrongly
runpy.run_path("train.py", run_name="__main__")
"""
    arguments = ["--train", recordings["A"], "--test", recordings["test"]]
    finished = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sentence = assert_one_sentence(finished, 1)
    assert sentence.startswith(f"train.py: nothing saved: {recordings['A']}, line ")
    assert entries(tmp_path) == set()
