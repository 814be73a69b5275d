"""Classes as they are shown large."""

from __future__ import annotations

from rich.align import Align
from rich.text import Text

# Seven rows of five points for each letter, a row as a number in base 32; + is for the eyes to
# rest on.
_POINTS = {
    "A": "ehhvhhh",
    "B": "uhhuhhu",
    "C": "ehggghe",
    "D": "uhhhhhu",
    "E": "vgguggv",
    "F": "vgguggg",
    "G": "ehgnhhe",
    "H": "hhhvhhh",
    "I": "e44444e",
    "J": "72222ic",
    "K": "hikokih",
    "L": "ggggggv",
    "M": "hrllhhh",
    "N": "hpljhhh",
    "O": "ehhhhhe",
    "P": "uhhuggg",
    "Q": "ehhhlid",
    "R": "uhhukih",
    "S": "fgge11u",
    "T": "v444444",
    "U": "hhhhhhe",
    "V": "hhhhha4",
    "W": "hhhllrh",
    "X": "hha4ahh",
    "Y": "hha4444",
    "Z": "v1248gv",
    "+": "044v440",
}
HEIGHT = 7


def large(name: str, style: str = "bold") -> Align:
    """A letter of seven lines; another name in capitals, with space around it."""
    points = _POINTS.get(name)
    if points is None:
        spaced = Text(" ".join(name.upper()), style, justify="center")
        return Align.center(spaced, vertical="middle", height=HEIGHT)
    rows = (f"{int(row, 32):05b}" for row in points)
    lines = (row.replace("1", "██").replace("0", "  ") for row in rows)
    return Align.center(Text("\n".join(lines), style), height=HEIGHT)
