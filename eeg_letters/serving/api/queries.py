"""The parameters of a query."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl

from eeg_letters.serving.api.refusals import quoted, refused


def parse_query(query: bytes, names: Collection[str]) -> dict[str, str]:
    """The parameters of a query by name.

    Parameters
    ----------
    query : bytes
        What follows the question mark.
    names : collection of str
        Those that there may be, each of them once.

    Raises
    ------
    Problem
        422, naming the first parameter that is unknown or there twice.
    """
    if not query:
        return {}
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
    except ValueError:
        raise refused(
            "The query is not name=value with & between them, in percent-encoded UTF-8."
        ) from None
    for name, value in pairs:
        if name not in names:
            raise refused(
                f"There is no parameter {quoted(name)}; there are {', '.join(sorted(names))}."
            )
        if name in found:
            raise refused(f"The parameter {name} is there twice.")
        found[name] = value
    return found
