"""How rows of a recording become rows of the models, which have a schema of their own."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from eeg_letters.database.stored import Stored, find_schema
from eeg_letters.errors import Problem, SchemaError
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Floats

# Recordings that are remembered: each takes some kilobytes.
_MOST_REMEMBERED = 256


@dataclass(frozen=True)
class Fit:
    """What a recording's rows are to the models.

    Attributes
    ----------
    places : ndarray of intp, shape (n_features,), or None
        Index of each of the models' features in the recording's; None where they are the same.
    classes : ndarray of int64, shape (n_classes,)
        Index of each of the recording's classes in the models' labels.
    """

    places: NDArray[np.intp] | None
    classes: NDArray[np.int64]

    def rows(self, powers: Floats) -> Floats:
        """Rows, or one row, with the features of the models."""
        return powers if self.places is None else powers[..., self.places]


def fit(models: Schema, recording: Schema) -> Fit:
    """Find the models' features in a recording by name, and its classes in theirs by label.

    Raises
    ------
    SchemaError
        When a feature or a class is missing; names it.
    """
    names = recording.features.names
    spelled = models.features.spelled(names)
    places = None if spelled == names else np.array([names.index(name) for name in spelled])
    labels = [models.labels.index(value) for value in recording.labels.values]
    return Fit(places, np.array(labels, np.int64))


@dataclass(frozen=True)
class Known:
    """What is remembered of a recording.

    Attributes
    ----------
    scale : Scale
        By which it was read.
    fit : Fit or None
        None where it does not fit the models.
    misfit : str
        Why it does not.
    """

    scale: Scale
    fit: Fit | None
    misfit: str = ""

    def fitting(self, name: str) -> Fit:
        """How it fits.

        Parameters
        ----------
        name : str
            That of the recording.

        Raises
        ------
        Problem
            409.
        """
        if self.fit is None:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"The recording {name} does not fit the models: {self.misfit}.",
            )
        return self.fit


class Memory:
    """Finds out of each recording once how it fits the models; for several threads.

    Parameters
    ----------
    models : Schema
        That of the models.
    """

    def __init__(self, models: Schema) -> None:
        self._models = models
        self._lock = Lock()
        # Not by number: a database that was restored, or another in its place, counts again.
        self._known: OrderedDict[Stored, Known] = OrderedDict()

    def of(self, connection: Connection, stored: Stored) -> Known | None:
        """What is known of a recording; None where it was removed or replaced meanwhile."""
        with self._lock:
            known = self._known.get(stored)
            if known is not None:
                self._known.move_to_end(stored)
                return known
        schema = find_schema(connection, stored)
        if schema is None:
            return None
        known = self._find_out(schema)
        with self._lock:
            self._known[stored] = known
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _find_out(self, recording: Schema) -> Known:
        try:
            return Known(recording.scale, fit(self._models, recording))
        except SchemaError as error:
            return Known(recording.scale, None, str(error))
