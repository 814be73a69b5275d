"""Simulate two recordings of one subject who imagines letters: train.csv and test.json.

Run it from the repository root: ``python -m data.simulate [DIRECTORY]``. The README beside it
says what is realistic about the recordings and what is not.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from eeg_letters.atomic import atomic_write
from eeg_letters.schema import BANDS, COLUMNS, ELECTRODES, FEATURES, LETTERS

SEED = 32
ROWS_PER_LETTER = 50
SMALLEST_POWER = 0.001

# Places on a flat head, in head radii from the vertex: towards the nose by the letters of an
# electrode's name, sideways by its number (odd is left, even is right, z is the midline).
TOWARDS_NOSE = {"Fp": 0.9, "F": 0.5, "FC": 0.25, "FT": 0.25, "C": 0.0, "T": 0.0}
TOWARDS_NOSE |= {"CP": -0.25, "TP": -0.25, "P": -0.5, "O": -0.9}
SIDEWAYS_PER_PAIR = 0.25
BLUR_OF_THE_SKULL = 0.35

# Powers at rest. What does not say otherwise is the natural logarithm of a factor on power.
BAND_CENTRES_HZ = dict(zip(BANDS, (6.0, 10.0, 14.0, 20.5, 35.0), strict=True))
POWER_AT_1_HZ = 4.4
FAR_FROM_REFERENCE = 0.8  # The reference electrode, near the vertex, subtracts what is near it.
RHYTHM_AT_OCCIPUT = {"alpha": 3.2}
MUSCLE_AT_TEMPLES = {"betaH": 0.7, "gamma": 0.7}
EYES_AT_FOREHEAD = {"theta": 0.3}
CONTACT_SD = 0.35

# What changes: standard deviations of the natural logarithm of power, and durations in rows.
LETTER_SD = 0.42
SESSION_LETTER_SD = 0.08  # A letter is not imagined alike in two sessions.
DRIFT_SD = 0.45
DRIFT_TIME_CONSTANT = 20
FLUCTUATION_SD = 0.55
SPECTRAL_WINDOW = 6  # Longer than a row, so a row shares most of its signal with its neighbours.
SESSION_GAIN_SD = 0.05
SENSOR_NOISE_SD = 0.1

Powers = NDArray[np.float64]
SHAPE = (len(ELECTRODES), len(BANDS))
N_ROWS = len(LETTERS) * ROWS_PER_LETTER


def main() -> None:
    """Write both recordings."""
    directory = parse_directory()
    directory.mkdir(parents=True, exist_ok=True)
    rng = Generator(PCG64(SEED))
    resting = resting_log_powers(rng)
    patterns = LETTER_SD * spread(rng.standard_normal((len(LETTERS), *SHAPE)))
    train = record_session(rng, resting, patterns)
    test = record_session(rng, resting, patterns)
    for name, text in (("train.csv", to_csv(train)), ("test.json", to_json(test))):
        with atomic_write(directory / name) as temporary:
            temporary.write_text(text, encoding="ascii", newline="\n")


def parse_directory() -> Path:
    """Directory to write to, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m data.simulate", description="Simulate EEG.")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parent)
    return Path(parser.parse_args().directory)


def resting_log_powers(rng: Generator) -> Powers:
    """Logarithms of the subject's powers without a letter, shape (electrodes, bands)."""
    right, nose = places().T
    contact = CONTACT_SD * rng.standard_normal(len(ELECTRODES))
    by_band = [
        math.log(POWER_AT_1_HZ / hz)
        + FAR_FROM_REFERENCE * np.minimum(np.hypot(right, nose), 1)
        + RHYTHM_AT_OCCIPUT.get(band, 0) * np.clip(0.4 - nose, 0, 1)
        + MUSCLE_AT_TEMPLES.get(band, 0) * np.abs(right)
        + EYES_AT_FOREHEAD.get(band, 0) * np.maximum(nose, 0)
        + contact
        for band, hz in BAND_CENTRES_HZ.items()
    ]
    return np.stack(by_band, axis=-1)


def record_session(rng: Generator, resting: Powers, patterns: Powers) -> Powers:
    """Band powers of a session, letter after letter, shape (rows, features)."""
    imagined = patterns + SESSION_LETTER_SD * rng.standard_normal(patterns.shape)
    log_powers = (
        resting
        + SESSION_GAIN_SD * rng.standard_normal((len(ELECTRODES), 1))
        + np.repeat(imagined, ROWS_PER_LETTER, axis=0)
        + DRIFT_SD * drift(rng)
        + FLUCTUATION_SD * fluctuation(rng)
        + SENSOR_NOISE_SD * rng.standard_normal((N_ROWS, *SHAPE))
    )
    return np.maximum(np.exp(log_powers), SMALLEST_POWER).reshape(N_ROWS, len(FEATURES))


def drift(rng: Generator) -> Powers:
    """Slow changes of state: a random walk pulled back to the mean, of unit variance."""
    memory = math.exp(-1 / DRIFT_TIME_CONSTANT)
    path = spread(rng.standard_normal((N_ROWS, *SHAPE)))
    for row in range(1, N_ROWS):
        path[row] = memory * path[row - 1] + math.sqrt(1 - memory**2) * path[row]
    return path


def fluctuation(rng: Generator) -> Powers:
    """Fast changes, as overlapping spectral windows show them, of unit variance."""
    window = np.hanning(SPECTRAL_WINDOW + 2)[1:-1]
    window /= np.sqrt((window**2).sum())
    fast = spread(rng.standard_normal((N_ROWS + SPECTRAL_WINDOW, *SHAPE)))
    shifted = (weight * fast[shift : shift + N_ROWS] for shift, weight in enumerate(window))
    return sum(shifted, start=np.zeros((N_ROWS, *SHAPE)))


def spread(sources: Powers) -> Powers:
    """Blur independent sources, shape (n, electrodes, bands), over the scalp; keeps variance."""
    steps = places()[:, None] - places()
    weights = np.exp(-(steps**2).sum(-1) / (2 * BLUR_OF_THE_SKULL**2))
    weights /= np.sqrt((weights**2).sum(-1, keepdims=True))
    # Not a matrix product: the order of its sums differs between machines.
    return np.stack([(w[:, None] * sources).sum(1) for w in weights], axis=1)


def places() -> Powers:
    """Places of the electrodes: to the right and towards the nose, shape (electrodes, 2)."""
    found = []
    for electrode in ELECTRODES:
        region = electrode.rstrip("z0123456789")
        number = int(electrode.removeprefix(region).replace("z", "0"))
        sideways = SIDEWAYS_PER_PAIR * math.ceil(number / 2)
        found.append((-sideways if number % 2 else sideways, TOWARDS_NOSE[region]))
    return np.array(found)


def to_rows(powers: Powers) -> list[list[str]]:
    """Rows of a recording as text, in the order of `COLUMNS`."""
    return [
        [str(line), str(line // ROWS_PER_LETTER), *(f"{power:.3f}" for power in row)]
        for line, row in enumerate(powers)
    ]


def to_csv(powers: Powers) -> str:
    """Recording as CSV, with the blank that recordings have before each feature's name."""
    header = [f" {name}" if name in FEATURES else name for name in COLUMNS]
    return "".join(",".join(cells) + "\n" for cells in [header, *to_rows(powers)])


def to_json(powers: Powers) -> str:
    """Recording as a JSON object of rows keyed by line number."""
    by_line = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in to_rows(powers)}
    return json.dumps(by_line) + "\n"


if __name__ == "__main__":
    main()
