"""The JSON of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from eeg_letters.schema import LETTERS
from eeg_letters.serving.inference import Prediction


def as_json(predictions: Sequence[Prediction]) -> bytes:
    """For each row an object of label, letter and probabilities by the model's title.

    Parameters
    ----------
    predictions : sequence of Prediction
        One a model, all of the same rows, at least one.

    Returns
    -------
    bytes
        The objects with commas between them.
    """
    rows: list[dict[str, Any]] = [{} for _ in predictions[0].labels]
    for prediction in predictions:
        title = prediction.title
        for row, label, probabilities in zip(
            rows, prediction.labels, prediction.probabilities, strict=True
        ):
            row[title] = {
                "label": label,
                "letter": LETTERS[label],
                "probabilities": probabilities,
            }
    return orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
