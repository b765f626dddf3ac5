"""Which projects are gone over, and what does a visit to one consist of?

Fetch what is new, measure it, let the agents look, publish what may go by itself: the phases of one
unit, whose failure is its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

import asyncpg
from pydantic import JsonValue

from agents.github.analysis import analyse_project
from agents.github.errors import GitHubError
from agents.github.session import Session
from agents.github.store import Bounds, Project, project_of
from agents.github.sync import Synced, sync_project
from agents.kit.agent import Agent
from agents.kit.asking import Asks
from agents.kit.gate import is_on
from agents.kit.prompts import about_project
from agents.kit.team import Result, Site, Team, made_of
from agents.publish import publish_ready
from agents.settings import settings_of
from agents.units import Phase, Unit, begin_unit, done_unit, end_unit, set_phase
from scheduler.errors import JobError, LeaseLostError, NotFoundError
from scheduler.job import JobContext
from scheduler.policy import AgentSettings
from scheduler.sql import load_sql

sql = load_sql(__file__)

MEASURED_HOURS = 168
# What one project's data can bring about, foreseen or not; what else goes wrong, does so for all.
OF_ONE_PROJECT = (
    JobError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A project, with how its agents are set."""

    project: Project
    is_sample: bool
    settings: Mapping[str, AgentSettings]

    @property
    def has_active_agent(self) -> bool:
        return any(is_on(one) for one in self.settings.values())


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of one."""

    project: UUID
    unit: UUID | None
    error: str | None = None
    synced: Synced | None = None
    team: Result | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What the visits of one run share."""

    agents: Mapping[str, Agent]
    bounds: Bounds
    github: Session | None
    """None where GitHub is not configured: then what was fetched before is looked at."""
    model: Asks | None
    """None where no model is configured: then projects are fetched and measured."""


async def candidates(
    ctx: JobContext,
    agents: Mapping[str, Agent],
    project: UUID | None = None,
    *,
    whatever: bool = False,
) -> Sequence[Candidate]:
    """Those with sync enabled that are not archived; of all, or of `project` alone, and that with
    `whatever` in any state.
    """
    found = []
    async with ctx.db.transaction() as connection:
        async for row in sql.projects(connection, project=project, whatever=whatever):
            settings = await settings_of(connection, ctx.policy, row["id"])
            found.append(
                Candidate(
                    project_of(row), row["is_sample"], {slug: settings[slug] for slug in agents}
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class Stop:
    """One project to be visited, and for which batch."""

    project: UUID
    scheduled_for: datetime
    force: bool = False
    """Let the agents look even where they are not due yet."""
    whatever: bool = False
    """Whether or not its sync is enabled and its agents are on."""


async def visit(ctx: JobContext, tools: Tools, stop: Stop) -> Visit | None:
    """Go over one project, as it is by now; None where it is not to be gone over any more, or
    another run has done so for that batch.

    Its own troubles end up in the answer and in its record. Raises `BusyError` where another run is
    working on it, and what concerns all projects.
    """
    ctx = replace(ctx, scheduled_for=stop.scheduled_for)
    found = await candidates(ctx, tools.agents, stop.project, whatever=stop.whatever)
    if not found or not (stop.whatever or found[0].has_active_agent):
        return None
    candidate = found[0]
    project = candidate.project
    unit = await begin_unit(ctx, project.id, stop.scheduled_for)
    if unit is None:
        done = await done_unit(ctx, project.id, stop.scheduled_for)
        return None if done is None else Visit(project.id, done, team=await made_of(ctx, done))
    synced: Synced | None = None
    team: Result | None = None
    try:
        if tools.github is not None and not candidate.is_sample:
            synced = await sync_project(
                ctx, tools.github.client, tools.github.tokens, project, tools.bounds
            )
        team = await _look(ctx, tools, candidate, unit, force=stop.force)
        error = _team_error(team)
    except LeaseLostError:
        raise
    except OF_ONE_PROJECT as problem:
        error = in_words(problem)
    await end_unit(ctx, unit, error)
    if error is not None:
        ctx.log.warning("project_failed", project=str(project.id), error=error)
    return Visit(project.id, unit.id, error, synced, team)


async def _look(
    ctx: JobContext, tools: Tools, candidate: Candidate, unit: Unit, *, force: bool
) -> Result:
    project = candidate.project
    try:
        site = await site_of(ctx, candidate)
    except NotFoundError:
        # Its repository was not read to the end yet: half of the data makes half-true suggestions.
        why = "its repository was not fetched to the end yet"
        result = Result()
        for slug in tools.agents:
            result.count(slug, "skipped", 0, why)
        return result
    await set_phase(ctx, unit, Phase.DECIDE)
    team = Team(
        ctx,
        unit.id,
        site,
        tools.agents,
        candidate.settings,
        tools.model,
        force=force,
        before_asking=partial(set_phase, ctx, unit, Phase.EXECUTE),
    )
    result = await team.work()
    await set_phase(ctx, unit, Phase.VERIFY)
    await publish_ready(ctx, project.id)
    return result


async def site_of(ctx: JobContext, candidate: Candidate, *, keep: bool = True) -> Site:
    """Measured anew, as `analyse_project` does it.

    Raises `NotFoundError` where its repository was never read to the end.
    """
    measured = await analyse_project(ctx, candidate.project.id, MEASURED_HOURS, keep=keep)
    repository = str(measured["repository"])
    about = about_project(repository, _told(measured))
    return Site(candidate.project.id, repository, about)


def _told(measured: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Of all that is measured, what says in a line how the project is doing."""
    velocity = measured["velocity"]
    told = {key: measured[key] for key in ("commits", "authors") if key in measured}
    if isinstance(velocity, dict):
        told["velocity"] = {key: velocity[key] for key in ("score", "trend") if key in velocity}
    return {"hours": MEASURED_HOURS, **told}


def _team_error(team: Result) -> str | None:
    if not team.errors:
        return None
    return "; ".join(f"{agent}: {error}" for agent, error in sorted(team.errors.items()))


def in_words(error: Exception) -> str:
    """For a person: our own errors say it themselves, of others only the kind is told."""
    if isinstance(error, JobError | GitHubError):
        return str(error)[:500]
    return f"its data cannot be worked on ({type(error).__name__})"
