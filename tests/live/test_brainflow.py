"""BrainFlow's own synthetic board."""

from __future__ import annotations

import asyncio
import re
import time
from itertools import pairwise

import pytest

from eeg_letters.errors import LiveError, UserError
from eeg_letters.live.sources.brainflow import Asked, open_board
from eeg_letters.live.sources.rows import Row, Source
from eeg_letters.schema import Features, find_band_powers

ALL = Asked()


async def first_rows(
    n_rows: int, wanted: Features | None = None, asked: Asked = ALL, board: str = "synthetic"
) -> tuple[Source, list[Row]]:
    """Rows of windows of a second, which is the shortest."""
    rows: list[Row] = []
    async with open_board(board, wanted, asked, window=1) as source:
        async for row in source.rows:
            rows.append(row)
            if len(rows) == n_rows:
                break
    return source, rows


def test_rows_have_the_electrodes_and_bands_that_are_asked_for() -> None:
    asked = Asked(("Cz", "pz"), ("alpha", "gamma"))
    source, rows = asyncio.run(first_rows(3, asked=asked))
    assert source.names == ("Cz/alpha", "Cz/gamma", "pz/alpha", "pz/gamma")
    assert all(len(row.values) == 4 and min(row.values) >= 0 for row in rows)
    assert all(abs(row.time - time.time()) < 60 for row in rows if row.time)
    assert all(
        after.time > before.time for before, after in pairwise(rows) if before.time and after.time
    )


def test_rows_have_the_features_of_a_model_in_its_order() -> None:
    # The first electrode has a sine of 5 Hz, the second one of 10 Hz.
    wanted = find_band_powers(["POW.C3.Alpha", "POW.Fz.Theta", "POW.Fz.Alpha", "POW.C3.Theta"])
    source, (row,) = asyncio.run(first_rows(1, wanted))
    assert source.names[0] == "POW.C3.Alpha"
    c3_alpha, fz_theta, fz_alpha, c3_theta = row.values
    assert fz_theta > 100 * fz_alpha
    assert c3_alpha > 100 * c3_theta


def test_electrodes_that_a_board_lacks_are_named() -> None:
    wanted = find_band_powers(["Fz/theta", "AF3/theta"])
    with pytest.raises(LiveError, match=r"1 of the 2 features .* missing: AF3/theta"):
        asyncio.run(first_rows(1, wanted))


@pytest.mark.parametrize(
    ("board", "asked", "said"),
    [
        ("nothing", ALL, "BrainFlow knows no board 'nothing', but playback_file, "),
        ("cyton,port=1", ALL, "BrainFlow has no parameter 'port', but serial_port, "),
        ("cyton,ip_port=x", ALL, "ip_port is 'x', not a number"),
        ("synthetic", Asked(bands=("omega",)), "not omega"),
    ],
)
def test_what_brainflow_does_not_know_is_told(board: str, asked: Asked, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        asyncio.run(first_rows(1, asked=asked, board=board))


def test_a_board_that_is_not_there_is_told() -> None:
    with pytest.raises(LiveError, match=r"brainflow:cyton,serial_port=/dev/null: it cannot be op"):
        asyncio.run(first_rows(1, board="cyton,serial_port=/dev/null"))
