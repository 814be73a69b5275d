"""The JSON of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from eeg_letters.labels import Labels
from eeg_letters.serving.inference import Prediction


def as_json(
    predictions: Sequence[Prediction],
    labels: Labels,
    besides: Iterable[Mapping[str, Any]] | None = None,
) -> bytes:
    """For each row an object of label and probabilities by the model's title.

    Where labels are letters, the letter is there as well. After the models there is whether the row
    is familiar, where the first of them tells.

    Parameters
    ----------
    predictions : sequence of Prediction
        One a model, all of the same rows, at least one.
    labels : Labels
        What classes are called.
    besides : iterable of mapping of str to object, optional
        What else is told of each row.

    Returns
    -------
    bytes
        The objects with commas between them.
    """
    rows: list[dict[str, Any]] = [{} for _ in predictions[0].classes]
    values, names = labels.values, labels.names if labels.are_letters else None
    for prediction in predictions:
        title = prediction.title
        for row, place, probabilities in zip(
            rows, prediction.classes, prediction.probabilities, strict=True
        ):
            row[title] = (
                {"label": values[place], "probabilities": probabilities}
                if names is None
                else {
                    "label": values[place],
                    "letter": names[place],
                    "probabilities": probabilities,
                }
            )
    familiar = predictions[0].familiar
    if familiar is not None:
        for row, is_familiar in zip(rows, familiar.tolist(), strict=True):
            row["familiar"] = is_familiar
    if besides is not None:
        for row, more in zip(rows, besides, strict=True):
            row |= more
    return orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
