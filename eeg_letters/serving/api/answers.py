"""The JSON of predictions."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from eeg_letters.schema import LETTERS
from eeg_letters.serving.inference import Prediction

_OF_LABEL = [
    b'{"label":%d,"letter":"%b","probabilities":[' % (label, letter.encode())
    for label, letter in enumerate(LETTERS)
]


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
    by_model = [_members(prediction) for prediction in predictions]
    return b",".join(b"{%b}" % b",".join(row) for row in zip(*by_model, strict=True))


def _members(prediction: Prediction) -> list[bytes]:
    title = orjson.dumps(prediction.title)
    written = orjson.dumps(prediction.probabilities, option=orjson.OPT_SERIALIZE_NUMPY)
    return [
        b"%b:%b%b]}" % (title, _OF_LABEL[label], probabilities)
        for label, probabilities in zip(prediction.labels, written[2:-2].split(b"],["), strict=True)
    ]
