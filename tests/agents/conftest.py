"""A product with projects, a GitHub of its own, and agents that suggest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.agents import REPOSITORY, Bench
from tests.support.github_shop import Shop, shop_on
from tests.support.jobs import product


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    async with product(database) as made, shop_on(made) as one:
        yield one


@pytest.fixture
async def bench(shop: Shop) -> Bench:
    return Bench(shop.product, await shop.project(REPOSITORY), services=shop.context().services)
