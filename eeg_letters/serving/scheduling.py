"""Large requests leave room for small ones."""

from __future__ import annotations

import asyncio


class Turns:
    """What large requests share, so that the loop does one part of one of them in each turn."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def give_way(self) -> None:
        """Let other requests be answered; called after each part of a large one."""
        async with self._lock:
            await asyncio.sleep(0)
