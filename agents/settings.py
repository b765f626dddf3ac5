"""How does each agent work on a project: as the schedule file has it, or as the project has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from scheduler.errors import NotFoundError
from scheduler.job import Connection
from scheduler.params import ParamsError, change_params, own_name
from scheduler.policy import AgentPolicy, AgentSettings
from scheduler.sql import load_sql

sql = load_sql(__file__)

Tables = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """`settings["developer"]`: how that agent works on the project."""

    defaults: AgentSettings
    own: Mapping[str, AgentSettings]

    def __getitem__(self, agent: str) -> AgentSettings:
        return self.own.get(agent, self.defaults)


@dataclass(frozen=True, slots=True)
class AgentOfProject:
    """What a page shows of one agent's settings."""

    project: UUID
    agent: str
    settings: AgentSettings
    """In force."""
    overridden: frozenset[str]
    """Those that the project has set differently from the schedule file."""
    updated_at: datetime | None = None
    updated_by: str | None = None


async def settings_of(
    connection: Connection, policy: AgentPolicy, project: UUID
) -> ProjectSettings:
    """Of all agents."""
    rows = sql.of_project(connection, project=project)
    own = {row["agent"]: _over(policy.defaults, row["settings"])[0] async for row in rows}
    return ProjectSettings(policy.defaults, own)


async def get(
    connection: Connection,
    tables: Tables,
    policy: AgentPolicy,
    agents: Mapping[str, object],
    project: UUID,
    agent: str,
) -> AgentOfProject:
    """Raises `NotFoundError` for a project or an agent that is not there."""
    await _check(connection, tables, agents, project, agent)
    row = await sql.of_agent(connection, project=project, agent=agent)
    if row is None:
        return AgentOfProject(project, agent, policy.defaults, frozenset())
    settings, overridden = _over(policy.defaults, row["settings"])
    return AgentOfProject(
        project, agent, settings, overridden, row["updated_at"], row["updated_by"]
    )


async def put(
    connection: Connection,
    tables: Tables,
    policy: AgentPolicy,
    agents: Mapping[str, object],
    project: UUID,
    agent: str,
    changes: Mapping[str, JsonValue],
    *,
    by: str,
    now: datetime,
) -> AgentOfProject:
    """Set what `changes` names, in camelCase or snake_case, and leave the rest.

    None takes a setting back to the schedule file's, and so does the value that stands there: what
    is kept is only what differs. Raises `NotFoundError`, and `ParamsError` for what is no setting
    or out of bounds; then nothing has changed.
    """
    await _check(connection, tables, agents, project, agent)
    kept = await sql.lock(connection, project=project, agent=agent, now=now, by=by)
    as_in_file = policy.defaults.model_dump()
    asked = change_params(
        policy.defaults,
        {
            name: as_in_file.get(own_name(AgentSettings, name)) if value is None else value
            for name, value in changes.items()
        },
        whose="a setting of an agent",
    )
    named = {own_name(AgentSettings, name) for name in changes}
    settings, overridden = _over(
        policy.defaults, {**kept, **asked.model_dump(mode="json", include=named)}
    )
    differing = settings.model_dump(mode="json", include=set(overridden))
    if differing:
        await sql.set(connection, project=project, agent=agent, settings=differing, now=now, by=by)
    else:
        await sql.forget(connection, project=project, agent=agent)
        return AgentOfProject(project, agent, settings, overridden)
    return AgentOfProject(project, agent, settings, overridden, now, by)


async def _check(
    connection: Connection,
    tables: Tables,
    agents: Mapping[str, object],
    project: UUID,
    agent: str,
) -> None:
    if agent not in agents:
        known = ", ".join(sorted(agents)) or "none"
        raise NotFoundError(f"there is no agent {agent[:50]!r}; there are {known}")
    there = "projects" in tables and await sql.project_exists(connection, project=project)
    if not there:
        raise NotFoundError(f"there is no project {project}")


def _over(defaults: AgentSettings, kept: Mapping[str, Any]) -> tuple[AgentSettings, frozenset[str]]:
    """The settings in force, and which differ. What an older version kept and this one refuses
    counts as not set.
    """
    settings = defaults
    for name, value in kept.items():
        try:
            settings = change_params(settings, {name: value})
        except ParamsError:
            continue
    return settings, frozenset(
        name
        for name in AgentSettings.model_fields
        if getattr(settings, name) != getattr(defaults, name)
    )
