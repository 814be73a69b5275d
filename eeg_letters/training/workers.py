"""Processes that fit models to the same recordings; quick to import, to be started first."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import joblib
from threadpoolctl import threadpool_limits

from eeg_letters.errors import OutputError
from eeg_letters.orphans import end_with_parent
from eeg_letters.training.dataset import Dataset

# Fits to fewer rows take less time than starting other processes.
_FEW_ROWS = 100
# What a process imports while this one does; it brings scikit-learn.
_FITTING = "eeg_letters.training.choosing"

P = ParamSpec("P")
T = TypeVar("T")

# What to fit to and what to test on, in a process that was started here.
_shared: tuple[Dataset, Dataset]


class Workers:
    """A context in which functions of the recordings are called in processes, one for each core.

    Where there are few rows, they are called at once in this process.

    Parameters
    ----------
    training, test : Dataset
        The arguments that each function is given first, without the rows as the files have them.
    """

    def __init__(self, training: Dataset, test: Dataset) -> None:
        self._recordings = training.without_rows(), test.without_rows()
        self._cores = 1 if len(training) < _FEW_ROWS else joblib.cpu_count()
        self._folder = TemporaryDirectory(prefix="eeg-letters-")
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._cores > 1:
            # One copy in memory for all processes, however long the recordings are.
            file = Path(self._folder.name) / "recordings"
            joblib.dump(self._recordings, file)
            self._executor = ProcessPoolExecutor(
                self._cores, multiprocessing.get_context("spawn"), _begin, (file,)
            )
            with _ignore_interrupts():
                for _ in range(self._cores):  # Each starts a process.
                    self._executor.submit(int)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is not None and kind is None:
            self._executor.shutdown()
        elif self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            # Nobody waits for the fits that have begun. The executor sends a second SIGTERM; what
            # handles the first, as coverage does, may never end then.
            for process in multiprocessing.active_children():
                process.kill()
        self._folder.cleanup()

    def submit(
        self,
        function: Callable[Concatenate[Dataset, Dataset, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Have a function called with both sets of recordings and further arguments."""
        if self._executor is not None:
            return self._executor.submit(partial(_call, function, *args, **kwargs))
        future: Future[T] = Future()
        with threadpool_limits(1):
            future.set_result(function(*self._recordings, *args, **kwargs))
        return future


def results(futures: Iterable[Future[T]]) -> list[T]:
    """What was asked of `Workers`, in the order in which it was asked.

    Raises
    ------
    OutputError
        When a process was killed.
    """
    try:
        return [future.result() for future in futures]
    except BrokenProcessPool:
        raise OutputError("a process was killed while it fitted models") from None


def _begin(file: Path) -> None:
    global _shared
    end_with_parent()
    _shared = joblib.load(file, mmap_mode="r")
    importlib.import_module(_FITTING)


def _call(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    # One thread: the sums, and so the results to the last bit, depend on how many there are.
    with threadpool_limits(1):
        return function(*_shared, *args, **kwargs)


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Processes that start in this block ignore Ctrl-C, which a terminal sends to all of them."""
    # Python keeps a signal ignored that is ignored when it starts. A Ctrl-C during this block is
    # lost.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
