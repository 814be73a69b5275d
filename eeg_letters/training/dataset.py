"""The rows of several recordings as one, and which recording each came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eeg_letters.recordings.recording import Recording
from eeg_letters.recordings.sources import display_name
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
    n_adapting : int
        How many of them, the last ones, are of the session to come: their rows count more than the
        others, and no estimate is made on them.
    """

    recordings: tuple[Recording, ...]
    n_adapting: int = 0

    @property
    def schema(self) -> Schema:
        """The features and classes of all."""
        return self.recordings[0].schema

    @property
    def earlier(self) -> tuple[Recording, ...]:
        """The recordings that are not of the session to come."""
        return self.recordings[: len(self.recordings) - self.n_adapting]

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

    @property
    def are_adapting(self) -> NDArray[np.bool_]:
        """Whether each row is of the session to come, shape (n_rows,)."""
        adapting: NDArray[np.bool_] = self.places >= len(self.earlier)
        return adapting

    def __len__(self) -> int:
        return len(self.labels)

    def first_rows(self, most: int | NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Mask of the first rows of each class in each recording.

        Neighbouring rows are nearly copies of each other, so that rows held out at random would be
        known.

        Parameters
        ----------
        most : int or ndarray of int64, shape (n_classes,), optional
            At most as many rows of a class in a recording, of any class or of each; by default half
            of them, rounded up. Of classes beyond the end of the array there are none.

        Returns
        -------
        ndarray of bool, shape (n_rows,)
        """
        first = np.zeros(len(self), bool)
        n_classes = int(self.labels.max()) + 1
        groups = self.places * n_classes + self.labels
        of_classes = np.zeros(n_classes, np.int64)
        if isinstance(most, np.ndarray):
            of_classes[: len(most)] = most[:n_classes]
        elif most is not None:
            of_classes[:] = most
        order = np.argsort(groups, kind="stable")
        bounds = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
        for start, end in pairwise(bounds.tolist()):
            label = self.labels[order[start]]
            count = (end - start + 1) // 2 if most is None else of_classes[label]
            first[order[start : min(start + count, end)]] = True
        return first

    def where(self, row: int) -> str:
        """File and line of a row, for messages."""
        recording = self.recordings[self.places[row]]
        first = int(np.searchsorted(self.places, self.places[row]))
        return f"{recording.path}, line {[*recording.rows][row - first]}"

    def named(self) -> str:
        """The files, for messages."""
        return ", ".join(str(recording.path) for recording in self.recordings)

    def without_rows(self) -> Dataset:
        """The same without the rows as the files have them."""
        bare = tuple(replace(recording, rows={}) for recording in self.recordings)
        return replace(self, recordings=bare)

    def to_metadata(self) -> dict[str, Any]:
        """What is stored of it: name, checksum and number of rows of each recording, and of all."""
        checksums = [recording.sha256 for recording in self.recordings]
        joint = hashlib.sha256("\n".join(checksums).encode()).hexdigest()
        return {
            "sha256": checksums[0] if len(checksums) == 1 else joint,
            "rows": len(self),
            "recordings": [
                {
                    "name": display_name(recording.path.name),
                    "sha256": recording.sha256,
                    "rows": len(recording.labels),
                    **({"adapting": True} if place >= len(self.earlier) else {}),
                }
                for place, recording in enumerate(self.recordings)
            ],
        }


def _joined(parts: Sequence[NDArray[T]]) -> NDArray[T]:
    # One recording is not copied: processes share its memory.
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
