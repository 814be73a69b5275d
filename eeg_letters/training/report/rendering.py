"""Rendering of templates, and filters that format numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from eeg_letters.training.evaluation import ClassScore
from eeg_letters.training.report.naming import printable
from eeg_letters.training.resampling import Interval

ABSENT = "–"


def render(template: str, **context: Any) -> str:
    """Fill in a template of the folder ``templates``; what goes into HTML is escaped."""
    environment = Environment(
        loader=PackageLoader("eeg_letters.training.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["zip"] = zip
    environment.filters |= {
        "score": score,
        "percent": percent,
        "change": change,
        "interval": interval,
        "seconds": seconds,
        "size": size,
        "count": count,
        "code": code,
        "plain": plain,
        "p_value": p_value,
        "printable": printable,
        "worst": worst,
    }
    return environment.get_template(template).render(**context)


def score(share: float | None) -> str:
    """A share as `train.py` prints it."""
    return ABSENT if share is None else f"{share:.4f}"


def percent(share: float, decimals: int = 1) -> str:
    """A share in percent, with a no-break space."""
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def change(difference: float) -> str:
    """A difference, with its sign."""
    return f"{difference:+.2f}".replace("-", "−")


def interval(found: Interval) -> str:
    """Both ends of an interval."""
    return f"{found.low:.4f} to {found.high:.4f}"


def p_value(probability: float) -> str:
    """A p-value; below 0.0001 only as a bound."""
    return "p < 0.0001" if probability < 0.0001 else f"p = {probability:.4f}"


def seconds(time: float) -> str:
    """A duration in the unit that fits it."""
    unit, factor = ("s", 1) if time >= 0.1 else ("ms", 1e3) if time >= 1e-4 else ("µs", 1e6)
    return f"{_three_digits(time * factor)}\N{NO-BREAK SPACE}{unit}"


def size(number: int) -> str:
    """Bytes in the unit that fits them."""
    unit, factor = ("MB", 1e6) if number >= 1e6 else ("kB", 1e3)
    return f"{_three_digits(number / factor)}\N{NO-BREAK SPACE}{unit}"


def count(number: int) -> str:
    """A whole number with commas between thousands."""
    return f"{number:,}"


def code(text: str) -> str:
    """A code span of Markdown that holds whatever the text has."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if longest else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def plain(text: str) -> str:
    """Text in which nothing is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)


def worst(
    scores: Sequence[tuple[int, int, Sequence[ClassScore | None]]], most: int
) -> list[tuple[int, int, Sequence[ClassScore | None]]]:
    """Of the rows of a table of scores, those with the least F1 by both models."""

    def f1(row: tuple[int, int, Sequence[ClassScore | None]]) -> float:
        return sum(score.f1 for score in row[2] if score)

    return sorted(scores, key=f1)[:most]


def _three_digits(number: float) -> str:
    # The general format alone would write 1230 as 1.23e+03.
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
