"""Writing models to the BentoML model store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.models import ModelStore
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import ModelContext

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError, StoreError
from eeg_letters.models import Model
from eeg_letters.scoring.store import (
    FILES,
    LATEST,
    MOST_OF_A_SCORER,
    SCORER_FILE,
    Tag,
    digest,
    is_whole,
    models_folder,
    open_entry,
)


@dataclass(frozen=True)
class Entry:
    """Files and metadata of one model.

    Attributes
    ----------
    model : Model
        Which of the models it is.
    files : dict of str to bytes
        Contents by file name: `PIPELINE_FILE` and `SCORER_FILE`.
    metadata : dict
        Schema, preprocessing, temperature, scores, checksums of the recordings, library versions.
    """

    model: Model
    files: Mapping[str, bytes]
    metadata: Mapping[str, Any]

    @property
    def all_metadata(self) -> dict[str, Any]:
        """Metadata with the SHA-256 of each file, hexadecimal."""
        checksums = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        return {**self.metadata, FILES: checksums}

    @property
    def tag(self) -> Tag:
        """Name and version; the version is a digest of all that is stored."""
        return Tag(self.model.name, digest(self.all_metadata))


def training_tag(entries: Sequence[Entry]) -> str:
    """Name of the training that these entries came from: a digest of their tags."""
    tags = "\n".join(sorted(str(entry.tag) for entry in entries))
    return hashlib.sha256(tags.encode()).hexdigest()[:16]


def save_entries(entries: Sequence[Entry]) -> None:
    """Store all entries or none, and make each the latest of its name.

    An entry that is there already and whole is left alone.

    Raises
    ------
    StoreError
        When the store cannot be written; nothing new is in it then.
    """
    for entry in entries:
        if len(entry.files[SCORER_FILE]) > MOST_OF_A_SCORER:
            raise StoreError(
                f"the models cannot be saved: the scorer of {entry.model.title} has more than the"
                f" {MOST_OF_A_SCORER} bytes that are read: train on fewer features or classes"
            )
    with ExitStack() as undo:
        try:
            for entry in entries:
                # BentoML moves the pointer when it writes and when it deletes.
                with suppress(StoreError):
                    if (latest := open_entry(entry.model.name).tag) != entry.tag:
                        undo.callback(_make_latest, latest)
                if not is_whole(entry.tag, entry.all_metadata):
                    _delete(entry.tag)
                    undo.callback(_delete, entry.tag)
                    _write(entry)
            for entry in entries:
                _make_latest(entry.tag)
        except (OSError, OutputError, BentoMLException) as error:
            raise StoreError(f"the models cannot be saved: {error}") from None
        undo.pop_all()


def _write(entry: Entry) -> None:
    with bentoml.models.create(
        str(entry.tag),
        _model_store=ModelStore(models_folder()),
        module="bentoml.sklearn",
        metadata=entry.all_metadata,
        context=ModelContext(
            "sklearn", {"scikit-learn": entry.metadata["versions"]["scikit-learn"]}
        ),
    ) as stored:
        for name, data in entry.files.items():
            Path(stored.path_of(name)).write_bytes(data)


def _delete(tag: Tag) -> None:
    with suppress(NotFound):
        bentoml.models.delete(str(tag), _model_store=ModelStore(models_folder()))


def _make_latest(tag: Tag) -> None:
    # BentoML moves this pointer only when it writes an entry, so that training again on earlier
    # recordings would leave it at the models of the later ones.
    pointer = open_entry(str(tag)).folder.with_name(LATEST)
    with atomic_write(pointer) as temporary:
        temporary.write_text(tag.version)
