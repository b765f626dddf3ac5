"""When may a request to the model be paid for? As soon as there is room, if that can come.

What a request can cost is far more than most do. So where the room that is missing is held by
others of the same run, they are waited for, and a cap is reached only by what was really spent.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from agents.kit.errors import CapReachedError, UnreachableModelError
from agents.kit.spending import Look, Reservation, Spending
from scheduler.job import JobContext

MARGIN = 5.0
"""Seconds of the run's time that a request leaves for what comes after it."""


class Till:
    """Of one run."""

    def __init__(self, ctx: JobContext, spending: Spending) -> None:
        self._ctx = ctx
        self._spending = spending
        self._settled = asyncio.Condition()
        self._under_way = 0

    async def reserve(self, look: Look, tokens_in: int, tokens_out: int) -> Reservation:
        """What the request may cost. Raises `ModelError`."""
        while True:
            if self._ctx.seconds_left() - MARGIN < 1:
                raise UnreachableModelError(
                    "this run's time is nearly over: the model was not asked"
                )
            # Under the lock, so that nobody who settles meanwhile is missed.
            async with self._settled:
                under_way = self._under_way
                try:
                    held = await self._spending.reserve(look, tokens_in, tokens_out)
                except CapReachedError as error:
                    if not under_way:
                        await self._spending.say_reached(error)
                        raise
                else:
                    self._under_way += 1
                    return held
                while self._under_way >= under_way:
                    await self._settled.wait()

    async def settle(
        self, held: Reservation, tokens_in: int, tokens_out: int, *, estimated: bool
    ) -> Decimal:
        """What it has cost."""
        try:
            return await self._spending.settle(held, tokens_in, tokens_out, estimated=estimated)
        finally:
            async with self._settled:
                self._under_way -= 1
                self._settled.notify_all()
