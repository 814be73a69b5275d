"""What a person sees while rows are answered."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eeg_letters.live.answers import Answer, Decision, Prediction
from eeg_letters.live.large import large
from eeg_letters.live.sources.rows import Row
from eeg_letters.live.stream import Stream

# What figures of now are of.
_LAST_SECONDS = 5
_LAST_ANSWERS = 1000
_BAR_WIDTH = 20
_DECISION = "Decision"


@dataclass
class Tally:
    """Counts and figures of the answers so far.

    Attributes
    ----------
    answered, refused, skipped : int
        Rows; those that are skipped were lost before they could be sent.
    judged, unfamiliar : int
        Rows that models could judge, and those of them that are unlike the training.
    labelled : int
        Rows of which it is known what they truly were.
    right : dict of str to int
        How many of those each model, and the decision, had right.
    """

    answered: int = 0
    refused: int = 0
    skipped: int = 0
    judged: int = 0
    unfamiliar: int = 0
    labelled: int = 0
    right: dict[str, int] = field(default_factory=dict)
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LAST_ANSWERS))
    _arrivals: deque[float] = field(default_factory=deque)
    _begun: float | None = None

    def count(self, row: Row, answer: Answer) -> None:
        """Add a row and its answer."""
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        self._arrivals.append(now)
        self._forget(now)
        self._latencies.append(answer.latency)
        self.answered += 1
        self.skipped += row.skipped
        if answer.decision is None:
            self.refused += 1
            return
        if answer.familiar is not None:
            self.judged += 1
            self.unfamiliar += not answer.familiar
        if row.label is not None:
            self.labelled += 1
            said = {title: model.label for title, model in answer.models.items()}
            for title, label in {**said, _DECISION: answer.decision.label}.items():
                self.right[title] = self.right.get(title, 0) + (label == row.label)

    def rate(self) -> float:
        """Rows a second, of the last seconds."""
        now, arrivals = time.monotonic(), self._arrivals
        self._forget(now)
        if self._begun is not None and now - self._begun >= _LAST_SECONDS:
            return len(arrivals) / _LAST_SECONDS
        return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0

    def _forget(self, now: float) -> None:
        while self._arrivals and now - self._arrivals[0] > _LAST_SECONDS:
            self._arrivals.popleft()

    def latency(self, percent: float) -> float:
        """Milliseconds within which so many of the last answers came."""
        return float(np.percentile(self._latencies, percent)) * 1000 if self._latencies else 0

    def lines(self, stream: Stream) -> list[str]:
        """Everything counted, in words."""
        losses = stream.losses
        lines = [
            f"{self.rate():.1f} rows/s, latency p50 {self.latency(50):.1f} ms, p99"
            f" {self.latency(99):.1f} ms"
        ]
        if self.judged:
            lines[0] += f", {100 * self.unfamiliar / self.judged:.1f} % unfamiliar"
        lines.append(
            f"{self.answered} rows, {self.refused} refused, {self.skipped} lost;"
            f" {losses.reconnects} reconnects, {losses.again} rows sent again"
        )
        if self.labelled:
            shares = (f"{title} {n / self.labelled:.4f}" for title, n in self.right.items())
            lines.append(f"Right of {self.labelled}: {', '.join(shares)}")
        return lines


class Board:
    """The last answer and the figures so far, drawn anew by `rich.live.Live`.

    Parameters
    ----------
    what : str
        The source and the service, as the heading.
    """

    def __init__(self, what: str) -> None:
        self._tally = Tally()
        self._stream: Stream | None = None
        self._what = what
        self._row: Row | None = None
        self._answer: Answer | None = None

    @property
    def has_answers(self) -> bool:
        """Whether there is something to show."""
        return self._answer is not None

    def begin(self, stream: Stream) -> None:
        """Show what a stream goes through."""
        self._stream = stream

    def take(self, row: Row, answer: Answer) -> None:
        """Count an answer, which is what is shown until the next one."""
        self._tally.count(row, answer)
        self._row, self._answer = row, answer

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [Text(self._what, "dim")]
        if self._stream is None or self._answer is None or self._row is None:
            return Group(*parts, Text("waiting for the first row"))
        answer = self._answer
        if answer.decision is None:
            parts.append(Text(f"Row {answer.id} was refused: {answer.refused}", "red"))
        else:
            style = "bold green" if answer.decision.stable else "bold"
            answers = Table.grid(padding=(0, 4))
            answers.add_row(
                large(answer.decision.name, style),
                *(_bars(title, model) for title, model in answer.models.items()),
            )
            parts += [Text(), answers, Text(), Text(_decided(answer.decision, self._row))]
        parts += map(Text, self._tally.lines(self._stream))
        if not self._stream.is_connected and self._stream.unanswered:
            parts.append(Text("The connection is lost and is tried again.", "bold red"))
        return Group(*parts)


def _decided(decision: Decision, row: Row) -> str:
    told = f"{decision.name} {decision.probability:.2f} over {decision.rows} rows"
    if decision.stable:
        told += ", stable"
    if row.label is not None:
        told += ", right" if row.label == decision.label else ", wrong"
    return told


def _bars(title: str, model: Prediction) -> Group:
    bars = Table.grid(padding=(0, 1))
    for one in model.likeliest:
        bar = Bar(1, 0, one.probability, width=_BAR_WIDTH)
        bars.add_row(Text(one.name), bar, f"{one.probability:.2f}")
    return Group(Text(title, "bold"), bars)
