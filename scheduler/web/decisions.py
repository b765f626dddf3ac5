"""What people decide about suggestions and agents: one function each, for the API and the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from aiohttp import web
from pydantic import JsonValue

from agents import approvals, settings
from agents.approvals import By, EditError, Suggestion
from agents.kit import autonomy
from agents.settings import AgentOfProject
from scheduler.entry import Entry
from scheduler.job import Connection, Json
from scheduler.web.answers import Refusal
from scheduler.web.arguments import Asked
from scheduler.web.bodies import ApproveBody, EditBody, RejectManyBody, SwitchBody
from scheduler.web.desk import at_desk
from scheduler.web.keys import DAEMON
from scheduler.web.named import entry_called
from scheduler.web.record import Caller

PUBLISH = "orchestration/publish"
SAMPLE = "a sample is never published: it is there to try the queue with"


async def approve(request: web.Request, suggestion: UUID, body: ApproveBody) -> Suggestion:
    """What was shown, if the caller says which hash that had."""
    return await _decide(
        request,
        suggestion,
        "approve",
        body.reason,
        lambda connection, by: approvals.approve(
            connection, suggestion, by, request.app[DAEMON].now(), body.shown_hash
        ),
    )


async def reject(request: web.Request, suggestion: UUID, reason: str | None) -> Suggestion:
    return await _decide(
        request,
        suggestion,
        "reject",
        reason,
        lambda connection, by: approvals.reject(
            connection, suggestion, by, request.app[DAEMON].now()
        ),
    )


async def edit(request: web.Request, suggestion: UUID, body: EditBody) -> Suggestion:
    """Other words; an approval of those before is void."""
    if body.title is None and body.body is None:
        raise Refusal(422, "nothing is to be changed: give title, body or both")
    try:
        return await _decide(
            request,
            suggestion,
            "edit",
            body.reason,
            lambda connection, by: approvals.edit(
                connection,
                suggestion,
                by,
                request.app[DAEMON].now(),
                title=body.title,
                body=body.body,
                shown=body.shown_hash,
            ),
        )
    except EditError as error:
        raise Refusal(422, str(error), fields={error.field: error.allowed}) from error


async def reject_many(
    request: web.Request, body: RejectManyBody
) -> tuple[list[UUID], dict[UUID, str]]:
    """Those that can be; the others with the reason."""
    caller = Caller.of(request)
    async with at_desk(request) as (desk, connection):
        done, refused = await approvals.reject_many(
            connection, body.ids, By(caller.who, caller.address, body.reason), desk.now()
        )
    if done:
        await caller.record(
            "reject",
            f"{len(done)} suggestions",
            reason=body.reason,
            detail={"suggestions": [str(one) for one in done]},
        )
    return done, refused


async def publishing_of(
    request: web.Request, suggestion: UUID, reason: str | None
) -> tuple[Entry, Asked]:
    """The run that publishes it, to be launched; what cannot be published is said before."""
    async with at_desk(request) as (desk, connection):
        one = await approvals.get(connection, suggestion, desk.now())
    if one.is_sample:
        raise Refusal(409, SAMPLE)
    if one.status != "approved":
        raise Refusal(409, f"it is {one.status}; what is approved can be published")
    entry = entry_called(request.app[DAEMON], PUBLISH)
    params = entry.params.model_copy(update={"suggestion": suggestion})
    await Caller.of(request).record(
        "publish", f"suggestion {suggestion}", reason=reason, detail=_about(one)
    )
    return entry, Asked(params, {"suggestion"})


async def switch_auto_publish(request: web.Request, body: SwitchBody) -> autonomy.Switch | None:
    """At once, for all daemons; what is listed in the schedule file stays as it is."""
    caller = Caller.of(request)
    async with at_desk(request) as (desk, connection):
        await autonomy.switch(
            connection, enabled=body.enabled, by=caller.name, reason=body.reason, now=desk.now()
        )
        off = await autonomy.switched_off(connection)
    await caller.record("auto_publish", None, reason=body.reason, detail={"enabled": body.enabled})
    return off


async def set_agent(
    request: web.Request, project: UUID, agent: str, changes: Mapping[str, JsonValue]
) -> AgentOfProject:
    """What is given is set, None takes a setting back to the schedule file's, the rest stays."""
    daemon, caller = request.app[DAEMON], Caller.of(request)
    async with at_desk(request) as (desk, connection):
        made = await settings.put(
            connection,
            desk.tables,
            daemon.clock.schedule.agents,
            daemon.agents,
            project,
            agent,
            changes,
            by=caller.name,
            now=desk.now(),
        )
    await caller.record(
        "agent_settings", f"{made.agent} of project {project}", detail={"changes": dict(changes)}
    )
    return made


async def _decide(
    request: web.Request,
    suggestion: UUID,
    action: str,
    reason: str | None,
    decide: Callable[[Connection, By], Awaitable[Suggestion]],
) -> Suggestion:
    caller = Caller.of(request)
    async with at_desk(request) as (_, connection):
        one = await decide(connection, By(caller.who, caller.address, reason))
    await caller.record(
        action,
        f"suggestion {suggestion}",
        reason=reason,
        detail={**_about(one), "shownHash": one.shown_hash},
    )
    return one


def _about(one: Suggestion) -> Json:
    return {"project": str(one.project_id), "agent": one.agent, "kind": one.kind}
