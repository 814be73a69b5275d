"""Turns of the event loop in which rows of streams are answered, so that requests have theirs."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from time import perf_counter
from typing import Protocol

# Requests wait for one turn at most.
_TURN_SECONDS = 0.001


class Answering(Protocol):
    """A stream that has something to do."""

    def do_one(self) -> bool:
        """Answer a row, or read a little; whether there is more to do."""


class Turns:
    """Streams that have something to do, each of which does a little in turn."""

    def __init__(self) -> None:
        self._ready: deque[Answering] = deque()
        self._loop: AbstractEventLoop | None = None

    def add(self, stream: Answering, loop: AbstractEventLoop) -> None:
        """Let a stream go on until it has nothing more to do; it must not be in already."""
        self._ready.append(stream)
        if self._loop is None:
            self._loop = loop
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        ready, until = self._ready, perf_counter() + _TURN_SECONDS
        while ready and perf_counter() < until:
            stream = ready.popleft()
            if stream.do_one():
                ready.append(stream)
        if ready and self._loop is not None:
            self._loop.call_soon(self._turn)
        else:
            self._loop = None
