"""How alike recordings are in what the README beside this file says of them.

Run it from the repository root: ``python -m data.compare RECORDING…``, such as real ones beside
simulated ones.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.simulate import SMALLEST_POWER
from eeg_letters.errors import UserError
from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.recordings.recording import Recording, read_recording

ROWS_APART = (1, 2, 5)
CORRELATION = "Correlation of rows"
ABSENT = "-"


def main() -> None:
    """Print a column of figures for each recording."""
    parser = argparse.ArgumentParser(prog="python -m data.compare", description="Compare EEG.")
    parser.add_argument("recordings", metavar="RECORDING", nargs="+", type=Path)
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help=f"column that has the labels (by default {', '.join(LABEL_COLUMNS[:-1])} or"
        f" {LABEL_COLUMNS[-1]})",
    )
    arguments = parser.parse_args()
    paths = arguments.recordings
    columns = [figures(read_recording(path, label=arguments.label)) for path in paths]
    table = Table()
    table.add_column("", no_wrap=True)
    for path in paths:
        table.add_column(Text(str(path)), justify="right", overflow="fold")
    for name, values in side_by_side(columns):
        table.add_row(
            Text(name), *(ABSENT if value is None else f"{value:.3f}" for value in values)
        )
    Console().print(table)


def side_by_side(
    columns: Sequence[dict[str, float]],
) -> Iterator[tuple[str, list[float | None]]]:
    """Every figure's name and its value in each column, correlations last.

    Upper and lower case do not count: one recording has theta, another one Theta.
    """
    names = {name.casefold(): name for column in reversed(columns) for name in reversed(column)}
    folded = [{name.casefold(): value for name, value in column.items()} for column in columns]
    ordered = dict.fromkeys(key for column in folded for key in column)
    for key in sorted(ordered, key=lambda key: key.startswith(CORRELATION.casefold())):
        yield names[key], [column.get(key) for column in folded]


def figures(recording: Recording) -> dict[str, float]:
    """What is compared, by name."""
    return {
        "Median norm of a row": float(np.median(np.linalg.norm(recording.features, axis=1))),
        **medians(recording),
        **{f"{CORRELATION} {apart} apart": correlation(recording, apart) for apart in ROWS_APART},
    }


def medians(recording: Recording) -> dict[str, float]:
    """Median power of each band, or of all features where they are no band powers."""
    features, values = recording.schema.features, recording.features
    if not features.are_powers:
        return {"Median of all features": float(np.median(values))}
    bands = np.array(features.bands)
    return {
        f"Median power, {band}": float(np.median(values[:, bands == band]))
        for band in features.band_names
    }


def correlation(recording: Recording, apart: int) -> float:
    """Correlation of rows of one class, some rows apart.

    Of the logarithms of band powers; of other features, of each in units of its standard deviation.
    NaN where no class has rows so far apart that differ.
    """
    values: NDArray[np.float64] = recording.features
    if recording.schema.features.are_powers:
        values = np.log(np.maximum(values, SMALLEST_POWER))
    else:
        sds = values.std(axis=0)
        values = values / np.where(sds > 0, sds, 1)
    products, squares = 0.0, 0.0
    for label in np.unique(recording.labels):
        rows = values[recording.labels == label]
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
