"""The rows of several recordings as one, and which recording each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from eeg_letters.recordings.recording import Recording
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Floats

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Dataset:
    """Recordings of one schema, their rows one after the other.

    Attributes
    ----------
    recordings : tuple of Recording
        One or more, in the order of the command line.
    """

    recordings: tuple[Recording, ...]

    @property
    def schema(self) -> Schema:
        """The features and classes of all."""
        return self.recordings[0].schema

    @cached_property
    def features(self) -> Floats:
        """Values in the order of the schema's features, shape (n_rows, n_features)."""
        return _joined([recording.features for recording in self.recordings])

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Index of the class of each row in the schema's labels, shape (n_rows,)."""
        return _joined([recording.labels for recording in self.recordings])

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Index in `recordings` of the one that each row came from, shape (n_rows,)."""
        sizes = [len(recording.labels) for recording in self.recordings]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def classes(self) -> NDArray[np.int64]:
        """Index in the schema's labels of each class that rows are of, ascending."""
        return np.unique(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, row: int) -> str:
        """File and line of a row, for messages."""
        recording = self.recordings[self.places[row]]
        first = int(np.searchsorted(self.places, self.places[row]))
        return f"{recording.path}, line {[*recording.rows][row - first]}"

    def named(self) -> str:
        """The files, for messages."""
        return ", ".join(str(recording.path) for recording in self.recordings)


def joined(*datasets: Dataset) -> Dataset:
    """All recordings of several sets as one."""
    return Dataset(tuple(chain.from_iterable(dataset.recordings for dataset in datasets)))


def _joined(parts: Sequence[NDArray[T]]) -> NDArray[T]:
    # One recording is not copied: processes share its memory.
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
