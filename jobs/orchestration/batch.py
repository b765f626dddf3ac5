"""Goes over every project: fetches its repository, measures it, and lets the agents look.

Each project is a unit of its own, whose failure does not stop the others. The agents ask a model
only where there is something that they have not read; without a model, projects are fetched and
measured.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

import agents
from agents.github.store import PROJECT_COLUMNS
from agents.kit.registry import find_agents
from agents.projects import Stop, candidates
from agents.round import NO_MODEL, go_round, open_tools
from scheduler.job import Done, Job, JobContext, Outcome, Params


class Batch(Params):
    max_concurrent_projects: Annotated[int, Field(ge=1, le=64)] = 8
    """Projects that are worked on at a time."""


async def run(ctx: JobContext, params: Batch) -> Outcome:
    found = await candidates(ctx, find_agents(agents))
    stops = [Stop(one.project.id, ctx.scheduled_for) for one in found if one.has_active_agent]
    async with open_tools(ctx) as tools:
        tally = await go_round(ctx, tools, stops, params.max_concurrent_projects)
        reported = None if tools.model is not None else NO_MODEL
    return Done(
        {
            "projectsProcessed": len(tally.visits),
            "projectsSkipped": len(found) - len(tally.visits),
            "errors": tally.errors,
            "jobIds": [str(one.unit) for one in tally.visits],
            "agents": tally.agents(),
            "skippedBecause": tally.skips(),
            "suggestionsCreated": tally.suggestions(),
            "leftOut": tally.left_out(),
            "note": reported,
        }
    )


job = Job(
    run=run,
    params=Batch,
    needs={"projects": PROJECT_COLUMNS},
    counts=("projectsProcessed", "projectsSkipped", "suggestionsCreated"),
)
