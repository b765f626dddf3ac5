"""What may asking outside of any run cost? Counted in memory: nothing is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date
from decimal import Decimal
from uuid import UUID

from agents.kit.errors import CapReachedError, NotConfiguredError
from agents.kit.llm import OpenModel, Pace
from agents.kit.spending import ALL, Look, Reservation, Spending, cost_of, dollars
from agents.kit.spending import sql as spending
from agents.kit.wire import wire_to
from scheduler.job import Connection, JobContext

NO_MODEL = "llm not configured: set OPENAI_API_KEY, or OPENAI_BASE_URL for an endpoint of your own"


class Purse(Spending):
    """So many dollars, for all requests of one command."""

    def __init__(self, ctx: JobContext, most: Decimal) -> None:
        super().__init__(ctx)
        self._policy = ctx.policy
        self._now = ctx.now
        self._most = most
        self._spent = Decimal(0)
        self._reserved = Decimal(0)
        """What the requests under way may cost."""
        self._settled = asyncio.Condition()

    async def begin(self) -> None:
        """No condition is anybody's business here."""

    async def reserve(self, look: Look, tokens_in: int, tokens_out: int) -> Reservation:
        """Wait for requests under way, where theirs is the room that is missing.

        Raises `CapReachedError` where no waiting would help; then nothing is reserved.
        """
        cost = cost_of(self._policy.price_of(look.model), tokens_in, tokens_out)
        async with self._settled:
            await self._settled.wait_for(
                lambda: (
                    self._spent + self._reserved + cost <= self._most
                    or self._spent + cost > self._most
                )
            )
            if self._spent + cost > self._most:
                raise CapReachedError("max_cost", self._why(look.model, cost))
            self._reserved += cost
        return Reservation(look, self._now().astimezone(UTC).date(), tokens_in, tokens_out, cost)

    async def say_reached(self, error: CapReachedError) -> None:
        """Nor here."""

    async def say_whether_it_answers(self, why_not: str | None) -> None:
        """Nor here."""

    def _why(self, model: str, cost: Decimal) -> str:
        dear = "" if model in self._policy.prices else f"; config.yaml has no price for {model}"
        return (
            f"the cost cap of {dollars(self._most)} is reached: {dollars(self._spent)} are spent, "
            f"and the next request may cost {dollars(cost)}{dear}"
        )

    async def settle(
        self, held: Reservation, tokens_in: int, tokens_out: int, *, estimated: bool = False
    ) -> Decimal:
        """What the request has cost, in the place of what it could have."""
        usage = held.look.usage
        cost = cost_of(self._policy.price_of(held.look.model), tokens_in, tokens_out)
        usage.calls += 1
        usage.tokens_in += tokens_in
        usage.tokens_out += tokens_out
        usage.cost_usd += cost
        usage.estimated |= estimated
        async with self._settled:
            self._reserved -= held.cost
            self._spent += cost
            self._settled.notify_all()
        return cost


async def spent_on(connection: Connection, day: date, project: UUID) -> tuple[Decimal, Decimal]:
    """What batches have spent on that day (UTC): of all projects, and of that one."""
    of_all = await spending.spent(connection, day=day, project_id=ALL)
    of_project = await spending.spent(connection, day=day, project_id=project)
    return of_all or Decimal(0), of_project or Decimal(0)


@asynccontextmanager
async def open_unrecorded(ctx: JobContext, most: Decimal) -> AsyncIterator[OpenModel]:
    """The configured model, for `most` dollars. Raises `NotConfiguredError` where there is none."""
    if ctx.services.model is None:
        raise NotConfiguredError(NO_MODEL)
    async with wire_to(ctx.services.model, ctx.policy.caps.max_concurrent_calls) as wire:
        yield OpenModel(ctx, wire, Purse(ctx, most), Pace())
