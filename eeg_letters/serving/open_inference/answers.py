"""Answers of the Open Inference Protocol: predictions as tensors, in JSON and in binary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import orjson

from eeg_letters.labels import LabelKind, Labels
from eeg_letters.serving.bodies import Header
from eeg_letters.serving.inference import Prediction
from eeg_letters.serving.open_inference.requests import (
    HEADER_LENGTH,
    ON_REQUEST,
    InferenceRequest,
)
from eeg_letters.serving.routing import Response

BINARY = b"application/octet-stream"


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
        """The tensor in JSON, up to its values: a template for the number of rows, and the size."""
        shape = str(self.shape).replace("-1", "%d")
        head = f'{{"name":"{self.name}","datatype":"{self.datatype}","shape":{shape},'
        values = '"parameters":{"binary_data_size":%d}}' if binary else '"data":['
        return (head + values).encode()


class Answer:
    """Tensors as one request asks for them; made once for all requests that ask for the same.

    Parameters
    ----------
    head : bytes
        JSON members of the model: name and version.
    outputs : iterable of (Output, bool)
        What is asked for, and whether in binary.

    Attributes
    ----------
    judges : bool
        Whether it tells if rows are familiar.
    """

    def __init__(self, head: bytes, outputs: Iterable[tuple[Output, bool]]) -> None:
        outputs = list(outputs)
        self._head = head
        self._forms = [(output.form(binary), binary) for output, binary in outputs]
        self.judges = any(output.name == ON_REQUEST for output, _ in outputs)
        self._any_binary = any(binary for _, binary in outputs)
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
        text = [b"{", self._head]
        if request.id is not None:
            text += (b'"id":', orjson.dumps(request.id), b",")
        if request.parameters:
            text += (b'"parameters":', request.parameters, b",")
        text.append(b'"outputs":[')
        tensors: list[bytes] = []
        # Joined once: each copy of a large answer takes a millisecond.
        for place, (form, binary) in enumerate(self._forms):
            values = [part[place] for part in parts]
            if binary:
                text += (form % (request.n_rows, sum(map(len, values))), b",")
                tensors += values
            else:
                text += (form % request.n_rows, *_with_commas(values), b"]}", b",")
        text[-1] = b"]}"
        if not self._any_binary:
            return Response(b"".join(text))
        length: Header = (HEADER_LENGTH, b"%d" % sum(map(len, text)))
        return Response(b"".join(text + tensors), BINARY, headers=(length,))


def outputs_of(model: int, labels: Labels, prefix: str = "") -> list[Output]:
    """The tensors that a model answers with: label, letter if it is one, and probabilities.

    Parameters
    ----------
    model : int
        Place of the model among the predictions.
    labels : Labels
        What classes are called.
    prefix : str
        What their names begin with.

    Returns
    -------
    list of Output
    """
    if labels.kind is LabelKind.TEXT:
        of_label = _texts(f"{prefix}label", model, labels.names)
    else:
        of_label = _numbers(f"{prefix}label", model, labels)
    return [
        of_label,
        *([_texts(f"{prefix}letter", model, labels.names)] if labels.are_letters else []),
        Output(
            f"{prefix}probabilities",
            "FP64",
            len(labels.values),
            model,
            _probabilities_json,
            _probabilities_binary,
        ),
    ]


def familiar_output() -> Output:
    """The tensor of whether rows are like those of the training, as the first model tells it."""

    def as_json(prediction: Prediction) -> bytes:
        return orjson.dumps(prediction.familiar, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]

    def as_binary(prediction: Prediction) -> bytes:
        return b"" if prediction.familiar is None else prediction.familiar.tobytes()

    return Output(ON_REQUEST, "BOOL", None, 0, as_json, as_binary)


def _numbers(name: str, model: int, labels: Labels) -> Output:
    values = labels.array.astype("<i8")

    def as_json(prediction: Prediction) -> bytes:
        return orjson.dumps(values[prediction.classes], option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]

    def as_binary(prediction: Prediction) -> bytes:
        return values[prediction.classes].tobytes()

    return Output(name, "INT64", None, model, as_json, as_binary)


def _texts(name: str, model: int, names: Sequence[str]) -> Output:
    in_json = [orjson.dumps(text) for text in names]
    encoded = [text.encode() for text in names]
    in_binary = [len(text).to_bytes(4, "little") + text for text in encoded]

    def as_json(prediction: Prediction) -> bytes:
        return b",".join([in_json[place] for place in prediction.classes])

    def as_binary(prediction: Prediction) -> bytes:
        return b"".join([in_binary[place] for place in prediction.classes])

    return Output(name, "BYTES", None, model, as_json, as_binary)


def _probabilities_json(prediction: Prediction) -> bytes:
    flat = prediction.probabilities.ravel()
    return orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def _probabilities_binary(prediction: Prediction) -> bytes:
    return prediction.probabilities.astype("<f8", copy=False).tobytes()


def _with_commas(parts: list[bytes]) -> list[bytes]:
    if len(parts) < 2:
        return parts
    commas = [b","] * (2 * len(parts) - 1)
    commas[::2] = parts
    return commas
