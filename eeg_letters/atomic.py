"""Atomic writes: a file appears whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eeg_letters.errors import OutputError

# What makes a temporary file's name one that nobody else gives.
_MARK = ".partial-"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write to a temporary file beside a file, and rename it when the block ends.

    The folder is made where it is missing. After an error the temporary file is deleted.

    Parameters
    ----------
    path : pathlib.Path
        The file; one that is there is replaced.

    Yields
    ------
    pathlib.Path
        The temporary file, with the same suffix.

    Raises
    ------
    OutputError
        When the folder or the file cannot be written.
    """
    # What a killed run left behind. A run that still goes on and loses its file fails.
    try:
        path.parent.mkdir(exist_ok=True)
        prefix = f".{path.name}{_MARK}"
        ours = re.compile(rf"{re.escape(prefix)}[a-z0-9_]{{8}}{re.escape(path.suffix)}")
        for left in path.parent.iterdir():
            if ours.fullmatch(left.name):
                left.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(path.suffix, prefix, path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp lets nobody else read it.
        umask = os.umask(0)
        os.umask(umask)
        # By descriptor: in a folder that others write to, another file may have the name by now.
        os.fchmod(descriptor, 0o666 & ~umask)
        os.fsync(descriptor)
        if not os.path.samestat(os.fstat(descriptor), temporary.lstat()):
            raise OutputError(f"{path}: cannot be written: {temporary.name} was exchanged")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
