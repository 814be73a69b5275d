"""Rows that are taken as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from eeg_letters.errors import LiveError
from eeg_letters.live.sources import rows as module
from eeg_letters.live.sources.rows import Row, kept


async def measured(n_rows: int, skipped: int = 0) -> AsyncGenerator[Row, None]:
    """Rows of a source that is lost then."""
    for number in range(n_rows):
        yield Row([float(number)], skipped=skipped if number == 0 else 0)
    raise LiveError("the source is lost")


async def read(source: AsyncGenerator[Row, None]) -> tuple[list[Row], str]:
    """All rows, and how they ended."""
    given: list[Row] = []
    async with kept(source) as rows:
        while True:
            try:
                given.append(await anext(rows))
            except LiveError as error:
                return given, str(error)


def test_rows_that_nobody_takes_are_kept_and_the_end_comes_after_them() -> None:
    given, told = asyncio.run(read(measured(20)))
    assert [row.values for row in given] == [[float(number)] for number in range(20)]
    assert not any(row.skipped for row in given)
    assert told == "the source is lost"


def test_of_more_rows_than_are_kept_the_oldest_are_lost_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 8)
    given, _ = asyncio.run(read(measured(20, skipped=3)))
    assert [row.values for row in given] == [[float(number)] for number in range(12, 20)]
    assert [row.skipped for row in given] == [15, *[0] * 7]


def test_a_source_is_left_with_whoever_took_its_rows() -> None:
    closed = []

    async def endless() -> AsyncGenerator[Row, None]:
        try:
            while True:
                yield Row([1.0])
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def take_one() -> Row:
        async with kept(endless()) as rows:
            return await anext(rows)

    assert asyncio.run(take_one()) == Row([1.0])
    assert closed
