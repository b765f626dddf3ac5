"""What the tests of jobs share: the product on a fresh database, in each of its variants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.jobs import Product, product


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Product]:
    """Variant A."""
    async with product(database) as made:
        yield made


@pytest.fixture
async def shop_b(database_b: str) -> AsyncIterator[Product]:
    """Variant B."""
    async with product(database_b) as made:
        yield made
