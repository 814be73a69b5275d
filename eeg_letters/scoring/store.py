"""The models in the BentoML model store, verified and read without BentoML.

``python -m eeg_letters.scoring.store`` ends with status 0 when the store holds what serving needs,
with status 3 when it has no version of any of the models, and with status 1 and one sentence when
it cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from eeg_letters.errors import StoreError
from eeg_letters.models import MODELS, Model
from eeg_letters.schema import Schema, difference
from eeg_letters.scoring.arrays import open_regular, read_regular
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.settings import BENTO

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

# BentoML reports its usage over the network unless told not to.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

# The name under which bentoml.sklearn.load_model looks for the pipeline.
PIPELINE_FILE = "saved_model.pkl"
SCORER_FILE = "scorer.npz"
# Not in an entry whose training had too few rows, or too many features, to tell what is familiar.
FAMILIARITY_FILE = "familiarity.npz"
# BentoML's name of the file that has an entry's tag and metadata.
DESCRIPTION_FILE = "model.yaml"
# That of a Bento.
_MANIFEST = "bento.yaml"

# Exit status of this module's command, which make knows.
NO_MODELS = 3

LATEST = "latest"
FILES = "files"
# How much is read of a file. A description has a hundred YAML events, and for 160 features 10 kB;
# a scorer of 160 features and 26 classes has 1 MB.
_MOST_OF_A_DESCRIPTION = 4 << 20
_MOST_EVENTS = 10_000
_MOST_OF_A_POINTER = 256
MOST_OF_A_SCORER = 64 << 20
# As BentoML has it.
_NAME = re.compile(r"[a-z0-9]([-._a-z0-9]*[a-z0-9])?")
_REMEDY = "run `make train` (or `python train.py`)"


class Tag(NamedTuple):
    """Name and version of an entry, in BentoML's way."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Description:
    """What an entry in the store says of itself; nothing of it is to be trusted."""

    tag: Tag
    folder: Path
    metadata: Mapping[str, Any]
    created: str


class LoadedEntry(NamedTuple):
    """An entry in the store, read and verified.

    Attributes
    ----------
    description : Description
        What it says of itself.
    scorer : Scorer
        What predicts.
    familiarity : Familiarity or None
        What tells rows unlike those of its training; None where training could not tell.
    schema : Schema
        Of the rows that it takes.
    """

    description: Description
    scorer: Scorer
    familiarity: Familiarity | None
    schema: Schema


@dataclass(frozen=True)
class StoredModel:
    """A model as serving uses it.

    Attributes
    ----------
    model : Model
        Which of the models.
    version : str
        Of its entry in the store.
    scorer : Scorer
        What predicts.
    familiarity : Familiarity or None
        What tells rows unlike those of its training; None where training could not tell.
    schema : Schema
        Of the rows that it takes.
    metadata : dict
        What training wrote down of it.
    """

    model: Model
    version: str
    scorer: Scorer
    familiarity: Familiarity | None
    schema: Schema
    metadata: Mapping[str, Any]


def load_model(model: Model) -> StoredModel:
    """Read a model's scorer, or the version of it that the running Bento pins.

    No pickle is opened.

    Raises
    ------
    StoreError
        When there is no such model, or its files are not those that training wrote.
    """
    entry = load_entry(model.name)
    return StoredModel(
        model,
        entry.description.tag.version,
        entry.scorer,
        entry.familiarity,
        entry.schema,
        entry.description.metadata,
    )


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


