"""A board that BrainFlow knows: raw EEG, of which band powers are computed here."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from eeg_letters.errors import LiveError, UserError
from eeg_letters.labels import listed
from eeg_letters.live.sources.powers import BANDS, WINDOW_SECONDS, band_powers
from eeg_letters.live.sources.rows import Row, Source, kept, needing, places
from eeg_letters.schema import Features

RATE = 8
_SILENT_SECONDS = 5
# Of the window, over which its samples may come: after some were lost they reach further back.
_STRETCHED = 1.5
_ENDING = "_BOARD"


@dataclass(frozen=True)
class Asked:
    """What is computed of a board's EEG where no model says it.

    Attributes
    ----------
    electrodes : sequence of str
        Empty for all that the board has.
    bands : sequence of str
        Of `BANDS`.
    """

    electrodes: Sequence[str] = ()
    bands: Sequence[str] = ("theta", "alpha", "betaL", "betaH", "gamma")


@asynccontextmanager
async def open_board(
    board: str, wanted: Features | None, asked: Asked, window: float = WINDOW_SECONDS
) -> AsyncIterator[Source]:
    """Open a board; its rows come eight times a second.

    Parameters
    ----------
    board : str
        A name of BrainFlow's, such as ``synthetic``, and what it needs to be found, after commas:
        ``cyton,serial_port=/dev/ttyUSB0``.
    wanted : Features or None
        What rows are to have, in this order; without it what is asked for.
    asked : Asked
        Electrodes and bands.
    window : float
        Of how many seconds a row tells.

    Raises
    ------
    LiveError
        When it cannot be opened, or has not the electrodes that are wanted.
    UserError
        When there is no such board, band or parameter.
    """
    where = f"brainflow:{board}"
    with needing(where, "brainflow"):
        import scipy.signal  # noqa: F401
        from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams
        from brainflow.exit_codes import BrainFlowError
    name, *settings = board.split(",")
    identity = _identity(where, name, BoardIds)
    parameters = _parameters(where, settings, BrainFlowInputParams())
    with warnings.catch_warnings():
        # Below Python 3.12 it imports what is deprecated.
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        BoardShim.disable_board_logger()
    try:
        shim = BoardShim(identity, parameters)
        # Of what is played or streamed, the board that measured it.
        identity = shim.get_board_id()
        names = _electrodes(BoardShim, identity)
        features = wanted or _features(asked.electrodes or names, asked.bands)
        bands = _bands(where, features.band_names)
        order = places(where, [f"{name}/{band}" for name in names for band in bands], features)
        await asyncio.to_thread(_start, shim)
    except BrainFlowError as error:
        raise LiveError(f"{where}: it cannot be opened: {error}") from None
    try:
        async with kept(_rows(where, shim, identity, window, list(bands.values()), order)) as rows:
            yield Source(features.names, rows, window)
    finally:
        await asyncio.to_thread(_stop, shim)


def _identity(where: str, name: str, boards: Any) -> int:
    known = {
        board.name.removesuffix(_ENDING).lower(): board.value
        for board in boards
        if board.value != boards.NO_BOARD.value
    }
    if name.lower() not in known:
        raise UserError(f"{where}: BrainFlow knows no board {name!r}, but {', '.join(known)}")
    return int(known[name.lower()])


def _parameters(where: str, settings: Sequence[str], parameters: Any) -> Any:
    for setting in settings:
        name, _, value = setting.partition("=")
        known = vars(parameters)
        if name not in known:
            raise UserError(f"{where}: BrainFlow has no parameter {name!r}, but {', '.join(known)}")
        try:
            setattr(parameters, name, type(known[name])(value))
        except ValueError:
            raise UserError(f"{where}: {name} is {value!r}, not a number") from None
    return parameters


def _electrodes(shim: Any, identity: int) -> list[str]:
    from brainflow.exit_codes import BrainFlowError

    count = len(shim.get_eeg_channels(identity))
    try:
        names = [str(name) for name in shim.get_eeg_names(identity)]
    except BrainFlowError:
        names = []
    # Of boards whose electrodes go where their user puts them.
    return names if len(names) == count else [f"EEG{number + 1}" for number in range(count)]


def _features(electrodes: Sequence[str], bands: Sequence[str]) -> Features:
    places = [(electrode, band) for electrode in electrodes for band in bands]
    return Features(
        tuple(f"{electrode}/{band}" for electrode, band in places),
        tuple(electrode for electrode, _ in places),
        tuple(band for _, band in places),
    )


def _bands(where: str, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    known = {name.casefold(): limits for name, limits in BANDS.items()}
    unknown = [name for name in names if name.casefold() not in known]
    if unknown or not names:
        raise UserError(
            f"{where}: its EEG becomes the bands {', '.join(BANDS)}, not"
            f" {listed(unknown) or 'features that are no band powers'}"
        )
    return {name: known[name.casefold()] for name in names}


def _start(shim: Any) -> None:
    shim.prepare_session()
    try:
        shim.start_stream()
    except BaseException:
        # Another process could not open the board.
        shim.release_session()
        raise


def _stop(shim: Any) -> None:
    from brainflow.exit_codes import BrainFlowError

    try:
        shim.stop_stream()
        shim.release_session()
    except BrainFlowError:
        return  # It is lost already.


async def _rows(
    where: str,
    shim: Any,
    identity: int,
    window: float,
    bands: Sequence[tuple[float, float]],
    order: Sequence[int],
) -> AsyncGenerator[Row, None]:
    from brainflow.exit_codes import BrainFlowError

    loop = asyncio.get_running_loop()
    sampling_rate = shim.get_sampling_rate(identity)
    n_samples = round(window * sampling_rate)
    channels, stamps = shim.get_eeg_channels(identity), shim.get_timestamp_channel(identity)
    due = heard = told = loop.time()
    last = 0.0
    skipped = 0
    while True:
        due += 1 / RATE
        behind = max(0, int((loop.time() - due) * RATE))
        due += behind / RATE
        skipped += behind
        await asyncio.sleep(due - loop.time())
        try:
            samples = shim.get_current_board_data(n_samples)
        except BrainFlowError as error:
            raise LiveError(f"{where}: the board is lost: {error}") from None
        stamp = float(samples[stamps][-1]) if samples.shape[1] else last
        if stamp != last:
            heard, last = loop.time(), stamp
        elif loop.time() - heard > _SILENT_SECONDS:
            raise LiveError(f"{where}: no sample for {_SILENT_SECONDS} s")
        else:
            continue
        is_full, covered = samples.shape[1] == n_samples, stamp - float(samples[stamps][0])
        if is_full and covered <= _STRETCHED * window:
            powers = band_powers(np.asarray(samples[channels]), sampling_rate, bands).ravel()
            yield Row(powers[order].tolist(), time=stamp, skipped=skipped)
            skipped, told = 0, loop.time()
        elif loop.time() - told > _SILENT_SECONDS + _STRETCHED * window:
            raise LiveError(
                f"{where}: of {sampling_rate} samples a second only"
                f" {(samples.shape[1] - 1) / covered:.0f} come, too few for band powers"
            )
        else:
            skipped += is_full
