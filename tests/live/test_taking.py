"""Recordings that are made by cue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest

from eeg_letters.errors import LiveError, UserError
from eeg_letters.live.cues import cue_order, label_column, parse_classes
from eeg_letters.live.prompter import Prompter
from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.live.taking import Plan, Take, record
from eeg_letters.recordings.any_format import read_any

FEATURES = ("Cz/theta", "Cz/alpha")


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("A-Z", tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        ("A, E,I", ("A", "E", "I")),
        ("A-C,X", ("A", "B", "C", "X")),
        ("left,right-hand", ("left", "right-hand")),
    ],
)
def test_classes_are_letters_or_names(text: str, classes: tuple[str, ...]) -> None:
    assert parse_classes(text) == classes


@pytest.mark.parametrize("text", ["", "A", "A,A", "A-C,B", "Z-A", ","])
def test_fewer_than_two_classes_or_one_twice_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="two classes or more, each once"):
        parse_classes(text)


def test_a_class_that_can_be_no_label_is_refused() -> None:
    with pytest.raises(UserError, match=r"'1\.5' is neither a whole number nor text"):
        label_column(("1.5", "2"))


def test_classes_that_are_the_same_number_are_refused() -> None:
    with pytest.raises(UserError, match="two of them are the same number"):
        label_column(("1", "2", "01"))


@pytest.mark.parametrize("n_classes", [2, 3, 26])
def test_each_class_comes_once_a_round_in_a_random_order(n_classes: int) -> None:
    classes = tuple(map(str, range(n_classes)))
    order = cue_order(classes, 50, np.random.default_rng(1))
    assert [Counter(shown) for shown in order] == [Counter(classes)] * 50
    assert len(set(order)) == {2: 2, 3: 6, 26: 50}[n_classes]
    repeated = sum(before == after for before, after in pairwise(chain.from_iterable(order)))
    # Two classes that may not meet leave no choice: each could be told from the one before.
    assert 15 < repeated < 35 if n_classes == 2 else repeated == 0


class Screen(Prompter):
    """Knows what is shown."""

    shown: str | None = None
    cues: int = 0

    def rest(self, number: int, rows: int) -> None:
        super().rest(number, rows)
        self.shown = None

    def show(self, name: str) -> None:
        super().show(name)
        self.shown = name
        self.cues += 1


def measuring(screen: Screen, classes: tuple[str, ...], until: int) -> AsyncGenerator[Row, None]:
    """Rows that tell which class is shown, until some cue begins."""

    async def rows() -> AsyncGenerator[Row, None]:
        while screen.cues < until:
            place = -1 if screen.shown is None else classes.index(screen.shown)
            yield Row([place + 1, float(screen.cues)])
            await asyncio.sleep(0.001)
        raise LiveError("the battery is empty")

    return rows()


def take_all(path: Path, text: str, rounds: int, until: int = 10_000) -> Take:
    """Record by cue, of a source that knows what is shown."""
    classes = parse_classes(text)
    column, labels = label_column(classes)
    plan = Plan(cue_order(classes, rounds, np.random.default_rng(1)), 0.05, 0.01)
    screen, take = Screen(plan), Take(path, column, labels)
    source = Source(FEATURES, measuring(screen, classes, until))
    try:
        asyncio.run(record(source, plan, take, screen))
    except LiveError:
        assert screen.cues == until
    return take


@pytest.mark.parametrize(
    ("text", "column", "name"),
    [
        ("A,E,Z", "# Letter", "a.csv"),
        ("left,right", "label", "a.parquet"),
        ("1,2", "label", "a.csv"),
    ],
)
def test_a_recording_has_the_rows_of_its_cues(
    text: str, column: str, name: str, tmp_path: Path
) -> None:
    take = take_all(tmp_path / name, text, rounds=3)
    recording = read_any(take.path)
    classes = parse_classes(text)
    assert recording.columns == ("Line", column, *FEATURES)
    assert len(recording) == take.rows
    assert take.cues == 3 * len(classes)
    named = [recording.schema.labels.names[label] for label in recording.labels]
    assert [classes[int(place) - 1] for place in recording.features[:, 0]] == named
    assert set(recording.features[:, 1]) == set(range(1, take.cues + 1))


def test_a_take_that_is_interrupted_has_the_cues_that_were_finished(tmp_path: Path) -> None:
    take = take_all(tmp_path / "a.csv", "A,E,I", rounds=3, until=5)
    assert take.cues == 4
    assert set(read_any(take.path).features[:, 1]) == {1, 2, 3, 4}


def test_a_take_without_a_finished_cue_leaves_nothing(tmp_path: Path) -> None:
    assert take_all(tmp_path / "a.csv", "A,E,I", rounds=3, until=1).cues == 0
    assert [*tmp_path.iterdir()] == []


async def slow(first: float) -> AsyncGenerator[Row, None]:
    """A row now, and one much later."""
    yield Row([1.0, 1.0])
    await asyncio.sleep(first)


def test_rows_that_tell_of_a_time_before_their_cue_are_left_out(tmp_path: Path) -> None:
    classes = ("A", "B")
    column, labels = label_column(classes)
    plan = Plan([classes], 0.3, 0)
    screen, take = Screen(plan), Take(tmp_path / "a.csv", column, labels)
    came: list[tuple[int, float]] = []

    async def rows() -> AsyncGenerator[Row, None]:
        loop = asyncio.get_running_loop()
        while True:
            came.append((screen.cues, loop.time()))
            yield Row([float(len(came) - 1), 1.0])
            await asyncio.sleep(0.01)

    asyncio.run(record(Source(FEATURES, rows(), window=0.2), plan, take, screen))
    for cue in (1, 2):
        since = next(time for number, time in came if number == cue)
        kept = [
            came[int(n)][1] for n in read_any(take.path).features[:, 0] if came[int(n)][0] == cue
        ]
        assert kept
        assert min(kept) - since > 0.15


def test_rows_with_a_value_that_is_none_are_left_out(tmp_path: Path) -> None:
    classes = ("A", "B")
    plan = Plan([classes], 0.1, 0)
    screen, take = Screen(plan), Take(tmp_path / "a.csv", *label_column(classes))

    async def rows() -> AsyncGenerator[Row, None]:
        while True:
            for value in (float("nan"), float("inf"), 1.0):
                yield Row([value, 1.0])
            await asyncio.sleep(0.001)

    asyncio.run(record(Source(FEATURES, rows()), plan, take, screen))
    recording = read_any(take.path)
    assert len(recording) == take.rows > 0
    assert np.all(recording.features == 1)


def test_a_cue_must_be_longer_than_what_a_row_tells_of(tmp_path: Path) -> None:
    plan = Plan([("A", "B")], 2, 0)
    take = Take(tmp_path / "a.csv", *label_column(("A", "B")))
    with pytest.raises(UserError, match="a cue must be longer than the 2 s"):
        asyncio.run(record(Source(FEATURES, slow(0), window=2), plan, take, Screen(plan)))


def test_a_cue_without_a_row_is_told(tmp_path: Path) -> None:
    plan = Plan([("A", "B")], 0.01, 0)
    take = Take(tmp_path / "a.csv", *label_column(("A", "B")))
    with pytest.raises(LiveError, match=r"no row within the 0\.01 s of a cue"):
        asyncio.run(record(Source(FEATURES, slow(60)), plan, take, Screen(plan)))


@pytest.mark.parametrize(
    ("name", "told"),
    [("a.xlsx", r"ends in \.csv or \.parquet"), ("there.csv", "it is there already")],
)
def test_a_recording_is_a_new_file_of_a_known_kind(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(UserError, match=told):
        Take(tmp_path / name, *label_column(("A", "B")))
