"""The daemon's database, whichever it is: reached, prepared for this version, and reached again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from scheduler.db.embedded import EmbeddedServer
from scheduler.db.migrations import migrate
from scheduler.db.pools import AWAY, CONTROL_TIMEOUT, Pools, describe, prepare_connection
from scheduler.db.product.lay import lay_product_tables
from scheduler.errors import DatabaseAwayError
from scheduler.settings import Settings

log = structlog.stdlib.get_logger("lamplighter.database")

SCHEMA_TIMEOUT = 120.0
"""Seconds for one statement of a migration, or of the sample data."""


class Database:
    """The server behind `DATABASE_URL`, or the embedded one in the data directory."""

    def __init__(self, url: str | None, data_dir: Path, replica: str) -> None:
        self._url = url
        self._embedded = None if url else EmbeddedServer(data_dir, replica)
        self.pools: Pools
        self.is_embedded = url is None
        """Whether it is a database of our own, where we lay the product's tables ourselves."""

    @classmethod
    def of(cls, settings: Settings, replica: str) -> Database:
        """The one that the settings name."""
        url = settings.database_url.get_secret_value() if settings.database_url else None
        return cls(url, settings.data_dir, replica)

    async def open(self, *, job_connections: int) -> str | None:
        """Reach the server (start the embedded one) and make the pools; nothing is read yet.

        Returns the replica whose runs can be taken over at once: the embedded server's last owner,
        where it died. A server that is away is no error here; one that cannot start is.
        """
        self.pools = await Pools.open(self._dsn, job_connections=job_connections)
        try:
            return await self.acquire()
        except DatabaseAwayError as error:
            log.warning("database_away", error=str(error))
            return None

    async def acquire(self) -> str | None:
        """Make sure that the embedded server runs, here or in another process; as `open`."""
        if self._embedded is None:
            return None
        acquired = await self._embedded.acquire()
        self._url = acquired.dsn
        return acquired.dead_owner

    def room(self) -> int | None:
        """Bytes that are free on the embedded server's disk; None where that is not ours to know.

        Raises `OSError`.
        """
        return None if self._embedded is None else self._embedded.room()

    def _dsn(self) -> str:
        if self._url is None:
            raise ConnectionError("the embedded server has not been reached yet")
        return self._url

    async def prepare(self) -> list[str]:
        """Migrate our schema; in a database of our own, lay the product's tables too.

        Returns what was applied. Raises `DatabaseAwayError` or `MigrationError`.
        """
        async with self.connection() as connection:
            applied = await migrate(connection)
            if self.is_embedded and await lay_product_tables(connection):
                applied.append("product tables")
        return applied

    async def lay_demo(self, now: datetime, report: Callable[[str, int], None]) -> bool:
        """Fill a database of our own with sample data, once; False where it holds data already."""
        from scheduler.db.product.demo import lay_demo, sample_sql

        async with self.connection() as connection:
            if await sample_sql().people_exist(connection):
                return False
            await lay_demo(connection, now=now, report=report)
            return True

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection of its own for what takes longer than the pools allow.

        Raises `DatabaseAwayError` where the server cannot be reached.
        """
        try:
            connection = await asyncpg.connect(
                self._dsn(),
                timeout=CONTROL_TIMEOUT,
                command_timeout=SCHEMA_TIMEOUT,
                server_settings={"application_name": "lamplighter"},
            )
        except AWAY as error:
            raise DatabaseAwayError(f"the database is away: {describe(error)}") from error
        try:
            await prepare_connection(connection)
            yield connection
        finally:
            await connection.close(timeout=CONTROL_TIMEOUT)

    async def close(self) -> None:
        await self.pools.close()
        if self._embedded is not None:
            await self._embedded.release()
