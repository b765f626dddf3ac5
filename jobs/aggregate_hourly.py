"""Adds up each whole hour of the product's events in `analytics_hourly`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import Field

from jobs.analytics.names import EventNames
from jobs.analytics.rebuild import DAY, Rebuild
from jobs.analytics.rollups import LEDGER, done_before, feeds, rollup_sql
from scheduler.days import day_start
from scheduler.job import Done, Job, JobContext, Outcome
from scheduler.sql import Queries
from scheduler.transaction import give_memory

NAME = "aggregate-hourly"
"""Of the watermark, whichever entries run the job."""
HOUR = timedelta(hours=1)
TOGETHER = 24
"""Hours a transaction at most, where several are due."""


class AggregateHourly(EventNames, Rebuild):
    most_days = 366

    late_hours: int = Field(3, ge=0, le=168)
    """How many of the last hours that were written are written again, for events that came late."""
    max_hours: int = Field(168, ge=1, le=8760)
    """How far back the first run goes, and how many missing hours a run fills, newest first."""


@dataclass(frozen=True, slots=True)
class Plan:
    due: list[datetime]
    """The hours to write."""
    missing: set[datetime]
    """Those that were never written, of the ones that are this job's business."""
    done: datetime | None
    """Up to where everything is written once nothing is missing; None where that stays as it is."""


async def run(ctx: JobContext, params: AggregateHourly) -> Outcome:
    """Write each whole hour up to `scheduled_for` that is not written, and the last ones again.

    Hours are those of UTC. The first run begins where the events begin, `max_hours` back at most;
    from then on no hour is left out, however long nothing ran. An hour whose events have begun to
    be deleted keeps the numbers that it has, and is in `held`. With `from` (and `to`) it writes the
    hours of those days of the job's zone again, whether there are rows for them or not, and no
    others.
    """
    sql = rollup_sql(__file__, ctx.tables)
    plan = await due_hours(ctx, sql, params)
    unfinished = set(plan.missing)
    written: list[datetime] = []
    held: list[datetime] = []
    for hours in stretches(plan.due, TOGETHER):
        unfinished.difference_update(hours)
        parameters = {
            **params.model_dump(exclude={"late_hours", "max_hours", "from_", "to"}),
            "first": hours[0],
            "before": hours[-1] + HOUR,
            "now": ctx.now(),
        }
        async with ctx.db.transaction() as connection:
            await give_memory(connection, 64)
            judged = [row async for row in sql.roll_up(connection, hours=hours, **parameters)]
            whole = [row["hour"] for row in judged if row["whole"]]
            if feeds(ctx.tables, LEDGER):
                await sql.add_credits(connection, hours=whole, **parameters)
            if plan.done is not None:
                await sql.advance(connection, job=NAME, at=min(unfinished, default=plan.done))
        written += whole
        held += [row["hour"] for row in judged if not row["whole"]]
        ctx.progress(len(written) + len(held), len(plan.due))
    if held:
        ctx.log.warning("hours_held", hours=len(held))
    return Done(
        {
            "hours": [hour.isoformat() for hour in sorted(written)],
            "held": [hour.isoformat() for hour in sorted(held)],
            "left": len(unfinished),
            "unfed": [] if feeds(ctx.tables, LEDGER) else ["credits"],
        }
    )


async def due_hours(ctx: JobContext, sql: Queries, params: AggregateHourly) -> Plan:
    if rebuilt := params.days(ctx.scheduled_for, ctx.timezone):
        first, before = (
            hour_of(day_start(day, ctx.timezone)) for day in (rebuilt[0], rebuilt[1] + DAY)
        )
        return Plan([*hours_between(first, before)], set(), None)
    end = hour_of(ctx.scheduled_for)
    async with ctx.db.transaction() as connection:
        begun = await done_before(connection, sql, NAME, end - params.max_hours * HOUR, end)
        first = hour_of(begun)
        await sql.advance(connection, job=NAME, at=first)
        known = await _written(connection, sql, min(first, end) - params.late_hours * HOUR, end)
    missing = [hour for hour in hours_between(first, end) if hour not in known]
    due = sorted({*missing[-params.max_hours :], *last_of(known, params.late_hours)})
    return Plan(due, set(missing), end)


async def _written(
    connection: object, sql: Queries, first: datetime, before: datetime
) -> set[datetime]:
    rows = sql.known_periods(connection, rollup="hourly", first=first, before=before)
    return {row["starts_at"] async for row in rows}


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hours_between(first: datetime, before: datetime) -> Iterable[datetime]:
    return (first + n * HOUR for n in range(max((before - first) // HOUR, 0)))


def last_of(hours: set[datetime], count: int) -> set[datetime]:
    """Those of `hours` that lie in the `count` hours up to the last of them."""
    last = max(hours, default=None)
    return {hour for hour in hours if last is not None and hour > last - count * HOUR}


def stretches(hours: Sequence[datetime], size: int) -> list[list[datetime]]:
    """`hours` (ascending) from the newest on, cut at gaps and where `size` are together."""
    found: list[list[datetime]] = []
    for hour in reversed(hours):
        if found and hour == found[-1][0] - HOUR and len(found[-1]) < size:
            found[-1].insert(0, hour)
        else:
            found.append([hour])
    return found


job = Job(
    run=run,
    params=AggregateHourly,
    needs={
        "analytics_events": ("id", "event_type", "event_category", "user_id", "metadata"),
        "app_users": ("id", "created_at"),
        "analytics_hourly": (
            "id",
            "hour",
            "active_users",
            "page_views",
            "api_requests",
            "generations",
            "credits_used",
            "signups",
            "api_errors",
            "avg_response_time_ms",
            "computed_at",
        ),
    },
    changes=("hours",),
)
