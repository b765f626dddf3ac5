"""The agents: what came of what each suggested, what it cost, and the switch for publishing."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from agents.kit import autonomy
from agents.outcomes import outcomes
from scheduler.web import decisions
from scheduler.web.answers import Refusal
from scheduler.web.arguments import MAX_REASON
from scheduler.web.bodies import SwitchBody, as_body
from scheduler.web.charts import meter
from scheduler.web.desk import at_desk
from scheduler.web.keys import DAEMON
from scheduler.web.pages.listing import filters_asked
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.rendering import render

PERIODS = (7, 30, 90, 365)


async def agents(request: web.Request) -> web.StreamResponse:
    daemon = request.app[DAEMON]
    asked = filters_asked(request, "days").get("days", "30")
    if asked not in map(str, PERIODS):
        allowed = ", ".join(map(str, PERIODS))
        raise Refusal(422, f"days must be one of {allowed}", fields={"days": allowed})
    days = int(asked)
    async with at_desk(request) as (desk, connection):
        found = await outcomes(connection, daemon.agents, desk.now() - timedelta(days=days))
        off = await autonomy.switched_off(connection)
    policy = daemon.clock.schedule.agents
    return await render(
        request,
        "agents/page.html",
        days=days,
        periods=PERIODS,
        outcomes=found,
        agents=daemon.agents,
        accepted={name: meter("accepted", one.acceptance_rate) for name, one in found.items()},
        cost=sum((one.cost_usd for one in found.values()), start=0),
        policy=policy,
        off=off,
        most_reason=MAX_REASON,
    )


async def auto_publish(request: web.Request, form: Form) -> web.StreamResponse:
    enabled = form.text("enabled") == "true"
    body = as_body({"enabled": enabled, "reason": form.text("reason")}, SwitchBody)
    await decisions.switch_auto_publish(request, body)
    said = (
        "The stop is over: what the schedule file lists may be published without approval."
        if enabled
        else "Stopped: from now on nothing is published without approval."
    )
    return done(request, "/agents", said)


ROUTES = (*page("/agents", agents, menu="Agents"), change("/agents/auto-publish", auto_publish))
