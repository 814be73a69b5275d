"""What is done to the rows before a classifier sees them, and what it does to the scores.

Run it from the repository root: ``python -m benchmarks.recipes TRAIN TEST [LINE]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from eeg_letters.models import MODELS, Model
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.scoring.scorer import PREPROCESSING
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.finishing import train
from eeg_letters.training.pipelines import build_pipeline
from eeg_letters.training.recipes import Recipe


def main() -> None:
    """Print a row of scores for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("line", type=int, nargs="?", default=232)
    arguments = parser.parse_args()
    training, test = read_recording(arguments.train), read_recording(arguments.test)
    row = list(test.rows).index(arguments.line)
    titles = [model.title for model in MODELS]
    table = Table("Preprocessing", *titles, f"Line {arguments.line}", "Estimate", "ECE raw", "ECE")
    table.caption = "Estimate, ECE: of both models, in the order of the columns before."
    with threadpool_limits(1):
        table.add_row(
            "l2 in training only, as in both write-ups", *plain(training, test, row, True)
        )
        table.add_row("none", *plain(training, test, row, False))
        for preprocessing in PREPROCESSING:
            table.add_row(
                f"{preprocessing} on both sides", *whole(training, test, row, preprocessing)
            )
    Console(width=140).print(table)


def plain(training: Recording, test: Recording, row: int, normalised: bool) -> list[str]:
    """Scores of classifiers fitted to rows of unit length, or as they are, on rows as they are."""
    cells, labels = [], []
    for model in MODELS:
        predicted = fit_by_hand(model, training, normalised).predict(test.features)
        cells.append(f"{(predicted == test.labels).mean():.4f}")
        labels.append(str(predicted[row]))
    return [*cells, " and ".join(labels)]


def fit_by_hand(model: Model, training: Recording, normalised: bool):
    """A model's classifier without its preprocessing, fitted."""
    powers = normalize(training.features) if normalised else training.features
    return build_pipeline(model, Recipe("l2"), 1.0)[-1].fit(powers, training.labels)


def whole(training: Recording, test: Recording, row: int, preprocessing: str) -> list[str]:
    """Scores of the models as `train.py` makes them."""
    datasets = Dataset((training,)), Dataset((test,))
    trained = [train(model, *datasets, preprocessing, lambda *_: None) for model in MODELS]
    return [
        *(f"{model.test.accuracy:.4f}" for model in trained),
        " and ".join(str(model.test.labels[row]) for model in trained),
        " ".join(f"{model.estimate.accuracy:.4f}" for model in trained if model.estimate),
        " ".join(f"{model.uncalibrated_test.calibration().error:.4f}" for model in trained),
        " ".join(f"{model.test.calibration().error:.4f}" for model in trained),
    ]


if __name__ == "__main__":
    main()
