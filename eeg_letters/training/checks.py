"""What can be refused before anything is fitted; quick to import, unlike what fits."""

from __future__ import annotations

import tempfile
from pathlib import Path

from eeg_letters.errors import OutputError, RecordingError
from eeg_letters.labels import MAX_CLASSES
from eeg_letters.scoring.store import models_folder, unusable
from eeg_letters.training.dataset import Dataset


def check_trainable(training: Dataset) -> None:
    """Make sure that a classifier can be fitted to a set of recordings.

    Raises
    ------
    RecordingError
        When it has rows of fewer than two classes, of too many, or no more rows than classes.
    """
    labels, classes = training.schema.labels, training.classes
    where = f"{training.named()}, column {training.recordings[0].label_column}"
    if len(classes) < 2:
        line = next(iter(training.recordings[0].rows))
        raise RecordingError(
            f"{where}: all rows from line {line} on are of the {labels.noun}"
            f" {labels.names[classes[0]]}; training takes two {labels.plural} or more"
        )
    if len(classes) > MAX_CLASSES:
        raise RecordingError(
            f"{where}: {len(classes)} classes; training takes {MAX_CLASSES} at most"
        )
    if len(training) <= len(classes):
        raise RecordingError(
            f"{where}: {len(training)} rows of {len(classes)} {labels.plural}; training takes more"
            f" rows than {labels.plural}"
        )


def check_reports(directory: Path) -> None:
    """Make sure that reports can be written to a folder, which is made.

    Raises
    ------
    OutputError
        When it cannot be made or written.
    """
    try:
        _make_writable(directory)
    except OSError as error:
        raise OutputError(f"{directory}: cannot be written: {error.strerror}") from None


def check_store() -> None:
    """Make sure that the model store can be written; its folder is made.

    Raises
    ------
    StoreError
        When it cannot be made or written.
    """
    try:
        _make_writable(models_folder())
    except OSError as error:
        raise unusable(error) from None


def _make_writable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        pass
