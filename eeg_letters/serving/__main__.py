"""Serve the Bento which has this code: ``python -m eeg_letters.serving``, as the image does."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    # The first process of a container gets no signal that it does not handle: this one ends the
    # start. Later uvicorn does, and sends itself at its end the signal that ended it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    # Most of the start is this import.
    from eeg_letters.serving.process import serve

    serve()
