"""A recording that is made by cue."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, Schema

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import LiveError, UserError
from eeg_letters.labels import Labels
from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.recordings.writing import ENDINGS, label_array, label_type, write
from eeg_letters.schema import LINE_COLUMN


@dataclass(frozen=True)
class Plan:
    """What is shown, and for how long.

    Attributes
    ----------
    order : sequence of sequence of str
        Classes, round by round.
    seconds, rest : float
        How long a class is shown, and how long nothing before it.
    """

    order: Sequence[Sequence[str]]
    seconds: float
    rest: float


class Screen(Protocol):
    """Whoever shows cues."""

    def wait(self) -> None:
        """No row has come yet."""

    def rest(self, number: int, rows: int) -> None:
        """Show nothing, before a cue of this number, with so many rows recorded."""

    def show(self, name: str) -> None:
        """Show a class."""


class Take:
    """The rows of the cues that are finished, and the file that has them.

    Parameters
    ----------
    path : pathlib.Path
        A .csv or .parquet file that is not there yet; written anew after each cue.
    column : str
        Of the labels.
    labels : Labels
        What they are.

    Attributes
    ----------
    cues, rows : int
        How many the file has.

    Raises
    ------
    UserError
        When the file is there, or has another ending.
    """

    def __init__(self, path: Path, column: str, labels: Labels) -> None:
        if path.suffix not in ENDINGS:
            raise UserError(f"{path}: a recording ends in {' or '.join(ENDINGS)}")
        if path.exists():
            raise UserError(f"{path}: it is there already, and a recording is never replaced")
        self.path = path
        self.cues = 0
        self.rows = 0
        self._column = column
        self._labels = labels
        self._values: list[Sequence[float]] = []
        self._classes: list[int] = []

    def add(self, name: str, rows: Sequence[Row], features: Sequence[str]) -> None:
        """Write the rows of a cue.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        self._values += [row.values for row in rows]
        self._classes += [self._labels.index(name)] * len(rows)
        values = np.array(self._values, np.float64)
        columns = {
            LINE_COLUMN: Array.from_numpy(np.arange(len(values))),
            self._column: label_array(np.array(self._classes, np.int64), self._labels),
        }
        for place, feature in enumerate(features):
            columns[feature] = Array.from_numpy(np.ascontiguousarray(values[:, place]))
        schema = Schema(
            [
                Field(LINE_COLUMN, DataType.int64()),
                Field(self._column, label_type(self._labels)),
                *(Field(feature, DataType.float64()) for feature in features),
            ]
        )
        batch = RecordBatch.from_arrays(list(columns.values()), schema=schema)
        with atomic_write(self.path) as partial:
            write(partial, schema, iter([batch]))
        self.cues += 1
        self.rows = len(values)


async def record(source: Source, plan: Plan, take: Take, screen: Screen) -> None:
    """Show all cues and write what is measured meanwhile.

    Rows that tell of a time before their cue are left out, and those that have a value that is
    not finite.

    Raises
    ------
    LiveError
        When the source is lost, or gives no row for a cue.
    OutputError
        When the file cannot be written.
    UserError
        When a cue is too short for a row of its own.
    """
    if plan.seconds <= source.window:
        raise UserError(
            f"--seconds {plan.seconds:g}: a cue must be longer than the {source.window:g} s that a"
            " row tells of"
        )
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    rows: list[Row] = []
    since = float("inf")

    async def collect() -> None:
        async with aclosing(source.rows) as measured:
            async for row in measured:
                arrived.set()
                # One value that is none, and nothing could be trained on the file.
                if loop.time() >= since and all(map(math.isfinite, row.values)):
                    rows.append(row)
        raise LiveError("the source has ended")

    collecting = asyncio.create_task(collect())

    async def pause(seconds: float) -> None:
        done, _ = await asyncio.wait([collecting], timeout=seconds)
        for task in done:
            task.result()

    try:
        screen.wait()
        waiting = asyncio.create_task(arrived.wait())
        await asyncio.wait([waiting, collecting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for number, name in enumerate(name for shown in plan.order for name in shown):
            screen.rest(number, take.rows)
            await pause(plan.rest)
            rows = []
            screen.show(name)
            since = loop.time() + source.window
            await pause(plan.seconds)
            since = float("inf")
            if not rows:
                raise LiveError(f"no row within the {plan.seconds:g} s of a cue")
            await asyncio.to_thread(take.add, name, rows, source.names)
    finally:
        collecting.cancel()
        await asyncio.wait([collecting])
