"""A product whose projects agents look at, and a run that may ask a made model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from agents.kit.llm import Look, Pace
from scheduler.job import JobContext
from scheduler.policy import AgentCaps, AgentPolicy, Price
from scheduler.services import Model, Services
from tests.support.agent_shop import AgentShop
from tests.support.jobs import NOW, Log, Product, product
from tests.support.openai_server import ModelDouble, model_double

MODEL = "gpt-5-mini"
PRICE = Price(input=1, output=10)


@dataclass
class Desk:
    """What a test of the model has at hand."""

    double: ModelDouble
    shop: Product
    log: Log
    project_id: UUID

    def context(
        self,
        *,
        caps: AgentCaps | None = None,
        price: Price = PRICE,
        now: datetime = NOW,
        seconds_left: Callable[[], float] = lambda: 600.0,
        model: Model | None = None,
    ) -> JobContext:
        return replace(
            self.shop.context(log=self.log, now=now),
            services=Services(
                model=model or Model(MODEL, SecretStr("key-of-tests"), self.double.url)
            ),
            policy=AgentPolicy(caps=caps or AgentCaps(), prices={MODEL: price}),
            seconds_left=seconds_left,
        )

    def look(self, *, max_tokens: int = 50_000, project_id: UUID | None = None) -> Look:
        return Look(project_id or self.project_id, MODEL, max_tokens)

    async def spent(self) -> dict[UUID, dict[str, Any]]:
        rows = await self.shop.pool.fetch("SELECT * FROM lamplighter.model_spending")
        return {row["project_id"]: dict(row) for row in rows}

    async def conditions(self) -> dict[str, str]:
        rows = await self.shop.pool.fetch("SELECT name, reason FROM lamplighter.conditions")
        return {row["name"]: row["reason"] for row in rows}


FAST = Pace(backoff=0.001)


@pytest.fixture
async def desk(database: str) -> AsyncIterator[Desk]:
    async with product(database) as shop, model_double() as double:
        yield Desk(double, shop, Log(), uuid4())


@pytest.fixture
async def agent_shop(database: str) -> AsyncIterator[AgentShop]:
    """Without a model."""
    async with product(database) as made:
        yield AgentShop(made)
