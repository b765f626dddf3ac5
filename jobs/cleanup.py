"""Deletes what nobody needs any more: handled webhooks, old events, our own old runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field, JsonValue

from scheduler.days import day_of, day_start
from scheduler.errors import MissingTablesError
from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.sql import Queries, Query, load_sql
from scheduler.sweep import Sweep

Span: TypeAlias = tuple[datetime | None, datetime]
"""From (None: since ever) until before."""

# The product's events have one of two columns for their time.
SQL = {column: load_sql(__file__, events_time=column) for column in ("timestamp", "created_at")}

# What rolls events up, and where to. While it is on the clock, events wait for it.
ROLLUPS = {"aggregate-analytics": "analytics_daily", "aggregate-hourly": "analytics_hourly"}

RUNS_KEPT = 50
"""Of each job, however old: what `history` shows of a job that runs once a month."""
COUNTED = 1_000_000
"""Where more is left than that, the backlog says so and stops counting: a second at most."""


class Cleanup(Params):
    webhooks_days: int = Field(30, ge=1, le=3650)
    """Processed webhooks older than this go."""
    events_days: int = Field(90, ge=1, le=3650)
    """Events older than this go, if their day is rolled up."""
    runs_days: int = Field(90, ge=1, le=3650)
    """Finished runs older than this go, but for the last 50 of each job."""
    max_rows: int = Field(5_000_000, ge=1, le=1_000_000_000)
    """What one run deletes of each at most; the rest is in `backlog`, for the next."""


async def run(ctx: JobContext, params: Cleanup) -> Outcome:
    """Delete in batches, oldest first; what is done stays done, whatever happens to the rest.

    Events that `aggregate-analytics` or `aggregate-hourly` has not come to are held while it is on
    the clock, and so are those of a day without a row in `analytics_daily`: once they are gone,
    their day can never be rolled up. A day is the job's zone's.
    """
    columns = ctx.tables["analytics_events"]
    time_column = next((column for column in SQL if column in columns), None)
    if time_column is None:
        raise MissingTablesError("analytics_events has neither a column timestamp nor created_at")
    sql = SQL[time_column]
    sweep = Sweep(ctx, params.max_rows)

    webhooks = {"before": ctx.scheduled_for - timedelta(days=params.webhooks_days)}
    webhooks_deleted = await sweep.delete(sql.old_webhooks, sql.delete_webhooks, webhooks)

    free, held = await event_spans(ctx, sql, ctx.scheduled_for - timedelta(days=params.events_days))
    events_deleted = 0
    for first, before in free:
        events_deleted += await sweep.delete(
            sql.old_events, sql.delete_events, {"before": before}, first, events_deleted
        )

    runs = {
        "before": ctx.scheduled_for - timedelta(days=params.runs_days),
        **await kept_runs(ctx, sql),
    }
    runs_deleted = await sweep.delete(sql.old_runs, sql.delete_runs, runs)

    left = {
        "webhooks": await count(ctx, sql.webhooks_left, webhooks),
        "events": await count(ctx, sql.events_left, as_arrays(free)),
        "eventsHeld": await count(ctx, sql.events_left, as_arrays(held)),
        "runs": await count(ctx, sql.runs_left, runs),
    }
    if left["eventsHeld"]:
        ctx.log.warning("events_held", events=left["eventsHeld"])
    errors: list[JsonValue] = [
        {"id": str(row), "message": message} for row, message in sweep.refused.items()
    ]
    return Done(
        {
            "webhooksDeleted": webhooks_deleted,
            "eventsDeleted": events_deleted,
            "runsDeleted": runs_deleted,
            "backlog": {**left, "capped": COUNTED in left.values()},
            "errors": len(errors),
            "errorDetails": errors,
        }
    )


async def event_spans(
    ctx: JobContext, sql: Queries, cutoff: datetime
) -> tuple[list[Span], list[Span]]:
    """Of the time before `cutoff`: the spans whose events may go, and those that are held."""
    rollups = [job for job in ROLLUPS if job in ctx.scheduled_jobs and ROLLUPS[job] in ctx.tables]
    async with ctx.db.transaction() as connection:
        reached = {row["job"]: row["at"] async for row in sql.rolled_up(connection, jobs=rollups)}
        if len(reached) < len(rollups):
            return [], [(None, cutoff)]  # one of them has never run
        end = min(cutoff, *reached.values()) if reached else cutoff
        free: list[Span] = [(None, end)]
        held: list[Span] = []
        if "aggregate-analytics" in rollups:
            # A row may be somebody else's, with other numbers: it counts where our job has been.
            rows = sql.rolled_up_days(connection, last_day=day_of(end, ctx.timezone))
            days: list[date] = [row["date"] async for row in rows]
            free, held = split_by_days(days, end, ctx.timezone)
        if end < cutoff:
            held.append((end, cutoff))
        if free:
            # Whoever rolls up must know it before the first event is gone.
            await sql.mark_cleaned(connection, before=free[-1][1])
    return free, held


def split_by_days(
    days: Sequence[date], cutoff: datetime, zone: ZoneInfo
) -> tuple[list[Span], list[Span]]:
    """The spans before `cutoff` that `days` (ascending, none twice) cover, and those between."""
    covered: list[Span] = []
    between: list[Span] = []
    reached: datetime | None = None
    for day in days:
        start = day_start(day, zone)
        end = min(day_start(day + timedelta(days=1), zone), cutoff)
        if covered and reached == start:
            covered[-1] = (covered[-1][0], end)
        elif start < end:
            between.append((reached, start))
            covered.append((start, end))
        reached = end
    if reached is None or reached < cutoff:
        between.append((reached, cutoff))
    return covered, between


async def kept_runs(ctx: JobContext, sql: Queries) -> dict[str, object]:
    """Where, in each job's runs, those begin that are kept."""
    async with ctx.db.transaction() as connection:
        kept = [
            (row["job"], row["seq"]) async for row in sql.last_runs_kept(connection, keep=RUNS_KEPT)
        ]
    return {"jobs": [name for name, _ in kept], "kept": [seq for _, seq in kept]}


def as_arrays(spans: Sequence[Span]) -> dict[str, object]:
    return {"starts": [first for first, _ in spans], "ends": [before for _, before in spans]}


async def count(ctx: JobContext, left: Query, parameters: Mapping[str, object]) -> int:
    async with ctx.db.transaction() as connection:
        return int(await left(connection, **parameters, at_most=COUNTED))


job = Job(
    run=run,
    params=Cleanup,
    needs={
        "payment_webhooks": ("id", "processed", "created_at"),
        "analytics_events": ("id",),
    },
    changes=("webhooksDeleted", "eventsDeleted", "runsDeleted"),
)
