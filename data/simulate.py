"""Simulate two recordings of one subject: train.csv and test.json.

Run it from the repository root: ``python -m data.simulate [DIRECTORY]``. By default the subject
imagines letters and wears a cap of 32 electrodes; options name other electrodes, bands and classes.
The README beside it says what is realistic about the recordings and what is not.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError, SchemaError, UserError
from eeg_letters.labels import LETTER_COLUMN, LETTERS, MAX_CLASSES, find_labels
from eeg_letters.montage import canonical_name, flat_positions
from eeg_letters.schema import LINE_COLUMN, find_band_powers, parse_band_power

PROGRAM = "python -m data.simulate"
SEED = 32
SMALLEST_POWER = 0.001
# What is made at most. The largest arrays, of which two or three are held, have a float64 for each
# value of a recording.
MOST_NAMES = 1000
MOST_VALUES = 50_000_000
ROWS_AT_A_TIME = 250  # Their values stay in the processor's cache.

# The cap of the shipped recordings, and its places on a flat head, in head radii from the vertex:
# towards the nose by the letters of an electrode's name, sideways by its number (odd is left, even
# is right, z is the midline). Other electrodes are where the 10-05 system has them, and those that
# it has not on a circle.
ELECTRODES = tuple(
    "Cz Fz Fp1 F7 F3 FC1 C3 FC5 FT9 T7 TP9 CP5 CP1 P3 P7 O1 "
    "Pz Oz O2 P8 P4 CP2 CP6 TP10 T8 FT10 FC6 C4 FC2 F4 F8 Fp2".split()
)
TOWARDS_NOSE = {"Fp": 0.9, "F": 0.5, "FC": 0.25, "FT": 0.25, "C": 0.0, "T": 0.0}
TOWARDS_NOSE |= {"CP": -0.25, "TP": -0.25, "P": -0.5, "O": -0.9}
SIDEWAYS_PER_PAIR = 0.25
CIRCLE_OF_UNKNOWN = 0.6
BLUR_OF_THE_SKULL = 0.35

# Powers at rest. What does not say otherwise is the natural logarithm of a factor on power.
BANDS = ("theta", "alpha", "betaL", "betaH", "gamma")
BAND_CENTRES_HZ = dict(zip(BANDS, (6.0, 10.0, 14.0, 20.5, 35.0), strict=True))
BAND_CENTRES_HZ |= {"delta": 2.0, "beta": 20.0}
UNKNOWN_CENTRES_HZ = (2.0, 60.0)  # Unknown bands are between, in the order of the bands.
POWER_AT_1_HZ = 4.4
FAR_FROM_REFERENCE = 0.8  # The reference electrode, near the vertex, subtracts what is near it.
RHYTHM_AT_OCCIPUT = {"alpha": 3.2}
MUSCLE_AT_TEMPLES = {"beta": 0.5, "betaH": 0.7, "gamma": 0.7}
EYES_AT_FOREHEAD = {"delta": 0.6, "theta": 0.3}
CONTACT_SD = 0.35

# What changes: standard deviations of the natural logarithm of power, and durations in rows.
CLASS_SD = 0.42
SESSION_CLASS_SD = 0.08  # A class is not imagined alike in two sessions.
DRIFT_SD = 0.45
DRIFT_TIME_CONSTANT = 20
FLUCTUATION_SD = 0.55
SPECTRAL_WINDOW = 6  # Longer than a row, so a row shares most of its signal with its neighbours.
SESSION_GAIN_SD = 0.05
SENSOR_NOISE_SD = 0.1

Powers = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """What is recorded.

    Attributes
    ----------
    electrodes, bands : tuple of str
        Whose powers each row has.
    label_column : str
        Name of the column of labels.
    classes : tuple of str
        The label of each class, in the order in which they are imagined.
    rows_per_class : int
        Rows of each class in each session.
    """

    electrodes: tuple[str, ...] = ELECTRODES
    bands: tuple[str, ...] = BANDS
    label_column: str = LETTER_COLUMN
    classes: tuple[str, ...] = tuple(map(str, LETTERS.values))
    rows_per_class: int = 50

    @property
    def shape(self) -> tuple[int, int]:
        """Of the powers of a row: electrodes, bands."""
        return len(self.electrodes), len(self.bands)

    @property
    def n_rows(self) -> int:
        """Rows of a session."""
        return len(self.classes) * self.rows_per_class

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Columns of the band powers."""
        return tuple(f"{electrode}/{band}" for electrode in self.electrodes for band in self.bands)

    @cached_property
    def places(self) -> Powers:
        """Places of the electrodes: to the right and towards the nose, shape (electrodes, 2)."""
        names = [canonical_name(electrode) for electrode in self.electrodes]
        angles = iter(np.linspace(0, 2 * np.pi, names.count(None), endpoint=False))
        found = []
        for name in names:
            if name in ELECTRODES:
                found.append(simple_place(name))
            elif name is not None:
                ((right, nose),) = flat_positions([name])
                found.append((float(right), float(nose)))
            else:
                angle = next(angles)
                found.append((CIRCLE_OF_UNKNOWN * np.sin(angle), CIRCLE_OF_UNKNOWN * np.cos(angle)))
        return np.array(found)

    @cached_property
    def blur(self) -> Powers:
        """Weights of the sources under each electrode, shape (electrodes, sources)."""
        steps = self.places[:, None] - self.places
        weights: Powers = np.exp(-(steps**2).sum(-1) / (2 * BLUR_OF_THE_SKULL**2))
        weights /= np.sqrt((weights**2).sum(-1, keepdims=True))
        return weights


