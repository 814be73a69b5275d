"""What the query of a stream asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from eeg_letters.serving.api.queries import parse_query
from eeg_letters.serving.api.refusals import quoted, refused
from eeg_letters.serving.keeping import SESSION

MOST_ROWS = 128
LIKELIEST, ALL = "likeliest", "all"
# What the logarithms of a running decision may take; float32.
_WINDOW_BYTES = 16 * 1024
_CLASS_BYTES = 4
# As programs write numbers.
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MOST_DIGITS = 32
# The default.
_FEWEST_ROWS = 8


@dataclass(frozen=True)
class Parameters:
    """What a stream was asked to tell.

    Attributes
    ----------
    window, threshold, hold
        As `eeg_letters.serving.live.decision.RunningDecision` has them.
    probabilities : {"likeliest", "all"}
        Those of the likeliest classes alone, or all.
    session : str or None
        Whose rows they are.
    """

    window: int = _FEWEST_ROWS
    threshold: float = 0.9
    hold: int = 4
    probabilities: str = LIKELIEST
    session: str | None = None


NAMES = tuple(Parameters.__dataclass_fields__)


def parse_parameters(query: bytes, n_labels: int) -> Parameters:
    """The parameters of a stream.

    Parameters
    ----------
    query : bytes
        What follows the question mark.
    n_labels : int
        Classes that models tell apart: with many the window must be shorter.

    Raises
    ------
    Problem
        422, naming the first parameter that is wrong.
    """
    named, default = parse_query(query, NAMES), Parameters()
    session = named.get("session")
    if session is not None and not SESSION.fullmatch(session.encode()):
        raise refused("session is not 1 to 128 letters, digits, dots, hyphens and underscores.")
    probabilities = named.get("probabilities", default.probabilities)
    if probabilities not in (LIKELIEST, ALL):
        raise refused(f"probabilities is {quoted(probabilities)}; it must be {LIKELIEST} or {ALL}.")
    return Parameters(
        _rows(named, "window", default.window, most_window(n_labels)),
        _probability(named, "threshold", default.threshold),
        _rows(named, "hold", default.hold, MOST_ROWS),
        probabilities,
        session,
    )


def most_window(n_labels: int) -> int:
    """The longest window of a running decision among so many classes, in rows."""
    return min(MOST_ROWS, max(_FEWEST_ROWS, _WINDOW_BYTES // (_CLASS_BYTES * n_labels)))


def _rows(named: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = named.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text) or int(text) > most:
        raise refused(f"{name} is {quoted(text)}; it must be a number of rows from 1 to {most}.")
    return int(text)


def _probability(named: Mapping[str, str], name: str, default: float) -> float:
    text = named.get(name, str(default))
    is_number = len(text) <= _MOST_DIGITS and _NUMBER.fullmatch(text)
    if not is_number or not 0 <= (probability := float(text)) <= 1:
        raise refused(f"{name} is {quoted(text)}; it must be a probability from 0 to 1.")
    return probability
