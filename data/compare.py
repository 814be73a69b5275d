"""How alike recordings are in what the README beside this file says of them.

Run it from the repository root: ``python -m data.compare RECORDING…``, such as real ones beside
simulated ones.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eeg_letters.errors import UserError
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.schema import BANDS
from eeg_letters.training.report.shift import SMALLEST_POWER

ROWS_APART = (1, 2, 5)


def main() -> None:
    """Print a column of figures for each recording."""
    parser = argparse.ArgumentParser(prog="python -m data.compare", description="Compare EEG.")
    parser.add_argument("recordings", metavar="RECORDING", nargs="+", type=Path)
    paths = parser.parse_args().recordings
    columns = [figures(read_recording(path)) for path in paths]
    table = Table()
    table.add_column("", no_wrap=True)
    for path in paths:
        table.add_column(Text(str(path)), justify="right", overflow="fold")
    for name in columns[0]:
        table.add_row(name, *(f"{column[name]:.3f}" for column in columns))
    Console().print(table)


def figures(recording: Recording) -> dict[str, float]:
    """What is compared, by name."""
    powers = recording.band_powers
    medians = {
        f"Median power, {band}": float(np.median(powers[:, number :: len(BANDS)]))
        for number, band in enumerate(BANDS)
    }
    return {
        "Median norm of a row": float(np.median(np.linalg.norm(powers, axis=1))),
        **medians,
        **{
            f"Correlation of rows {apart} apart": correlation(recording, apart)
            for apart in ROWS_APART
        },
    }


def correlation(recording: Recording, apart: int) -> float:
    """Correlation of the logarithms of band powers within a letter, some rows apart.

    NaN where no letter has rows so far apart that differ.
    """
    products, squares = 0.0, 0.0
    for letter in np.unique(recording.letters):
        rows: NDArray[np.float64] = np.log(
            np.maximum(recording.band_powers[recording.letters == letter], SMALLEST_POWER)
        )
        rows -= rows.mean(axis=0)
        products += float((rows[:-apart] * rows[apart:]).sum())
        squares += float(np.sqrt((rows[:-apart] ** 2).sum() * (rows[apart:] ** 2).sum()))
    return products / squares if squares else float("nan")


if __name__ == "__main__":
    # A file's name may have bytes that are no text.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        main()
    except UserError as error:
        print(f"python -m data.compare: {error}", file=sys.stderr)
        sys.exit(2)