def simple_place(electrode: str) -> tuple[float, float]:
    """To the right and towards the nose, by the name of an electrode of the shipped cap."""
    region = electrode.rstrip("z0123456789")
    number = int(electrode.removeprefix(region).replace("z", "0"))
    sideways = SIDEWAYS_PER_PAIR * math.ceil(number / 2)
    return -sideways if number % 2 else sideways, TOWARDS_NOSE[region]


def main() -> None:
    """Write both recordings."""
    directory, design = parse_arguments()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{directory}: cannot be made: {error.strerror}") from None
    rng = Generator(PCG64(SEED))
    resting = resting_log_powers(rng, design)
    shape = (len(design.classes), *design.shape)
    patterns = CLASS_SD * spread(rng.standard_normal(shape), design)
    for name, write in (("train.csv", write_csv), ("test.json", write_json)):
        powers = record_session(rng, design, resting, patterns)
        with text_file(directory / name) as file:
            write(file, design, powers)


def parse_arguments() -> tuple[Path, Design]:
    """Directory to write to and what to record, from the command line."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Simulate EEG.")
    parser.add_argument(
        "directory", nargs="?", type=Path, help="where train.csv and test.json go (data)"
    )
    parser.add_argument(
        "--electrodes",
        metavar="NAMES",
        help="electrodes, such as AF3,F7,F3 (the 32 of the shipped recordings)",
    )
    parser.add_argument(
        "--bands", metavar="NAMES", help=f"bands, such as delta,theta ({','.join(BANDS)})"
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES|N",
        help="classes in a column label: names such as left,right, whole numbers such as 769,770,"
        f" or how many, numbered from 0 (the letters, in a column {LETTER_COLUMN})",
    )
    parser.add_argument(
        "--rows-per-class",
        metavar="N",
        help=f"rows of each class in each file ({Design.rows_per_class})",
    )
    arguments = parser.parse_args()
    design = parse_design(
        arguments.electrodes, arguments.bands, arguments.classes, arguments.rows_per_class
    )
    if arguments.directory is None and design != Design():
        raise UserError(
            "name a directory: without one, the shipped files would be overwritten by others"
        )
    return arguments.directory or Path(__file__).parent, design


def parse_design(
    electrodes: str | None, bands: str | None, classes: str | None, rows: str | None
) -> Design:
    """What to record, from the text of each option; None stands for its default.

    Raises
    ------
    UserError
        When an option cannot be understood, or the recording would be no recording or too large.
    """
    default = Design()
    label_column, labels = default.label_column, default.classes
    if classes is not None:
        label_column, labels = "label", parse_classes(classes)
    design = Design(
        default.electrodes if electrodes is None else parse_names("--electrodes", electrodes),
        default.bands if bands is None else parse_names("--bands", bands),
        label_column,
        labels,
        default.rows_per_class
        if rows is None
        else parse_count("--rows-per-class", rows, 1, MOST_VALUES),
    )
    n_values = design.n_rows * len(design.features)
    if n_values > MOST_VALUES:
        raise UserError(
            f"each file would have {n_values:,} band powers; it can have {MOST_VALUES:,}"
        )
    try:
        find_band_powers(design.features)
    except SchemaError as error:
        raise UserError(f"--electrodes, --bands: {error}") from None
    for name in design.features:
        if parse_band_power(name) is None:
            raise UserError(
                f"--electrodes, --bands: {name} is no name of a band power: there must be one slash"
                " in it, and either the electrode is one of the 10-05 system or the band a usual"
                " one such as theta"
            )
    return design


def parse_classes(text: str) -> tuple[str, ...]:
    """Labels of the classes: those that are listed, or the numbers below the one that is given."""
    option = "--classes"
    if text.strip().isdecimal():
        return tuple(map(str, range(parse_count(option, text, 2, MAX_CLASSES))))
    names = parse_names(option, text, 2)
    try:
        labels = find_labels(names, "label")
    except SchemaError as error:
        raise UserError(f"{option}: {error}") from None
    if len(labels.values) < len(names):
        raise UserError(f"{option}: two names stand for the same number")
    return names


def parse_names(option: str, text: str, least: int = 1) -> tuple[str, ...]:
    """Names from a list with commas, each one once."""
    names = tuple(name.strip() for name in text.split(","))
    if not least <= len(names) <= MOST_NAMES:
        raise UserError(
            f"{option}: {len(names):,} {'name' if len(names) == 1 else 'names'}; there can be"
            f" {least} to {MOST_NAMES:,}, with commas between them"
        )
    for name, count in Counter(names).items():
        if not name:
            raise UserError(f"{option}: a name is empty")
        if not name.isprintable():
            raise UserError(f"{option}: {name!r} has characters that cannot be printed")
        if count > 1:
            raise UserError(f"{option}: {name} is there twice")
    return names


def parse_count(option: str, text: str, least: int, most: int) -> int:
    """A whole number within limits."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise UserError(f"{option}: {text!r} is not a whole number from {least:,} to {most:,}")
    if not least <= int(digits) <= most:
        raise UserError(f"{option}: {digits} is not from {least:,} to {most:,}")
    return int(digits)


