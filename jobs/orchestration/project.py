"""Goes over one project now, whether or not its sync is enabled."""

from __future__ import annotations

from uuid import UUID

import agents
from agents.github.store import PROJECT_COLUMNS
from agents.kit.registry import find_agents
from agents.projects import Stop, candidates
from agents.round import NO_MODEL, go_round, open_tools
from scheduler.errors import BusyError, JobError, NotFoundError, PermanentError
from scheduler.job import Done, Job, JobContext, Outcome, Params


class OneProject(Params):
    project_id: UUID | None = None
    """Which."""
    force: bool = False
    """Let the agents look even where they are not due yet."""


async def run(ctx: JobContext, params: OneProject) -> Outcome:
    if params.project_id is None:
        raise PermanentError("project_id: which project? Call orchestration/project/{id}")
    began = ctx.now()
    found = await candidates(ctx, find_agents(agents), params.project_id, whatever=True)
    if not found:
        raise NotFoundError(f"there is no project {params.project_id}")
    async with open_tools(ctx) as tools:
        stop = Stop(params.project_id, ctx.scheduled_for, params.force, whatever=True)
        tally = await go_round(ctx, tools, [stop], 1)
        note = None if tools.model is not None else NO_MODEL
    if not tally.visits:
        raise BusyError(f"another run is working on project {params.project_id}")
    (done,) = tally.visits
    if done.team is None:
        raise JobError(done.error or "it could not be worked on")
    return Done(
        {
            "jobId": str(done.unit),
            "status": "failed" if done.error else "completed",
            "agentsExecuted": done.team.suggested + done.team.silent + done.team.failed,
            "agentsSucceeded": done.team.suggested + done.team.silent,
            "agentsFailed": done.team.failed,
            "agentsSkipped": done.team.skipped,
            "suggestionsCreated": done.team.suggestions,
            "durationMs": round((ctx.now() - began).total_seconds() * 1000),
            "reasons": dict(done.team.reasons),
            "leftOut": tally.left_out(),
            "error": done.error,
            "note": note,
        }
    )


def one_for(params: OneProject) -> str:
    return "orchestration/project" if params.project_id is None else f"project:{params.project_id}"


job = Job(
    run=run,
    params=OneProject,
    needs={"projects": PROJECT_COLUMNS},
    path="orchestration/project/{project_id}",
    one_for=one_for,
)
