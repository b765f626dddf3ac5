"""How the product's projects stand: repository, velocity, quota, what the agents made of them."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from aiohttp import web

from agents import standing
from agents.standing import Quota, Standing, Visited
from scheduler.web.answers import answer
from scheduler.web.auth import Access
from scheduler.web.desk import at_desk, id_asked
from scheduler.web.paging import BEFORE, LIMIT, place_asked
from scheduler.web.route import Route

MOST_VISITS = 10


async def projects(request: web.Request) -> web.Response:
    limit, after = place_asked(request)
    async with at_desk(request) as (desk, connection):
        found = await standing.standings(connection, desk.tables, after=after, most=limit + 1)
    more = str(found[limit - 1].id) if len(found) > limit else None
    return answer({"items": [_view(one) for one in found[:limit]], "next": more})


async def single(request: web.Request) -> web.Response:
    which = id_asked(request, "project")
    async with at_desk(request) as (desk, connection):
        one = await standing.standing_of(connection, desk.tables, which)
        trend = await standing.trend_of(connection, which)
        quotas = await standing.quotas(connection, which)
        visits = await standing.visits(connection, which, before=None, most=MOST_VISITS)
        spent = await standing.spent(connection, which, desk.now().astimezone(UTC).date())
    return answer(
        {
            **_view(one),
            "trend": [{"day": day.isoformat(), "score": score} for day, score in trend],
            "quotas": [_quota_view(quota) for quota in quotas],
            "costTodayUsd": float(spent),
            "visits": [_visit_view(visit) for visit in visits],
        }
    )


def _view(one: Standing) -> dict[str, Any]:
    velocity = one.velocity
    return {
        "id": str(one.id),
        "name": one.name,
        "status": one.status,
        "repository": one.repository,
        "movedTo": one.moved_to,
        "inRounds": one.is_synced and one.status != "archived",
        "isSample": one.is_sample,
        "lastSyncedAt": one.last_synced_at and one.last_synced_at.isoformat(),
        "isComplete": one.is_complete,
        "dataSince": one.data_since and one.data_since.isoformat(),
        "syncError": one.error,
        "openIssues": one.open_issues,
        "velocity": velocity
        and {
            "score": velocity.score,
            "previousScore": velocity.previous,
            "trend": velocity.trend,
            "measuredTo": one.measured_to and one.measured_to.isoformat(),
            "components": {
                part.name: {"value": part.value, "points": part.points, "weight": part.weight}
                for part in velocity.parts
            },
        },
        "lastVisit": one.unit_started_at
        and {"status": one.unit_status, "startedAt": one.unit_started_at.isoformat()},
        "suggestionsWaiting": one.waiting,
    }


def _quota_view(quota: Quota) -> dict[str, Any]:
    return {
        "token": quota.token,
        "resource": quota.resource,
        "limit": quota.limit,
        "remaining": quota.remaining,
        "resetAt": quota.reset_at.isoformat(),
        "seenAt": quota.seen_at.isoformat(),
    }


def _visit_view(visit: Visited) -> dict[str, Any]:
    return {
        "id": str(visit.id),
        "run": str(visit.run_id),
        "status": visit.status,
        "startedAt": visit.started_at.isoformat(),
        "finishedAt": visit.finished_at and visit.finished_at.isoformat(),
        "error": visit.error,
        "agents": [
            {
                "agent": each.agent,
                "status": each.status,
                "reason": each.reason,
                "suggestions": each.suggestions,
                "costUsd": float(each.cost_usd),
            }
            for each in visit.executions
        ],
    }


ROUTES = (
    Route(
        "GET",
        "/api/v1/projects",
        Access.ADMIN,
        projects,
        "Projects that have a repository, by name",
        {200: "Projects"},
        query={"limit": LIMIT, "before": BEFORE},
    ),
    Route(
        "GET",
        "/api/v1/projects/{id}",
        Access.ADMIN,
        single,
        "One project with its trend, the quota of its tokens, and the last visits to it",
        {200: "SingleProject"},
    ),
)
