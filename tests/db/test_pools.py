"""Is a server that swallows everything an error within its bound, and no hindrance at the end?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from scheduler.db.pools import CONTROL_TIMEOUT, NOTICED, Pools
from scheduler.errors import DatabaseAwayError
from tests.faults.proxy import Proxy, proxy_to

SOON = 20.0
"""Seconds, for a machine that does other things too; without an end it would be for ever."""


@asynccontextmanager
async def pools_through(dsn: str) -> AsyncIterator[tuple[Pools, Proxy]]:
    async with proxy_to(dsn) as (proxy, through):
        pools = await Pools.open(lambda: through, job_connections=1)
        await pools.warm_up()
        yield pools, proxy
        async with asyncio.timeout(SOON):
            await pools.close()


async def ask(pools: Pools) -> None:
    async with pools.control() as connection:
        await connection.fetchval("SELECT 1")


async def test_a_question_that_nobody_answers_is_an_error(database: str) -> None:
    async with pools_through(database) as (pools, proxy):
        proxy.swallowing = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(DatabaseAwayError, match="the database is away"):
            async with asyncio.timeout(SOON):
                await ask(pools)
        assert asyncio.get_running_loop().time() - began >= CONTROL_TIMEOUT - 0.1
        proxy.swallowing = False
        await ask(pools)


async def test_who_asks_a_server_that_does_not_answer_can_be_cancelled(database: str) -> None:
    async with pools_through(database) as (pools, proxy):
        proxy.swallowing = True
        task = asyncio.create_task(ask(pools))
        await asyncio.sleep(0.1)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=SOON)
        # Not an error of the database: its loop would go on, for ever.
        assert [one.cancelled() for one in done] == [True]
        proxy.swallowing = False
        await ask(pools)


async def test_pools_are_closed_though_the_server_does_not_answer(database: str) -> None:
    async with pools_through(database) as (pools, proxy):
        held = await pools.jobs.acquire()
        asking = asyncio.create_task(held.fetchval("SELECT pg_sleep(60)"))
        proxy.swallowing = True
        async with asyncio.timeout(SOON):
            await pools.close()
        with pytest.raises((OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await asking


async def test_the_server_is_to_look_whether_the_daemon_is_still_there(database: str) -> None:
    async with pools_through(database) as (_, proxy):
        begun = [one.what for one in proxy.log if one.what.startswith(">startup")]
    assert len(begun) == 2
    for said in begun:
        assert {f"{name} {value}" in said for name, value in NOTICED.items()} == {True}
