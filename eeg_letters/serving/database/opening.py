"""The database of a service: opened when it starts, closed when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from eeg_letters.database import revisions
from eeg_letters.database.answered import Served
from eeg_letters.database.engine import open_engine, reason, sqlite_file
from eeg_letters.database.keeping import Keeper
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.database.access import Access
from eeg_letters.serving.database.feedback import routes as feedback
from eeg_letters.serving.database.feedback.tokens import build_gate
from eeg_letters.serving.database.keep import KeepAnswers
from eeg_letters.serving.database.recordings import routes as recordings
from eeg_letters.serving.database.recordings.openapi import describe
from eeg_letters.serving.database.recordings.scores import Scores
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.routing import Described, Route
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

_logger = logging.getLogger("eeg_letters")


@dataclass(frozen=True)
class Database:
    """What the service has of a database.

    Attributes
    ----------
    keep : Keep or None
        Keeps what is answered; None where nothing is to be kept.
    routes : sequence of Route
        Those that need a database.
    described : Described
        The same in the OpenAPI document.
    collectors : sequence of Collector
        Of its metrics.
    """

    keep: Keep | None
    routes: Sequence[Route]
    described: Described
    collectors: Sequence[Collector]
    _access: Access
    _keeper: Keeper
    _scores: Scores

    @property
    def problem(self) -> str | None:
        """Why the database cannot be used, in words; None while it can."""
        return self._keeper.problem

    def close(self) -> None:
        """Write what waits, for a few seconds at most."""
        self._scores.close()
        self._keeper.close()
        self._access.close()
        self._access.engine.dispose()


def open_database(settings: Settings, inference: Inference, metrics: Metrics) -> Database:
    """Open the database that the settings name; where it does not answer it is tried again later.

    Parameters
    ----------
    settings : Settings
        Which database, and what is kept in it.
    inference : Inference
        What answers are made of.
    metrics : Metrics
        Told of every prediction.

    Raises
    ------
    eeg_letters.errors.UserError
        When it answers, and has not the tables that this version needs; or when there is to be a
        file of tokens, and it cannot be read.
    """
    engine = open_engine(settings)
    versions = {stored.model.name: stored.version for stored in inference.models}
    is_file = sqlite_file(engine) is not None
    models = Served(inference.schema, versions)
    keeper = Keeper(
        engine,
        models,
        _Scorers(inference),
        settings.keep_rows,
        settings.database_max_mb * 1_000_000 if is_file else None,
    )
    access = Access(engine, keeper)
    of_feedback = feedback.build(settings, inference, access)
    keeper.start()
    keep = None
    if settings.keep_predictions:
        keep = KeepAnswers(keeper, of_feedback.gate, of_feedback.counts)
    scores = Scores(engine, models, inference, keeper.suspect)
    of_recordings = recordings.build_routes(inference, metrics, settings, access, scores, keep)
    return Database(
        keep,
        (*of_recordings, *of_feedback.routes),
        describe(inference.schema, settings.recording is not None) | of_feedback.described,
        (_Collector(keeper), of_feedback.counts),
        access,
        keeper,
        scores,
    )


def check(settings: Settings) -> None:
    """Make sure that the database has the tables that this version needs, if it answers.

    And that the file of tokens can be read, where there is to be one.

    Raises
    ------
    eeg_letters.errors.UserError
    """
    build_gate(settings)
    engine = open_engine(settings)
    try:
        revisions.check(engine)
    except SQLAlchemyError as error:
        _logger.warning("the database is away: %s", reason(error))
    finally:
        engine.dispose()


class _Scorers:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def probabilities(self, rows: Floats) -> list[Floats]:
        return [prediction.probabilities for prediction in self._inference.predict(rows)]

    def familiar(self, rows: Floats) -> NDArray[np.bool_] | None:
        return self._inference.familiar(rows)


class _Collector(Collector):
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        keeper = self._keeper
        yield GaugeMetricFamily(
            "eeg_database_up", "Whether the database answered when last asked.", keeper.is_up
        )
        yield GaugeMetricFamily(
            "eeg_database_rows_waiting", "Rows that are to be kept.", keeper.rows_waiting
        )
        yield CounterMetricFamily("eeg_rows_kept", "Rows kept in the database.", keeper.rows_kept)
        yield CounterMetricFamily(
            "eeg_rows_dropped",
            "Rows that were answered and not kept: no room, or the database refused them.",
            keeper.rows_dropped,
        )
