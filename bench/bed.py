"""The test bed: one PostgreSQL server of our own, and fresh databases on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.processes import dsn_of, pg
from scheduler.db.migrations import migrate
from scheduler.db.product import lay_product_tables


@dataclass(frozen=True)
class Bed:
    home: Path
    """A temporary directory."""
    dsn: str
    """The server's first database."""
    users: int
    quick: bool

    def database(self, name: str) -> str:
        return dsn_of(self.dsn, name)

    async def fresh(self, name: str, *, wild: bool = False) -> str:
        """The DSN of a new database: our schema, the product's tables, and nothing in them."""
        await pg("createdb", f"--maintenance-db={self.dsn}", name)
        connection = await asyncpg.connect(self.database(name))
        try:
            await migrate(connection)
            await lay_product_tables(connection, wild=wild)
        finally:
            await connection.close()
        return self.database(name)

    async def copy(self, template: str, name: str) -> str:
        options = (f"--template={template}", "--strategy=file_copy")
        await pg("createdb", f"--maintenance-db={self.dsn}", *options, name)
        return self.database(name)

    async def drop(self, name: str) -> None:
        await pg("dropdb", f"--maintenance-db={self.dsn}", "--force", name)
