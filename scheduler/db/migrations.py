"""Lays and upgrades the schema `lamplighter`: numbered SQL files, forward only, each once.

After them the functions, whose file is laid anew whenever it has changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from scheduler.errors import LamplighterError

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number, the same in every process: it lets one of several starting daemons migrate at a time.
LOCK = 7_102_003


class MigrationError(LamplighterError):
    """The schema cannot be brought to what this version needs."""


@dataclass(frozen=True, slots=True)
class Migration:
    id: str
    sql: str


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    numbered = [
        Migration(path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("[0-9]*.sql"))
    ]
    functions = (folder / "functions.sql").read_text(encoding="utf-8")
    version = hashlib.sha256(functions.encode()).hexdigest()[:12]
    return [*numbered, Migration(f"functions@{version}", functions)]


async def pending(connection: asyncpg.Connection) -> list[Migration]:
    """What `migrate` would apply, in order."""
    laid = await connection.fetchval("SELECT to_regclass('lamplighter.migrations') IS NOT NULL")
    applied: set[str] = set()
    if laid:
        applied = {
            row["id"] for row in await connection.fetch("SELECT id FROM lamplighter.migrations")
        }
    return [migration for migration in read_migrations() if migration.id not in applied]


async def migrate(connection: asyncpg.Connection) -> list[str]:
    """Apply what is missing, all of it in one transaction; returns the ids that were applied.

    Tables and columns are only added, so an older daemon beside this one keeps working. Raises
    `MigrationError` that names the migration and PostgreSQL's own words.
    """
    if not await pending(connection):
        return []
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute("CREATE SCHEMA IF NOT EXISTS lamplighter")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS lamplighter.migrations ("
            "id text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        todo = await pending(connection)
        for migration in todo:
            try:
                await connection.execute(migration.sql)
            except asyncpg.PostgresError as error:
                raise MigrationError(f"migration {migration.id} failed: {error}") from error
            await connection.execute(
                "INSERT INTO lamplighter.migrations (id) VALUES ($1)", migration.id
            )
        return [migration.id for migration in todo]
