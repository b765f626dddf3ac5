"""How long does the event loop let others wait? Measured once a second, by waking up."""

from __future__ import annotations

import asyncio
from time import monotonic

from scheduler.watching.counts import Histogram

EVERY = 1.0
LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class LoopLag:
    """`watch` it in a task of its own."""

    def __init__(self) -> None:
        self.seen = Histogram(LAGS)

    async def watch(self) -> None:
        """One look; to be repeated."""
        asked = monotonic()
        await asyncio.sleep(EVERY)
        self.seen.add(max(monotonic() - asked - EVERY, 0.0))