def band_centres(bands: Sequence[str]) -> list[tuple[str, float]]:
    """Each band, as it is named in this module if it is known, and its centre in Hz."""
    known = {name.casefold(): name for name in BAND_CENTRES_HZ}
    names = [known.get(band.casefold(), band) for band in bands]
    unknown = np.geomspace(*UNKNOWN_CENTRES_HZ, len(bands) + 2)[1:-1]
    return [
        (name, BAND_CENTRES_HZ.get(name, float(hz)))
        for name, hz in zip(names, unknown, strict=True)
    ]


def resting_log_powers(rng: Generator, design: Design) -> Powers:
    """Logarithms of the subject's powers in no class, shape (electrodes, bands)."""
    right, nose = design.places.T
    contact = CONTACT_SD * rng.standard_normal(len(design.electrodes))
    by_band = [
        math.log(POWER_AT_1_HZ / hz)
        + FAR_FROM_REFERENCE * np.minimum(np.hypot(right, nose), 1)
        + RHYTHM_AT_OCCIPUT.get(band, 0) * np.clip(0.4 - nose, 0, 1)
        + MUSCLE_AT_TEMPLES.get(band, 0) * np.abs(right)
        + EYES_AT_FOREHEAD.get(band, 0) * np.maximum(nose, 0)
        + contact
        for band, hz in band_centres(design.bands)
    ]
    return np.stack(by_band, axis=-1)


