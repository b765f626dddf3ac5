"""What is in the template databases of the tests."""

from __future__ import annotations

from typing import Any, Literal

import asyncpg


async def product_a(connection: asyncpg.Connection[Any]) -> None:
    """Lay schema lamplighter and the product tables of variant A."""
    await _lay(connection, "a")


async def product_b(connection: asyncpg.Connection[Any]) -> None:
    """Lay schema lamplighter and the product tables of variant B."""
    await _lay(connection, "b")


async def _lay(connection: asyncpg.Connection[Any], variant: Literal["a", "b"]) -> None:
    # Imported when first asked for: tests of pure code need no database layer.
    from scheduler.db.migrations import migrate
    from scheduler.db.product import lay_product_tables
    from tests.support.versions import WIDER

    await migrate(connection)
    # As a newer version leaves it, beside which this one goes on: every test is on such a schema.
    await connection.execute(WIDER)
    await lay_product_tables(connection, variant=variant)
