"""The rows of a recording, as if they were measured now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.recordings.reading import Rows, read_rows
from eeg_letters.schema import Schema


@asynccontextmanager
async def open_replay(path: str, schema: Schema, rate: float) -> AsyncIterator[Source]:
    """Open a recording.

    Parameters
    ----------
    path : str
        Any file that batch reads.
    schema : Schema
        What it is read by.
    rate : float
        Rows a second; 0 is as fast as they are taken.

    Raises
    ------
    RecordingError
        When it cannot be read; names file, line and column.
    """
    recording = await asyncio.to_thread(read_rows, path, schema)
    yield Source(schema.features.names, _rows(recording, rate))


async def _rows(recording: Rows, rate: float) -> AsyncGenerator[Row, None]:
    loop = asyncio.get_running_loop()
    labels = recording.labels
    due = loop.time()
    for place, line in enumerate(recording.lines.tolist()):
        label = None
        if labels is not None and labels[place] is not np.ma.masked:
            label = labels[place].item()
        if rate:
            await asyncio.sleep(due - loop.time())
            # Rows that nobody took in time are not made up for.
            due = max(due, loop.time() - 1 / rate) + 1 / rate
        yield Row(recording.features[place].tolist(), line=line, label=label)
