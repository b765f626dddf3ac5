"""What pages show of many runs: read at a glance, in bounded time however long the history is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from scheduler.db.activity import Activity
from scheduler.db.pools import Pools
from scheduler.db.runs import Run
from scheduler.run import Status
from scheduler.sql import load_sql

sql = load_sql(__file__)

STRIP = 60
"""Runs of a job's strip."""
WINDOW = 5_000
"""Rows that a page looks through for those that its filters let pass."""
LATEST = 2_000
"""Runs that the lateness is of."""
NEWEST = 2**63 - 1
MOST_FIELDS = 300
"""Characters of a log line's fields."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Last:
    """A job's last run, as a row of the overview has it."""

    id: UUID
    status: Status
    trigger: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    numbers: Mapping[str, float]
    """Of its result: the numbers, and the lengths of lists."""
    reason: str | None
    """Why nothing was done, where that is so."""

    @property
    def took(self) -> timedelta | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


@dataclass(frozen=True, slots=True)
class JobRow:
    last: Last | None
    statuses: Sequence[str]
    """Of the last runs, oldest first; `caught_up` is a success after downtime."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds between when runs should have begun and when they did."""

    runs: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a job over time."""

    id: UUID
    status: Status
    trigger: str
    scheduled_for: datetime
    took: timedelta | None
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """One page of a history, newest first."""

    items: Sequence[Item]
    next: int | None
    """Where to go on; with filters there may be a next page although this one is not full."""


@dataclass(frozen=True, slots=True)
class ShortLine:
    """A line of a run's log."""

    seq: int
    attempt: int
    at: datetime
    level: str
    event: str
    fields: str
    """As JSON, perhaps cut."""


class GlanceStore:
    """Raises `DatabaseAwayError` where PostgreSQL cannot be reached."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def rows(self, jobs: Sequence[str]) -> dict[str, JobRow]:
        async with self._pools.control() as connection:
            found = sql.rows(connection, jobs=list(jobs), most=STRIP)
            return {row["job"]: _job_row(row) async for row in found}

    async def lateness(self) -> Lateness:
        async with self._pools.control() as connection:
            row = await sql.lateness(connection, most=LATEST)
            return Lateness(row["runs"], row["p50"], row["p99"])

    async def over_time(self, job: str, *, most: int = 100) -> list[Point]:
        """Oldest first."""
        async with self._pools.control() as connection:
            found = [
                Point(
                    id=row["id"],
                    status=Status(row["status"]),
                    trigger=row["trigger"],
                    scheduled_for=row["scheduled_for"],
                    took=row["finished_at"] - row["started_at"]
                    if row["started_at"] and row["finished_at"]
                    else None,
                    numbers=row["numbers"] or {},
                )
                async for row in sql.over_time(connection, job=job, most=most)
            ]
            return found[::-1]

    async def runs(
        self,
        *,
        job: str | None = None,
        status: str | None = None,
        trigger: str | None = None,
        before: int | None = None,
        most: int = 50,
    ) -> Found[Run]:
        kind = {
            (False, False): "all_runs",
            (False, True): "runs_of_status",
            (True, False): "runs_of_job",
            (True, True): "runs_of_job_and_status",
        }[job is not None, status is not None]
        place: dict[str, Any] = {"before": before or NEWEST, "window": WINDOW}
        place |= {"job": job} if job is not None else {}
        place |= {"status": status} if status is not None else {}
        async with self._pools.control() as connection:
            rows = getattr(sql, kind)(connection, **place, trigger=trigger, most=most + 1)
            found = [Run.of(row) async for row in rows]
            if len(found) > most:
                return Found(found[:most], found[most - 1].seq)
            end = None
            if trigger is not None:
                end = await getattr(sql, f"end_of_{kind}")(connection, **place)
            return Found(found, end)

    async def log_tail(
        self, run_id: UUID, *, before: int | None = None, most: int = 200
    ) -> Found[ShortLine]:
        """The last lines, oldest first; `next` leads to those before them."""
        async with self._pools.control() as connection:
            rows = sql.log_tail(
                connection,
                run_id=run_id,
                before=before or NEWEST,
                most=most + 1,
                most_fields=MOST_FIELDS,
            )
            found = [ShortLine(**row) async for row in rows]
            shown = found[:most]
            return Found(shown[::-1], shown[-1].seq if len(found) > most else None)

    async def log_end(self, run_id: UUID) -> int:
        """Tells whether something was logged since."""
        async with self._pools.control() as connection:
            return await sql.log_end(connection, run_id=run_id) or 0

    async def activity(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        target: str | None = None,
        before: int | None = None,
        most: int = 50,
    ) -> Found[Activity]:
        place = {"before": before or NEWEST, "window": WINDOW}
        async with self._pools.control() as connection:
            rows = sql.activity(
                connection, **place, who=who, action=action, target=target, most=most + 1
            )
            found = [Activity(**row) async for row in rows]
            if len(found) > most:
                return Found(found[:most], found[most - 1].id)
            end = None
            if who or action or target:
                end = await sql.end_of_activity(connection, **place)
            return Found(found, end)


def _job_row(row: Mapping[str, Any]) -> JobRow:
    last = None
    if row["id"] is not None:
        last = Last(
            id=row["id"],
            status=Status(row["status"]),
            trigger=row["trigger"],
            created_at=row["created_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            numbers=row["numbers"] or {},
            reason=row["reason"],
        )
    return JobRow(last, row["statuses"] or ())
