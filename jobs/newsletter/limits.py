"""How many calls at once, and in any so many seconds, does a provider allow?"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Limiter:
    """No more than `concurrent` calls at once, and `calls` in any `seconds`.

    What the provider says of its limit counts more than what was documented.
    """

    def __init__(self, concurrent: int, calls: int | None = None, seconds: float = 60) -> None:
        self._places = asyncio.Semaphore(concurrent)
        self._calls = calls
        self._seconds = seconds
        self._times: deque[float] = deque()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        async with self._places:
            clock = asyncio.get_running_loop().time
            while (wait := self._wait(clock())) > 0:  # noqa: ASYNC110 - time is what is waited for
                await asyncio.sleep(wait)
            self._times.append(clock())
            yield

    def _wait(self, now: float) -> float:
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if self._calls is None or len(self._times) < self._calls:
            return 0
        return self._times[0] + self._seconds - now

    def allow(self, calls: int) -> None:
        if self._calls is not None and calls > 0:
            self._calls = calls
