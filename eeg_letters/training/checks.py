"""What can be refused before anything is fitted; quick to import, unlike what fits."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from eeg_letters.errors import OutputError, RecordingError, UserError
from eeg_letters.labels import MAX_CLASSES
from eeg_letters.recordings.recording import Recording
from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import PREPROCESSING
from eeg_letters.scoring.store import models_folder, unusable

# Tries each preprocessing that fits the features.
AUTO = "auto"
# The first is the choice where no estimate can be made.
OF_POWERS = ("log1p", "l2")
OF_OTHERS = ("standardise", "l2")
PREPROCESSING_CHOICES = (AUTO, *PREPROCESSING)


def check_trainable(recording: Recording) -> None:
    """Make sure that a classifier can be fitted to a recording.

    Raises
    ------
    RecordingError
        When it has rows of fewer than two classes, of too many, or no more rows than classes.
    """
    labels = recording.schema.labels
    classes = np.unique(recording.labels)
    where = f"{recording.path}, column {recording.label_column}"
    if len(classes) < 2:
        line = next(iter(recording.rows))
        raise RecordingError(
            f"{where}: all rows from line {line} on are of the {labels.noun}"
            f" {labels.names[classes[0]]}; training takes two {labels.plural} or more"
        )
    if len(classes) > MAX_CLASSES:
        raise RecordingError(
            f"{where}: {len(classes)} classes; training takes {MAX_CLASSES} at most"
        )
    if len(recording) <= len(classes):
        raise RecordingError(
            f"{where}: {len(recording)} rows of {len(classes)} {labels.plural}; training takes more"
            f" rows than {labels.plural}"
        )


def candidates(features: Features, preprocessing: str) -> tuple[str, ...]:
    """What to try of the preprocessing that is asked for, one of `PREPROCESSING_CHOICES`.

    Raises
    ------
    UserError
        When it does not fit the features.
    """
    fitting = OF_POWERS if features.are_powers else OF_OTHERS
    if preprocessing == AUTO:
        return fitting
    if preprocessing not in fitting:
        what = "band powers" if features.are_powers else "features that are no band powers"
        raise UserError(f"--preprocessing {preprocessing}: {what} take {' or '.join(fitting)}")
    return (preprocessing,)


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
