"""Measures a project's repository for a period, beside the equal period before it."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field, JsonValue

from agents.github.analysis import STALE_DAYS, analyse_project
from scheduler.errors import NotFoundError
from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.sql import load_sql

sql = load_sql(__file__)


class AnalyzeGithub(Params):
    project_id: UUID | None = None
    """Whose repository; of every project that was fetched and is not archived, if not given."""
    period_hours: int = Field(24, ge=1, le=2160)
    """How long the period is that ends with the last sync, at most 90 days."""
    stale_days: int = Field(STALE_DAYS, ge=1, le=3650)
    """An open item is stale after so many days without anything happening in it."""


async def run(ctx: JobContext, params: AnalyzeGithub) -> Outcome:
    """Measure from what was fetched; ask GitHub nothing.

    Hours and days of activity are those of the entry's time zone. Of all projects the answer holds
    the pace of each; the rest is kept, and there at once for whoever asks for one of them.
    """
    if params.project_id is not None:
        async with ctx.db.transaction() as connection:
            if not await sql.project_exists(connection, project=params.project_id):
                raise NotFoundError(f"there is no project {params.project_id}")
        return Done(
            await analyse_project(ctx, params.project_id, params.period_hours, params.stale_days)
        )
    async with ctx.db.transaction() as connection:
        projects = [row["project_id"] async for row in sql.fetched_projects(connection)]
    answers: dict[str, JsonValue] = {}
    for number, project in enumerate(projects, 1):
        try:
            data = await analyse_project(ctx, project, params.period_hours, params.stale_days)
        except NotFoundError as error:  # deleted while the others were measured
            answers[str(project)] = {"error": str(error)}
        else:
            shown = ("repository", "period", "commits", "velocity", "cached")
            answers[str(project)] = {key: data[key] for key in shown}
        ctx.progress(number, len(projects))
    return Done({"projects": answers, "analyzed": len(answers)})


def work_on(params: AnalyzeGithub) -> str:
    """One run at a time for each project; of all projects, one beside those."""
    if params.project_id is None:
        return "orchestration/analyze-github"
    return f"project:{params.project_id}"


job = Job(
    run=run,
    params=AnalyzeGithub,
    needs={"projects": ("id", "status")},
    path="orchestration/project/{project_id}/analyze-github",
    one_for=work_on,
)
