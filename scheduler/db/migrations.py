"""Lays and upgrades the schema `lamplighter`: numbered SQL files, forward only, each once.

After them the functions, whose file has a version of its own and is laid anew when that has
risen. A version of lamplighter works with a schema that a newer one has laid (docs/upgrade.md says
by which rule), and never takes it back.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from scheduler.errors import LamplighterError

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number, the same in every process: it lets one of several starting daemons migrate at a time.
LOCK = 7_102_003
LOCK_WAIT = 800
"""Milliseconds to wait for a table. Who comes later queues behind: heartbeats, with a lease of 15
seconds. Less than PostgreSQL's deadlock_timeout (1 s), so that mostly we give way, not a job."""
LOCK_PAUSE = 1.0
LOCK_TRIES = 30
IN_USE = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
CONTRACTS = re.compile(r"^-- Contracts: (\S+)$", re.MULTILINE)
FUNCTIONS = re.compile(r"^-- Version: (\d+)$", re.MULTILINE)
LAID_FUNCTIONS = re.compile(r"functions@(?:v(\d+)|[0-9a-f]{12})")


class MigrationError(LamplighterError):
    """The schema cannot be brought to what this version needs."""


@dataclass(frozen=True, slots=True)
class Migration:
    id: str
    sql: str
    contracts: str | None = None
    """It takes away what only versions from before this migration needed: they end with it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database's schema compares with what this version lays."""

    pending: list[Migration]
    """What is to be applied, in order."""
    newer: list[str]
    """What a newer version has laid, which this one does not know."""
    refusal: str | None
    """Why this version cannot work with it."""


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    found = []
    for path in sorted(folder.glob("[0-9]*.sql")):
        text = path.read_text(encoding="utf-8")
        contracts = CONTRACTS.search(text)
        found.append(Migration(path.stem, text, contracts[1] if contracts else None))
    functions = (folder / "functions.sql").read_text(encoding="utf-8")
    version = FUNCTIONS.search(functions)
    if version is None:
        raise MigrationError(f"{folder / 'functions.sql'} does not say `-- Version: N`")
    return [*found, Migration(f"functions@v{version[1]}", functions)]


async def standing(connection: asyncpg.Connection, folder: Path = MIGRATIONS) -> Standing:
    """What `migrate` would do. Changes nothing."""
    *numbered, functions = read_migrations(folder)
    laid: dict[str, str | None] = {}
    if await connection.fetchval("SELECT to_regclass('lamplighter.migrations') IS NOT NULL"):
        # Through JSON, since a schema from before has no column `contracts`.
        rows = await connection.fetch(
            "SELECT id, to_jsonb(m) ->> 'contracts' AS contracts"
            " FROM lamplighter.migrations m ORDER BY applied_at"
        )
        laid = {row["id"]: row["contracts"] for row in rows}
    pending = [migration for migration in numbered if migration.id not in laid]
    known = {migration.id for migration in numbered}
    newer = [id_ for id_ in laid if id_ not in known and not id_.startswith("functions@")]

    # The functions that were laid last are in force, whichever others once were.
    in_force = [id_ for id_ in laid if id_.startswith("functions@")][-1:]
    if not in_force or _version(in_force[0]) < _version(functions.id):
        pending.append(functions)
    elif in_force[0] != functions.id:
        newer.append(in_force[0])

    ended = [(id_, needs) for id_ in newer if (needs := laid[id_]) and needs not in known]
    refusal = None
    if ended:
        id_, needs = ended[0]
        refusal = (
            f"a newer version of lamplighter has applied {id_} to this database, after which only"
            f" versions that know {needs} work with it: run that version, or one between"
        )
    return Standing(pending, newer, refusal)


def _version(functions: str) -> int:
    """Of the functions with that id; those of before had a hash, and come before all versions."""
    found = LAID_FUNCTIONS.fullmatch(functions)
    return int(found[1]) if found and found[1] else 0


async def migrate(
    connection: asyncpg.Connection, folder: Path = MIGRATIONS, *, tries: int = LOCK_TRIES
) -> list[str]:
    """Apply what is missing, all of it in one transaction; returns the ids that were applied.

    Daemons of an older version go on beside it: it never waits for a table longer than their leases
    allow, but lets go and tries again. Raises `MigrationError`: a newer version's schema that this
    one cannot work with; a table that stays locked; or the migration, with PostgreSQL's own words.
    """
    for tries_left in reversed(range(tries)):
        found = await standing(connection, folder)
        if found.refusal:
            raise MigrationError(found.refusal)
        if not found.pending:
            return []
        try:
            return await _apply(connection, folder)
        except IN_USE as error:
            if not tries_left:
                raise MigrationError(
                    f"the schema cannot be upgraded while others hold its tables: {error}; look in"
                    " pg_stat_activity for a transaction that has been open for long"
                ) from error
        await asyncio.sleep(LOCK_PAUSE)
    return []


async def _apply(connection: asyncpg.Connection, folder: Path) -> list[str]:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}ms'")
        await connection.execute("CREATE SCHEMA IF NOT EXISTS lamplighter")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS lamplighter.migrations ("
            "id text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
            " contracts text)"
        )
        # It was made without that column once.
        await connection.execute(
            "ALTER TABLE lamplighter.migrations ADD COLUMN IF NOT EXISTS contracts text"
        )
        todo = (await standing(connection, folder)).pending
        for migration in todo:
            try:
                await connection.execute(migration.sql)
            except IN_USE:
                raise
            except asyncpg.PostgresError as error:
                raise MigrationError(f"migration {migration.id} failed: {error}") from error
            await connection.execute(
                "INSERT INTO lamplighter.migrations (id, contracts) VALUES ($1, $2)"
                " ON CONFLICT (id) DO UPDATE SET applied_at = excluded.applied_at",
                migration.id,
                migration.contracts,
            )
        return [migration.id for migration in todo]
