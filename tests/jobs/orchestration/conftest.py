"""A product with projects, and a GitHub of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.agent_office import Office, office_on
from tests.support.github_shop import Shop, shop_on
from tests.support.jobs import product


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    async with product(database) as made, shop_on(made) as one:
        yield one


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with office_on(database) as one:
        yield one
