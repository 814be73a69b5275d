"""Rows from a source to a service, and its answers to whoever looks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import numpy as np

from eeg_letters.live.answers import Answer
from eeg_letters.live.connecting import connect
from eeg_letters.live.served import served_schema
from eeg_letters.live.sources.opening import Named
from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.live.stream import MOST_ID, Stream
from eeg_letters.schema import Schema

PATIENCE_SECONDS = 30


async def follow(
    named: Named,
    url: str,
    opened: Callable[[Stream], None],
    take: Callable[[Row, Answer], None],
) -> None:
    """Send the rows of a source until it ends, and hand each on with its answer.

    Parameters
    ----------
    named : Named
        The source.
    url : str
        The service's address.
    opened : callable
        Told of the stream.
    take : callable
        Told of each row and its answer.

    Raises
    ------
    LiveError
        When service or source is lost; what was answered before was handed on.
    RecordingError
        When what is replayed cannot be read.
    """
    schema = await served_schema(url, PATIENCE_SECONDS)
    async with named.open(schema) as source, connect(url, patience=PATIENCE_SECONDS) as stream:
        opened(stream)
        sent: deque[Row] = deque()
        feeding = asyncio.create_task(_feed(source, schema, stream, sent))
        try:
            async for answer in stream:
                take(sent.popleft(), answer)
            await feeding
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])


async def _feed(source: Source, schema: Schema, stream: Stream, sent: deque[Row]) -> None:
    scale = schema.values_scale
    try:
        async with aclosing(source.rows) as rows:
            async for row in rows:
                values: Any = row.values
                if scale is not None:
                    # A service takes what its models' recordings had.
                    values = scale.from_power(np.asarray(values))
                sent.append(row)
                await stream.send(values, id=_identity(row.line), time=row.time)
    finally:
        stream.end()


def _identity(line: int | None) -> int | str | None:
    # Line numbers have 64 bits.
    return line if line is None or 0 <= line < MOST_ID else str(line)