def load_entry(tag: str) -> LoadedEntry:
    """Read the entry that a tag, a model's name or an alias stands for.

    No pickle is opened. The pipeline may be missing, as it is in the image; where it is there, it
    must be the one that training wrote.

    Raises
    ------
    StoreError
        When there is no such model, or it is not as training wrote it.
    """
    stored = open_entry(tag)
    checksums = stored.metadata.get(FILES)
    if not isinstance(checksums, dict) or SCORER_FILE not in checksums:
        raise StoreError(f"model {stored.tag} was saved without a compiled scorer: {_REMEDY}")
    try:
        version = digest(stored.metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise _refusal(stored.tag, DESCRIPTION_FILE, error) from None
    if version != stored.tag.version:
        raise StoreError(
            f"model {stored.tag}, {DESCRIPTION_FILE}: the digest of the metadata is {version},"
            f" which is not the version: {_REMEDY}"
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
    return LoadedEntry(stored, scorer, _load_familiarity(stored, schema), schema)


def _load_familiarity(stored: Description, schema: Schema) -> Familiarity | None:
    checksums = stored.metadata[FILES]
    if FAMILIARITY_FILE not in checksums:
        return None
    content = _read(stored, FAMILIARITY_FILE)
    _verify(stored, FAMILIARITY_FILE, hashlib.sha256(content).hexdigest(), checksums)
    features = schema.features
    try:
        return Familiarity.load(content, len(features), features.are_powers)
    except ValueError as error:
        raise _refusal(stored.tag, FAMILIARITY_FILE, error) from None


def load_schema() -> Schema:
    """Read the schema of the first model's metadata alone.

    Raises
    ------
    StoreError
        When there is no such model, or it has no schema.
    """
    return _read_schema(open_entry(MODELS[0].name))


def is_whole(tag: Tag, metadata: Mapping[str, Any]) -> bool:
    """Whether there is an entry with this metadata, and with the files that they tell of."""
    try:
        stored = open_entry(str(tag))
        for name in metadata[FILES]:
            _verify(stored, name, _checksum(stored, name), metadata[FILES])
    except StoreError:
        return False
    return stored.metadata == metadata


def digest(metadata: Mapping[str, Any]) -> str:
    """The version of what has this metadata."""
    content = json.dumps(metadata, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def open_entry(tag: str) -> Description:
    """Read what an entry says of itself.

    Raises
    ------
    StoreError
        When there is no such entry, or its description cannot be read.
    """
    try:
        found = _find(tag)
    except OSError as error:
        raise unusable(error) from None
    except ValueError as error:
        raise StoreError(f"model {tag} cannot be read ({_one_line(error)}): {_REMEDY}") from None
    if found is None:
        raise StoreError(f"there is no model {tag} in the BentoML model store: {_REMEDY}")
    return found


def models_folder() -> Path:
    """Folder of the model store: in the Bento that has this code, or where BentoML keeps models."""
    packed = BENTO / "models"
    if _is_bento() and packed.is_dir():
        return packed
    return Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml", "models")


def _is_bento() -> bool:
    return (BENTO / _MANIFEST).is_file()


def _pinned(tag: str) -> str:
    # The version that the Bento that has this code was built with.
    if not _is_bento():
        return tag
    try:
        manifest = _read_yaml(BENTO / _MANIFEST)
        pins = {model.get("alias"): model["tag"] for model in manifest["models"]}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{BENTO / _MANIFEST} cannot be read: {_one_line(error)}") from None
    return str(pins.get(tag, tag))


def _find(tag: str) -> Description | None:
    # What `bentoml.models.get` finds, which would wait for a pipe and follow a link.
    name, _, version = _pinned(tag).lower().partition(":")
    if not all(_NAME.fullmatch(part) for part in (name, version or LATEST)):
        raise ValueError("a tag is a name, or a name and a version with a colon between them")
    version = version or LATEST
    found = _versions(name)
    if version == LATEST:
        with suppress(FileNotFoundError):
            pointer = read_regular(models_folder() / name / LATEST, _MOST_OF_A_POINTER)
            version = pointer.decode().strip()
        if version not in found and found:
            return max(map(_describe, found.values()), key=attrgetter("created"))
    elif version not in found:
        begin_so = [each for each in found if each.startswith(version)]
        if len(begin_so) > 1:
            raise ValueError(f"there are {' and '.join(sorted(begin_so))}")
        version = "".join(begin_so)
    return _describe(found[version]) if version in found else None


def _versions(name: str) -> dict[str, Path]:
    with suppress(FileNotFoundError):
        folders = (models_folder() / name).iterdir()
        return {folder.name: folder for folder in folders if folder.is_dir()}
    return {}


def _read_yaml(path: Path) -> Any:
    content = read_regular(path, _MOST_OF_A_DESCRIPTION)
    # An alias stands for what may be as large as there are names for it.
    for number, event in enumerate(yaml.parse(content, Loader)):
        if number > _MOST_EVENTS or isinstance(event, yaml.AliasEvent):
            raise ValueError("it has aliases, or more than a description has")
    return yaml.load(content, Loader)


def _describe(folder: Path) -> Description:
    """Read the description of an entry.

    Raises
    ------
    StoreError
        When it is none.
    """
    tag = Tag(folder.parent.name, folder.name)
    try:
        document = _read_yaml(folder / DESCRIPTION_FILE)
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


def unusable(error: OSError) -> StoreError:
    """The error to raise where the store's folder cannot be read or written."""
    return StoreError(f"the BentoML model store cannot be used: {error}: set BENTOML_HOME")


def _refusal(tag: Tag, name: str, error: Exception) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else _one_line(error)
    return StoreError(f"model {tag}, {name}: {reason}: {_REMEDY}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _read(stored: Description, name: str) -> bytes:
    try:
        return read_regular(stored.folder / name, MOST_OF_A_SCORER)
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


def _is_empty() -> bool:
    # A version without a pointer to it counts, too: training would put its own models in the place
    # of the user's.
    try:
        return not any(_versions(model.name) for model in MODELS)
    except OSError as error:
        raise unusable(error) from None


if __name__ == "__main__":
    try:
        if _is_empty():
            sys.exit(NO_MODELS)
        load_models()
    except StoreError as error:
        sys.exit(str(error))
