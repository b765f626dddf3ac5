"""What the faults of processes share: daemons on one database, and work that takes a while."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.daemon import DaemonProcess
from tests.support.machine import connect

PLANS = "INSERT INTO subscription_plans (tier, name, credits_per_day) VALUES ('free', 'Free', 10)"
USERS = """
    INSERT INTO app_users (id, email, credits_remaining, credits_reset_at)
    SELECT lamplighter.new_id(), 'user' || n || '@example.com', n % 10, NULL
    FROM generate_series(1, $1 ::int) AS n
"""
RESETS = """
    SELECT count(*) AS rows, count(DISTINCT user_id) AS users,
           count(*) FILTER (WHERE balance_after <> 10) AS wrong
    FROM credit_transactions WHERE type = 'daily_reset'
"""


async def lay_users(dsn: str, count: int) -> None:
    async with connect(dsn) as connection:
        await connection.execute(PLANS)
        await connection.execute(USERS, count, timeout=600)


async def ask(dsn: str, query: str, *values: object) -> Any:
    async with connect(dsn) as connection:
        return await connection.fetchval(query, *values)


async def resets(dsn: str) -> dict[str, int]:
    """What the ledger says of all resets: rows, users, and balances that are wrong."""
    async with connect(dsn) as connection:
        row = await connection.fetchrow(RESETS, timeout=60)
    assert row is not None
    return dict(row)


async def until(seconds: float, dsn: str, query: str, *values: object) -> Any:
    """What the query gives, once it gives something; asked for so long."""
    async with asyncio.timeout(seconds):
        while not (found := await ask(dsn, query, *values)):
            await asyncio.sleep(0.05)
    return found


async def begin(one: DaemonProcess, job: str) -> str:
    """Start a run and leave it alone; its id."""
    status, body = await one.call(f"/api/v1/workers/{job}?wait=0", "POST")
    assert status == 202, body
    run_id: str = body["runId"]
    return run_id
