"""Names of files, classes and features, fit to be shown: they are arbitrary text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from unicodedata import east_asian_width

_ELLIPSIS = "…"


def printable(text: str) -> str:
    """Text as it is, or with escapes where a page would not show it or a file not take it."""
    encoded = text.encode(errors="replace").decode()
    return encoded if encoded.isprintable() else repr(encoded)


def width(text: str) -> int:
    """Width in the widths of a narrow character; ideographs are two wide."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def shorten(text: str, most: int) -> str:
    """Text, or its beginning and an ellipsis where it is wider than `most` narrow characters."""
    if width(text) <= most:
        return text
    while width(text) > most - 1:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS


def shorten_all(names: Sequence[str], most: int) -> list[str]:
    """Each name shortened; without their common beginning where they would look alike."""
    shown = [shorten(name, most) for name in names]
    if len(set(shown)) == len(set(names)):
        return shown
    begun = os.path.commonprefix(list(names)).rpartition(" ")[0]  # noqa: RUF071 no paths
    return [shorten(_ELLIPSIS + name[len(begun) :].lstrip(), most) for name in names]
