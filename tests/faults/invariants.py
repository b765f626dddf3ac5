"""What must hold after every fault, asked of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from cronsim import CronSim

from scheduler.db.pools import prepare_connection
from scheduler.sql import load_sql

RULES = (
    "balances_that_differ",
    "users_reset_twice",
    "steps_with_two_messages",
    "published_without_approval",
    "published_twice",
    "running_without_lease",
    "attempts_of_no_run",
    "ended_without_time",
    "two_active_runs",
    "hours_behind_the_watermark",
)
LEASE = timedelta(seconds=20)
"""A lease, and the time until somebody looks."""


@dataclass(frozen=True)
class Due:
    """An entry whose every fire in (since, until] must have exactly one row."""

    cron: str
    since: datetime
    until: datetime

    def fires(self) -> set[datetime]:
        found: set[datetime] = set()
        for fire in CronSim(self.cron, self.since):
            if fire > self.until:
                return found
            found.add(fire)
        return found


async def violations(dsn: str, due: Mapping[str, Due] | None = None) -> list[str]:
    """Everything that must never be, in words; empty where all holds."""
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
    try:
        await prepare_connection(connection)
        return await violations_on(connection, due)
    finally:
        await connection.close()


async def violations_on(
    connection: asyncpg.Connection[Any], due: Mapping[str, Due] | None = None
) -> list[str]:
    """The same, asked on a connection that is there."""
    return [*await _broken(connection), *await _lost_or_doubled(connection, due or {})]


async def _broken(connection: asyncpg.Connection[Any]) -> list[str]:
    columns = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('analytics_events')"
    )
    time = "timestamp" if "timestamp" in {row["attname"] for row in columns} else "created_at"
    sql = load_sql(__file__, events_time=time)
    return [
        f"{rule}: {dict(row)}"
        for rule in RULES
        async for row in getattr(sql, rule)(connection, lease=LEASE)
    ]


async def _lost_or_doubled(
    connection: asyncpg.Connection[Any], due: Mapping[str, Due]
) -> Iterable[str]:
    if not due:
        return []
    sql = load_sql(__file__, events_time="timestamp")
    seen: dict[str, dict[datetime, int]] = {job: {} for job in due}
    async for row in sql.fires(connection):
        if row["job"] not in due:
            continue
        for fire in _stands_for(row, due[row["job"]]):
            counts = seen[row["job"]]
            counts[fire] = counts.get(fire, 0) + 1
    found: list[str] = []
    for job, entry in due.items():
        wanted = entry.fires()
        counts = {at: n for at, n in seen[job].items() if entry.since < at <= entry.until}
        found += [f"lost: {job} at {at}" for at in sorted(wanted - counts.keys())[:10]]
        found += [f"of no fire: {job} at {at}" for at in sorted(counts.keys() - wanted)[:10]]
        found += [f"{n} rows: {job} at {at}" for at, n in sorted(counts.items()) if n > 1][:10]
    return found


def _stands_for(row: Mapping[str, Any], due: Due) -> Iterable[datetime]:
    if row["first"] is None:
        return [row["scheduled_for"]]
    fires = Due(due.cron, row["first"] - timedelta(seconds=1), row["last"]).fires()
    # A row for many says how many; were it wrong, its range would hide what was lost.
    assert len(fires) == row["count"], f"{row['id']} speaks of {row['count']}, and has {len(fires)}"
    return fires
