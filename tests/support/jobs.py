"""How does a test run a job: a JobContext on a real database, and rows of the product to run it on.

Transactions here are the plain ones of PostgreSQL, without a lease; everything else is as the
runner gives it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg

from scheduler.db import catalog
from scheduler.db.pools import prepare_connection
from scheduler.errors import LeaseLostError
from scheduler.job import Connection, Done, Explanation, Job, JobContext
from scheduler.sql import load_sql

SQL = {column: load_sql(__file__, events_time=column) for column in ("timestamp", "created_at")}
UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 1, 31, 0, 0, 7, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)

SPENDING_USER: Mapping[str, object] = {
    "id": None,
    "email": None,
    "subscription_tier": "free",
    "subscription_status": "active",
    "subscription_id": None,
    "subscription_ends_at": None,
    "credits_remaining": 0,
    "credits_reset_at": None,
    "is_banned": False,
}


@dataclass
class Log:
    """A Logger that keeps its events."""

    lines: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


class PlainDatabase:
    """A JobDatabase without a lease, until `commits_left` commits: then it is as good as lost."""

    def __init__(self, pool: asyncpg.Pool[Any], commits_left: int | None) -> None:
        self._pool = pool
        self._commits_left = commits_left

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection
            if self._commits_left is not None:
                if self._commits_left == 0:
                    raise LeaseLostError("another process took the run over")
                self._commits_left -= 1


class Product:
    """The product's side of a test: its database, seen through connections of its own."""

    def __init__(self, pool: asyncpg.Pool[Any], tables: Mapping[str, frozenset[str]]) -> None:
        self.pool = pool
        self.tables = tables
        column = "timestamp" if "timestamp" in tables["analytics_events"] else "created_at"
        self.sql = SQL[column]

    async def plans(self, **credits_per_day: int) -> None:
        for tier, allowance in credits_per_day.items():
            await self.sql.add_plan(
                self.pool, tier=tier, credits_per_day=allowance, is_active=tier != "maker"
            )

    async def user(self, **columns: object) -> UUID:
        user: UUID = await self.sql.add_user(self.pool, **{**SPENDING_USER, **columns})
        return user

    async def users(self) -> dict[UUID, Mapping[str, Any]]:
        return {row["id"]: dict(row) async for row in self.sql.users(self.pool)}

    async def balances(self, *users: UUID) -> list[int]:
        rows = await self.users()
        return [rows[user]["credits_remaining"] for user in users]

    async def ledger(self) -> list[Mapping[str, Any]]:
        return [dict(row) async for row in self.sql.ledger(self.pool)]

    async def history(self) -> list[Mapping[str, Any]]:
        return [dict(row) async for row in self.sql.history(self.pool)]

    async def events(self, *times: datetime) -> None:
        await self.sql.add_events(self.pool, times=list(times))

    async def event_times(self) -> list[datetime]:
        return [row["at"] async for row in self.sql.event_times(self.pool)]

    async def roll_up(self, *days: date) -> None:
        await self.sql.roll_up(self.pool, days=list(days))

    async def runs(self, job: str, status: str, times: Sequence[datetime]) -> None:
        await self.sql.add_runs(self.pool, job=job, status=status, times=list(times))

    async def run(
        self,
        job: Job[Any],
        scheduled_for: datetime = MIDNIGHT,
        *,
        now: datetime = NOW,
        zone: ZoneInfo = UTC_ZONE,
        scheduled_jobs: frozenset[str] = frozenset(),
        progress: Callable[[int, int | None], None] = lambda done, total: None,
        commits_left: int | None = None,
        log: Log | None = None,
        **params: object,
    ) -> dict[str, Any]:
        """Run the job as it would be for `scheduled_for`, and give the answer's `data`."""
        ctx = self.context(
            scheduled_for,
            now=now,
            zone=zone,
            scheduled_jobs=scheduled_jobs,
            progress=progress,
            commits_left=commits_left,
            log=log,
        )
        outcome = await job.run(ctx, job.params.model_validate(params))
        assert isinstance(outcome, Done)
        return dict(outcome.data)

    async def explain(
        self, job: Job[Any], slug: str, scheduled_for: datetime = MIDNIGHT, **params: object
    ) -> Explanation:
        assert job.explain is not None
        ctx = self.context(scheduled_for)
        return await job.explain(ctx, job.params.model_validate(params), slug)

    def context(
        self,
        scheduled_for: datetime = MIDNIGHT,
        *,
        now: datetime = NOW,
        zone: ZoneInfo = UTC_ZONE,
        scheduled_jobs: frozenset[str] = frozenset(),
        progress: Callable[[int, int | None], None] = lambda done, total: None,
        commits_left: int | None = None,
        log: Log | None = None,
    ) -> JobContext:
        return JobContext(
            run_id=uuid4(),
            job="job-under-test",
            attempt=1,
            scheduled_for=scheduled_for,
            timezone=zone,
            now=lambda: now,
            db=PlainDatabase(self.pool, commits_left),
            tables=self.tables,
            scheduled_jobs=scheduled_jobs,
            log=log or Log(),
            progress=progress,
        )


@asynccontextmanager
async def product(dsn: str) -> AsyncIterator[Product]:
    """The product on the database at `dsn`."""
    async with asyncpg.create_pool(
        dsn, min_size=1, max_size=8, timeout=10, command_timeout=30, init=prepare_connection
    ) as pool:
        rows = catalog.sql.visible_columns(pool)
        tables = {row["table"]: frozenset(row["columns"]) async for row in rows}
        yield Product(pool, tables)
