"""Answers of the Open Inference Protocol: predictions as tensors, in JSON and in binary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from eeg_letters.schema import LETTERS
from eeg_letters.serving.asgi import Header, Response
from eeg_letters.serving.inference import Prediction
from eeg_letters.serving.open_inference.requests import HEADER_LENGTH, InferenceRequest

BINARY = b"application/octet-stream"

_LETTERS_JSON = [b'"%b"' % letter.encode() for letter in LETTERS]
_LETTERS_BINARY = [len(letter).to_bytes(4, "little") + letter.encode() for letter in LETTERS]


@dataclass(frozen=True)
class Output:
    """A tensor of an answer.

    Attributes
    ----------
    name, datatype : str
        As the protocol has them.
    width : int or None
        Values in each row; one, and no second dimension, where it is None.
    model : int
        Place of the model among the predictions.
    as_json : callable
        From a prediction to its values with commas between them.
    as_binary : callable
        From a prediction to its values, little-endian.
    """

    name: str
    datatype: str
    width: int | None
    model: int
    as_json: Callable[[Prediction], bytes]
    as_binary: Callable[[Prediction], bytes]

    @property
    def shape(self) -> list[int]:
        """Shape with -1 for the number of rows."""
        return [-1] if self.width is None else [-1, self.width]

    def form(self, binary: bool) -> bytes:
        """The tensor in JSON: a template for the number of rows, and the values or their size."""
        shape = str(self.shape).replace("-1", "%d")
        values = '"parameters":{"binary_data_size":%d}' if binary else '"data":[%b]'
        return (
            f'{{"name":"{self.name}","datatype":"{self.datatype}","shape":{shape},{values}}}'
        ).encode()


class Answer:
    """Tensors as one request asks for them; made once for all requests that ask for the same.

    Parameters
    ----------
    head : bytes
        JSON members of the model: name and version.
    outputs : iterable of (Output, bool)
        What is asked for, and whether in binary.
    """

    def __init__(self, head: bytes, outputs: Iterable[tuple[Output, bool]]) -> None:
        outputs = list(outputs)
        self._head = head
        self._form = b",".join(output.form(binary) for output, binary in outputs)
        self._binary = [binary for _, binary in outputs]
        self._any_binary = any(self._binary)
        self._write = [
            (output.as_binary if binary else output.as_json, output.model)
            for output, binary in outputs
        ]

    def write(self, predictions: Sequence[Prediction]) -> list[bytes]:
        """Values of each output for some of the rows."""
        return [write(predictions[model]) for write, model in self._write]

    def response(self, request: InferenceRequest, parts: Sequence[Sequence[bytes]]) -> Response:
        """The response to a request.

        Parameters
        ----------
        request : InferenceRequest
            What was asked for.
        parts : sequence of sequence of bytes
            What `write` gave, for all of the rows.

        Returns
        -------
        Response
        """
        values = parts[0] if len(parts) == 1 else self._joined(parts)
        filling: list[int | bytes] = []
        for binary, value in zip(self._binary, values, strict=True):
            filling += (request.n_rows, len(value) if binary else value)
        members = self._head
        if request.id is not None:
            members += b'"id":%b,' % orjson.dumps(request.id)
        if request.parameters:
            members += b'"parameters":%b,' % request.parameters
        text = b'{%b"outputs":[%b]}' % (members, self._form % tuple(filling))
        if not self._any_binary:
            return Response(text)
        tensors = [value for binary, value in zip(self._binary, values, strict=True) if binary]
        length: Header = (HEADER_LENGTH, b"%d" % len(text))
        return Response(b"".join([text, *tensors]), BINARY, headers=(length,))

    def _joined(self, parts: Sequence[Sequence[bytes]]) -> list[bytes]:
        return [
            (b"" if binary else b",").join([part[place] for part in parts])
            for place, binary in enumerate(self._binary)
        ]


def outputs_of(model: int, prefix: str = "") -> list[Output]:
    """The three tensors that a model answers with.

    Parameters
    ----------
    model : int
        Place of the model among the predictions.
    prefix : str
        What their names begin with.

    Returns
    -------
    list of Output
    """
    return [
        Output(f"{prefix}label", "INT64", None, model, _labels_json, _labels_binary),
        Output(f"{prefix}letter", "BYTES", None, model, _letters_json, _letters_binary),
        Output(
            f"{prefix}probabilities",
            "FP64",
            len(LETTERS),
            model,
            _probabilities_json,
            _probabilities_binary,
        ),
    ]


def _labels_json(prediction: Prediction) -> bytes:
    return orjson.dumps(prediction.labels)[1:-1]


def _labels_binary(prediction: Prediction) -> bytes:
    return np.array(prediction.labels, "<i8").tobytes()


def _letters_json(prediction: Prediction) -> bytes:
    return b",".join([_LETTERS_JSON[label] for label in prediction.labels])


def _letters_binary(prediction: Prediction) -> bytes:
    return b"".join([_LETTERS_BINARY[label] for label in prediction.labels])


def _probabilities_json(prediction: Prediction) -> bytes:
    flat = prediction.probabilities.ravel()
    return orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def _probabilities_binary(prediction: Prediction) -> bytes:
    return prediction.probabilities.astype("<f8", copy=False).tobytes()
