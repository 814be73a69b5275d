"""A stream of Lab Streaming Layer, such as the band powers of EmotivPRO."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from eeg_letters.errors import LiveError
from eeg_letters.labels import listed
from eeg_letters.live.sources.rows import Row, Source, kept, needing, places
from eeg_letters.schema import Features, find_band_powers

# What waits for an outlet cannot be interrupted, so it waits a second at a time.
_RESOLVE_SECONDS = 10
_INFO_SECONDS = 5
_PULL_SECONDS = 0.1
# Of a stream that was there, and does not say that it ends.
_SILENT_SECONDS = 10
# Of how many a row tells is not in a stream's description; EmotivPRO's tell of these.
_WINDOW_SECONDS = 2


@asynccontextmanager
async def open_lsl(name: str, wanted: Features | None) -> AsyncIterator[Source]:
    """Open a stream by its name.

    Parameters
    ----------
    name : str
        As its outlet has it.
    wanted : Features or None
        What rows are to have, in this order; without it all channels whose labels tell electrode
        and band.

    Raises
    ------
    LiveError
        When there is no such stream, or its channels are others; names those that are missing.
    """
    where = f"lsl:{name}"
    with needing(where, "lsl"):
        import pylsl
    found: list[Any] = []
    for _ in range(_RESOLVE_SECONDS):
        found = found or await asyncio.to_thread(pylsl.resolve_byprop, "name", name, 1, 1)
    if not found:
        raise LiveError(f"{where}: no stream of this name within {_RESOLVE_SECONDS} s")
    inlet = pylsl.StreamInlet(found[0], recover=False, processing_flags=pylsl.proc_clocksync)
    try:
        try:
            info = await asyncio.to_thread(inlet.info, _INFO_SECONDS)
        except RuntimeError as error:
            raise LiveError(f"{where}: it does not say what its channels are: {error}") from None
        if info.channel_format() == pylsl.cf_string:
            raise LiveError(f"{where}: its channels are text, not numbers")
        labels = tuple(str(label or "") for label in info.get_channel_labels() or ())
        features = wanted or find_band_powers([label for label in labels if label])
        if features is None:
            raise LiveError(
                f"{where}: no label of its channels tells electrode and band, such as Cz/theta:"
                f" {listed(labels) or 'none has one'}"
            )
        order = places(where, labels, features)
        async with kept(_rows(where, pylsl, inlet, order)) as rows:
            yield Source(features.names, rows, _WINDOW_SECONDS)
    finally:
        await asyncio.to_thread(inlet.close_stream)


async def _rows(where: str, pylsl: Any, inlet: Any, order: list[int]) -> AsyncGenerator[Row, None]:
    heard = time.monotonic()
    while True:
        try:
            samples, stamps = await asyncio.to_thread(inlet.pull_chunk, _PULL_SECONDS)
        except RuntimeError as error:
            raise LiveError(f"{where}: {error}") from None
        now = time.monotonic()
        if samples:
            heard = now
        elif now - heard > _SILENT_SECONDS:
            raise LiveError(f"{where}: no row for {_SILENT_SECONDS} s")
        # Of this machine's clock, in seconds since some start.
        since_1970 = time.time() - pylsl.local_clock()
        for sample, stamp in zip(samples, stamps, strict=True):
            yield Row([sample[place] for place in order], time=stamp + since_1970)
