"""The models in the BentoML model store: written by training, verified and read by serving.

``python -m eeg_letters.scoring.store`` ends with status 0 when the store holds what serving needs,
with status 3 when it has no version of any of the models, and with status 1 and one sentence when
it cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from zipfile import BadZipFile

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import ModelContext

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError, StoreError
from eeg_letters.models import MODELS, Model
from eeg_letters.schema import Schema, difference
from eeg_letters.scoring.scorer import Scorer

# BentoML reports its usage over the network unless told not to.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

# The name under which bentoml.sklearn.load_model looks for the pipeline.
PIPELINE_FILE = "saved_model.pkl"
SCORER_FILE = "scorer.npz"

# Exit status of this module's command, which make knows.
NO_MODELS = 3

_FILES = "files"
_REMEDY = "run `make train` (or `python train.py`)"


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
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file, hexadecimal."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}

    @property
    def tag(self) -> bentoml.Tag:
        """Name and version; the version is a digest of all that is stored."""
        content = json.dumps({**self.metadata, _FILES: self.checksums}, sort_keys=True)
        return bentoml.Tag(self.model.name, hashlib.sha256(content.encode()).hexdigest()[:16])


def training_tag(entries: Sequence[Entry]) -> str:
    """Name of the training that these entries came from: a digest of their tags."""
    tags = "\n".join(sorted(str(entry.tag) for entry in entries))
    return hashlib.sha256(tags.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class StoredModel:
    """A model as serving uses it; `metadata` are those of its `Entry`."""

    model: Model
    version: str
    scorer: Scorer
    schema: Schema
    metadata: Mapping[str, Any]


def check_writable() -> None:
    """Make sure, before a long training, that the store can be written.

    Raises
    ------
    StoreError
        When its folder cannot be made or written.
    """
    try:
        with TemporaryFile(dir=BentoMLContainer.model_store_dir.get()):
            pass
    except OSError as error:
        raise _unusable(error) from None


def save_entries(entries: Sequence[Entry]) -> None:
    """Store all entries or none, and make each the latest of its name.

    An entry that is there already and whole is left alone.

    Raises
    ------
    StoreError
        When the store cannot be written; nothing new is in it then.
    """
    with ExitStack() as undo:
        try:
            for entry in entries:
                # BentoML moves the pointer when it writes and when it deletes.
                with suppress(StoreError):
                    if (latest := _open(entry.model.name).tag) != entry.tag:
                        undo.callback(_make_latest, latest)
                if not _is_whole(entry):
                    _delete(entry.tag)
                    undo.callback(_delete, entry.tag)
                    _write(entry)
            for entry in entries:
                _make_latest(entry.tag)
        except (OSError, OutputError, BentoMLException) as error:
            raise StoreError(f"the models cannot be saved: {error}") from None
        undo.pop_all()


def load_model(model: Model) -> StoredModel:
    """Read a model's scorer, or the version of it that the running Bento pins.

    No pickle is opened.

    Raises
    ------
    StoreError
        When there is no such model, or its files are not those that training wrote.
    """
    stored, scorer, schema = load_scorer(model.name)
    return StoredModel(model, stored.tag.version or "", scorer, schema, stored.info.metadata)


def load_models() -> list[StoredModel]:
    """Read all models, which must have one schema.

    Raises
    ------
    StoreError
        When one of them cannot be read, or their schemas differ.
    """
    first, *others = (load_model(model) for model in MODELS)
    for other in others:
        differs = difference(first.schema, other.schema)
        if differs is not None:
            raise StoreError(
                f"the models {first.model.name}:{first.version} and"
                f" {other.model.name}:{other.version} were trained on different recordings: the"
                f" second has {differs}: {_REMEDY}"
            )
    return [first, *others]


def load_scorer(tag: str) -> tuple[bentoml.Model, Scorer, Schema]:
    """Read the entry that a tag, a model's name or an alias stands for, its scorer and schema.

    No pickle is opened.

    Raises
    ------
    StoreError
        When there is no such model, or its files are not those that training wrote.
    """
    stored = _open(tag)
    checksums = stored.info.metadata.get(_FILES)
    if not isinstance(checksums, dict) or SCORER_FILE not in checksums:
        raise StoreError(f"model {stored.tag} was saved without a compiled scorer: {_REMEDY}")
    _verify(stored, checksums)
    try:
        scorer = Scorer.load(stored.path_of(SCORER_FILE))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise StoreError(f"model {stored.tag}, {SCORER_FILE}: {error}: {_REMEDY}") from None
    return stored, scorer, _read_schema(stored)


def load_schema() -> Schema:
    """Read the schema of the first model's metadata alone.

    Raises
    ------
    StoreError
        When there is no such model, or it has no schema.
    """
    return _read_schema(_open(MODELS[0].name))


def use_own_bento() -> None:
    """Load models from the Bento that contains this code, if one does, as serving does."""
    bento = Path(__file__).resolve().parents[3]
    if (bento / "bento.yaml").is_file():
        bentoml.load(str(bento))


def _open(tag: bentoml.Tag | str) -> bentoml.Model:
    try:
        return bentoml.models.get(tag)
    except NotFound:
        raise StoreError(f"there is no model {tag} in the BentoML model store: {_REMEDY}") from None
    except OSError as error:
        raise _unusable(error) from None
    except Exception as error:  # What a damaged model.yaml makes BentoML's parsers raise, too.
        reason = " ".join(str(error).split())
        raise StoreError(f"model {tag} cannot be read ({reason}): {_REMEDY}") from error


def _read_schema(stored: bentoml.Model) -> Schema:
    try:
        return Schema.from_metadata(stored.info.metadata["schema"])
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"model {stored.tag} was saved without the schema of its recording: {_REMEDY}"
        ) from None


def _unusable(error: OSError) -> StoreError:
    return StoreError(f"the BentoML model store cannot be used: {error}: set BENTOML_HOME")


def _verify(stored: bentoml.Model, checksums: Mapping[str, Any]) -> None:
    for name, expected in checksums.items():
        try:
            actual = hashlib.sha256(Path(stored.path_of(name)).read_bytes()).hexdigest()
        except OSError as error:
            raise StoreError(f"model {stored.tag}, {name}: {error.strerror}: {_REMEDY}") from None
        if actual != expected:
            raise StoreError(
                f"model {stored.tag}, {name}: the checksum is not the one training wrote"
                f" down: {_REMEDY}"
            )


def _is_whole(entry: Entry) -> bool:
    try:
        stored = _open(entry.tag)
        _verify(stored, entry.checksums)
    except StoreError:
        return False
    return bool(stored.info.metadata == {**entry.metadata, _FILES: entry.checksums})


def _write(entry: Entry) -> None:
    with bentoml.models.create(
        entry.tag,
        module="bentoml.sklearn",
        metadata={**entry.metadata, _FILES: entry.checksums},
        context=ModelContext(
            "sklearn", {"scikit-learn": entry.metadata["versions"]["scikit-learn"]}
        ),
    ) as stored:
        for name, data in entry.files.items():
            Path(stored.path_of(name)).write_bytes(data)


def _delete(tag: bentoml.Tag) -> None:
    with suppress(NotFound):
        bentoml.models.delete(tag)


def _make_latest(tag: bentoml.Tag) -> None:
    # BentoML moves this pointer only when it writes an entry, so that training again on earlier
    # recordings would leave it at the models of the later ones.
    pointer = Path(bentoml.models.get(tag).path).with_name("latest")
    with atomic_write(pointer) as temporary:
        temporary.write_text(str(tag.version))


def _is_empty() -> bool:
    # A version without a pointer to it counts, too: training would put its own models in the place
    # of the user's.
    try:
        folders = [Path(BentoMLContainer.model_store_dir.get(), model.name) for model in MODELS]
        found = [path for folder in folders if folder.exists() for path in folder.iterdir()]
    except OSError as error:
        raise _unusable(error) from None
    return not any(path.is_dir() for path in found)


if __name__ == "__main__":
    try:
        if _is_empty():
            sys.exit(NO_MODELS)
        load_models()
    except StoreError as error:
        sys.exit(str(error))
