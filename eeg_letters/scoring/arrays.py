"""Reading what the model store holds: regular files of a limited size, and the arrays in them.

Nothing here trusts what it reads: the size of an array is known before there is memory for it.
"""

from __future__ import annotations

import io
import math
import os
import stat
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

_ENCRYPTED = 1


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file that is neither a link nor a pipe nor a device.

    Raises
    ------
    ValueError
        When it is something else.
    OSError
        When it cannot be read.
    """
    _check_regular(path.lstat())
    # What has taken its place since then is neither followed nor waited for.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    try:
        _check_regular(os.fstat(file.fileno()))
    except ValueError:
        file.close()
        raise
    return file


def read_regular(path: Path, most: int) -> bytes:
    """Read a file that `open_regular` opens and that has at most so many bytes.

    Raises
    ------
    ValueError
        When it is something else, or larger.
    OSError
        When it cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    if content is None or len(content) > most:
        raise ValueError(f"it has more than the {most} bytes that are read")
    return content


def read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Read the arrays of an ``.npz`` that is not compressed; no pickle is opened.

    Parameters
    ----------
    content : bytes
        The file. The arrays have no more bytes than it.

    Returns
    -------
    dict of str to ndarray
        By name, in the order of the file. They are views of `content`, which cannot be written.

    Raises
    ------
    ValueError
        When it is no such archive.
    """
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            return _read_members(archive, len(content))
    except (BadZipFile, EOFError, KeyError, OSError, RuntimeError, RecursionError) as error:
        raise ValueError(f"it is no archive of arrays ({error})") from None


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "something else"
        raise ValueError(f"only a regular file is read, and this is {kind}")


def _read_members(archive: ZipFile, left: int) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in arrays:
            raise ValueError(f"it has {name} twice")
        if member.compress_type != ZIP_STORED or member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name} is compressed or encrypted")
        left -= member.file_size
        if left < 0:
            raise ValueError(f"{name} has {member.file_size} bytes, more than the file")
        try:
            arrays[name] = _read_array(archive, member)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return arrays


def _read_array(archive: ZipFile, member: ZipInfo) -> NDArray[Any]:
    content = archive.read(member)
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("it is an array of another version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("it is a pickle")
    start = stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"{len(content) - start} bytes are no {dtype} of the shape {shape}")
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran_order else "C")
