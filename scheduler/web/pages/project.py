"""One project: its repository, velocity, quota, how each agent works on it, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from aiohttp import web
from markupsafe import Markup

from agents import settings, standing
from agents.settings import AgentOfProject
from scheduler.policy import AgentSettings
from scheduler.web.answers import Refusal
from scheduler.web.arguments import MAX_REASON
from scheduler.web.bodies import ReasonBody, as_body
from scheduler.web.charts import Chart, lines, meter
from scheduler.web.decisions import set_agent
from scheduler.web.desk import at_desk, id_asked
from scheduler.web.keys import DAEMON
from scheduler.web.markdown import safe_address
from scheduler.web.pages.agent_form import Wrong, changes_of, fields_of, values_of
from scheduler.web.pages.listing import address, filters_asked
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.rendering import render
from scheduler.web.pages.starting import start
from scheduler.web.words import words

MOST_VISITS = 10
FEWEST_DAYS = 2
"""Of a trend."""
WAIT = 3.0
"""Seconds for which a run is waited for: long enough for what ends at once, such as having nothing
to do."""
GO_OVER = "orchestration/project"
FETCH = "orchestration/github-sync"


async def project(request: web.Request) -> web.StreamResponse:
    return await _shown(request)


async def _shown(
    request: web.Request, wrong: Wrong | None = None, status: int = 200
) -> web.StreamResponse:
    which, daemon = id_asked(request, "project"), request.app[DAEMON]
    policy = daemon.clock.schedule.agents
    before = _moment_asked(request)
    async with at_desk(request) as (desk, connection):
        one = await standing.standing_of(connection, desk.tables, which)
        trend = await standing.trend_of(connection, which)
        quotas = await standing.quotas(connection, which)
        visits = await standing.visits(connection, which, before=before, most=MOST_VISITS + 1)
        spent = await standing.spent(connection, which, desk.now().astimezone(UTC).date())
        found = [
            await settings.get(connection, desk.tables, policy, daemon.agents, which, agent)
            for agent in daemon.agents
        ]
    path = f"/projects/{which}"
    shown = visits[:MOST_VISITS]
    hosts = policy.caps.link_hosts | {"github.com"}
    return await render(
        request,
        "projects/one.html",
        part="projects/visits.html",
        status=status,
        one=one,
        link=safe_address(one.html_url, hosts),
        most_waiting=standing.MOST_WAITING,
        parts_of=parts_of(one),
        trend=trend_chart(trend),
        quotas=quotas,
        spent=spent,
        cap=policy.caps.project_daily_cost_cap_usd,
        agents=daemon.agents,
        forms=[(each, fields_of(each, policy.defaults, wrong)) for each in found],
        wrong=wrong,
        visits=shown,
        path=path,
        here_again=address(path, {"before": before.isoformat() if before else None}),
        older=address(path, {}, before=shown[-1].scheduled_for.isoformat())
        if len(visits) > MOST_VISITS
        else None,
        newest=path if before else None,
        most_reason=MAX_REASON,
    )


async def go_over(request: web.Request, form: Form) -> web.StreamResponse:
    which = id_asked(request, "project")
    given = {"project_id": str(which), "force": form.text("force") == "true"}
    return await _started(request, GO_OVER, given, form)


async def fetch(request: web.Request, form: Form) -> web.StreamResponse:
    which = id_asked(request, "project")
    return await _started(request, FETCH, {"project": str(which)}, form)


async def _started(
    request: web.Request, job: str, given: dict[str, object], form: Form
) -> web.StreamResponse:
    which = id_asked(request, "project")
    reason = as_body({"reason": form.text("reason")}, ReasonBody).reason
    async with at_desk(request) as (desk, connection):
        await standing.standing_of(connection, desk.tables, which)
    try:
        ended = await start(request, job, dict(given), WAIT, reason)  # type: ignore[arg-type]
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return done(request, f"/projects/{which}", f"Not begun: {refusal.error}.", good=False)
    return done(request, f"/projects/{which}", ended.said, good=ended.good)


async def change_agent(request: web.Request, form: Form) -> web.StreamResponse:
    """What is not taken stands in the form again, with what is allowed."""
    which, agent = id_asked(request, "project"), request.match_info["slug"]
    found = await _agent(request)
    changes = changes_of(form, found)
    back = f"/projects/{which}#agent-{agent}"
    if not changes:
        return done(request, back, f"{words(agent).capitalize()}: nothing was to be changed.")
    try:
        await set_agent(request, which, agent, changes)
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        wrong = Wrong(agent, values_of(form), refusal.fields or {}, refusal.error)
        return await _shown(request, wrong, 422)
    named = ", ".join(words(name) for name in changes)
    return done(request, back, f"{words(agent).capitalize()}: {named} set.")


async def take_back(request: web.Request, form: Form) -> web.StreamResponse:
    """One setting, or all of them, back to the schedule file's."""
    which, agent = id_asked(request, "project"), request.match_info["slug"]
    name = form.text("field")
    found = await _agent(request)
    if name is not None and name not in AgentSettings.model_fields:
        raise Refusal(422, "field must be a setting of an agent")
    taken = [name] if name is not None else sorted(found.overridden)
    if taken:
        await set_agent(request, which, agent, dict.fromkeys(taken))
    back = f"/projects/{which}#agent-{agent}"
    named = ", ".join(map(words, taken)) or "nothing"
    said = f"{words(agent).capitalize()}: {named} as in the schedule file again."
    return done(request, back, said)


async def _agent(request: web.Request) -> AgentOfProject:
    daemon = request.app[DAEMON]
    async with at_desk(request) as (desk, connection):
        return await settings.get(
            connection,
            desk.tables,
            daemon.clock.schedule.agents,
            daemon.agents,
            id_asked(request, "project"),
            request.match_info["slug"],
        )


def parts_of(one: standing.Standing) -> list[tuple[standing.Part, Markup]]:
    """What the velocity score is made of, each with its bar."""
    parts = one.velocity.parts if one.velocity else ()
    return [(part, meter(words(part.name), _share(part.points))) for part in parts]


def trend_chart(trend: Sequence[tuple[date, float]]) -> Chart | None:
    """None where there is nothing to compare."""
    if len(trend) < FEWEST_DAYS:
        return None
    scores = {"score": [score for _, score in trend]}
    return lines("Velocity score, by day", [str(day) for day, _ in trend], scores)


def _share(points: float | None) -> float | None:
    return None if points is None else points / 100


def _moment_asked(request: web.Request) -> datetime | None:
    text = filters_asked(request, "before").get("before")
    if text is None:
        return None
    refusal = Refusal(422, "before must be a time with offset", fields={"before": "a time"})
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise refusal
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusal from error


ROUTES = (
    *page("/projects/{id}", project),
    # Where a form was not taken, whoever comes back sees what it was about.
    *page("/projects/{id}/agents/{slug}", project),
    change("/projects/{id}/go-over", go_over),
    change("/projects/{id}/fetch", fetch),
    change("/projects/{id}/agents/{slug}", change_agent),
    change("/projects/{id}/agents/{slug}/take-back", take_back),
)
