"""What the tests of jobs share: the product on a fresh database, in each of its variants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
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


@pytest.fixture
async def shop_events_b(database: str) -> AsyncIterator[Product]:
    """All tables of variant A, but events as variant B has them."""
    connection = await asyncpg.connect(database, timeout=10, command_timeout=10)
    try:
        await connection.execute(
            'ALTER TABLE analytics_events RENAME "timestamp" TO created_at;'
            "ALTER TABLE analytics_events DROP session_id, DROP page_url, DROP referrer,"
            " DROP user_agent, DROP ip_address, DROP country, DROP device_type,"
            " DROP conversion_value, DROP properties"
        )
    finally:
        await connection.close()
    async with product(database) as made:
        yield made
