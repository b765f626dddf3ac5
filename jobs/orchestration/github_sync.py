"""Reads what is new in the projects' GitHub repositories into lamplighter's tables.

Every project with `github_sync_enabled` that is not archived, or the one that is asked for. What a
limit leaves over, the next run goes on with.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field, JsonValue

from agents.github.errors import GitHubError
from agents.github.names import shown
from agents.github.session import Session, github_session
from agents.github.store import PROJECT_COLUMNS, Bounds, Project, forget_project, project_of
from agents.github.sync import sync_project
from agents.github.terms import Pace
from scheduler.errors import NotFoundError, PermanentError
from scheduler.job import Done, Job, JobContext, Outcome, Params, Skipped
from scheduler.sql import load_sql

sql = load_sql(__file__)

MOST_WORDS = 500
MOST_ERRORS = 20
"""Projects that the answer names; the others' errors stand with the projects."""


class GitHubSync(Params):
    project: UUID | None = None
    """Only this one, whether or not its sync is enabled."""
    backfill_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """How far back the first sync of a project goes."""
    max_pages: Annotated[int, Field(ge=1, le=1000)] = 100
    """Pages of 100 that a run reads of each list of a project."""
    max_requests: Annotated[int, Field(ge=50, le=15_000)] = 1000
    """Requests that a run makes for one project: so many at least that the largest pull request,
    which is kept as a whole, fits into a run."""
    max_commit_details: Annotated[int, Field(ge=0, le=1000)] = 100
    """Commits of no pull request whose lines and files are asked for, one request each."""
    max_concurrent_projects: Annotated[int, Field(ge=1, le=32)] = 4
    max_concurrent_requests: Annotated[int, Field(ge=1, le=32)] = 8
    """GitHub shuts out who makes too many at once."""
    max_wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """How long a run waits for a limit of GitHub's to be lifted, within its own time."""


async def run(ctx: JobContext, params: GitHubSync) -> Outcome:
    projects = await _projects(ctx, params)
    if params.project is not None and not projects:
        raise NotFoundError(f"there is no project {params.project} with a repository to read")
    if params.project is None:
        await _forget_deleted(ctx)
    if not ctx.services.github.configured:
        return Skipped("GitHub is not configured: set GITHUB_TOKEN", {"projects": len(projects)})
    pace = Pace(
        concurrent=params.max_concurrent_requests,
        most_wait=params.max_wait_seconds,
        seconds_left=ctx.seconds_left,
    )
    async with github_session(ctx, pace) as session:
        counts, errors = await _sync_all(ctx, session, projects, params)
    if params.project is not None and errors:
        raise PermanentError(str(errors[0]["error"]))
    listed: list[JsonValue] = [dict(error) for error in errors[:MOST_ERRORS]]
    return Done(
        {
            "projectsSynced": counts["synced"],
            "projectsFailed": len(errors),
            "projectsPaused": counts["paused"],
            "requests": session.client.made,
            "unchanged": session.client.unchanged,
            "rowsChanged": counts["changed"],
            "errors": listed,
        }
    )


async def _projects(ctx: JobContext, params: GitHubSync) -> Sequence[Project]:
    async with ctx.db.transaction() as connection:
        rows = sql.projects(connection, project=params.project)
        return [project_of(row) async for row in rows]


async def _forget_deleted(ctx: JobContext) -> None:
    async with ctx.db.transaction() as connection:
        left = [row["project_id"] async for row in sql.left_behind(connection)]
    for project_id in left:
        await forget_project(ctx, project_id)
        ctx.log.info("github_project_forgotten", project=str(project_id))


async def _sync_all(
    ctx: JobContext, session: Session, projects: Sequence[Project], params: GitHubSync
) -> tuple[Counter[str], list[dict[str, JsonValue]]]:
    """Each by itself: the failure of one does not stop the others."""
    bounds = Bounds(
        timedelta(days=params.backfill_days),
        params.max_requests,
        params.max_pages,
        params.max_commit_details,
    )
    counts: Counter[str] = Counter()
    errors: list[dict[str, JsonValue]] = []
    todo = iter(projects)

    async def work() -> None:
        for project in todo:
            try:
                done = await sync_project(ctx, session.client, session.tokens, project, bounds)
            except GitHubError as e:
                error = str(e)[:MOST_WORDS]
                ctx.log.warning("github_sync_failed", project=str(project.id), error=error)
                errors.append(
                    {
                        "projectId": str(project.id),
                        "repository": shown(project.full_name),
                        "error": error,
                    }
                )
            else:
                counts["synced" if done.paused is None else "paused"] += 1
                counts["changed"] += done.changed
                ctx.log.info(
                    "github_synced",
                    project=str(project.id),
                    requests=done.requests,
                    unchanged=done.unchanged,
                    rows=done.changed,
                    paused=done.paused,
                )
            ctx.progress(counts["synced"] + counts["paused"] + len(errors), len(projects))

    tasks = [
        asyncio.create_task(work())
        for _ in range(min(params.max_concurrent_projects, len(projects)))
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        # Where one has lost the run, or the run is over, the others end too.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return counts, errors


def _one_for(params: GitHubSync) -> str:
    return (
        f"project:{params.project}" if params.project is not None else "orchestration/github-sync"
    )


job = Job(
    run=run,
    params=GitHubSync,
    needs={"projects": PROJECT_COLUMNS},
    one_for=_one_for,
    changes=("rowsChanged",),
    counts=("projectsSynced", "projectsFailed"),
)
