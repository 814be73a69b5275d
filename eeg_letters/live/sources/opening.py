"""Sources by the names that the command line has for them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from eeg_letters.errors import UserError
from eeg_letters.live.sources.brainflow import Asked, open_board
from eeg_letters.live.sources.cortex import CORTEX_URL, Credentials, open_cortex
from eeg_letters.live.sources.lsl import open_lsl
from eeg_letters.live.sources.replay import open_replay
from eeg_letters.live.sources.rows import Source
from eeg_letters.schema import Features, Schema

FORMS = "replay:FILE, lsl:NAME, cortex or brainflow:BOARD"


@dataclass(frozen=True)
class Named:
    """A source as the command line names it.

    Attributes
    ----------
    kind, name : str
        What is before the colon and after it.
    rate : float
        Rows a second of a replay.
    asked : Asked
        Of a board.
    credentials : Credentials or None
        Of Cortex.
    """

    kind: str
    name: str
    rate: float
    asked: Asked
    credentials: Credentials | None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    def open(self, schema: Schema) -> AbstractAsyncContextManager[Source]:
        """Open it for models; errors are those of the kind of source."""
        if self.kind == "replay":
            return open_replay(self.name, schema, self.rate)
        return self.open_without_models(schema.features)

    def open_without_models(
        self, wanted: Features | None = None
    ) -> AbstractAsyncContextManager[Source]:
        """Open what measures, whatever it measures.

        Raises
        ------
        UserError
            When it measures nothing.
        """
        if self.kind == "replay":
            raise UserError(f"replay:{self.name}: it is recorded already")
        if self.kind == "lsl":
            return open_lsl(self.name, wanted)
        if self.credentials is not None:
            return open_cortex(self.name or CORTEX_URL, self.credentials, wanted)
        return open_board(self.name, wanted, self.asked)


def split(text: str) -> tuple[str, str]:
    """Kind and name of a source.

    Raises
    ------
    ValueError
        When it is none.
    """
    kind, _, name = text.partition(":")
    if kind not in ("replay", "lsl", "cortex", "brainflow") or (kind != "cortex" and not name):
        raise ValueError(f"{text!r} is no source: {FORMS}")
    return kind, name
