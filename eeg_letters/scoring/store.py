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
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import bentoml
import yaml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import ModelContext

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError, StoreError
from eeg_letters.models import MODELS, Model
from eeg_letters.schema import Schema, difference
from eeg_letters.scoring.arrays import open_regular, read_regular
from eeg_letters.scoring.scorer import Scorer

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

# BentoML reports its usage over the network unless told not to.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

# The name under which bentoml.sklearn.load_model looks for the pipeline.
PIPELINE_FILE = "saved_model.pkl"
SCORER_FILE = "scorer.npz"
# BentoML's name of the file that has an entry's tag and metadata.
DESCRIPTION_FILE = "model.yaml"

# Exit status of this module's command, which make knows.
NO_MODELS = 3

_LATEST = "latest"
_FILES = "files"
# How much is read of a file. A description has a hundred YAML events, and for 160 features 10 kB;
# a scorer of 160 features and 26 classes has 1 MB.
_MOST_OF_A_DESCRIPTION = 4 << 20
_MOST_EVENTS = 10_000
_MOST_OF_A_POINTER = 256
_MOST_OF_A_SCORER = 64 << 20
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
        return bentoml.Tag(self.model.name, _digest({**self.metadata, _FILES: self.checksums}))


def training_tag(entries: Sequence[Entry]) -> str:
    """Name of the training that these entries came from: a digest of their tags."""
    tags = "\n".join(sorted(str(entry.tag) for entry in entries))
    return hashlib.sha256(tags.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Description:
    """What an entry in the store says of itself; nothing of it is to be trusted."""

    tag: bentoml.Tag
    folder: Path
    metadata: Mapping[str, Any]
    created: str


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
    for entry in entries:
        if len(entry.files[SCORER_FILE]) > _MOST_OF_A_SCORER:
            raise StoreError(
                f"the models cannot be saved: the scorer of {entry.model.title} has more than the"
                f" {_MOST_OF_A_SCORER} bytes that are read: train on fewer features or classes"
            )
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
    return StoredModel(model, stored.tag.version or "", scorer, schema, stored.metadata)


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


def load_scorer(tag: str) -> tuple[Description, Scorer, Schema]:
    """Read the entry that a tag, a model's name or an alias stands for, its scorer and schema.

    No pickle is opened. The pipeline may be missing, as it is in the image; where it is there, it
    must be the one that training wrote.

    Raises
    ------
    StoreError
        When there is no such model, or it is not as training wrote it.
    """
    stored = _open(tag)
    checksums = stored.metadata.get(_FILES)
    if not isinstance(checksums, dict) or SCORER_FILE not in checksums:
        raise StoreError(f"model {stored.tag} was saved without a compiled scorer: {_REMEDY}")
    try:
        digest = _digest(stored.metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise _refusal(stored.tag, DESCRIPTION_FILE, error) from None
    if digest != stored.tag.version:
        raise StoreError(
            f"model {stored.tag}, {DESCRIPTION_FILE}: the digest of the metadata is {digest}, which"
            f" is not the version: {_REMEDY}"
        )
    content = _read(stored, SCORER_FILE)
    _verify(stored, SCORER_FILE, hashlib.sha256(content).hexdigest(), checksums)
    if os.path.lexists(stored.folder / PIPELINE_FILE):
        _verify(stored, PIPELINE_FILE, _checksum(stored, PIPELINE_FILE), checksums)
    schema = _read_schema(stored)
    features = schema.features
    try:
        scorer = Scorer.load(content)
        scorer.check(len(features), len(schema.labels.values), features.are_powers)
    except ValueError as error:
        raise _refusal(stored.tag, SCORER_FILE, error) from None
    return stored, scorer, schema


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


def _digest(metadata: Mapping[str, Any]) -> str:
    content = json.dumps(metadata, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _open(tag: bentoml.Tag | str) -> Description:
    try:
        return _find(tag)
    except NotFound:
        raise StoreError(f"there is no model {tag} in the BentoML model store: {_REMEDY}") from None
    except OSError as error:
        raise _unusable(error) from None
    except (BentoMLException, ValueError) as error:
        raise StoreError(f"model {tag} cannot be read ({_one_line(error)}): {_REMEDY}") from None


def _find(tag: bentoml.Tag | str) -> Description:
    # What `bentoml.models.get` finds, which would wait for a pipe and follow a link.
    store = Path(BentoMLContainer.model_store.get()._path)
    aliases: Mapping[str, str] = BentoMLContainer.model_aliases.get()
    wanted = bentoml.Tag.from_taglike(aliases.get(tag, tag) if isinstance(tag, str) else tag)
    entries = store / wanted.name
    found = {folder.name: folder for folder in entries.glob("*/")}
    version = wanted.version or _LATEST
    if version == _LATEST:
        with suppress(FileNotFoundError):
            version = read_regular(entries / _LATEST, _MOST_OF_A_POINTER).decode().strip()
        if version not in found and found:
            return max(map(_describe, found.values()), key=attrgetter("created"))
    elif version not in found:
        begin_so = [name for name in found if name.startswith(version)]
        if len(begin_so) > 1:
            raise ValueError(f"there are {' and '.join(sorted(begin_so))}")
        version = "".join(begin_so)
    if version not in found:
        raise NotFound(str(tag))
    return _describe(found[version])


def _describe(folder: Path) -> Description:
    """Read the description of an entry.

    Raises
    ------
    StoreError
        When it is none.
    """
    tag = bentoml.Tag(folder.parent.name, folder.name)
    try:
        content = read_regular(folder / DESCRIPTION_FILE, _MOST_OF_A_DESCRIPTION)
        # An alias stands for what may be as large as there are names for it.
        for number, event in enumerate(yaml.parse(content, Loader)):
            if number > _MOST_EVENTS or isinstance(event, yaml.AliasEvent):
                raise ValueError("it has aliases, or more than a description has")
        document = yaml.load(content, Loader)
        if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
            raise ValueError("it describes no model")
        if (document.get("name"), document.get("version")) != (tag.name, tag.version):
            raise ValueError("it is of another model")
    except OSError as error:
        raise _refusal(tag, DESCRIPTION_FILE, error) from None
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise _refusal(tag, f"{DESCRIPTION_FILE} cannot be read", error) from None
    return Description(tag, folder, document["metadata"], str(document.get("creation_time")))


def _read_schema(stored: Description) -> Schema:
    if "schema" not in stored.metadata:
        raise StoreError(
            f"model {stored.tag} was saved without the schema of its recording: {_REMEDY}"
        )
    try:
        return Schema.from_metadata(stored.metadata["schema"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refusal(stored.tag, "schema", error) from None


def _unusable(error: OSError) -> StoreError:
    return StoreError(f"the BentoML model store cannot be used: {error}: set BENTOML_HOME")


def _refusal(tag: bentoml.Tag, name: str, error: Exception) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else _one_line(error)
    return StoreError(f"model {tag}, {name}: {reason}: {_REMEDY}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _read(stored: Description, name: str) -> bytes:
    try:
        return read_regular(stored.folder / name, _MOST_OF_A_SCORER)
    except (OSError, ValueError) as error:
        raise _refusal(stored.tag, name, error) from None


def _checksum(stored: Description, name: str) -> str:
    try:
        with open_regular(stored.folder / name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise _refusal(stored.tag, name, error) from None


def _verify(stored: Description, name: str, checksum: str, checksums: Mapping[str, Any]) -> None:
    if checksum != checksums.get(name):
        raise StoreError(
            f"model {stored.tag}, {name}: the checksum is not the one training wrote"
            f" down: {_REMEDY}"
        )


def _is_whole(entry: Entry) -> bool:
    try:
        stored = _open(entry.tag)
        for name in entry.files:
            _verify(stored, name, _checksum(stored, name), entry.checksums)
    except StoreError:
        return False
    return stored.metadata == {**entry.metadata, _FILES: entry.checksums}


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
    pointer = _open(tag).folder.with_name(_LATEST)
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
