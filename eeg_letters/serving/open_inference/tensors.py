"""Tensors of a request: from JSON or binary values of any numeric datatype to float64."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.large import cut
from eeg_letters.serving.api.refusals import quoted
from eeg_letters.serving.open_inference.refusals import refused

# A few milliseconds of work, as `PART_BYTES` are.
PART_VALUES = 128 * 160

_MOST_WHOLE = 2**53
_TYPES = frozenset({float, int})
_TYPES_OF_BOOL = _TYPES | {bool}
_BETWEEN_NUMBERS = re.compile(rb"[^,],")
_BETWEEN_ROWS = re.compile(rb"\][ \t\r\n]*,")


@dataclass(frozen=True)
class Datatype:
    """A datatype of the protocol, each of whose values taken is a value of FP64 as well.

    Attributes
    ----------
    name : str
        As the protocol has it.
    dtype : numpy.dtype
        Of its values in binary.
    whole : range or None
        The values taken, where they are whole numbers; of 64 bits those that FP64 has all of.
    in_json : bool
        Whether it is taken in JSON.
    is_wide : bool
        Whether some of its values are no values of FP64.
    """

    name: str
    dtype: np.dtype[Any]
    whole: range | None = None
    in_json: bool = True
    is_wide: bool = False


def _whole(name: str, dtype: str, bits: int, signed: bool) -> Datatype:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    taken = range(max(least, -_MOST_WHOLE), min(most, _MOST_WHOLE) + 1)
    return Datatype(name, np.dtype(dtype), taken, is_wide=bits == 64)


BOOL = _whole("BOOL", "<u1", 1, signed=False)
FP64 = Datatype("FP64", np.dtype("<f8"))
BF16 = Datatype("BF16", np.dtype("<u2"), in_json=False)
DATATYPES = {
    datatype.name: datatype
    for datatype in (
        FP64,
        Datatype("FP32", np.dtype("<f4")),
        Datatype("FP16", np.dtype("<f2")),
        BF16,
        *(_whole(f"INT{8 * size}", f"<i{size}", 8 * size, signed=True) for size in (8, 4, 2, 1)),
        *(_whole(f"UINT{8 * size}", f"<u{size}", 8 * size, signed=False) for size in (8, 4, 2, 1)),
        BOOL,
    )
}


class Numbers(NamedTuple):
    """A list of numbers or of rows within a large JSON text.

    Attributes
    ----------
    text : bytes
        What it stands in.
    before, after : int
        Where it begins and ends, brackets included.
    start, end : int
        Where its inside begins and ends.
    by_row : bool
        Whether it is a list of rows.
    """

    text: bytes
    before: int
    start: int
    end: int
    after: int
    by_row: bool


class Binary(NamedTuple):
    """Values in binary.

    Attributes
    ----------
    body : bytes
        What they stand in.
    start : int
        Where they begin.
    """

    body: bytes
    start: int


@dataclass(slots=True)
class Tensor:
    """An input, checked but for its values.

    Attributes
    ----------
    name : str
        As the request has it.
    datatype : Datatype
        Of its values.
    n_rows, width : int
        Its shape; a vector has the width 1.
    data : list, Numbers or Binary
        Its values.
    parse_lists : callable
        From a JSON list of rows to an array, or None for whatever else it is.
    place : callable
        What a value is called in messages, by its index.
    """

    name: str
    datatype: Datatype
    n_rows: int
    width: int
    data: list[Any] | Numbers | Binary
    parse_lists: Callable[[bytes], Floats | None]
    place: Callable[[int], str]

    def values(self) -> Iterator[Floats]:
        """All values, some at a time.

        Yields
        ------
        ndarray of float64, shape (some,)
            Finite.

        Raises
        ------
        Problem
            400, naming the first bad value, or where there are more or fewer than the shape needs.
        """
        if isinstance(self.data, Binary):
            yield from self._from_binary(*self.data)
            return
        needed = self.n_rows * self.width
        read = 0
        parts = (
            self._parts(self.data) if isinstance(self.data, Numbers) else (self._whole(self.data),)
        )
        for values in parts:
            if read and not values.size:
                raise refused("The data is not JSON: no value after a comma.")
            first, read = read, read + values.size
            if read > needed:
                break
            yield values if self.datatype is FP64 else self._narrowed(values, first)
        if read != needed:
            count = f"{read}" if read < needed else f"more than {needed}"
            raise refused(
                f'Input "{self.name}": the data has {count} values; its shape needs {needed}.'
            )

    def _from_binary(self, body: bytes, start: int) -> Iterator[Floats]:
        raw = np.frombuffer(body, self.datatype.dtype, self.n_rows * self.width, start)
        step = max(1, PART_VALUES // self.width) * self.width
        for first in range(0, len(raw), step):
            part = raw[first : first + step]
            if self.datatype is BF16:
                # The upper half of FP32.
                part = (part.astype("<u4") << 16).view("<f4")
            if self.datatype.whole is None:
                values = part.astype(np.float64)
                self._check(np.isfinite(values), values, first)
            else:
                if self.datatype.is_wide or self.datatype is BOOL:
                    self._check_range(part, first)
                values = part.astype(np.float64)
            yield values

    def _narrowed(self, values: Floats, first: int) -> Floats:
        # So that a number is the same one in JSON and in binary.
        if self.datatype.whole is not None:
            self._check(values == np.floor(values), values, first)
            self._check_range(values, first)
            return values
        with np.errstate(over="ignore"):
            narrowed = values.astype(self.datatype.dtype).astype(np.float64)
        self._check(np.isfinite(narrowed), values, first)
        return narrowed

    def _check_range(self, values: NDArray[Any], first: int) -> None:
        taken = self.datatype.whole or range(0)
        self._check((values >= taken[0]) & (values <= taken[-1]), values, first)

    def _check(self, good: NDArray[np.bool_], values: NDArray[Any], first: int) -> None:
        if not good.all():
            index = int(good.argmin())
            raise self._no_value(values[index].item(), first + index)

    def _no_value(self, value: Any, index: int) -> Exception:
        name = self.datatype.name
        if self.datatype.whole is None:
            return refused(f"{self.place(index)}: {value} is not a finite {name}.")
        why = f"is no {name}"
        if value == value // 1:
            value = int(value)
            if self.datatype.is_wide:
                why = f"is no {name} within 2^53, where FP64 has every whole number"
        return refused(f"{self.place(index)}: {value} {why}.")

    def _whole(self, data: list[Any]) -> Floats:
        return self._to_floats(data, 0, bool(data) and isinstance(data[0], list))

    def _parts(self, data: Numbers) -> Iterator[Floats]:
        between = _BETWEEN_ROWS if data.by_row else _BETWEEN_NUMBERS
        # Of these simdjson would tell too little: its numbers are doubles.
        is_quick = not self.datatype.is_wide and self.datatype is not BOOL
        read = 0
        start: int | None = data.start
        while start is not None:
            part, start = cut(data.text, start, data.end, between)
            values = self._parse_quickly(part, data.by_row) if is_quick else None
            if values is None:
                values = self._parse_any(part, read, data.by_row)
            read += values.size
            yield values

    def _parse_quickly(self, part: bytes, by_row: bool) -> Floats | None:
        if by_row:
            rows = self.parse_lists(part) if self.width > 1 else None
            return None if rows is None else rows.ravel()
        return parse_flat(part)

    def _parse_any(self, part: bytes, first: int, by_row: bool) -> Floats:
        # Whatever simdjson does not take: names what is wrong.
        try:
            values = orjson.loads(part)
        except orjson.JSONDecodeError as error:
            place = self.place(first + part.count(b",", 0, error.pos))
            raise refused(f"{place}: the data is not JSON: {error.msg}.") from None
        return self._to_floats(values, first, by_row)

    def _to_floats(self, values: list[Any], first: int, by_row: bool) -> Floats:
        if by_row:
            for number, row in enumerate(values, first // self.width):
                if not isinstance(row, list):
                    raise refused(f"Row {number} is {quoted(row)}, and no list of numbers.")
                if len(row) != self.width:
                    raise refused(f"Row {number} has {len(row)} values; a row has {self.width}.")
            values = [value for row in values for value in row]
        types = _TYPES_OF_BOOL if self.datatype is BOOL else _TYPES
        if not types.issuperset(map(type, values)):
            for index, value in enumerate(values, first):
                if type(value) not in types:
                    raise refused(f"{self.place(index)}: {quoted(value)} is not a number.")
        if self.datatype.is_wide:
            taken = self.datatype.whole or range(0)
            for index, value in enumerate(values, first):
                if not taken[0] <= value <= taken[-1]:
                    raise self._no_value(value, index)
        return np.frombuffer(array("d", values))


def parse_flat(part: bytes) -> Floats | None:
    """A JSON list of numbers as an array; None for whatever else it is."""
    # The buffer would hide a list within it.
    if part.find(b"[", 1) >= 0:
        return None
    try:
        document: Any = simdjson.Parser().parse(part)
        return np.frombuffer(document.as_buffer(of_type="d"))
    except (ValueError, TypeError, AttributeError, RuntimeError):
        return None
