"""Inputs of a request: one tensor of rows, or one tensor for each feature, which is a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from eeg_letters.serving.api.limits import RowLimit
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.open_inference.documents import Document
from eeg_letters.serving.open_inference.refusals import refused, written
from eeg_letters.serving.open_inference.tensors import DATATYPES, Binary, Numbers, Tensor

INPUT = "rows"


class Inputs:
    """The tensors of a request, checked but for their values.

    Parameters
    ----------
    document : Document
        The request's JSON.
    body : bytes
        Which it stands in.
    length : int
        Length of the JSON; what is in binary comes after it.
    parser : RowParser
        Of the model's features.
    limit : RowLimit
        The most rows that are taken.

    Attributes
    ----------
    tensors : list of Tensor
        One of rows, or one for each feature, in the order of the request.
    is_frame : bool
        Whether there is one for each feature.
    end : int
        Where what is in binary ends.

    Raises
    ------
    Problem
        400 or 413.
    """

    def __init__(
        self, document: Document, body: bytes, length: int, parser: RowParser, limit: RowLimit
    ) -> None:
        self._numbers = document.numbers
        self._body = body
        self._parser = parser
        self._limit = limit
        self.end = length
        given = document.members.get("inputs")
        if not isinstance(given, list) or not given or {*map(type, given)} != {dict}:
            raise self._no_inputs()
        self.is_frame = len(given) > 1 or given[0].get("name") != INPUT
        if self.is_frame:
            self.tensors = self._frame(given)
        else:
            n_rows = self._n_rows(given[0].get("shape"), f"[n, {parser.width}]", [parser.width])
            self.tensors = [self._tensor(given[0], n_rows, parser.width, parser.position)]

    def _no_inputs(self) -> Exception:
        return refused(
            f'The member "inputs" must be a list of one tensor, "{INPUT}", or of one for each'
            f" feature ({self._some_names()})."
        )

    def _some_names(self) -> str:
        return f"{self._parser.names[0]} … {self._parser.names[-1]}"

    def _frame(self, given: list[dict[str, Any]]) -> list[Tensor]:
        places = {name: place for place, name in enumerate(self._parser.names)}
        missing = dict(places)
        for tensor in given:
            name = tensor.get("name")
            if name == INPUT and name not in places:
                raise self._no_inputs()
            if not isinstance(name, str) or name not in places:
                raise refused(
                    f'There is no input {written(name)}; there is "{INPUT}", or one for each'
                    f" feature ({self._some_names()})."
                )
            if missing.pop(name, None) is None:
                raise refused(f'Input "{name}" is there twice.')
        if missing:
            raise refused(f'Input "{next(iter(missing))}" is missing: each feature has one.')
        tensors: list[Tensor] = []
        for tensor in given:
            name = tensor["name"]
            n_rows = self._n_rows(tensor.get("shape"), "[n] or [n, 1]", [], [1], name=name)
            if tensors and n_rows != tensors[0].n_rows:
                raise refused(
                    f'Input "{name}" has {n_rows} rows, and "{tensors[0].name}" has'
                    f" {tensors[0].n_rows}."
                )
            place = partial(self._position, places[name])
            tensors.append(self._tensor(tensor, n_rows, 1, place))
        return tensors

    def _position(self, feature: int, row: int) -> str:
        return self._parser.position(row * self._parser.width + feature)

    def _n_rows(self, shape: Any, wanted: str, *rest: list[int], name: str = INPUT) -> int:
        # To JSON Schema 2.0 is a whole number, and true is none.
        if (
            not isinstance(shape, list)
            or shape[1:] not in rest
            or not shape
            or type(shape[0]) not in (int, float)
            or shape[0] < 0
            or shape[0] != shape[0] // 1
        ):
            raise refused(f'Input "{name}": the shape is {written(shape)}; it must be {wanted}.')
        n_rows = int(shape[0])
        self._limit.check(n_rows)
        return n_rows

    def _tensor(
        self, given: Mapping[str, Any], n_rows: int, width: int, place: Callable[[int], str]
    ) -> Tensor:
        name, asked, data = given["name"], given.get("datatype"), given.get("data")
        datatype = DATATYPES.get(asked) if isinstance(asked, str) else None
        if datatype is None:
            raise refused(
                f'Input "{name}": the datatype is {written(asked)}; it must be one of'
                f" {', '.join(DATATYPES)}."
            )
        size = parameters_of(given).get("binary_data_size")
        if size is not None:
            if "data" in given:
                raise refused(f'Input "{name}" has both "data" and "binary_data_size".')
            needed = n_rows * width * datatype.dtype.itemsize
            if type(size) is not int or size != needed:
                raise refused(
                    f'Input "{name}": "binary_data_size" is {written(size)}; its shape and'
                    f" datatype need {needed}."
                )
            data = Binary(self._body, self.end)
            self.end += size
        elif "data" not in given:
            raise refused(
                f'Input "{name}": the member "data" is missing, and so is the parameter'
                ' "binary_data_size".'
            )
        elif not datatype.in_json:
            raise refused(f'Input "{name}": {datatype.name} is taken in binary only.')
        elif isinstance(data, str):
            data = self._numbers.get(data, data)
        if not isinstance(data, list | Numbers | Binary):
            raise refused(f'Input "{name}": "data" is {written(data)}, and no list.')
        return Tensor(name, datatype, n_rows, width, data, self._parser.parse_lists, place)


def parameters_of(owner: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request or a tensor.

    Raises
    ------
    Problem
        400, when they are no object.
    """
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise refused(f'"parameters" are {written(parameters)}, and no object.')
    return parameters
