"""Asking the database without making other requests wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from eeg_letters.database.engine import MOST_READERS, reason, writing
from eeg_letters.database.keeping import Keeper
from eeg_letters.errors import DatabaseError, Problem

# How long a request waits for the database.
SECONDS = 5.0
# Requests that may wait for it at a time.
MOST_WAITING = 256

_logger = logging.getLogger("eeg_letters")
T = TypeVar("T")


class Access:
    """Asks the database from threads of its own.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of the database.
    keeper : Keeper
        Knows whether it is there.
    """

    def __init__(self, engine: Engine, keeper: Keeper) -> None:
        self.engine = engine
        self.keeper = keeper
        self._readers = ThreadPoolExecutor(MOST_READERS, "database-reader")
        # Of its own: who waits for another that writes keeps nobody from reading.
        self._writer = ThreadPoolExecutor(1, "database-writer")
        self._waiting = 0

    async def read(self, do: Callable[[Connection], T]) -> T:
        """What a function finds with a connection.

        Raises
        ------
        Problem
            503 where the database does not answer, and what the function raises.
        """

        def ask() -> T:
            with self.engine.connect() as connection:
                return do(connection)

        return await self.run(ask)

    async def write(self, do: Callable[[Connection], T]) -> T:
        """The same of a function that writes, in one transaction."""

        def ask() -> T:
            with writing(self.engine) as connection:
                return do(connection)

        return await self.run_writing(ask)

    async def run(self, do: Callable[[], T]) -> T:
        """The same of a function that reads and needs no connection yet."""
        return await self._run(self._readers, do)

    async def run_writing(self, do: Callable[[], T]) -> T:
        """The same of a function that writes."""
        return await self._run(self._writer, do)

    async def _run(self, threads: ThreadPoolExecutor, do: Callable[[], T]) -> T:
        if not self.keeper.is_up:
            raise _away()
        if self._waiting >= MOST_WAITING:
            raise unavailable(f"{MOST_WAITING} requests wait for the database already.")
        self._waiting += 1
        try:
            answer = asyncio.get_running_loop().run_in_executor(threads, do)
            return await asyncio.wait_for(answer, SECONDS)
        except TimeoutError:
            self.keeper.suspect()
            raise unavailable(f"The database did not answer within {SECONDS:g} s.") from None
        except (SQLAlchemyError, DatabaseError) as error:
            _logger.warning("the database does not answer: %s", reason(error))
            self.keeper.suspect()
            raise _away() from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads that have nothing to do."""
        for threads in (self._readers, self._writer):
            threads.shutdown(wait=False, cancel_futures=True)


def _away() -> Problem:
    return unavailable("The database does not answer; rows of your own are answered as ever.")


def unavailable(detail: str) -> Problem:
    """That a request can be sent again in a while: 503."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, ((b"retry-after", b"5"),))
