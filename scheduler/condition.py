"""What keeps a part of the work from being done until somebody mends it: set by a job, in health.

Unlike the failure of a run it outlives the run, and unlike a log line it ends when it is over.
"""

from __future__ import annotations

from datetime import datetime

from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

MOST = 500
"""Characters kept of a reason."""


async def set_condition(connection: Connection, name: str, reason: str, now: datetime) -> None:
    """Let health say `name: reason` until it is cleared.

    Health is open to all: a reason holds no id, no secret, and no text of strangers.
    """
    await sql.set_condition(connection, name=name, reason=reason[:MOST], now=now)


async def clear_condition(connection: Connection, name: str) -> None:
    await sql.clear_condition(connection, name=name)


async def end_condition(
    connection: Connection, name: str, *, unless: str, before: datetime
) -> None:
    """Clear it where it has another reason than `unless`, or has held since before then."""
    await sql.end_condition(connection, name=name, unless=unless[:MOST], before=before)
