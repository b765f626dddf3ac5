"""How many connections does one run take?"""

from __future__ import annotations

import asyncio
from time import monotonic

import asyncpg
import pytest

from scheduler.db.fenced import AT_ONCE, BoundedDatabase


async def test_a_run_has_a_few_transactions_open_at_a_time(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=0, max_size=50) as pool:
        db = BoundedDatabase(pool, monotonic() + 20)
        most = 0

        async def work() -> None:
            nonlocal most
            async with db.transaction() as connection:
                most = max(most, pool.get_size() - pool.get_idle_size())
                await connection.execute("SELECT pg_sleep(0.01)")

        await asyncio.gather(*(work() for _ in range(AT_ONCE * 5)))
    assert most == AT_ONCE


async def test_who_waits_for_room_waits_no_longer_than_the_run(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=0, max_size=50) as pool:
        db = BoundedDatabase(pool, monotonic() + 1)
        ended = asyncio.Event()

        async def hold() -> None:
            async with db.transaction():
                await ended.wait()

        holders = [asyncio.create_task(hold()) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.2)
        with pytest.raises(TimeoutError):
            async with db.transaction():
                pass
        for holder in holders:
            holder.cancel()
        await asyncio.gather(*holders, return_exceptions=True)


async def test_one_inside_of_another_is_refused(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=0, max_size=50) as pool:
        db = BoundedDatabase(pool, monotonic() + 20)
        async with db.transaction():
            with pytest.raises(RuntimeError, match="inside of another"):
                async with db.transaction():
                    pass
        async with db.transaction() as connection:
            assert await connection.fetchval("SELECT 1") == 1
