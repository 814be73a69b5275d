"""Classify what a person thought of from EEG band powers: letters, or any other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from eeg_letters.recordings.reading import Rows
    from eeg_letters.schema import Schema
    from eeg_letters.scoring.classifier import Classifier

__version__ = "0.1.0"


def load(tag: str) -> Classifier:
    """Read a trained model from the BentoML model store.

    No pickle is opened, and neither scikit-learn nor pandas is needed.

    Parameters
    ----------
    tag : str
        Name and version, such as ``"eeg-lda:latest"``; a name alone means its latest version.

    Returns
    -------
    eeg_letters.scoring.classifier.Classifier
        With the methods ``predict``, ``predict_proba`` and ``familiar``.

    Raises
    ------
    eeg_letters.errors.StoreError
        When there is no such model, or its files are not those that training wrote.

    Examples
    --------
    >>> import eeg_letters, pandas
    >>> lda = eeg_letters.load("eeg-lda:latest")
    >>> lda.predict(pandas.read_csv("data/train.csv").head(3))
    array([0, 0, 0])
    """
    # Imported here, because every module imports this package and most need none of these.
    from eeg_letters.scoring.classifier import Classifier
    from eeg_letters.scoring.store import load_entry

    description, scorer, familiarity, schema = load_entry(tag)
    return Classifier(str(description.tag), scorer, schema, familiarity)


def read(path: str | PathLike[str], schema: Schema) -> Rows:
    """Read the rows of a file as a trained model takes them.

    Parameters
    ----------
    path : str or path
        CSV in any dialect, JSON in any orientation, Parquet, Feather, or Excel.
    schema : eeg_letters.schema.Schema
        What to read it by: a model's.

    Returns
    -------
    eeg_letters.recordings.reading.Rows
        With the attributes ``features``, ``lines`` and ``labels``.

    Raises
    ------
    eeg_letters.errors.RecordingError
        When the file cannot be read, or a row is bad; names file, line and column.

    Examples
    --------
    >>> import eeg_letters
    >>> lda = eeg_letters.load("eeg-lda:latest")
    >>> rows = eeg_letters.read("data/test.json", lda.schema)
    >>> lda.predict(rows.features).shape
    (1300,)
    """
    from eeg_letters.recordings.reading import read_rows

    return read_rows(str(path), schema)
