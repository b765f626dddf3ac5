"""A shop with a model to ask, and batches of its agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobs.orchestration import batch
from tests.support.agent_model import eager
from tests.support.agent_shop import AgentShop
from tests.support.jobs import product
from tests.support.openai_server import ModelDouble, model_double

SIX_HOURS = timedelta(hours=6)


@dataclass
class Office:
    shop: AgentShop
    model: ModelDouble

    async def batch(self, **options: Any) -> dict[str, Any]:
        return await self.shop.run(batch.job, **options)

    async def endings(self, scheduled_for: object = None) -> dict[str, tuple[str, str | None]]:
        """By agent: how its look ended, and why."""
        return {
            row["agent"]: (row["status"], row["reason"])
            for row in await self.shop.executions()
            if scheduled_for in {None, row["scheduled_for"]}
        }

    async def later(self, by: timedelta = SIX_HOURS) -> dict[str, Any]:
        self.shop.now += by
        self.model.asked.clear()
        return await self.batch()


@asynccontextmanager
async def office_on(dsn: str) -> AsyncIterator[Office]:
    """A shop on the database at `dsn`, with a model that has something to say."""
    async with product(dsn) as made, model_double(says=eager) as model:
        yield Office(AgentShop(made, model.url), model)
