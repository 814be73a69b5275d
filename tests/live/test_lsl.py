"""Streams of Lab Streaming Layer, from an outlet in another process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eeg_letters.errors import LiveError
from eeg_letters.live.sources.lsl import open_lsl
from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.schema import Features, find_band_powers

# As EmotivPRO has them.
LABELS = ("Timestamp", "AF3/theta", "AF3/alpha", "AF4/theta", "AF4/alpha")


@contextmanager
def outlet(*labels: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An outlet and its name, until the block ends."""
    name = f"eeg-letters-{uuid.uuid4()}"
    command = [sys.executable, str(Path(__file__).with_name("outlet.py")), name, *labels]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            yield name, process
        finally:
            process.kill()


async def first_rows(name: str, n_rows: int, wanted: Features | None) -> tuple[Source, list[Row]]:
    rows: list[Row] = []
    async with open_lsl(name, wanted) as source:
        async for row in source.rows:
            rows.append(row)
            if len(rows) == n_rows:
                break
    return source, rows


def test_channels_are_put_in_the_order_of_the_models_features() -> None:
    wanted = find_band_powers(["POW.AF4.Alpha", "POW.AF3.Theta"])
    with outlet("AF3/theta", "AF3/alpha", "AF4/theta", "AF4/alpha") as (name, _):
        source, rows = asyncio.run(first_rows(name, 5, wanted))
    assert source.names == ("POW.AF4.Alpha", "POW.AF3.Theta")
    assert [row.values[0] for row in rows] == [0.5] * 5
    numbers = [row.values[1] for row in rows]
    assert numbers == [numbers[0] + place for place in range(5)]
    assert all(row.time and abs(row.time - time.time()) < 60 for row in rows)


def test_without_models_all_band_powers_are_taken() -> None:
    with outlet(*LABELS) as (name, _):
        source, (row,) = asyncio.run(first_rows(name, 1, None))
    assert source.names == LABELS[1:]
    assert row.values == [0.5] * 4
    # What is recorded by cue leaves out rows that tell of the cue before, too.
    assert source.window == 2


def test_channels_that_are_missing_are_named() -> None:
    wanted = find_band_powers(["AF3/theta", "Cz/theta", "Cz/alpha"])
    with (
        outlet(*LABELS) as (name, _),
        pytest.raises(LiveError, match=r"2 of the 3 features .* missing: Cz/theta, Cz/alpha"),
    ):
        asyncio.run(first_rows(name, 1, wanted))


def test_channels_whose_labels_tell_nothing_are_listed() -> None:
    with (
        outlet("Q0", "Q1") as (name, _),
        pytest.raises(LiveError, match=r"no label of its channels tells .*: Q0, Q1"),
    ):
        asyncio.run(first_rows(name, 1, None))


def test_an_outlet_that_ends_is_told() -> None:
    async def follow(name: str, process: subprocess.Popen[bytes]) -> None:
        async with open_lsl(name, None) as source:
            async for _ in source.rows:
                process.kill()

    with (
        outlet(*LABELS) as (name, process),
        pytest.raises(LiveError, match="the stream has been lost"),
    ):
        asyncio.run(follow(name, process))
