"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from eeg_letters.errors import OutputError


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Give a file another name in the same folder until it is whole; delete it after a failure.

    The folder is made where it is missing.

    Parameters
    ----------
    path : pathlib.Path
        The name it gets.

    Yields
    ------
    pathlib.Path
        The name to write it under, with the same ending.

    Raises
    ------
    OutputError
        When the folder cannot be written to.
    """
    # What a killed run left behind. A run that still goes on and loses its file fails.
    try:
        path.parent.mkdir(exist_ok=True)
        for left in path.parent.glob(f".{escape(path.name)}.{'?' * 8}{path.suffix}"):
            left.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(path.suffix, f".{path.name}.", path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    partial = Path(name)
    try:
        yield partial
        # mkstemp lets nobody else read it.
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        os.fsync(descriptor)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)
