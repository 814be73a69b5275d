"""Rows as a source gives them, and how its names fit what a model takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from eeg_letters.errors import LiveError
from eeg_letters.labels import listed
from eeg_letters.montage import canonical_name, modern_name
from eeg_letters.schema import Features, parse_band_power

# Six minutes at eight rows a second.
MOST_KEPT = 2880


class Row(NamedTuple):
    """Values of the features of a source at one moment.

    Attributes
    ----------
    values : sequence of float, shape (n_features,)
        Band powers, as a rule in µV²/Hz.
    time : float or None
        Seconds since 1970; None where the source tells none.
    line : int or None
        The row's line number in a recording.
    label : int or str or None
        What it truly was, where that is known.
    skipped : int
        How many rows before it are lost, because nobody took them in time.
    """

    values: Sequence[float]
    time: float | None = None
    line: int | None = None
    label: int | str | None = None
    skipped: int = 0


@dataclass(frozen=True)
class Source:
    """A source that is open.

    Attributes
    ----------
    names : tuple of str
        The features of its rows.
    rows : async generator of Row
        Raises `LiveError` when the source is lost.
    window : float
        Of how many seconds before it a row tells.
    """

    names: tuple[str, ...]
    rows: AsyncGenerator[Row, None]
    window: float = 0


@asynccontextmanager
async def kept(rows: AsyncGenerator[Row, None]) -> AsyncIterator[AsyncGenerator[Row, None]]:
    """Take rows as they come, and keep them until somebody reads them.

    For sources that cannot wait while the service is away. Of more than `MOST_KEPT` the oldest are
    lost, which the next one tells.
    """
    waiting: deque[Row] = deque()
    more = asyncio.Event()
    lost = 0

    async def take() -> None:
        nonlocal lost
        try:
            async with aclosing(rows):
                async for row in rows:
                    if len(waiting) == MOST_KEPT:
                        lost += waiting.popleft().skipped + 1
                    waiting.append(row)
                    more.set()
        finally:
            more.set()

    async def give() -> AsyncGenerator[Row, None]:
        nonlocal lost
        while waiting or not taking.done():
            if not waiting:
                more.clear()
                await more.wait()
                continue
            row = waiting.popleft()
            skipped, lost = row.skipped + lost, 0
            yield row._replace(skipped=skipped)
        taking.result()

    taking = asyncio.create_task(take())
    try:
        yield give()
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


def places(where: str, names: Sequence[str], wanted: Features) -> list[int]:
    """Where the features that are wanted are among a source's own names.

    Band powers are found by electrode and band, however their names are written: ``AF3/theta`` is
    ``POW.AF3.Theta``.

    Raises
    ------
    LiveError
        When some are missing; names them.
    """
    found: dict[tuple[str, ...], int] = {}
    for place, name in enumerate(names):
        found.setdefault(_key(name), place)
    missing = [name for name in wanted.names if _key(name) not in found]
    if missing:
        raise LiveError(
            f"{where}: {len(missing)} of the {len(wanted)} features of the models are missing:"
            f" {listed(missing)}"
        )
    return [found[_key(name)] for name in wanted.names]


def _key(name: str) -> tuple[str, ...]:
    parsed = parse_band_power(name.strip())
    if parsed is None:
        return (name.strip().casefold(),)
    electrode, band = parsed
    return modern_name(canonical_name(electrode) or electrode.casefold()), band.casefold()


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Import libraries of an extra.

    Raises
    ------
    LiveError
        When one is not installed, or does not work here; names the extra.
    """
    try:
        yield
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise LiveError(
            f"{what} needs the extra {extra}: pip install 'eeg-letters[{extra}]' ({reason})"
        ) from None
