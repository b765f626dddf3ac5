"""How agents work on each project, what came of them, and the switch that stops them publishing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web
from pydantic.alias_generators import to_camel

from agents import settings
from agents.kit import autonomy
from agents.outcomes import Outcomes, outcomes
from agents.settings import AgentOfProject
from scheduler.policy import AgentPolicy, AgentSettings
from scheduler.web.answers import answer
from scheduler.web.auth import Access
from scheduler.web.bodies import SwitchBody, body_asked
from scheduler.web.body import read_object
from scheduler.web.decisions import set_agent, switch_auto_publish
from scheduler.web.desk import at_desk, id_asked
from scheduler.web.keys import DAEMON, AgentView
from scheduler.web.paging import days_asked
from scheduler.web.route import Route

DAYS = {
    "type": "integer",
    "minimum": 1,
    "maximum": 3650,
    "default": 30,
    "description": "How far back; what looks cost is kept for as long as their records.",
}


async def all_agents(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    days = days_asked(request, default=30)
    async with at_desk(request) as (desk, connection):
        found = await outcomes(connection, daemon.agents, desk.now() - timedelta(days=days))
        off = await autonomy.switched_off(connection)
    items = [_agent_view(name, daemon.agents.get(name), one) for name, one in found.items()]
    switch = _switch_view(daemon.clock.schedule.agents, off)
    return answer({"items": items, "next": None, "days": days, "autoPublish": switch})


async def auto_publish(request: web.Request) -> web.Response:
    off = await switch_auto_publish(request, await body_asked(request, SwitchBody))
    return answer(_switch_view(request.app[DAEMON].clock.schedule.agents, off))


async def agent_of_project(request: web.Request) -> web.Response:
    daemon, project = request.app[DAEMON], id_asked(request, "project")
    policy = daemon.clock.schedule.agents
    async with at_desk(request) as (desk, connection):
        found = await settings.get(
            connection, desk.tables, policy, daemon.agents, project, request.match_info["slug"]
        )
    return answer(_settings_view(found, policy))


async def change_agent(request: web.Request) -> web.Response:
    """What is given is set, null takes a setting back to the schedule file's, the rest stays."""
    project = id_asked(request, "project")
    changes = await read_object(request)
    made = await set_agent(request, project, request.match_info["slug"], changes)
    return answer(_settings_view(made, request.app[DAEMON].clock.schedule.agents))


def _settings_view(found: AgentOfProject, policy: AgentPolicy) -> dict[str, Any]:
    return {
        "project": str(found.project),
        "agent": found.agent,
        "settings": found.settings.model_dump(mode="json", by_alias=True),
        "defaults": policy.defaults.model_dump(mode="json", by_alias=True),
        "overridden": sorted(to_camel(name) for name in found.overridden),
        "updatedAt": found.updated_at.isoformat() if found.updated_at else None,
        "updatedBy": found.updated_by,
        "schema": AgentSettings.model_json_schema(),
    }


def _agent_view(name: str, agent: AgentView | None, one: Outcomes) -> dict[str, Any]:
    cost = one.cost_per_accepted
    return {
        "agent": name,
        "task": agent.task if agent else None,
        "kinds": {slug: kind.title for slug, kind in agent.kinds.items()} if agent else {},
        "looks": one.looks,
        "skipped": one.skipped,
        "silent": one.silent,
        "failed": one.failed,
        "suggested": one.suggested,
        "pending": one.pending,
        "accepted": one.accepted,
        "rejected": one.rejected,
        "ignored": one.ignored,
        "automatic": one.automatic,
        "published": one.published,
        "acceptanceRate": one.acceptance_rate,
        "calls": one.calls,
        "tokensIn": one.tokens_in,
        "tokensOut": one.tokens_out,
        "costUsd": float(one.cost_usd),
        "costPerAcceptedUsd": None if cost is None else float(cost),
    }


def _switch_view(policy: AgentPolicy, off: autonomy.Switch | None) -> dict[str, Any]:
    return {
        "enabled": policy.auto_publish.enabled and off is None,
        "inScheduleFile": policy.auto_publish.enabled,
        "off": off and {"since": off.off_since.isoformat(), "by": off.by, "reason": off.reason},
    }


ROUTES = (
    Route(
        "GET",
        "/api/v1/agents",
        Access.ADMIN,
        all_agents,
        "What came of what each agent suggested, and what it cost",
        {200: "Agents"},
        query={"days": DAYS},
    ),
    Route(
        "POST",
        "/api/v1/agents/auto-publish",
        Access.ADMIN,
        auto_publish,
        "Stop all publishing without approval at once, or end that stop",
        {200: "AutoPublish"},
        body=SwitchBody,
    ),
    Route(
        "GET",
        "/api/v1/projects/{id}/agents/{slug}",
        Access.ADMIN,
        agent_of_project,
        "How an agent works on a project",
        {200: "AgentOfProject"},
    ),
    Route(
        "PUT",
        "/api/v1/projects/{id}/agents/{slug}",
        Access.ADMIN,
        change_agent,
        "Change how an agent works on a project; null takes a setting back to the schedule file's",
        {200: "AgentOfProject"},
        body=AgentSettings,
    ),
)
