"""Tries again what failed in the last 24 hours: of each project only the agents that failed.

At most three attempts in all, ten minutes before the second and half an hour before the third.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agents.github.store import PROJECT_COLUMNS
from agents.projects import Stop
from agents.round import go_round, open_tools
from agents.units import failed_units
from scheduler.job import Done, Job, JobContext, Outcome, Params


class RetryFailed(Params):
    max_projects: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Of one run; the others are the next run's."""
    max_concurrent_projects: Annotated[int, Field(ge=1, le=64)] = 8
    """Projects that are worked on at a time."""


async def run(ctx: JobContext, params: RetryFailed) -> Outcome:
    failed = await failed_units(ctx, params.max_projects)
    # Those that are archived or deleted meanwhile, or have their agents off, are passed by.
    stops = [Stop(unit.project, unit.scheduled_for) for unit in failed]
    if not stops:
        return Done({"retriedCount": 0, "failedJobs": []})
    async with open_tools(ctx) as tools:
        tally = await go_round(ctx, tools, stops, params.max_concurrent_projects)
    return Done(
        {
            "retriedCount": len(tally.visits),
            "failedJobs": [str(one.unit) for one in tally.visits if one.error is not None],
            "errors": tally.errors,
            "suggestionsCreated": tally.suggestions(),
        }
    )


job = Job(
    run=run,
    params=RetryFailed,
    needs={"projects": PROJECT_COLUMNS},
    counts=("retriedCount", "suggestionsCreated"),
)
