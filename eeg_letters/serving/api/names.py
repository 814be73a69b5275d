"""Names in rows: which there may be, and each of them once."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.schema import LINE_COLUMN, Schema
from eeg_letters.serving.api.refusals import quoted, refused

OTHER_COLUMNS = (LINE_COLUMN, *LABEL_COLUMNS)


def other_columns(schema: Schema, stored: Collection[str] = ()) -> tuple[str, ...]:
    """What a row by name may have besides the features: line number, label, and what is stored.

    Parameters
    ----------
    schema : Schema
        Of the models.
    stored : collection of str
        Columns of the stored rows, each of which can be sent as it is answered.
    """
    named = () if schema.label_column is None else (schema.label_column,)
    features = frozenset(schema.features.names)
    names = (*named, *OTHER_COLUMNS, *stored)
    return tuple(name for name in dict.fromkeys(names) if name not in features)


def check_names(text: bytes) -> None:
    """Make sure that no object of a JSON text has a duplicate name.

    Raises
    ------
    Problem
        422.
    """

    def check(pairs: list[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                raise refused(f"An object has the duplicate name {quoted(name)}.")
            names.add(name)

    json.loads(text, object_pairs_hook=check, parse_int=float)
