"""Recordings of other headsets and other classes, made as people's software names them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EPOC_X = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()
OPENBCI = "C3 Cz C4 P3 Pz P4 O1 O2".split()
MUSE = "TP9 AF7 AF8 TP10".split()
FIVE = ("theta", "alpha", "betaL", "betaH", "gamma")
USUAL = ("delta", "theta", "alpha", "beta", "gamma")
EIGHT = ("delta", "theta", "lowAlpha", "highAlpha", "lowBeta", "highBeta", "gamma", "highGamma")
# 64 of the 10-10 system.
DENSE = (
    "Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8"
    " T7 C5 C3 C1 Cz C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 P7 P5 P3 P1 Pz P2 P4 P6 P8"
    " PO7 PO3 POz PO4 PO8 O1 Oz O2 F9 F10 Iz"
).split()


@dataclass(frozen=True)
class Trial:
    """A kind of recording.

    Attributes
    ----------
    features : tuple of str
        Names of its columns.
    label_column : str
        The column of the labels.
    labels : tuple of str
        A label of each class, as the file has it.
    described : str
        What the page and the log say of it.
    has_report : bool
        Whether its report is tried, too.
    rows_per_class : int
        Rows of each class.
    has_lines : bool
        Whether rows have numbers of their own.
    are_powers : bool
        Whether features are band powers.
    """

    features: tuple[str, ...]
    label_column: str
    labels: tuple[str, ...]
    described: str
    has_report: bool = True
    rows_per_class: int = 12
    has_lines: bool = True
    are_powers: bool = True

    @property
    def answers(self) -> tuple[int | str, ...]:
        """The label of each class, as answers give it."""
        if all(label.lstrip("-").isdecimal() for label in self.labels):
            return tuple(map(int, self.labels))
        return self.labels


def _grid(electrodes: list[str], bands: tuple[str, ...], name: str = "{0}/{1}") -> tuple[str, ...]:
    return tuple(name.format(electrode, band) for electrode in electrodes for band in bands)


_NUMBERS = tuple(map(str, range(1, 301)))

TRIALS = {
    "EPOC X, letters": Trial(
        _grid(EPOC_X, FIVE), "# Letter", tuple("01234567"), "14 electrodes × 5 bands, 8 letters"
    ),
    "EPOC X as EmotivPRO names it, text": Trial(
        _grid(EPOC_X, ("Theta", "Alpha", "BetaL", "BetaH", "Gamma"), "POW.{0}.{1}"),
        "label",
        ("feet", "left", "right", "tongue"),
        "14 electrodes × 5 bands, 4 classes: feet, left, right, tongue",
    ),
    "OpenBCI, letters": Trial(
        _grid(OPENBCI, USUAL), "# Letter", tuple("0123"), "8 electrodes × 5 bands, 4 letters"
    ),
    "Muse, event codes": Trial(
        _grid(MUSE, ("Delta", "Theta", "Alpha", "Beta", "Gamma"), "{1}_{0}"),
        "class",
        ("-1", "769", "770"),
        "4 electrodes × 5 bands, 3 classes: -1, 769, 770",
        has_lines=False,
    ),
    "64 electrodes × 8 bands": Trial(
        _grid(DENSE, EIGHT),
        "target",
        ("imagined", "rest"),
        "64 electrodes × 8 bands, 2 classes: imagined, rest",
    ),
    "features without electrodes": Trial(
        tuple(f"feature_{number}_a" for number in range(37)),
        "Label",
        ("NEGATIVE", "NEUTRAL", "POSITIVE"),
        "37 features, 3 classes: NEGATIVE, NEUTRAL, POSITIVE",
        has_report=False,
        has_lines=False,
        are_powers=False,
    ),
    "300 classes": Trial(
        _grid(OPENBCI, USUAL),
        "label",
        _NUMBERS,
        "8 electrodes × 5 bands, 300 classes",
        has_report=False,
        rows_per_class=6,
    ),
}


def write(path: Path, trial: Trial, session: int, shuffled: bool = False) -> Path:
    """Write a recording of a trial; both sessions are of one subject.

    A shuffled one has its columns in another order, and one that has no use.
    """
    subject, noise = np.random.default_rng(0), np.random.default_rng(session)
    centres = subject.normal(0, 1, (len(trial.labels), len(trial.features)))
    places = np.repeat(np.arange(len(trial.labels)), trial.rows_per_class)
    values = centres[places] + noise.normal(0, 0.7, (len(places), len(trial.features)))
    if trial.are_powers:
        values = np.exp(values)
    columns = {"Line": [str(line) for line in range(len(places))]} if trial.has_lines else {}
    columns[trial.label_column] = [trial.labels[place] for place in places]
    for name, column in zip(trial.features, values.T, strict=True):
        columns[name] = [f"{value:.4f}" for value in column]
    if shuffled:
        columns = {"comment": ["none"] * len(places), **dict(reversed(columns.items()))}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path
