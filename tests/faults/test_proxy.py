"""Does the proxy count alike, cut where it was told to, and swallow without telling anybody?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.faults.proxy import Proxy, proxy_to

LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


@asynccontextmanager
async def a_table(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Seen past the proxy."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int); TRUNCATE kept")
        yield connection
    finally:
        await connection.close()


async def write(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=5, command_timeout=5)
    try:
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO kept VALUES ($1)", 1)
        await connection.execute("COMMIT")
    finally:
        connection.terminate()


async def test_two_clean_runs_have_the_same_messages(database: str) -> None:
    seen: list[list[str]] = []
    async with a_table(database):
        for _ in range(2):
            async with proxy_to(database) as (proxy, through):
                await write(through)
                assert proxy.count == len(proxy.log)
                seen.append(sorted(one.what for one in proxy.log))
    assert seen[0] == seen[1]
    assert any(what.startswith(">startup") and " user " in what for what in seen[0])
    assert {">Q COMMIT", "<C COMMIT", "<C INSERT 0 1"} <= {*seen[0]}


async def messages(database: str) -> list[str]:
    async with proxy_to(database) as (proxy, through):
        await write(through)
        return [one.what for one in proxy.log]


@pytest.mark.parametrize(
    ("message", "kept"), [(">Q COMMIT", 0), ("<C COMMIT", 1), ("<C INSERT 0 1", 0)]
)
async def test_a_cut_loses_the_question_or_only_the_answer(
    database: str, message: str, kept: int
) -> None:
    async with a_table(database) as past:
        at = (await messages(database)).index(message) + 1
        await past.execute("TRUNCATE kept")
        async with proxy_to(database) as (proxy, through):
            proxy.cut_at = at
            with pytest.raises(LOST):
                await write(through)
            assert proxy.cuts == 1
            # What comes after the cut goes through.
            assert await use(proxy, through) == 1
        assert await past.fetchval("SELECT count(*) FROM kept") == kept


async def others(connection: asyncpg.Connection[Any]) -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return count


async def until_gone(connection: asyncpg.Connection[Any]) -> None:
    while await others(connection):
        await asyncio.sleep(0.05)


async def test_a_black_hole_answers_nobody_and_tells_nobody(database: str) -> None:
    async with a_table(database) as past, proxy_to(database) as (proxy, through):
        there = await asyncpg.connect(through)
        proxy.swallowing = True
        with pytest.raises(TimeoutError):
            await there.fetchval("SELECT 1", timeout=0.3)
        with pytest.raises(TimeoutError):
            await asyncpg.connect(through, timeout=0.3)
        there.terminate()
        await asyncio.sleep(0.2)
        assert await others(past) == 1, "the server has been told"
        proxy.swallowing = False
        async with asyncio.timeout(10):
            await until_gone(past)
        assert await use(proxy, through) == 1


async def use(proxy: Proxy, through: str) -> int:
    connection = await asyncpg.connect(through, timeout=5)
    value: int = await connection.fetchval("SELECT 1")
    await connection.close()
    assert not proxy.swallowing
    return value


async def test_it_refuses_and_cuts_all(database: str) -> None:
    async with proxy_to(database) as (proxy, through):
        there = await asyncpg.connect(through)
        proxy.cut_all()
        with pytest.raises(LOST):
            await there.fetchval("SELECT 1")
        there.terminate()
        proxy.refusing = True
        with pytest.raises(LOST):
            await asyncpg.connect(through, timeout=5)
        proxy.refusing = False
        assert await use(proxy, through) == 1
