"""Footers of Parquet files without some columns, so that these are not decoded.

The Arrow library in use reads every column that a footer names, and has no choice of columns. One
that nobody asked for may take a thousand times the file's size: docs/decisions/0022 tells. A footer
is a Thrift struct in the compact protocol
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Field numbers of parquet.thrift.
_SCHEMA, _ROW_GROUPS, _KEY_VALUES, _COLUMN_ORDERS = 2, 4, 5, 7
_NAME, _N_CHILDREN = 4, 5
_CHUNKS, _SORTING = 1, 4

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_NUMBERS = (4, 5, 6)
# Deeper than any footer, and no recursion that is one.
_MOST_DEPTH = 64


class _Field(NamedTuple):
    number: int
    kind: int
    value: bytes


class _Cursor:
    # Reads compact Thrift; ValueError and IndexError where it is none.
    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def fields(self, depth: int = 0) -> Iterator[_Field]:
        number = 0
        while header := self.byte():
            delta, kind = header >> 4, header & 0x0F
            number = number + delta if delta else self.zigzag()
            start = self.at
            if kind not in (_TRUE, _FALSE):
                self.skip(kind, depth + 1)
            yield _Field(number, kind, self.data[start : self.at])

    def list_header(self) -> tuple[int, int]:
        header = self.byte()
        size = header >> 4
        return (self.varint() if size == 15 else size), header & 0x0F

    def items(self) -> Iterator[bytes]:
        size, kind = self.list_header()
        for _ in range(size):
            start = self.at
            self.skip(kind, 0)
            yield self.data[start : self.at]

    def skip(self, kind: int, depth: int) -> None:
        if depth > _MOST_DEPTH:
            raise ValueError("nested too deeply")
        if kind in (_TRUE, _FALSE, _BYTE):
            self.at += 1
        elif kind in _NUMBERS:
            self.varint()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            # In two steps, for the length itself moves the place, too.
            length = self.varint()
            self.at += length
        elif kind in (_LIST, _SET):
            size, inner = self.list_header()
            for _ in range(size):
                self.skip(inner, depth + 1)
        elif kind == _MAP:
            self._skip_map(depth)
        elif kind == _STRUCT:
            for _ in self.fields(depth):
                pass
        else:
            raise ValueError("a value of no known kind")
        if self.at > len(self.data):
            raise ValueError("it ends too early")

    def _skip_map(self, depth: int) -> None:
        if size := self.varint():
            kinds = self.byte()
            for _ in range(size):
                self.skip(kinds >> 4, depth + 1)
                self.skip(kinds & 0x0F, depth + 1)


@dataclass(frozen=True)
class Footer:
    """A footer as it was read.

    Attributes
    ----------
    names : tuple of str
        The columns, as the file's root has them.
    """

    names: tuple[str, ...]
    _fields: tuple[_Field, ...]
    # Of each column: its schema elements, and the places of its leaves.
    _elements: tuple[tuple[bytes, ...], ...]
    _leaves: tuple[range, ...]
    _root: bytes

    def without_others(self, wanted: Callable[[str], bool]) -> bytes:
        """The footer with the columns alone whose names are wanted.

        Raises
        ------
        ValueError
            When a row group has no such columns.
        """
        try:
            return self._without_others(wanted)
        except (IndexError, RuntimeError) as error:
            raise ValueError("not a footer") from error

    def _without_others(self, wanted: Callable[[str], bool]) -> bytes:
        kept = [place for place, name in enumerate(self.names) if wanted(name)]
        elements = [element for place in kept for element in self._elements[place]]
        leaves = [leaf for place in kept for leaf in self._leaves[place]]
        fields = []
        for field in self._fields:
            value = field.value
            if field.number == _KEY_VALUES:
                continue  # The schema as Arrow has it names all columns.
            if field.number == _SCHEMA:
                value = _list(_STRUCT, [_with_children(self._root, len(kept)), *elements])
            elif field.number == _COLUMN_ORDERS:
                orders = list(_Cursor(value).items())
                value = _list(_STRUCT, [orders[leaf] for leaf in leaves])
            elif field.number == _ROW_GROUPS:
                groups = _Cursor(value).items()
                value = _list(_STRUCT, [_with_chunks(group, leaves) for group in groups])
            fields.append(field._replace(value=value))
        return _struct(fields)


def read_footer(data: bytes) -> Footer:
    """Read a footer.

    Parameters
    ----------
    data : bytes
        Between the last row group and the four bytes of its length.

    Raises
    ------
    ValueError
        When it is none.
    """
    try:
        fields = tuple(_Cursor(data).fields())
        schema = next(field for field in fields if field.number == _SCHEMA)
        root, *elements = _Cursor(schema.value).items()
        columns = list(_columns(elements))
    except (IndexError, StopIteration, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError("not a footer") from error
    leaves, first = [], 0
    for _, parts in columns:
        count = sum(_children(part) == 0 for part in parts)
        leaves.append(range(first, first + count))
        first += count
    names = tuple(name for name, _ in columns)
    return Footer(names, fields, tuple(parts for _, parts in columns), tuple(leaves), root)


def _columns(elements: Sequence[bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    # A column of several leaves has its elements one after the other, depth first.
    place = 0
    while place < len(elements):
        start, open_ = place, 1
        while open_:
            open_ += _children(elements[place]) - 1
            place += 1
        yield _name(elements[start]), tuple(elements[start:place])


def _name(element: bytes) -> str:
    cursor = _Cursor(next(f.value for f in _Cursor(element).fields() if f.number == _NAME))
    length = cursor.varint()
    return cursor.data[cursor.at : cursor.at + length].decode()


def _children(element: bytes) -> int:
    found = [f.value for f in _Cursor(element).fields() if f.number == _N_CHILDREN]
    return _Cursor(found[0]).zigzag() if found else 0


def _with_children(root: bytes, count: int) -> bytes:
    return _struct(
        [
            field._replace(value=_varint(count << 1)) if field.number == _N_CHILDREN else field
            for field in _Cursor(root).fields()
        ]
    )


def _with_chunks(group: bytes, leaves: Sequence[int]) -> bytes:
    fields = []
    for field in _Cursor(group).fields():
        if field.number == _CHUNKS:
            chunks = list(_Cursor(field.value).items())
            field = field._replace(value=_list(_STRUCT, [chunks[leaf] for leaf in leaves]))
        # Sorting columns are named by their places.
        if field.number != _SORTING:
            fields.append(field)
    return _struct(fields)


def _struct(fields: Sequence[_Field]) -> bytes:
    parts = []
    before = 0
    for number, kind, value in fields:
        delta = number - before
        before = number
        if 0 < delta < 16:
            parts.append(bytes([delta << 4 | kind]))
        else:
            parts.append(bytes([kind]) + _varint(number << 1))
        parts.append(value)
    return b"".join([*parts, b"\0"])


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    size = len(items)
    header = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + _varint(size)
    return header + b"".join(items)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
