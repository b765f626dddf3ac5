"""Lays the product's tables in `public`, only ever on a database that we created ourselves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import aiosql
import asyncpg

HERE = Path(__file__).parent
QUERIES = aiosql.from_path(HERE / "lay.sql", "asyncpg")
# In the order of their foreign keys.
AREAS = ("accounts", "analytics", "newsletter", "email", "projects")


def product_script(variant: Literal["a", "b"] = "a", wild: bool = False) -> str:
    """The whole SQL of one form of the tables: `lay_product_tables` says what the forms are."""
    files = [HERE / "tables" / f"{area}.sql" for area in AREAS]
    files.append(HERE / ("wild.sql" if wild else "ours.sql"))
    if variant == "b":
        files.append(HERE / "variant_b.sql")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


async def lay_product_tables(
    connection: asyncpg.Connection, variant: Literal["a", "b"] = "a", wild: bool = False
) -> bool:
    """Create the product's tables, all in one transaction; False where they are there already.

    `variant="b"` is the product's other variant (fewer tables, `analytics_events.created_at`).
    `wild` gives them the indexes, defaults and row triggers of the product itself instead of ours.
    Raises asyncpg's `PostgresError`, and then nothing is laid.
    """
    async with connection.transaction():
        await QUERIES.lock_laying(connection)
        if await QUERIES.is_laid(connection):
            return False
        await QUERIES.use_public(connection)
        await connection.execute(product_script(variant, wild))
    return True
