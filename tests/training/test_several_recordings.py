"""Training on several recordings, and on rows of the session to come."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.models import LDA, MODELS
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.settings import DATA
from eeg_letters.training.cautions import (
    not_held_out,
    shared_rows,
    unadapted_classes,
    unshared_in_training,
)
from eeg_letters.training.choosing import DEFAULT_WEIGHT, choose_weight
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.finishing import train
from eeg_letters.training.fitting import fit_scorer
from eeg_letters.training.gathering import find_files, read_test, read_training
from eeg_letters.training.holding_out import everything, make_plan
from eeg_letters.training.judging import judge
from eeg_letters.training.recipes import AUTO, Recipe, candidates
from tests.conftest import run_train, select_rows, stored_metadata

FEATURES = ("Cz/alpha", "Pz/alpha", "Oz/alpha")


def silent(*_: object) -> None:
    """A progress that nobody watches."""


def write(path: Path, label: str, rows: Iterable[tuple[Any, Iterable[float]]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([label, *FEATURES])
        writer.writerows([name, *powers] for name, powers in rows)
    return path


def session(
    path: Path, classes: Sequence[Any], seed: int, rows: int = 12, noise: float = 1.0
) -> Path:
    """Classes one after the other, each with powers of its own."""
    rng = np.random.default_rng(seed)
    drawn = [
        (name, np.exp(rng.normal(np.roll([1.5, 0, -1.5], place), noise)))
        for place, name in enumerate(classes)
        for _ in range(rows)
    ]
    return write(path, "label", drawn)


@pytest.fixture
def sessions(tmp_path: Path) -> list[Path]:
    return [
        session(tmp_path / f"s{number}.csv", ("go", "rest", "stop"), number) for number in (1, 2, 3)
    ]


def test_the_files_of_a_pattern_come_sorted_and_each_once(sessions: list[Path]) -> None:
    folder = sessions[0].parent
    assert find_files("--train", [str(folder / "s?.csv")]) == sessions
    assert find_files("--train", [*map(str, reversed(sessions))]) == [*reversed(sessions)]
    with pytest.raises(UserError, match=r"--train .*x\*.csv: no file fits this pattern"):
        find_files("--train", [str(folder / "x*.csv")])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    path = session(tmp_path / "a[1].csv", ("go", "rest"), 0)
    assert find_files("--train", [str(path)]) == [path]


@pytest.mark.parametrize("other", ["same name", "link", "pattern", "copy"])
def test_the_same_recording_twice_is_an_error(sessions: list[Path], other: str) -> None:
    first, *_ = sessions
    again = first.with_name("again.csv")
    match other:
        case "same name":
            again = first
        case "link":
            again.symlink_to(first)
        case "pattern":
            again = first.with_name("s1*.csv")
        case "copy":
            again.write_bytes(first.read_bytes())
    with pytest.raises(UserError, match=r"is named twice|are the same recording"):
        read_training(find_files("--train", [str(first), str(again)]), [], None, None)


def test_the_features_are_those_of_the_first_and_the_classes_those_of_all(tmp_path: Path) -> None:
    first = session(tmp_path / "a.csv", ("go", "rest"), 1)
    second = tmp_path / "b.csv"
    lines = session(tmp_path / "plain.csv", ("stop", "go"), 2).read_text().splitlines()
    # Other order and case, and one more column.
    shuffled = [",".join([*reversed(line.split(",")), "9"]) for line in lines[1:]]
    second.write_text("\n".join(["oz/alpha,PZ/ALPHA,Cz/alpha,label,Fz/alpha", *shuffled]))
    training = read_training([first, second], [], None, None)
    assert training.schema.features.names == FEATURES
    assert training.schema.labels.values == ("go", "rest", "stop")
    assert [recording.schema for recording in training.recordings] == [training.schema] * 2
    values = np.array([line.split(",")[1:] for line in lines[1:]], float)
    np.testing.assert_array_equal(training.features[24:], values)
    names = training.schema.labels.array[training.labels]
    assert names.tolist() == ["go"] * 12 + ["rest"] * 12 + ["stop"] * 12 + ["go"] * 12


def test_whole_numbers_and_text_do_not_go_together(tmp_path: Path) -> None:
    files = [session(tmp_path / "a.csv", (1, 2), 1), session(tmp_path / "b.csv", (2, "go"), 2)]
    with pytest.raises(RecordingError, match=r"b.csv: its labels are text, those of .* whole num"):
        read_training(files, [], None, None)


def test_too_many_recordings_are_refused_before_any_is_read() -> None:
    with pytest.raises(UserError, match="--test: 201 recordings; 200 at most are taken"):
        find_files("--test", [f"{number}.csv" for number in range(201)])


def test_recordings_that_do_not_fit_the_first_are_refused(tmp_path: Path) -> None:
    first = session(tmp_path / "a.csv", ("go", "rest"), 1)
    narrow = tmp_path / "b.csv"
    narrow.write_text("label,Cz/alpha\ngo,1\n")
    with pytest.raises(RecordingError, match=r"b.csv, line 1, column Pz/alpha: the column is m"):
        read_training([first, narrow], [], None, None)
    with pytest.raises(RecordingError, match=r"b.csv, line 1, column Pz/alpha: the column is m"):
        read_training([first], [narrow], None, None)
    letters = select_rows(tmp_path / "letters.csv", (0, 1), slice(2))
    with pytest.raises(RecordingError, match=r"letters.csv"):
        read_training([first, letters], [], None, None)


def test_each_recording_is_held_out_once_in_at_most_five_groups(sessions: list[Path]) -> None:
    training = read_training(sessions, [], None, None)
    plan = make_plan(training, 1)
    assert plan.by_recording
    for place, fold in enumerate(plan.folds):
        assert set(training.places[fold.held_out]) == {place}
        assert set(training.places[fold.fitted]) == {0, 1, 2} - {place}
        assert len(fold.fitted) + len(fold.held_out) == len(training)
    many = Dataset(tuple(replace(training.recordings[0]) for _ in range(12)))
    folds = make_plan(many, 1).folds
    assert len(folds) == 5
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == [*range(len(many))]


def test_one_recording_is_held_out_by_halves_of_each_class(sessions: list[Path]) -> None:
    training = read_training(sessions[:1], [], None, None)
    plan = make_plan(training, 1)
    (fold,) = plan.folds
    assert not plan.by_recording
    place = np.arange(36) % 12
    np.testing.assert_array_equal(fold.fitted, np.flatnonzero(place < 6))
    np.testing.assert_array_equal(fold.held_out, np.flatnonzero(place >= 6))


def test_recordings_of_a_class_each_are_held_out_by_halves(tmp_path: Path) -> None:
    files = [session(tmp_path / f"{name}.csv", (name,), 1) for name in ("go", "rest")]
    assert not make_plan(read_training(files, [], None, None), 1).by_recording


def test_the_estimate_of_several_is_what_models_of_the_others_say(sessions: list[Path]) -> None:
    training = read_training(sessions, [], None, None)
    trained = train(LDA, training, training, "log1p", silent)
    right = []
    for place in range(3):
        others = np.flatnonzero(training.places != place)
        scorer = fit_scorer(LDA, Recipe("log1p"), training, others)
        rows = training.places == place
        right += [scorer.predict(training.features[rows]) == training.labels[rows]]
    assert trained.by_recording
    assert trained.estimate is not None
    assert 0.5 < trained.estimate.accuracy < 1
    assert trained.estimate.accuracy == np.concatenate(right).mean()


def test_a_class_that_one_recording_has_is_not_held_out_and_told(tmp_path: Path) -> None:
    files = [
        session(tmp_path / "a.csv", ("go", "rest", "stop"), 1),
        session(tmp_path / "b.csv", ("go", "rest"), 2),
    ]
    training = read_training(files, [], None, None)
    trained = train(LDA, training, training, "log1p", silent)
    assert trained.by_recording
    assert trained.estimate is not None
    assert set(trained.estimate.truth) == {0, 1}
    assert len(trained.estimate.truth) == 48
    names = training.schema.labels.names
    (told,) = unshared_in_training(training, trained.plan, names, ["a", "b"])
    assert told.startswith("Of the training recordings only a has the class stop:")
    assert not_held_out(trained.plan, ["a", "b"]) == []


def test_only_the_recording_that_cannot_be_held_out_is_not(tmp_path: Path) -> None:
    files = [
        session(tmp_path / "a.csv", ("go", "rest"), 1),
        session(tmp_path / "b.csv", ("go", "rest"), 2),
        session(tmp_path / "c.csv", ("stop",), 3),
    ]
    training = read_training(files, [], None, None)
    plan = make_plan(training, 1)
    assert plan.by_recording
    assert [set(training.places[fold.held_out]) for fold in plan.folds] == [{0}, {1}]
    assert [set(training.places[fold.fitted]) for fold in plan.folds] == [{1, 2}, {0, 2}]
    assert not_held_out(plan, ["a", "b", "c"]) == [
        "The estimate says nothing of these training recordings, not held out: c (no other has its"
        " classes)."
    ]


def test_a_model_of_less_than_a_quarter_of_the_rows_has_no_say(tmp_path: Path) -> None:
    classes = ("go", "rest", "stop")
    long = session(tmp_path / "long.csv", classes, 1, rows=30)
    for rows, n_folds in ((10, 2), (9, 1)):
        short = session(tmp_path / f"{rows}.csv", classes, 2, rows=rows)
        training = read_training([long, short], [], None, None)
        plan = make_plan(training, 1)
        assert plan.by_recording
        assert len(plan.folds) == n_folds
        assert set(training.places[plan.folds[-1].held_out]) == {1}
    assert not_held_out(plan, ["long", "short"]) == [
        "The estimate says nothing of these training recordings, not held out: long (the others"
        " have less than a quarter of the rows)."
    ]


def test_so_few_rows_that_they_say_nothing_are_not_all_that_is_held_out(tmp_path: Path) -> None:
    classes = ("go", "rest", "stop")
    files = [
        session(tmp_path / "long.csv", classes, 1, rows=30),
        session(tmp_path / "one.csv", classes, 2, rows=1),
    ]
    plan = make_plan(read_training(files, [], None, None), 1)
    assert not plan.by_recording
    assert not_held_out(plan, ["long", "one"]) == [
        "For the estimate no training recording could be held out whole: long (the others are too"
        " little to fit a model to); one (too few of its rows could be held out)."
    ]


def test_halves_in_place_of_recordings_are_told_with_the_reason(
    tmp_path: Path, sessions: list[Path]
) -> None:
    some = session(tmp_path / "some.csv", ("go", "rest", "stop"), 4, rows=20)
    training = read_training(sessions[:2], [some], None, None)
    plan = make_plan(training, 10)
    assert not plan.by_recording
    names = training.schema.labels.names
    assert unshared_in_training(training, plan, names, ["s1", "s2", "some"]) == []
    (told,) = not_held_out(plan, ["s1", "s2", "some"])
    assert told.startswith("For the estimate no training recording could be held out whole: s1, s2")
    assert choose_weight(training, AUTO, silent) == DEFAULT_WEIGHT


def test_a_class_that_halves_hold_out_is_not_said_to_be_left_out(tmp_path: Path) -> None:
    files = [session(tmp_path / f"{name}.csv", (name,), 1) for name in ("go", "rest")]
    training = read_training(files, [], None, None)
    plan = make_plan(training, 1)
    names = training.schema.labels.names
    assert unshared_in_training(training, plan, names, ["a", "b"]) == []
    assert len(not_held_out(plan, ["a", "b"])) == 1


def test_the_weight_is_chosen_by_the_recordings_that_can_be_held_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = []
    for number, rows in enumerate((20, 20, 4)):
        centres = rng.normal(0, 3, (3, 3))
        drawn = [
            (name, np.exp(centres[place] + rng.normal(0, 0.1, 3)))
            for place, name in enumerate(("go", "rest", "stop"))
            for _ in range(rows)
        ]
        files.append(write(tmp_path / f"{number}.csv", "label", drawn))
    some = session(tmp_path / "some.csv", ("go", "rest", "stop"), 1, rows=4)
    training = read_training(files, [some], None, None)
    assert [*make_plan(training, 1).kept] == [2]
    tried: list[int] = []
    choose_weight(training, AUTO, lambda done, _: tried.append(done))
    assert tried == [1, 2, 3, 4]


def test_recordings_that_contradict_each_other_leave_flat_probabilities_which_is_told(
    tmp_path: Path,
) -> None:
    files = [
        session(tmp_path / "a.csv", ("go", "rest", "stop"), 1, noise=0.1),
        session(tmp_path / "b.csv", ("rest", "go", "stop"), 2, noise=0.1),
    ]
    training = read_training(files, [], None, None)
    trained = train(LDA, training, training, "log1p", silent)
    cautions = judge([trained], training, training).cautions(
        training.schema.labels.names, lambda recording: recording.path.name
    )
    (told,) = (sentence for sentence in cautions if "probabilities" in sentence)
    assert "is 1000, the bound of its search" in told
    assert told.endswith("is their class right?")


def test_the_command_names_what_it_did_not_hold_out(tmp_path: Path, sessions: list[Path]) -> None:
    lone = session(tmp_path / "lone.csv", ("lift",), 4)
    test = session(tmp_path / "test.csv", ("go", "rest", "stop"), 5)
    finished = run_train(tmp_path, "--train", *sessions[:2], lone, "--test", test)
    assert finished.returncode == 0, finished.stderr
    told = " ".join(finished.stdout.split())
    assert "Estimate: each recording but those of a note below is held out once" in told
    (report,) = tmp_path.glob("reports/*/report.html")
    assert "each recording but those that the notes name is held out once" in report.read_text()
    for text in (told, report.read_text(), report.with_name("model-card.md").read_text()):
        assert "not held out: lone.csv (no other has its classes)" in " ".join(text.split())


def test_recordings_of_one_class_each_calibrate_on_rows_that_can_be_told(tmp_path: Path) -> None:
    lines = session(tmp_path / "all.csv", ("go", "rest", "stop"), 1).read_text().splitlines()
    files = [tmp_path / f"{name}.csv" for name in ("go", "rest", "stop")]
    for path in files:
        own = [line for line in lines[1:] if line.startswith(path.stem)]
        path.write_text("\n".join([lines[0], *own]))
    training = read_training(files, [], None, None)
    trained = train(LDA, training, training, "log1p", silent)
    assert not trained.by_recording
    assert trained.estimate is not None
    assert trained.estimate.accuracy > 0.5


def test_rows_of_the_session_to_come_count_as_often_as_their_weight(sessions: list[Path]) -> None:
    training = read_training(sessions[:2], sessions[2:], None, None)
    assert training.n_adapting == 1
    rows, counts = np.unique(everything(training, 7), return_counts=True)
    np.testing.assert_array_equal(rows, np.arange(len(training)))
    np.testing.assert_array_equal(counts, np.where(training.are_adapting, 7, 1))


def test_an_estimate_with_rows_of_the_session_to_come_is_made_as_they_are_used(
    tmp_path: Path, sessions: list[Path]
) -> None:
    some = session(tmp_path / "some.csv", ("go", "rest", "stop"), 4, rows=3)
    training = read_training(sessions, [some], None, None)
    fold = make_plan(training, 10).folds[1]
    counts = np.bincount(fold.fitted, minlength=len(training))
    place = np.arange(36) % 12
    np.testing.assert_array_equal(counts[36:72], np.where(place < 3, 10, 0))
    assert set(counts[:36]) == set(counts[72:108]) == {1}
    assert not counts[108:].any()
    np.testing.assert_array_equal(fold.held_out, 36 + np.flatnonzero(place >= 3))


def test_rows_to_adapt_by_are_simulated_class_by_class(
    tmp_path: Path, sessions: list[Path]
) -> None:
    some = session(tmp_path / "some.csv", ("rest",), 4, rows=5)
    training = read_training(sessions, [some], None, None)
    fold = make_plan(training, 10).folds[0]
    again, counts = np.unique(fold.fitted, return_counts=True)
    assert training.labels[again[counts == 10]].tolist() == [1] * 5
    (told,) = unadapted_classes(training, training.schema.labels.names)
    assert told.startswith("The rows to adapt by have none of the classes go, stop:")


def test_rows_that_two_training_recordings_have_are_told(
    tmp_path: Path, sessions: list[Path]
) -> None:
    part = tmp_path / "part.csv"
    part.write_text("".join(sessions[0].read_text().splitlines(keepends=True)[:21]))
    training = read_training([*sessions, part], [], None, None)
    (told,) = shared_rows(training, ["1", "2", "3", "part"])
    assert told.startswith("20 of 20 rows of part are also in another training recording:")


def test_rows_that_a_recording_has_more_than_once_are_told(sessions: list[Path]) -> None:
    header, *rows = sessions[1].read_text().splitlines()
    twice = sessions[0].with_name("twice.csv")
    twice.write_text("\n".join([header, *rows, *rows[:30]]))
    told = [
        "30 of 66 rows of twice repeat another row of it, with the same values and label: an"
        " estimate that holds out a part of it may know the rows."
    ]
    assert shared_rows(read_training([twice], [], None, None), ["twice"]) == told
    both = read_training([sessions[0], twice], [], None, None)
    assert shared_rows(both, ["1", "twice"]) == told
    assert shared_rows(read_training(sessions, [], None, None), ["1", "2", "3"]) == []


def test_the_report_says_of_twins_what_the_notes_say(tmp_path: Path, sessions: list[Path]) -> None:
    header, *rows = sessions[1].read_text().splitlines()
    twice = tmp_path / "twice.csv"
    twice.write_text("\n".join([header, *rows, *rows]))
    for training, twins in ((sessions[1], False), (twice, True)):
        home = tmp_path / training.stem
        home.mkdir()
        finished = run_train(home, "--train", training, "--test", sessions[0])
        assert finished.returncode == 0, finished.stderr
        (report,) = home.glob("reports/*/report.html")
        html = report.read_text()
        assert ("36 of 72 rows of twice.csv repeat another row" in html) is twins
        assert ("held-out blocks may have twins, too." in html) is twins
        assert ("Held-out blocks have no twins." in html) is not twins


def test_the_weight_is_what_does_best_among_recordings_and_the_default_of_one(
    tmp_path: Path,
) -> None:
    # Sessions are so different that only rows of one's own tell.
    rng = np.random.default_rng(0)
    files = []
    for number in range(4):
        centres = rng.normal(0, 3, (3, 3))
        drawn = [
            (name, np.exp(centres[place] + rng.normal(0, 0.1, 3)))
            for place, name in enumerate(("go", "rest", "stop"))
            for _ in range(20)
        ]
        files.append(write(tmp_path / f"{number}.csv", "label", drawn))
    some = session(tmp_path / "some.csv", ("go", "rest", "stop"), 1, rows=4)
    assert choose_weight(read_training(files, [some], None, None), AUTO, silent) > 1
    assert (
        choose_weight(read_training(files[:1], [some], None, None), AUTO, silent) == DEFAULT_WEIGHT
    )
    # Of sessions that are alike, the least is enough.
    alike = [session(tmp_path / f"a{n}.csv", ("go", "rest", "stop"), n) for n in range(3)]
    first, *others = (read_recording(path) for path in alike)
    easy = [replace(one, features=first.features) for one in (first, *others)]
    assert choose_weight(Dataset((*easy, read_recording(some)), 1), AUTO, silent) == 1


def test_labelled_rows_of_a_session_help_with_the_rest_of_it() -> None:
    training, test = (read_recording(DATA / name) for name in ("train.csv", "test.json"))
    labels = np.repeat(np.arange(26), 50)
    np.testing.assert_array_equal(test.labels, labels)
    place = np.arange(1300) % 50
    late = some_rows(test, place >= 25)
    accuracies = []
    for rows in (0, 5, 10):
        adapting = (some_rows(test, place < rows),) if rows else ()
        dataset = Dataset((training, *adapting), len(adapting))
        for weight in (1, 10) if rows else (1,):
            scorer = fit_scorer(LDA, Recipe("log1p"), dataset, everything(dataset, weight))
            accuracies.append(np.mean(scorer.predict(late.features) == late.labels))
    without, five, five_more, ten, ten_more = accuracies
    assert without < five < five_more
    assert five < ten < ten_more


def some_rows(recording: Recording, rows: np.ndarray[Any, Any]) -> Recording:
    return replace(
        recording,
        features=recording.features[rows],
        labels=recording.labels[rows],
        rows=dict.fromkeys(range(int(rows.sum())), b""),
    )


@pytest.mark.parametrize("unit", [1e-12, 1e6])
def test_the_unit_does_not_count(unit: float) -> None:
    datasets = [
        Dataset((some_rows(read_recording(DATA / name), np.arange(1300) % 5 == 0),))
        for name in ("train.csv", "test.json")
    ]
    scaled = [
        Dataset((replace(*each.recordings, features=unit * each.features),)) for each in datasets
    ]
    for model in MODELS:
        expected, found = (
            train(model, training, test, AUTO, silent) for training, test in (datasets, scaled)
        )
        assert found.chosen.recipe == expected.chosen.recipe
        assert found.test.accuracy == pytest.approx(expected.test.accuracy, abs=0.01)
        assert found.estimate is not None
        assert expected.estimate is not None
        assert found.estimate.accuracy == pytest.approx(expected.estimate.accuracy, abs=0.01)


def test_shrinkage_is_tried_for_discriminant_analysis_and_chosen_where_rows_are_few() -> None:
    recording = read_recording(DATA / "train.csv")
    few = Dataset((some_rows(recording, np.arange(1300) % 50 < 14),))
    trained = train(LDA, few, few, AUTO, silent)
    assert trained.chosen.recipe.shrinkage
    tried = {each.recipe for each in trained.tried}
    assert tried == set(candidates(LDA, few.schema.features, AUTO))
    assert {recipe.shrinkage for recipe in tried} == {False, True}


def test_of_equal_recipes_the_simpler_is_chosen(sessions: list[Path]) -> None:
    (recording,) = read_training(sessions[:1], [], None, None).recordings
    apart = 1000.0 ** recording.labels[:, np.newaxis]
    easy = Dataset((replace(recording, features=recording.features * apart),))
    trained = train(LDA, easy, easy, AUTO, silent)
    accuracies = [each.raw.accuracy for each in trained.tried if each.raw]
    assert accuracies[:2] == [1, 1]
    assert trained.chosen.recipe == Recipe("log1p")


def test_a_recipe_that_cannot_be_fitted_is_dropped_and_told(tmp_path: Path) -> None:
    # The square of one feature is so large that nothing is left of the others in unit length.
    drawn = [
        (name, (1e200 * (1 + place), *np.random.default_rng(place).exponential(size=2)))
        for place, name in enumerate(np.repeat(["go", "rest", "stop"], 12))
    ]
    loud = write(tmp_path / "loud.csv", "label", drawn)
    finished = run_train(tmp_path, "--train", loud, "--test", loud)
    assert finished.returncode == 0, finished.stderr
    told = " ".join(finished.stdout.split())
    assert re.search(r"Dropped: LDA with l2", told)
    assert stored_metadata(tmp_path, LDA)["preprocessing"] == "log1p"


def test_a_test_of_several_is_scored_by_each_and_together(sessions: list[Path]) -> None:
    training = read_training(sessions[:1], [], None, None)
    test = read_test(sessions[1:], training.schema)
    trained = train(LDA, training, test, AUTO, silent)
    each = [trained.test.of_recording(place) for place in range(2)]
    for place, found in enumerate(each):
        recording = test.recordings[place]
        right = trained.scorer.predict(recording.features) == recording.labels
        assert found.accuracy == right.mean()
    assert trained.test.accuracy == np.mean([found.accuracy for found in each])


def test_the_command_takes_several_and_tells_of_each(tmp_path: Path, sessions: list[Path]) -> None:
    some = session(tmp_path / "some.csv", ("go", "rest", "stop"), 4, rows=3)
    tests = [session(tmp_path / f"t{n}.csv", ("go", "rest", "stop"), n) for n in (5, 6)]
    arguments = ["--train", sessions[0], "--train", tmp_path / "s[23].csv", "--adapt", some]
    finished = run_train(tmp_path, *map(str, arguments), "--test", *tests)
    assert finished.returncode == 0, finished.stderr
    told = " ".join(finished.stdout.split())
    for path in sessions:
        assert f"Trained on {path}: 36 rows of 3 classes" in told
    assert f"Adapted on {some}: 9 rows of 3 classes" in told
    for path in tests:
        assert f"Tested on {path}: 36 rows of 3 classes" in told
    metadata = stored_metadata(tmp_path, LDA)
    assert metadata["training"]["rows"] == 3 * 36 + 9
    names = [recording["name"] for recording in metadata["training"]["recordings"]]
    assert names == ["s1.csv", "s2.csv", "s3.csv", "some.csv"]
    assert [each["name"] for each in metadata["test"]["recordings"]] == ["t5.csv", "t6.csv"]
    assert set(metadata["accuracy"]) == {"test", "recordings"}
    assert "held out" in told
    (report,) = tmp_path.glob("reports/*/report.html")
    for path in (*sessions, some, *tests):
        assert path.name in report.read_text()
