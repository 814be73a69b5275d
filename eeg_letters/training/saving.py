"""Writing models to the BentoML model store."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bentoml
import joblib
from bentoml._internal.models import ModelStore
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import ModelContext

from eeg_letters import __version__
from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError, StoreError
from eeg_letters.models import Model
from eeg_letters.scoring.familiarity import Familiarity
from eeg_letters.scoring.store import (
    FAMILIARITY_FILE,
    FILES,
    LATEST,
    MOST_OF_A_SCORER,
    PIPELINE_FILE,
    SCORER_FILE,
    Tag,
    digest,
    is_whole,
    models_folder,
    open_entry,
)
from eeg_letters.training.evaluation import Evaluation
from eeg_letters.training.finishing import TrainedModel
from eeg_letters.training.judging import Judgement, figures


@dataclass(frozen=True)
class Entry:
    """Files and metadata of one model.

    Attributes
    ----------
    model : Model
        Which of the models it is.
    files : dict of str to bytes
        Contents by file name: `PIPELINE_FILE`, `SCORER_FILE`, and where there is one
        `FAMILIARITY_FILE`.
    metadata : dict
        Schema, preprocessing, temperature, figures, checksums of the recordings, library versions.
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


def make_entry(
    trained: TrainedModel, judgement: Judgement, weight: int, familiarity: Familiarity | None
) -> Entry:
    """What to store of a trained model.

    Parameters
    ----------
    trained : TrainedModel
        One of those that were judged.
    judgement : Judgement
        Of it and the other one.
    weight : int
        How often a row of the session to come counted.
    familiarity : Familiarity or None
        From `eeg_letters.training.familiarity.fit_familiarity`.
    """
    files = {PIPELINE_FILE: io.BytesIO(), SCORER_FILE: io.BytesIO()}
    joblib.dump(trained.pipeline, files[PIPELINE_FILE])
    trained.scorer.save(files[SCORER_FILE])
    if familiarity is not None:
        familiarity.save(files.setdefault(FAMILIARITY_FILE, io.BytesIO()))
    training, test = judgement.training, judgement.test
    return Entry(
        trained.model,
        {name: buffer.getvalue() for name, buffer in files.items()},
        {
            "schema": training.schema.to_metadata(),
            "preprocessing": trained.chosen.recipe.preprocessing,
            "shrinkage": trained.chosen.recipe.shrinkage,
            "temperature": trained.chosen.temperature,
            **_by_figure(trained.evaluations),
            "clock": {
                "accuracy": judgement.clock.evaluation.accuracy,
                "tells_the_class": judgement.clock.is_well_above_chance,
            },
            "training": training.to_metadata(),
            "test": _with_figures(test.to_metadata(), trained.test),
            **({"adapting_weight": weight} if training.n_adapting else {}),
            "versions": {
                "eeg-letters": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("scikit-learn", "numpy", "joblib")},
            },
        },
    )


def _by_figure(evaluations: Mapping[str, Evaluation]) -> dict[str, dict[str, Any]]:
    by_name = {name: figures(found) for name, found in evaluations.items()}
    return {
        figure: {name: of[figure] for name, of in by_name.items()} for figure in by_name["test"]
    }


def _with_figures(described: dict[str, Any], test: Evaluation) -> dict[str, Any]:
    recordings = described["recordings"]
    if len(recordings) == 1:
        return described
    each = [
        {**recording, **figures(test.of_recording(place))}
        for place, recording in enumerate(recordings)
    ]
    return {**described, "recordings": each}


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
