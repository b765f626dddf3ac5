"""What is in the template databases of the tests."""

from __future__ import annotations

from typing import Any

import asyncpg


async def product_a(connection: asyncpg.Connection[Any]) -> None:
    """Lay schema lamplighter and the product tables of variant A."""
    # Imported when first asked for: tests of pure code need no database layer.
    from scheduler.db.migrations import migrate
    from scheduler.db.product import lay_product_tables

    await migrate(connection)
    await lay_product_tables(connection, variant="a")


async def product_b(connection: asyncpg.Connection[Any]) -> None:
    """Lay schema lamplighter and the product tables of variant B."""
    from scheduler.db.migrations import migrate
    from scheduler.db.product import lay_product_tables

    await migrate(connection)
    await lay_product_tables(connection, variant="b")
