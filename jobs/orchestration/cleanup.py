"""Deletes the old record of the agents' work, and lets suggestions that nobody wanted expire.

Never an open or approved suggestion, and never the memory of what was rejected or published.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from agents.approvals import expire
from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.sql import Query, load_sql

sql = load_sql(__file__)

BATCH = 5_000
UNITS = 1_000
"""Each with a record of every agent."""
KEEP_SPENDING = timedelta(days=400)
"""A year and a month, to compare one with the other."""


class Cleanup(Params):
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """What is older goes."""
    older_than_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """The same by its older name; counts where it is given."""


async def run(ctx: JobContext, params: Cleanup) -> Outcome:
    """Delete in batches; what is done stays done."""
    before = ctx.scheduled_for - timedelta(days=params.older_than_days or params.retention_days)
    expired = 0
    while True:
        async with ctx.db.transaction() as connection:
            lapsed = await expire(connection, ctx.scheduled_for)
        expired += lapsed.expired
        if lapsed.expired == lapsed.voided == 0:
            break
    logs, units = await _delete_units(ctx, before)
    cache = await _delete(ctx, sql.analyses, before=before)
    suggestions = await _delete(
        ctx,
        sql.expired,
        before=before,
        now=ctx.scheduled_for,
        cooldown_hours=ctx.policy.defaults.cooldown_hours,
    )
    await _delete(ctx, sql.read_by_nobody)
    async with ctx.db.transaction() as connection:
        await sql.settings_of_nobody(connection)
        await sql.looks_of_nobody(connection)
        await sql.spending(connection, day=(ctx.scheduled_for - KEEP_SPENDING).date())
    return Done(
        {
            "logsCleaned": logs,
            "cacheCleaned": cache,
            "dbJobsCleaned": units,
            "suggestionsExpired": expired,
            "suggestionsDeleted": suggestions,
        }
    )


async def _delete_units(ctx: JobContext, before: datetime) -> tuple[int, int]:
    """How many records of agents went, and how many of the projects' units."""
    logs = units = 0
    while True:
        async with ctx.db.transaction() as connection:
            gone = await sql.units(connection, before=before, size=UNITS)
        assert gone is not None  # noqa: S101 - counts
        logs += gone["logs"]
        units += gone["units"]
        ctx.progress(logs, None)
        if gone["units"] < UNITS:
            return logs, units


async def _delete(ctx: JobContext, delete: Query, **parameters: object) -> int:
    deleted = 0
    while True:
        async with ctx.db.transaction() as connection:
            gone = int(await delete(connection, **parameters, size=BATCH))
        deleted += gone
        ctx.progress(deleted, None)
        if gone < BATCH:
            return deleted


job = Job(
    run=run,
    params=Cleanup,
    needs={"projects": ("id",)},
    changes=(
        "logsCleaned",
        "cacheCleaned",
        "dbJobsCleaned",
        "suggestionsExpired",
        "suggestionsDeleted",
    ),
)
