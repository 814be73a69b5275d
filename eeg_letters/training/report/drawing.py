"""Drawing: figures as SVG elements that an HTML page gives their colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Container, Mapping
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from eeg_letters.models import LDA, MLP

# Stand-ins for colours of the page's theme, by the CSS variables that they become.
_THEME = {
    "#010101": "text",
    "#020202": "quiet",
    "#030303": "edge",
    "#040404": "lda",
    "#050505": "mlp",
    "#060606": "back",
    "#070707": "on-middle",
}
TEXT, QUIET, EDGE, _LDA, _MLP, BACK, ON_MIDDLE = _THEME
COLOURS = {LDA: _LDA, MLP: _MLP}

FONT_SIZE = 11
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    # A name may have dollar signs.
    "text.parse_math": False,
    "font.size": FONT_SIZE,
    "text.color": TEXT,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": TEXT,
    "axes.labelsize": FONT_SIZE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def panel(
    width: float, height: float, *, left: float, bottom: float, top: float, right: float = 8
) -> tuple[Figure, Axes]:
    """A figure with one set of axes; sizes in CSS pixels."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure, figure.add_axes(box)


def percent(axis: Axis) -> None:
    """Label an axis of shares in percent."""
    axis.set_ticks(np.linspace(0, 1, 6))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))


def signed(value: float) -> str:
    """A number with its sign, of two digits."""
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def svg(figure: Figure, label: str, titles: Mapping[str, str] | None = None) -> str:
    """The figure as an element, its colours left to the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to draw.
    label : str
        What it shows, in words.
    titles : dict of str to str, optional
        What a pointer is told on parts of the figure, by their group id.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": label}), warnings.catch_warnings():
        # The page's font draws the text, not the one that matplotlib looks for glyphs in.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Rules of a style element would hold for the whole page.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    # Text between tags may be a name, which is left as it is.
    parts = re.split(r"(<[^>]*>)", text)
    used = set(re.findall(r"#([\w.-]+)[\")]", "".join(parts[1::2])))
    parts[1::2] = [_clean_tag(tag, used, titles or {}) for tag in parts[1::2]]
    parts[::2] = [between if between.strip() else " " * bool(between) for between in parts[::2]]
    width, height = (72 * inches for inches in figure.get_size_inches())
    parts[1] = (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}"'
        f' style="max-width: {1.3 * width:.0f}px">'
    )
    return "".join(parts)


def _clean_tag(tag: str, used: Container[str], titles: Mapping[str, str]) -> str:
    title = ""
    if (found := re.search(r' id="([\w.-]+)"', tag)) and found[1] not in used:
        tag = tag.replace(found[0], "")
        if found[1] in titles:
            title = f"<title>{escape(titles[found[1]])}</title>"
    tag = re.sub(r"(?:font-family|font-weight|font-style): [^;\"]+; ?", "", tag)
    tag = re.sub(r"\s*\n\s*", " ", tag)
    for stand_in, variable in _THEME.items():
        tag = tag.replace(stand_in, f"var(--{variable})")
    return tag + title
