"""Turns of the event loop in which rows of streams are answered, so that requests have theirs."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, TypeVar

from eeg_letters.serving.live.answering import Score
from eeg_letters.serving.live.counts import StreamCounts
from eeg_letters.serving.live.messages import Row
from eeg_letters.serving.live.scored import Scored

T = TypeVar("T")

# Requests wait for one turn at most: for this long rows are parsed, and so many are scored.
_PARSING_SECONDS = 0.0005
_MOST_ROWS = 16
# Of one stream, whose answers may wait for its client.
_MOST_OF_ONE = 4
# Of so many streams, a row waits as long for others if it comes so soon after a turn that had rows
# of several. Of fewer, the wait would slow down clients that send a row when they have an answer.
_MANY_STREAMS = 64
_GATHERING_SECONDS = 0.001


class Asking(Protocol):
    """A stream that has rows to answer."""

    @property
    def has_work(self) -> bool:
        """Whether something was read that can be parsed or answered."""

    def take(self) -> Asked | None:
        """Take the next message that needs an answer, or parse some; None without one."""

    def give(self, asked: Asked, scored: Scored | None, place: int) -> None:
        """Answer what was taken, by what models say of rows and its place among them."""

    def rest(self) -> None:
        """Go on without answers until something is received or read."""

    def abandon(self, error: Exception) -> None:
        """Lose the connection: something failed that does not depend on what was sent."""


@dataclass(slots=True)
class Asked:
    """A message that is to be answered.

    Attributes
    ----------
    stream : Asking
        Whose it is.
    number : int
        Of the row in the stream.
    begun : dict of str to object
        What the answer begins with.
    arrived : float
        When it came.
    row : Row or None
        None where it has none.
    teller : str or None
        The name of who tells what it truly was.
    error : Exception or None
        Why it cannot be answered.
    """

    stream: Asking
    number: int
    begun: dict[str, Any]
    arrived: float
    row: Row | None = None
    teller: str | None = None
    error: Exception | None = None


class Turns:
    """Streams that have rows to answer.

    In a turn, rows of several streams are scored together: models take a third of the time for a
    row among others. Of many streams, rows that follow each other closely wait for others.

    Parameters
    ----------
    score : callable
        Scores some rows.
    counts : StreamCounts
        Knows how many streams are open.
    """

    def __init__(self, score: Score, counts: StreamCounts) -> None:
        self._score = score
        self._counts = counts
        self._ready: deque[Asking] = deque()
        self._loop: AbstractEventLoop | None = None
        # Of the last turn.
        self._ended = 0.0
        self._had_several = False

    def add(self, stream: Asking, loop: AbstractEventLoop) -> None:
        """Let a stream answer until it has nothing more to answer; it must not be in already."""
        self._ready.append(stream)
        if self._loop is not None:
            return
        self._loop = loop
        is_close = perf_counter() - self._ended < _GATHERING_SECONDS
        if is_close and self._had_several and self._counts.open >= _MANY_STREAMS:
            loop.call_later(_GATHERING_SECONDS, self._turn)
        else:
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        loop, self._loop = self._loop, None
        resting: list[Asking] = []
        taken = self._take(resting)
        self._answer(taken)
        if self._ready and loop is not None:
            self._loop = loop
            loop.call_soon(self._turn)
        for stream in resting:
            _attempt(stream, stream.rest)
        self._ended = perf_counter()
        # One row of each comes first.
        self._had_several = len(taken) > 1 and taken[0].stream is not taken[1].stream

    def _take(self, resting: list[Asking]) -> list[Asked]:
        ready = self._ready
        taken: list[Asked] = []
        until = perf_counter() + _PARSING_SECONDS
        for _ in range(_MOST_OF_ONE):
            for _ in range(len(ready)):
                if len(taken) == _MOST_ROWS or perf_counter() > until:
                    return taken
                stream = ready.popleft()
                if stream.has_work and (asked := _attempt(stream, stream.take)) is not None:
                    taken.append(asked)
                (ready if stream.has_work else resting).append(stream)
        return taken

    def _answer(self, taken: Sequence[Asked]) -> None:
        rows = [asked.row for asked in taken if asked.row is not None]
        scored = None
        if rows:
            try:
                scored = self._score(rows)
            except Exception as error:  # noqa: BLE001 Each row is answered with it.
                for asked in taken:
                    asked.error = asked.error or error
        place = 0
        for asked in taken:
            _attempt(asked.stream, asked.stream.give, asked, scored, place)
            place += asked.row is not None


def _attempt(stream: Asking, step: Callable[..., T], *arguments: Any) -> T | None:
    # The fault of one stream must not cost the others their turns.
    try:
        return step(*arguments)
    except Exception as error:  # noqa: BLE001 It is logged.
        stream.abandon(error)
        return None
