"""Inference: both models and the stored rows.

``python -m eeg_letters.serving.inference`` ends with status 0 when the settings name what can be
served.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Floats
from eeg_letters.scoring.store import StoredModel, load_models
from eeg_letters.settings import SHIPPED, Settings, read_settings

# What stands before a model's title where its accuracy is told.
SCORE = "Score"


# Not frozen, as `eeg_letters.serving.routing.Response`.
@dataclass(slots=True)
class Prediction:
    """What a model predicts for some rows.

    Attributes
    ----------
    title : str
        The model's title.
    classes : list of int
        Index of the likeliest class of each row in the schema's labels.
    probabilities : ndarray of float64, shape (n_rows, n_labels)
        Of each of the schema's labels; zero for those that the model was not trained on.
    familiar : ndarray of bool, shape (n_rows,), or None
        Whether each row is like those of the model's training; None where that was not asked or the
        model cannot tell.
    """

    title: str
    classes: list[int]
    probabilities: Floats
    familiar: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Inference:
    """Answers about stored rows and about rows of a client's own.

    Attributes
    ----------
    models : sequence of StoredModel
        Every model that answers, in the order of the answers; all of one schema.
    columns : tuple of str
        Columns of the stored rows; empty where there are none.
    unused : tuple of str
        Those that are neither line number nor label nor feature.
    label_column : str or None
        The one that has the labels.
    lines : dict of int to bytes
        Each stored row by its line number, as JSON.
    rows : dict of int to ndarray of float64, shape (n_features,)
        The features of each stored row by its line number.
    rows_sha256 : str
        Checksum of the file that has them; empty where there are none.
    truth : ndarray of int64, shape (n_rows,)
        Index of the true class of each stored row, in the order of `rows`.
    classes : dict of str to ndarray of int64, shape (n_rows,)
        Index of the class that each model predicts for each stored row, by its title.
    no_rows : str
        Why there are no stored rows; empty where there are, here or in the database.
    """

    models: Sequence[StoredModel]
    columns: tuple[str, ...]
    unused: tuple[str, ...]
    label_column: str | None
    lines: dict[int, bytes]
    rows: dict[int, Floats]
    rows_sha256: str
    truth: NDArray[np.int64]
    classes: dict[str, NDArray[np.int64]]
    no_rows: str

    @property
    def schema(self) -> Schema:
        """What the models take and answer."""
        return self.models[0].schema

    @property
    def score(self) -> dict[str, float]:
        """Accuracy of each model over all stored rows; empty where there are none."""
        return {
            f"{SCORE} {title}": float(np.mean(classes == self.truth))
            for title, classes in self.classes.items()
            if len(self.truth)
        }

    def line(self, line: int) -> dict[str, Any]:
        """Stored row, as the recording has it.

        Raises
        ------
        KeyError
            When no stored row has that line number.
        """
        row: dict[str, Any] = orjson.loads(self.lines[line])
        return row

    def classify(self, row: Floats) -> list[int]:
        """Index of the class that each model gives a row, in the order of the models.

        Parameters
        ----------
        row : ndarray of float64, shape (n_features,)
            As `predict` takes rows.
        """
        inputs = row
        classes = []
        for stored, is_as_before in self._each:
            if not is_as_before:
                inputs = stored.scorer.prepare(row)
            classes.append(int(stored.scorer.predict_prepared(inputs)))
        return classes

    @cached_property
    def _each(self) -> list[tuple[StoredModel, bool]]:
        # Each with whether it prepares rows as the one before does.
        before = [None, *(stored.scorer.recipe for stored in self.models)]
        return [
            (stored, stored.scorer.recipe == recipe)
            for stored, recipe in zip(self.models, before, strict=False)
        ]

    @cached_property
    def _answers(self) -> list[tuple[str, tuple[int | str, ...]]]:
        values: tuple[int | str, ...] = self.schema.labels.values
        return [(f"prediction {stored.model.title}", values) for stored in self.models]

    def classify_rows(self, rows: Floats) -> dict[str, NDArray[np.int64]]:
        """Index of the class that each model gives each row, by its title, as `classify` gives it.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            As `predict` takes them.
        """
        return _classify_rows(self.models, rows)

    def name(self, classes: Sequence[int]) -> dict[str, int | str]:
        """The label of what `classify` gave, by model."""
        return {
            title: values[place]
            for (title, values), place in zip(self._answers, classes, strict=True)
        }

    @cached_property
    def _logarithm(self) -> Scale | None:
        scale = self.schema.values_scale
        return None if scale is Scale.POWER else scale

    def to_powers(self, rows: Floats) -> Floats:
        """Rows of a client's own as models take them.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            On the scale of the schema.
        """
        scale = self._logarithm
        return rows if scale is None else scale.to_power(rows)

    def predict(self, rows: Floats, judge: bool = False) -> list[Prediction]:
        """Class and probabilities that each model gives each row.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            Finite; band powers, not their logarithms.
        judge : bool
            Also find out, by the first model, whether rows are familiar.

        Returns
        -------
        list of Prediction
            One a model.
        """
        # One row by itself takes half the time of a batch of one.
        inputs = given = rows[0] if len(rows) == 1 else rows
        predictions = []
        for stored, is_as_before in self._each:
            if not is_as_before:
                inputs = stored.scorer.prepare(given)
            predictions.append(_predict(stored, given, inputs))
        if judge:
            predictions[0].familiar = self.familiar(rows)
        return predictions

    def familiar(self, rows: Floats) -> NDArray[np.bool_] | None:
        """Whether each row is like those of the first model's training; None if it cannot tell.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            As `predict` takes them.
        """
        familiarity = self.models[0].familiarity
        return None if familiarity is None else familiarity.are_familiar(rows)


def load_inference(settings: Settings) -> Inference:
    """Load both models and the stored rows, and make sure that they work.

    Where no recording is named or packed and the shipped one is of another cap or other classes,
    there are no stored rows. Where stored rows are those of a recording in the database, none are
    read here.

    Raises
    ------
    eeg_letters.errors.UserError
        When a model cannot be used, or the recording cannot be read or does not fit them; the
        message says what to do.
    """
    models = load_models()
    schema = models[0].schema
    for stored in models:
        if stored.familiarity is not None:
            # What is made once is not made in the first request.
            stored.familiarity.is_familiar(np.ones(len(schema.features)))
    if settings.recording is not None:
        return _without_rows(models, "")
    if settings.test_data is not None:
        return _with_rows(models, read_recording(settings.test_data, schema))
    try:
        return _with_rows(models, read_recording(SHIPPED, schema))
    except RecordingError as error:
        return _without_rows(models, str(error))


def _without_rows(models: Sequence[StoredModel], reason: str) -> Inference:
    return Inference(models, (), (), None, {}, {}, "", np.empty(0, np.int64), {}, reason)


def _with_rows(models: Sequence[StoredModel], recording: Recording) -> Inference:
    return Inference(
        models,
        recording.columns,
        recording.unused,
        recording.label_column,
        recording.rows,
        dict(zip(recording.rows, recording.features, strict=True)),
        recording.sha256,
        recording.labels,
        _classify_rows(models, recording.features),
        "",
    )


def _classify_rows(models: Sequence[StoredModel], rows: Floats) -> dict[str, NDArray[np.int64]]:
    return {stored.model.title: stored.scorer.predict(rows) for stored in models}


def _predict(stored: StoredModel, rows: Floats, inputs: Floats) -> Prediction:
    classes, probabilities = stored.scorer.classify_prepared(rows, inputs)
    if rows.ndim == 1:
        classes, probabilities = classes[np.newaxis], probabilities[np.newaxis]
    n_labels = len(stored.schema.labels.values)
    if len(stored.scorer.classes) != n_labels:
        by_label = np.zeros((len(classes), n_labels))
        by_label[:, stored.scorer.classes] = probabilities
        probabilities = by_label
    return Prediction(stored.model.title, classes.tolist(), probabilities)


if __name__ == "__main__":
    try:
        load_inference(read_settings(os.environ))
    except UserError as error:
        sys.exit(str(error))
