"""Terminal output of training: progress bars and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from eeg_letters.labels import listed
from eeg_letters.training.dataset import Dataset

if TYPE_CHECKING:
    from eeg_letters.training.choosing import Count
    from eeg_letters.training.finishing import Progress as OnEpoch
    from eeg_letters.training.finishing import TrainedModel


@contextmanager
def fitting(console: Console) -> Iterator[OnEpoch]:
    """Show the model, the epoch and the loss during the fits."""
    with _progress(console, "Fitting") as update:
        yield lambda what, epoch, loss: update(
            description=f"{what}: epoch {epoch}, loss {loss:.4f}"
        )


@contextmanager
def counting(console: Console, what: str) -> Iterator[Count]:
    """Show how many of some fits are done."""
    with _progress(console, what, BarColumn(), MofNCompleteColumn()) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def _progress(
    console: Console, description: str, *columns: ProgressColumn
) -> Iterator[Callable[..., None]]:
    # A line that goes when the block ends; nothing where there is no terminal.
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as display:
        yield partial(display.update, display.add_task(description, total=None))


def recordings_used(training: Dataset, test: Dataset) -> Text:
    """File, rows and classes of each recording, the features, and the columns without a use."""
    schema = training.schema
    told = []
    for did, dataset in (("Trained", training), ("Tested", test)):
        for place, recording in enumerate(dataset.recordings):
            done = "Adapted" if place >= len(dataset.earlier) else did
            classes = f"{np.unique(recording.labels).size} {schema.labels.plural}"
            told.append(f"{done} on {recording.path}: {len(recording)} rows of {classes}")
    told.append(f"Features: {schema.features.describe()}")
    told += [
        f"Unused columns of {recording.path}: {listed(recording.unused)}"
        for dataset in (training, test)
        for recording in dataset.recordings
        if recording.unused
    ]
    return Text("\n".join(told))


def how_read(*datasets: Dataset) -> Text:
    """What was found out of how each recording is written."""
    return Text(
        "\n".join(
            f"Read {recording.path}: {'; '.join(recording.notes) or 'as usual'}"
            for dataset in datasets
            for recording in dataset.recordings
        )
    )


def accuracy_table(trained: Sequence[TrainedModel], noun: str) -> Table:
    """Preprocessing, accuracy and calibration error of each model; `noun` is a class or letter."""
    caption = [
        f"Estimate: first half of each {noun}'s rows predicts the second half.",
        "Calibration error: how far off probabilities are, on the test recording.",
    ]
    caption += [model.unsettled for model in trained if model.unsettled]
    table = Table(caption="\n".join(caption), caption_justify="left")
    table.add_column("Model")
    table.add_column("Preprocessing")
    for heading in ("Fit", "Test", "Estimate", "Calibration error"):
        table.add_column(heading, justify="right")
    for model in trained:
        estimate = model.estimate
        table.add_row(
            model.model.title,
            str(model.chosen.recipe),
            f"{model.fit_seconds:.2f} s",
            f"{model.test.accuracy:.4f}",
            "–" if estimate is None else f"{estimate.accuracy:.4f}",
            f"{model.test.calibration().error:.4f}",
        )
    return table