def record_session(rng: Generator, design: Design, resting: Powers, patterns: Powers) -> Powers:
    """Band powers of a session, class after class, shape (rows, features)."""
    imagined = patterns + SESSION_CLASS_SD * rng.standard_normal(patterns.shape)
    gain = SESSION_GAIN_SD * rng.standard_normal((len(design.electrodes), 1))
    # In place throughout: a recording may have millions of values.
    powers = np.repeat(imagined, design.rows_per_class, axis=0)
    powers += resting + gain
    for sd, made in ((DRIFT_SD, drift), (FLUCTUATION_SD, fluctuation), (SENSOR_NOISE_SD, noise)):
        change = made(rng, design)
        change *= sd
        powers += change
        del change
    np.exp(powers, out=powers)
    np.maximum(powers, SMALLEST_POWER, out=powers)
    return powers.reshape(design.n_rows, len(design.features))


def drift(rng: Generator, design: Design) -> Powers:
    """Slow changes of state: a random walk pulled back to the mean, of unit variance."""
    memory = math.exp(-1 / DRIFT_TIME_CONSTANT)
    path = spread(rng.standard_normal((design.n_rows, *design.shape)), design)
    for row in range(1, design.n_rows):
        path[row] = memory * path[row - 1] + math.sqrt(1 - memory**2) * path[row]
    return path


def fluctuation(rng: Generator, design: Design) -> Powers:
    """Fast changes, as overlapping spectral windows show them, of unit variance."""
    window = np.hanning(SPECTRAL_WINDOW + 2)[1:-1]
    window /= np.sqrt((window**2).sum())
    n_rows = design.n_rows
    fast = spread(rng.standard_normal((n_rows + SPECTRAL_WINDOW, *design.shape)), design)
    # A row is made from itself and rows after it, so that it can take its own place.
    for start in range(0, n_rows, ROWS_AT_A_TIME):
        stop = min(start + ROWS_AT_A_TIME, n_rows)
        shifted = (weight * fast[start + k : stop + k] for k, weight in enumerate(window))
        fast[start:stop] = sum(shifted, start=np.zeros((stop - start, *design.shape)))
    return fast[:n_rows]


def noise(rng: Generator, design: Design) -> Powers:
    """What sensors add, of unit variance."""
    return rng.standard_normal((design.n_rows, *design.shape))


def spread(sources: Powers, design: Design) -> Powers:
    """Blur independent sources, shape (n, electrodes, bands), over the scalp; keeps variance.

    The sources are overwritten.
    """
    for start in range(0, len(sources), ROWS_AT_A_TIME):
        rows = sources[start : start + ROWS_AT_A_TIME]
        # Not a matrix product: the order of its sums differs between machines.
        by_source = np.ascontiguousarray(rows.swapaxes(0, 1))
        blurred = [(w[:, None, None] * by_source).sum(0) for w in design.blur]
        rows[:] = np.stack(blurred, axis=1)
    return sources


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A file to write to, which appears when it is whole."""
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        yield file


def to_rows(design: Design, powers: Powers) -> Iterator[list[str]]:
    """Rows of a recording as text: line number, label, band powers."""
    for line, row in enumerate(powers):
        label = design.classes[line // design.rows_per_class]
        yield [str(line), label, *[f"{power:.3f}" for power in row.tolist()]]


def write_csv(file: TextIO, design: Design, powers: Powers) -> None:
    """Write CSV, with the blank that recordings have before each feature's name."""
    writer = csv.writer(file, lineterminator="\n")
    names = (f" {name}" for name in design.features)
    writer.writerow([LINE_COLUMN, design.label_column, *names])
    writer.writerows(to_rows(design, powers))


def write_json(file: TextIO, design: Design, powers: Powers) -> None:
    """Write a JSON object of rows keyed by line number."""
    columns = (LINE_COLUMN, design.label_column, *design.features)
    before = "{"
    for row in to_rows(design, powers):
        file.write(
            f"{before}{json.dumps(row[0])}: {json.dumps(dict(zip(columns, row, strict=True)))}"
        )
        before = ", "
    file.write("}\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
