"""What a job may set for one transaction; its end undoes it."""

from __future__ import annotations

import asyncpg

from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)


async def limit_lock_wait(connection: Connection, seconds: float) -> None:
    """How long a statement waits for a lock before it fails with `LockNotAvailableError`."""
    # 0 would mean for ever.
    await sql.limit_lock_wait(connection, milliseconds=max(int(seconds * 1000), 1))


def in_plain_words(error: Exception) -> str:
    """What an error says, for a report on one of several things."""
    if isinstance(error, asyncpg.LockNotAvailableError):
        return "somebody kept rows of it locked for too long; the next run tries again"
    return str(error)


async def give_memory(connection: Connection, megabytes: int) -> None:
    """At least so much for each sort and each hash of a statement that reads very much.

    Nothing is compiled either: for statements as ours that takes longer than it saves.
    """
    await sql.give_memory(connection, megabytes=megabytes)
