"""What the tests of sequences share: a newsletter without anybody in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from scheduler.db.migrations import migrate
from scheduler.db.product import lay_product_tables
from tests.support import databases
from tests.support.jobs import Product, product
from tests.support.postgres import Postgres
from tests.support.sequences import Letters


@pytest.fixture
def letters(shop: Product) -> Letters:
    return Letters(shop)


@pytest.fixture
async def shop_twin(postgres: Postgres) -> AsyncIterator[Product]:
    """A second product of variant A beside `shop`."""
    name = await postgres.create(await postgres.template("product_a", databases.product_a))
    async with product(postgres.dsn(name)) as made:
        yield made
    await postgres.drop(name)


@pytest.fixture
async def shop_wild(postgres: Postgres) -> AsyncIterator[Product]:
    """Variant A with the indexes, slow defaults and row triggers of the product itself."""
    name = await postgres.create(await postgres.template("product_wild", lay_wild))
    async with product(postgres.dsn(name)) as made:
        yield made
    await postgres.drop(name)


async def lay_wild(connection: asyncpg.Connection[Any]) -> None:
    await migrate(connection)
    await lay_product_tables(connection, wild=True)
