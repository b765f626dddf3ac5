"""Events of any number, for the measures of analytics."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from bench.processes import pg
from scheduler.sql import load_sql

sql = load_sql(__file__)


async def fill_events(
    dsn: str, *, users: int, events: int, until: datetime, days: int = 90, seed: float = 0.7
) -> None:
    """Lay `users` people and `events` events spread over the `days` before `until`; analysed."""
    connection = await asyncpg.connect(dsn)
    try:
        await sql.seed_random(connection, seed=seed)
        await sql.add_people(connection, users=users, until=until, days=days)
        await sql.add_events(connection, users=users, events=events, until=until, days=days)
    finally:
        await connection.close()
    await pg("vacuumdb", "--quiet", "--analyze", f"--dbname={dsn}")
