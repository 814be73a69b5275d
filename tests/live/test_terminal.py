"""What a person sees of a stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from eeg_letters.live import Answer
from eeg_letters.live.answers import to_answer
from eeg_letters.live.large import HEIGHT, large
from eeg_letters.live.prompter import Prompter
from eeg_letters.live.sources.rows import Row
from eeg_letters.live.stream import Stream
from eeg_letters.live.taking import Plan
from eeg_letters.live.terminal import Board, Tally


def answered(label: int | str, letter: str | None = None, **more: Any) -> Answer:
    """An answer of one model."""
    said: dict[str, Any] = {"label": label, **({"letter": letter} if letter else {})}
    model = {**said, "likeliest": [{**said, "probability": 0.75}]}
    decision = {**said, "probability": 0.97, "rows": 8, "stable": True}
    return to_answer({"id": 0, "LDA": model, "decision": decision, **more}, 0.002)


def drawn(show: Callable[[Board], None], width: int = 80) -> str:
    """What a board shows of a stream that is not there yet."""

    async def draw() -> str:
        stream = Stream("ws://localhost:1/live", {}, 8, 60)
        board = Board("lsl:x → ws://localhost:1/live")
        board.begin(stream)
        show(board)
        await stream.send([1.0])
        console = Console(width=width, color_system=None)
        with console.capture() as captured:
            console.print(board)
        await stream.close()
        return captured.get()

    return asyncio.run(draw())


def test_a_letter_is_large_beside_what_models_say() -> None:
    text = drawn(lambda board: board.take(Row([], label=11), answered(11, "L", familiar=False)))
    lines = text.splitlines()
    assert lines[0] == "lsl:x → ws://localhost:1/live"
    assert [line[:10] for line in lines[2 : 2 + HEIGHT]] == ["██        "] * 6 + ["██████████"]
    assert "L ███████████████      0.75" in text
    assert "L 0.97 over 8 rows, stable, right" in text
    assert "100.0 % unfamiliar" in text
    assert "Right of 1: LDA 1.0000, Decision 1.0000" in text
    assert "The connection is lost and is tried again." in text


def test_a_class_with_a_name_is_shown_by_it() -> None:
    text = drawn(lambda board: board.take(Row([], label="left"), answered("right")))
    assert "R I G H T" in text
    assert "right 0.97 over 8 rows, stable, wrong" in text
    assert "unfamiliar" not in text


def test_a_refused_row_says_why() -> None:
    problem = {"type": "about:blank", "title": "No", "status": 422, "detail": "Cz/theta is -1."}

    def show(board: Board) -> None:
        board.take(Row([], skipped=3), to_answer({"id": 7, "error": problem}, 0.002))

    text = drawn(show)
    assert "Row 7 was refused: Cz/theta is -1." in text
    assert "1 rows, 1 refused, 3 lost; 0 reconnects, 0 rows sent again" in text


def test_rows_a_second_are_those_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tally = Tally()
    rates = []
    for _ in range(80):
        tally.count(Row([]), answered(11))
        rates.append(tally.rate())
        now += 0.125
    assert rates[0] == 0
    assert rates[1:] == pytest.approx([8.0] * 79, abs=0.3)
    # None comes any more.
    now += 2.5
    assert tally.rate() == pytest.approx(4, abs=0.3)
    now += 2.5
    assert tally.rate() == 0


def test_before_the_first_answer_it_waits() -> None:
    assert "waiting for the first row" in drawn(lambda _: None)


@pytest.mark.parametrize("letter", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_each_letter_has_a_shape_of_its_own(letter: str) -> None:
    def shape(name: str) -> str:
        console = Console(width=10, color_system=None)
        with console.capture() as captured:
            console.print(large(name))
        return captured.get()

    assert len(shape(letter).splitlines()) == HEIGHT
    assert all(
        shape(letter) != shape(other) for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if other != letter
    )


def test_a_cue_says_how_far_the_recording_is() -> None:
    prompter = Prompter(Plan([("A", "B"), ("B", "A")], 3, 1))
    console = Console(width=80, color_system=None)
    prompter.rest(3, 24)
    prompter.show("A")
    with console.capture() as captured:
        console.print(prompter)
    assert "██████████" in captured.get()
    assert "round 2 of 2, cue 2 of 2; 24 rows" in captured.get()
