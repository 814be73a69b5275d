"""What L2-normalising the rows on one side only does to the scores.

Run it from the repository root: ``python -m benchmarks.normalisation TRAIN TEST [LINE]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from eeg_letters.models import MODELS, Model
from eeg_letters.pipelines import build_pipeline
from eeg_letters.recordings import Recording, read_recording

SIDES = {
    "training only, as in both write-ups": (True, False),
    "training and prediction, as here": (True, True),
    "neither": (False, False),
}


def main() -> None:
    """Fit both classifiers without their normalisation, and apply it by hand where it is due."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("line", type=int, nargs="?", default=232)
    arguments = parser.parse_args()
    training, test = read_recording(arguments.train), read_recording(arguments.test)
    table = Table(
        "Rows normalised at", *(model.title for model in MODELS), f"Line {arguments.line}"
    )
    with threadpool_limits(1):
        for sides, (at_training, at_prediction) in SIDES.items():
            scores, labels = zip(
                *(
                    fit_and_score(training, test, model, at_training, at_prediction, arguments.line)
                    for model in MODELS
                ),
                strict=True,
            )
            table.add_row(sides, *(f"{score:.4f}" for score in scores), " and ".join(labels))
    Console(width=100).print(table)


def fit_and_score(
    training: Recording,
    test: Recording,
    model: Model,
    at_training: bool,
    at_prediction: bool,
    line: int,
) -> tuple[float, str]:
    """Accuracy of a model over the test recording, and its label of one line of it."""
    classifier = build_pipeline(model)[-1]
    classifier.fit(powers(training, at_training), training.letters)
    predicted = classifier.predict(powers(test, at_prediction))
    label = predicted[list(test.rows).index(line)]
    return float((predicted == test.letters).mean()), str(label)


def powers(recording: Recording, normalised: bool) -> NDArray[np.float64]:
    """Band powers of a recording, L2-normalised or as they are."""
    return normalize(recording.band_powers) if normalised else recording.band_powers


if __name__ == "__main__":
    main()
