"""The queue of what agents suggest, newest first: filters, pages, and rejecting many at once."""

from __future__ import annotations

from aiohttp import web

from agents import approvals, standing
from agents.approvals import STATUSES
from scheduler.web import decisions
from scheduler.web.answers import Refusal
from scheduler.web.bodies import RejectManyBody, as_body
from scheduler.web.desk import at_desk
from scheduler.web.keys import DAEMON
from scheduler.web.pages.door import own_path
from scheduler.web.pages.listing import address, filters_asked, id_given, number_asked
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.rendering import render
from scheduler.web.words import plural

PATH = "/suggestions"
MOST = 50
ALL = "all"


async def suggestions(request: web.Request) -> web.StreamResponse:
    """What is pending, unless another status is asked for."""
    asked = filters_asked(request, "status", "project", "agent", "before")
    status = asked.get("status", "pending")
    if status not in (*STATUSES, ALL):
        allowed = ", ".join((*STATUSES, ALL))
        raise Refusal(422, f"status must be one of {allowed}", fields={"status": allowed})
    project, agent = id_given(asked, "project"), asked.get("agent")
    before = number_asked(asked, "before")
    async with at_desk(request) as (desk, connection):
        found = await approvals.find(
            connection,
            desk.now(),
            status=None if status == ALL else status,
            project=project,
            agent=agent,
            before=before,
            most=MOST + 1,
        )
        waiting = await approvals.waiting(connection)
        choices = await standing.choices(connection, desk.tables)
        there = {one.project_id for one in found} | {group.project_id for group in waiting}
        names = await standing.names_of(
            connection, desk.tables, there | ({project} if project else set())
        )
    shown = found[:MOST]
    filters = {"status": status, "project": asked.get("project"), "agent": agent}
    known = dict(choices)
    if project is not None:
        known.setdefault(project, names.get(project, f"project {project}"))
    return await render(
        request,
        "suggestions/page.html",
        suggestions=shown,
        waiting=waiting,
        counted=approvals.MOST_COUNTED,
        names=names,
        agents=request.app[DAEMON].agents,
        chosen=status,
        project=project,
        agent=agent,
        projects=[(str(one), name) for one, name in known.items()],
        statuses=STATUSES,
        is_filtered=bool(project or agent or status != "pending"),
        here_again=address(PATH, filters, **({"before": before} if before else {})),
        older=address(PATH, filters, before=shown[-1].seq) if len(found) > MOST else None,
        newest=address(PATH, filters) if before else None,
    )


async def reject_many(request: web.Request, form: Form) -> web.StreamResponse:
    back = own_path(form.text("back"))
    if not back.startswith(PATH):
        back = PATH
    chosen = form.all("id")
    if not chosen:
        return done(request, back, "None was chosen, so none was rejected.", good=False)
    body = as_body({"ids": chosen, "reason": form.text("reason")}, RejectManyBody)
    rejected, refused = await decisions.reject_many(request, body)
    said = f"{plural(len(rejected), 'suggestion')} rejected."
    if refused:
        whys = "; ".join(dict.fromkeys(refused.values()))
        said += f" {plural(len(refused), 'suggestion')} could not be: {whys}."
    return done(request, back, said, good=not refused)


ROUTES = (*page(PATH, suggestions, menu="Suggestions"), change(f"{PATH}/reject", reject_many))
