"""How does a schema move forward beside daemons of other versions: what is laid, left, refused?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from scheduler.db.migrations import MigrationError, migrate, read_migrations, standing
from tests.support.machine import connect
from tests.support.versions import CONTRACT, FUNCTIONS, LATER, version

OTHER_TABLE = "ALTER TABLE lamplighter.watermarks ADD COLUMN owner text;"


async def test_everything_is_laid_once(empty_database: str) -> None:
    async with connect(empty_database) as connection:
        assert (await standing(connection)).pending == read_migrations()

        assert await migrate(connection) == [migration.id for migration in read_migrations()]
        assert await migrate(connection) == []


async def test_an_older_version_leaves_a_newer_schema_as_it_is(
    empty_database: str, tmp_path: Path
) -> None:
    newer = version(tmp_path, LATER, functions=7001)
    async with connect(empty_database) as connection:
        await migrate(connection, newer)

        found = await standing(connection)
        assert found.pending == []
        assert found.newer == ["9001_expand", "9002_more", "functions@v7001"]
        assert found.refusal is None
        assert await migrate(connection) == []
        assert await connection.fetchval("SELECT lamplighter.laid_by()") == 7001


async def test_functions_only_ever_move_forward(empty_database: str, tmp_path: Path) -> None:
    second, third = version(tmp_path, functions=7002), version(tmp_path, functions=7003)
    async with connect(empty_database) as connection:
        await migrate(connection, second)
        assert await migrate(connection, third) == ["functions@v7003"]
        # The second version was laid once, and is not in force.
        assert await migrate(connection, second) == []
        assert await connection.fetchval("SELECT lamplighter.laid_by()") == 7003


async def test_functions_from_before_they_had_versions_are_replaced_whenever_they_come_last(
    empty_database: str,
) -> None:
    async with connect(empty_database) as connection:
        await migrate(connection)
        await connection.execute("ALTER TABLE lamplighter.migrations DROP COLUMN contracts")
        await connection.execute(
            "INSERT INTO lamplighter.migrations (id) VALUES ('functions@0123456789ab')"
        )

        assert await migrate(connection) == [FUNCTIONS]
        assert await migrate(connection) == []


async def test_after_a_contraction_only_versions_work_that_know_what_took_its_place(
    empty_database: str, tmp_path: Path
) -> None:
    between = version(tmp_path, LATER)
    newer = version(tmp_path, LATER | CONTRACT)
    async with connect(empty_database) as connection:
        await migrate(connection, newer)

        assert (await standing(connection, between)).refusal is None
        assert await migrate(connection, between) == []
        with pytest.raises(MigrationError, match=r"9003_contract.*know 9001_expand work"):
            await migrate(connection)


async def test_a_failed_migration_leaves_the_schema_as_it_was(
    empty_database: str, tmp_path: Path
) -> None:
    broken = version(tmp_path, {"9001_good": LATER["9001_expand"], "9002_bad": "SELECT nothing;"})
    async with connect(empty_database) as connection:
        await migrate(connection)

        with pytest.raises(MigrationError, match="9002_bad failed: column"):
            await migrate(connection, broken)

        assert (await standing(connection)).newer == []


async def test_a_migration_lets_go_of_the_queue_before_leases_end(
    empty_database: str, tmp_path: Path
) -> None:
    """A table that is in use stays usable for everybody while a migration waits for it."""
    newer = version(tmp_path, LATER)
    async with (
        connect(empty_database) as connection,
        connect(empty_database) as job,
        connect(empty_database) as heartbeat,
    ):
        await migrate(connection)
        async with job.transaction():
            await job.execute("SELECT FROM lamplighter.entries")
            waiting = asyncio.create_task(migrate(connection, newer))
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while not await heartbeat.fetchval(blocked):
                await asyncio.sleep(0.01)
            # It comes after the migration, which would keep it waiting as long as the job runs.
            await heartbeat.execute("UPDATE lamplighter.entries SET paused_by = 'x'", timeout=4)
            assert not waiting.done()
        assert await waiting == list(LATER)


async def test_a_deadlock_with_a_job_is_tried_again(empty_database: str, tmp_path: Path) -> None:
    """It takes its tables in another order than the job does."""
    newer = version(tmp_path, {"9001_two": LATER["9001_expand"] + OTHER_TABLE})
    async with connect(empty_database) as connection, connect(empty_database) as job:
        await migrate(connection)
        transaction = job.transaction()
        await transaction.start()
        await job.execute("SELECT FROM lamplighter.watermarks")
        waiting = asyncio.create_task(migrate(connection, newer))
        blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await job.fetchval(blocked):
            await asyncio.sleep(0.01)
        try:
            await job.execute("SELECT FROM lamplighter.entries")
            await transaction.commit()
        except asyncpg.DeadlockDetectedError:
            await transaction.rollback()
        assert await waiting == ["9001_two"]


async def test_a_table_that_stays_locked_is_said(empty_database: str, tmp_path: Path) -> None:
    newer = version(tmp_path, LATER)
    async with connect(empty_database) as connection, connect(empty_database) as job:
        await migrate(connection)
        async with job.transaction():
            await job.execute("SELECT FROM lamplighter.entries")
            with pytest.raises(MigrationError, match=r"others hold its tables.*lock timeout"):
                await migrate(connection, newer, tries=1)
        assert await migrate(connection, newer) == list(LATER)


async def test_of_many_that_migrate_at_once_one_does_it(empty_database: str) -> None:
    connections = [await asyncpg.connect(empty_database) for _ in range(5)]
    try:
        applied = await asyncio.gather(*(migrate(one) for one in connections))
    finally:
        for one in connections:
            await one.close()
    assert sorted(map(len, applied)) == [0, 0, 0, 0, len(read_migrations())]
