"""Scoring what was kept again, with the versions that answered it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row

from eeg_letters.database.answered import Floats, Served, from_bytes
from eeg_letters.database.engine import explained
from eeg_letters.database.kept import (
    NOT_KEPT,
    RECORDING_GONE,
    FileRows,
    count_kept,
    kept_chunks,
    load_served,
    powers_of,
)
from eeg_letters.database.tables import class_column, predictions, probabilities_column
from eeg_letters.errors import StoreError
from eeg_letters.models import MODELS, Model
from eeg_letters.schema import Schema
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import load_entry
from eeg_letters.settings import SHIPPED, Settings

# Sums of many rows are taken in another order than those of one.
TOLERANCE = 1e-9
VERSION_GONE = "version gone"
# That are told one by one.
_MOST_TOLD = 10


@dataclass
class Replayed:
    """What became of the rows that are kept.

    Attributes
    ----------
    n_kept, n_equal : int
        All of them, and those that are answered as they were.
    different : list of str
        The first of those that are not, in words.
    n_different : int
        How many those are.
    not_replayable : Counter of str
        Those that cannot be scored again, by the reason.
    """

    n_kept: int = 0
    n_equal: int = 0
    n_different: int = 0
    different: list[str] = field(default_factory=list)
    not_replayable: Counter[str] = field(default_factory=Counter)

    def table(self) -> Iterator[str]:
        """Lines that are printed."""
        counts = [("kept", self.n_kept), ("equal", self.n_equal), ("different", self.n_different)]
        counts.append(("not replayable", self.not_replayable.total()))
        counts += [
            (f"  {reason}", self.not_replayable[reason])
            for reason in (NOT_KEPT, RECORDING_GONE, VERSION_GONE)
        ]
        width = max(len(f"{count:,}") for _, count in counts)
        for name, count in counts:
            yield f"{name:<24}{count:>{width},}"


def replay(
    engine: Engine,
    settings: Settings,
    since: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Score the rows that are kept with the versions that answered them, and compare.

    Labels must be equal, and probabilities within `TOLERANCE`.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of a database with the tables that are needed.
    settings : Settings
        Name the file whose rows were answered where no recording in the database has them.
    since : int, optional
        The earliest time, in microseconds since 1970-01-01.
    progress : callable, optional
        Told how many rows were looked at, and of how many.

    Raises
    ------
    DatabaseError
        When the database fails.
    """
    which = [] if since is None else [predictions.c.at >= since]
    replayed = Replayed()
    with explained(engine):
        of_all = count_kept(engine, which)
        with engine.connect() as connection:
            known = load_served(connection)
        file = FileRows(settings.test_data or SHIPPED)
        for connection, chunk in kept_chunks(engine, which):
            for number in sorted({row.served_id for row in chunk}):
                rows = [row for row in chunk if row.served_id == number]
                _compare(connection, known[number], rows, file, replayed)
            replayed.n_kept += len(chunk)
            if progress is not None:
                progress(replayed.n_kept, of_all)
    return replayed


def _compare(
    connection: Connection,
    served: Served,
    rows: Sequence[Row[Any]],
    file: FileRows,
    replayed: Replayed,
) -> None:
    scorers = {
        model: _load_scorer(f"{model.name}:{served.versions.get(model.name)}") for model in MODELS
    }
    scored: list[tuple[Row[Any], bytes]] = []
    for row, powers in zip(rows, powers_of(connection, served.schema, rows, file), strict=True):
        if powers is None:
            gone = NOT_KEPT if row.recording_sha256 is None else RECORDING_GONE
            replayed.not_replayable[gone] += 1
        elif any(scorers[model] is None and _asked(row, model) for model in MODELS):
            replayed.not_replayable[VERSION_GONE] += 1
        else:
            scored.append((row, powers))
    if not scored:
        return
    inputs = from_bytes([powers for _, powers in scored])
    differences: list[list[str]] = [[] for _ in scored]
    for model, scorer in scorers.items():
        if scorer is not None:
            asked = [place for place, (row, _) in enumerate(scored) if _asked(row, model)]
            for place, told in zip(
                asked,
                _differences(
                    model,
                    scorer,
                    served.schema,
                    [scored[place][0] for place in asked],
                    inputs[asked],
                ),
                strict=True,
            ):
                if told is not None:
                    differences[place].append(told)
    for (row, _), told_of in zip(scored, differences, strict=True):
        if not told_of:
            replayed.n_equal += 1
            continue
        replayed.n_different += 1
        if len(replayed.different) < _MOST_TOLD:
            replayed.different.append(f"{row.request_id}, row {row.row}: {'; '.join(told_of)}")


@cache
def _load_scorer(tag: str) -> Scorer | None:
    try:
        return load_entry(tag).scorer
    except StoreError:
        return None


def _asked(row: Row[Any], model: Model) -> bool:
    return row._mapping[class_column(model)] is not None


def _differences(
    model: Model, scorer: Scorer, schema: Schema, rows: Sequence[Row[Any]], inputs: Floats
) -> Iterator[str | None]:
    """What is different of each row, in words."""
    if not rows:
        return
    names = schema.labels.names
    classes, found = scorer.classify(inputs)
    probabilities = np.zeros((len(rows), len(names)))
    probabilities[:, scorer.classes] = found
    for row, place, now in zip(rows, classes.tolist(), probabilities, strict=True):
        before = row._mapping[class_column(model)]
        stored = row._mapping[probabilities_column(model)]
        if before != place:
            yield f"{model.title} predicted {names[before]}, and now {names[place]}"
        elif stored is not None and (largest := _largest(now, stored)) > TOLERANCE:
            yield f"{model.title}: a probability differs by {largest:.1e}"
        else:
            yield None


def _largest(now: NDArray[np.float64], stored: bytes) -> float:
    before = np.frombuffer(stored, "<f8")
    if before.shape != now.shape:
        return np.inf
    return float(np.nan_to_num(np.abs(now - before), nan=np.inf).max())
