"""BrainFlow's own synthetic board."""

from __future__ import annotations

import asyncio
import re
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams
from numpy.typing import NDArray

from eeg_letters.errors import LiveError, UserError
from eeg_letters.live.sources import brainflow
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


def test_what_another_board_measured_is_played(tmp_path: Path) -> None:
    file = tmp_path / "measured.csv"
    board = BoardShim(BoardIds.SYNTHETIC_BOARD.value, BrainFlowInputParams())
    board.prepare_session()
    board.start_stream(streamer_params=f"file://{file}:w")
    while board.get_board_data_count() < 3 * BoardShim.get_sampling_rate(board.get_board_id()):
        time.sleep(0.05)
    board.stop_stream()
    board.release_session()
    played = f"playback_file,file={file},master_board={BoardIds.SYNTHETIC_BOARD.value}"
    source, rows = asyncio.run(first_rows(3, asked=Asked(("Fz",), ("theta",)), board=played))
    assert source.names == ("Fz/theta",)
    assert all(row.values[0] > 0 for row in rows)


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


class Interrupted:
    """A board that has lost its samples from 1.5 to 2.3 s; each look at it is 1/8 s later."""

    rate = 250

    def __init__(self) -> None:
        self.looks = 0

    def get_sampling_rate(self, _: int) -> int:
        return self.rate

    def get_eeg_channels(self, _: int) -> list[int]:
        return [0]

    def get_timestamp_channel(self, _: int) -> int:
        return 1

    def get_current_board_data(self, n_samples: int) -> NDArray[np.float64]:
        self.looks += 1
        times = np.arange(0, self.looks / 8, 1 / self.rate)
        kept = times[(times < 1.5) | (times >= 2.3)][-n_samples:]
        return np.stack([np.sin(2 * np.pi * 10 * kept), kept])


class Halved(Interrupted):
    """A board that loses every other sample."""

    def get_current_board_data(self, n_samples: int) -> NDArray[np.float64]:
        self.looks += 1
        kept = np.arange(0, self.looks / 8, 2 / self.rate)[-n_samples:]
        return np.stack([np.sin(2 * np.pi * 10 * kept), kept])


def test_a_board_that_loses_too_many_samples_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brainflow, "RATE", 200)
    monkeypatch.setattr(brainflow, "_SILENT_SECONDS", 0.2)

    async def follow() -> None:
        async for row in brainflow._rows("board", Halved(), 0, 1, [(8, 12)], [0]):
            pytest.fail(f"a row of {row.values}")

    with pytest.raises(LiveError, match="board: of 250 samples a second only 125 come"):
        asyncio.run(follow())


def test_no_row_tells_of_a_time_in_which_samples_were_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brainflow, "RATE", 200)

    async def until(seconds: float) -> list[Row]:
        rows = []
        async for row in brainflow._rows("board", Interrupted(), 0, 1, [(8, 12)], [0]):
            rows.append(row)
            if row.time is not None and row.time > seconds:
                break
        return rows

    rows = asyncio.run(until(4))
    times = [row.time for row in rows if row.time is not None]
    assert min(times) < 1.4
    assert not [time for time in times if 1.5 <= time < 3.2]
    after = next(row for row in rows if row.time and row.time > 3)
    assert after.skipped >= 7
