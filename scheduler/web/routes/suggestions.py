"""What agents suggest, and what people decide about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from agents import approvals
from agents.approvals import STATUSES
from scheduler.run import Trigger
from scheduler.web import decisions
from scheduler.web.answers import Refusal, answer
from scheduler.web.arguments import (
    KEY,
    REASON,
    WAIT,
    idempotency_key,
    take_reason,
    take_wait,
)
from scheduler.web.auth import Access
from scheduler.web.bodies import (
    ApproveBody,
    EditBody,
    ReasonBody,
    RejectManyBody,
    body_asked,
)
from scheduler.web.body import MOST_WRITTEN, read_query, refuse_unknown
from scheduler.web.desk import at_desk, id_asked
from scheduler.web.launch import Wish, launch
from scheduler.web.paging import BEFORE, LIMIT, page_asked
from scheduler.web.route import Route
from scheduler.web.views import suggestion_event_view, suggestion_view


async def suggestions(request: web.Request) -> web.Response:
    page = page_asked(request, {"status": STATUSES, "project": None, "agent": None})
    project = page.filters.get("project")
    try:
        project_id = UUID(project) if project is not None else None
    except ValueError:
        allowed = "the id of a project"
        raise Refusal(422, f"project must be {allowed}", fields={"project": allowed}) from None
    async with at_desk(request) as (desk, connection):
        found = await approvals.find(
            connection,
            desk.now(),
            status=page.filters.get("status"),
            project=project_id,
            agent=page.filters.get("agent"),
            before=page.before,
            most=page.most,
        )
    return page.answer(found, suggestion_view, lambda one: one.seq)


async def single(request: web.Request) -> web.Response:
    suggestion = id_asked(request, "suggestion")
    async with at_desk(request) as (desk, connection):
        one = await approvals.get(connection, suggestion, desk.now())
        events = await approvals.events_of(connection, suggestion)
    return answer({**suggestion_view(one), "events": [suggestion_event_view(e) for e in events]})


async def approve(request: web.Request) -> web.Response:
    body = await body_asked(request, ApproveBody)
    one = await decisions.approve(request, id_asked(request, "suggestion"), body)
    return answer(suggestion_view(one))


async def reject(request: web.Request) -> web.Response:
    body = await body_asked(request, ReasonBody)
    one = await decisions.reject(request, id_asked(request, "suggestion"), body.reason)
    return answer(suggestion_view(one))


async def edit(request: web.Request) -> web.Response:
    body = await body_asked(request, EditBody, MOST_WRITTEN)
    one = await decisions.edit(request, id_asked(request, "suggestion"), body)
    return answer(suggestion_view(one))


async def reject_many(request: web.Request) -> web.Response:
    """Those that can be; the others are named with the reason."""
    done, refused = await decisions.reject_many(request, await body_asked(request, RejectManyBody))
    return answer(
        {
            "rejected": [str(one) for one in done],
            "refused": [{"id": str(one), "error": why} for one, why in refused.items()],
        }
    )


async def publish(request: web.Request) -> web.Response:
    """A run of the job that publishes, with this suggestion; what it cannot do is said before."""
    suggestion = id_asked(request, "suggestion")
    query = read_query(request)
    wait, reason = take_wait(query), take_reason(query)
    if query:
        refuse_unknown(query, "wait, reason")
    reason = (await body_asked(request, ReasonBody)).reason or reason
    entry, asked = await decisions.publishing_of(request, suggestion, reason)
    wish = Wish(
        wait=wait,
        reason=reason,
        idempotency_key=idempotency_key(request.headers),
        runs_at="/api/v1/runs/",
    )
    return await launch(request, entry, asked, Trigger.ADMIN, wish)


def _decision(
    verb: str,
    handler: Callable[[web.Request], Awaitable[web.Response]],
    body: type[BaseModel],
    what: str,
) -> Route:
    return Route(
        "POST",
        f"/api/v1/suggestions/{{id}}/{verb}",
        Access.ADMIN,
        handler,
        what,
        {200: "Suggestion"},
        body=body,
    )


ROUTES = (
    Route(
        "GET",
        "/api/v1/suggestions",
        Access.ADMIN,
        suggestions,
        "What agents suggest, newest first",
        {200: "Suggestions"},
        query={
            "status": {"type": "string", "enum": list(STATUSES)},
            "project": {"type": "string", "format": "uuid"},
            "agent": {"type": "string"},
            "limit": LIMIT,
            "before": BEFORE,
        },
    ),
    Route(
        "POST",
        "/api/v1/suggestions/reject",
        Access.ADMIN,
        reject_many,
        "Reject many at once",
        {200: "Rejected"},
        body=RejectManyBody,
    ),
    Route(
        "GET",
        "/api/v1/suggestions/{id}",
        Access.ADMIN,
        single,
        "One suggestion with all that happened to it",
        {200: "SingleSuggestion"},
    ),
    _decision("approve", approve, ApproveBody, "Let it be published as it is"),
    _decision(
        "reject", reject, ReasonBody, "Turn it down, for as long as its evidence is the same"
    ),
    _decision("edit", edit, EditBody, "Change its title or text"),
    Route(
        "POST",
        "/api/v1/suggestions/{id}/publish",
        Access.ADMIN,
        publish,
        "Publish what is approved",
        {200: "WorkerAnswer", 202: "Accepted"},
        query={"wait": WAIT, "reason": REASON},
        headers={"Idempotency-Key": KEY},
        body=ReasonBody,
    ),
)
