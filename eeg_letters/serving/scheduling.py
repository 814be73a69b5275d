"""Fair scheduling: large requests leave room for small ones."""

from __future__ import annotations

import asyncio


class FairScheduler:
    """Shared by large requests: in each turn of the event loop, one part of one of them is done."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def checkpoint(self) -> None:
        """Let other requests be answered; to be awaited after each part of a large request."""
        async with self._lock:
            await asyncio.sleep(0)
