"""One suggestion: what it says, rests on and would do; and the decision about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from agents import approvals, standing
from agents.approvals import BOUNDS, Suggestion
from scheduler.web import decisions
from scheduler.web.answers import Refusal
from scheduler.web.arguments import MAX_REASON
from scheduler.web.bodies import ApproveBody, EditBody, ReasonBody, as_body
from scheduler.web.charts import meter
from scheduler.web.desk import at_desk, id_asked
from scheduler.web.keys import DAEMON
from scheduler.web.markdown import as_html, safe_address
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.rendering import render
from scheduler.web.pages.starting import start_asked
from scheduler.web.words import words

WAIT = 20.0
"""Seconds for which publishing is waited for; past them the page says that it goes on."""
MOST_EVENTS = 200
SCORES = ("relevance", "actionability", "freshness", "value")
"""In their order; others come after them."""
OPEN = frozenset({"pending", "approved", "publish_failed"})


@dataclass(frozen=True, slots=True)
class Draft:
    """New words that were not taken."""

    title: str
    body: str
    shown: str
    why: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Score:
    name: str
    share: float
    picture: Any
    why: str


async def suggestion(request: web.Request) -> web.StreamResponse:
    return await _shown(request)


async def _shown(
    request: web.Request, draft: Draft | None = None, status: int = 200
) -> web.StreamResponse:
    which, daemon = id_asked(request, "suggestion"), request.app[DAEMON]
    hosts = daemon.clock.schedule.agents.caps.link_hosts | {"github.com"}
    async with at_desk(request) as (desk, connection):
        one = await approvals.get(connection, which, desk.now())
        events = await approvals.events_of(connection, which)
        names = await standing.names_of(connection, desk.tables, [one.project_id])
    agent = daemon.agents.get(one.agent)
    kind = agent.kinds.get(one.kind) if agent else None
    return await render(
        request,
        "suggestions/one.html",
        status=status,
        one=one,
        kind=kind.title if kind else words(one.kind),
        project=names.get(one.project_id),
        text=await asyncio.to_thread(as_html, one.body, frozenset(hosts)),
        evidence=[
            {**item, "link": safe_address(item.get("url"), hosts)}
            for item in one.evidence
            if isinstance(item, dict)
        ],
        scores=scores_of(one),
        confidence=meter("confidence", one.confidence),
        will=what_publishing_does(one.action),
        published=safe_address(one.published_url, hosts),
        why_not=why_not_published(one),
        can_decide=one.status in OPEN and not one.in_flight,
        can_approve=one.status in {"pending", "publish_failed"},
        events=events[-MOST_EVENTS:],
        more_events=max(len(events) - MOST_EVENTS, 0),
        draft=draft,
        bounds=BOUNDS,
        most_reason=MAX_REASON,
    )


async def approve(request: web.Request, form: Form) -> web.StreamResponse:
    which = id_asked(request, "suggestion")
    body = as_body({"reason": form.text("reason"), "shownHash": form.text("shown")}, ApproveBody)
    return await _decided(
        request,
        which,
        decisions.approve(request, which, body),
        "Approved. It can be published now.",
    )


async def reject(request: web.Request, form: Form) -> web.StreamResponse:
    which = id_asked(request, "suggestion")
    body = as_body({"reason": form.text("reason")}, ReasonBody)
    return await _decided(
        request,
        which,
        decisions.reject(request, which, body.reason),
        "Rejected. It is not suggested again as long as its evidence is the same.",
    )


async def edit(request: web.Request, form: Form) -> web.StreamResponse:
    """What is not taken stands in the form again, as it was written."""
    which = id_asked(request, "suggestion")
    values = {"title": form.text("title") or "", "body": form.text("body") or ""}
    shown = form.text("shown") or ""
    try:
        body = as_body({**values, "shownHash": shown, "reason": form.text("reason")}, EditBody)
        await decisions.edit(request, which, body)
    except Refusal as refusal:
        if refusal.status not in {409, 422}:
            raise
        draft = Draft(**values, shown=shown, why=refusal.error, fields=refusal.fields or {})
        return await _shown(request, draft, refusal.status)
    return done(request, f"/suggestions/{which}", "Changed. An approval now is for these words.")


async def publish(request: web.Request, form: Form) -> web.StreamResponse:
    which = id_asked(request, "suggestion")
    back = f"/suggestions/{which}"
    reason = as_body({"reason": form.text("reason")}, ReasonBody).reason
    try:
        entry, asked = await decisions.publishing_of(request, which, reason)
        ended = await start_asked(request, entry, asked, WAIT, reason)
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return done(request, back, f"Not published: {refusal.error}.", good=False)
    if not ended.is_over:
        return done(request, back, "It is being published; look again in a moment.")
    said = "Published." if ended.good else ended.said
    return done(request, back, said, good=ended.good)


async def _decided(
    request: web.Request, which: UUID, decision: Awaitable[object], said: str
) -> web.StreamResponse:
    """Where somebody was faster, the page shows what they did."""
    back = f"/suggestions/{which}"
    try:
        await decision
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return done(request, back, f"Nothing was done: {refusal.error}.", good=False)
    return done(request, back, said)


def scores_of(one: Suggestion) -> list[Score]:
    """What the gate gave; each a number, or a number with the reason."""
    found = []
    for name in (*SCORES, *sorted(one.scores.keys() - {*SCORES})):
        given = one.scores.get(name)
        score = given.get("score") if isinstance(given, dict) else given
        why = given.get("evidence") if isinstance(given, dict) else None
        if isinstance(score, int | float):
            found.append(Score(words(name), score, meter(words(name), score), str(why or "")))
    return found


def why_not_published(one: Suggestion) -> str | None:
    """Why there is nothing to publish now; None where it can be."""
    if one.is_sample:
        return "A sample is never published: it is there to try the queue with."
    if one.in_flight:
        return "It is being published; look again in a moment."
    match one.status:
        case "approved":
            return None
        case "pending":
            return "Approve it first."
        case "publish_failed":
            return "Approve it again first; then it is tried once more."
        case "published":
            return "It is published."
        case status:
            return f"It is {words(status)}."


def what_publishing_does(action: Mapping[str, Any]) -> str:
    """In words, for whoever approves it."""
    where = str(action.get("repository") or "the project's repository")
    number, tag = action.get("number"), action.get("tag")
    match action.get("type"):
        case "review":
            return (
                f"Adds a review to pull request #{number} of {where} that only comments: it "
                "neither approves nor asks for changes."
            )
        case "comment":
            return f"Writes a comment under #{number} of {where}."
        case "issue":
            return f"Opens a new issue in {where}, with this title and text."
        case "draft_release":
            return (
                f"Makes a draft of a release for {tag} of {where}. Nobody sees it until somebody "
                "publishes it on GitHub."
            )
        case "todo":
            return "Adds a row to the project's todos in the product. Nothing goes to GitHub."
        case other:
            return f"Does {words(other)}, which this version does not know."


ROUTES = (
    *page("/suggestions/{id}", suggestion),
    # Where a form was not taken, whoever comes back sees what it was about.
    *page("/suggestions/{id}/edit", suggestion),
    change("/suggestions/{id}/approve", approve),
    change("/suggestions/{id}/reject", reject),
    change("/suggestions/{id}/edit", edit),
    change("/suggestions/{id}/publish", publish),
)
