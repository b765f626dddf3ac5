"""Whom nobody writes to any more, and how a person lifts that."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from aiohttp import web

from jobs.email.suppression import lift
from scheduler.db.product_pages import suppressions as store
from scheduler.db.product_pages.suppressions import Suppressed
from scheduler.web.answers import Refusal
from scheduler.web.arguments import MAX_REASON
from scheduler.web.body import read_query, refuse_unknown
from scheduler.web.desk import at_desk
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.parts import Reader
from scheduler.web.pages.rendering import render
from scheduler.web.record import Caller

PATH = "/newsletter/suppressions"
SHOWN = 50
MOST_EMAIL = 320


async def listed(request: web.Request) -> web.StreamResponse:
    query = read_query(request)
    begin = query.pop("q", "").strip()[:MOST_EMAIL]
    before = _before(query.pop("before", None), query.pop("email", None))
    if query:
        refuse_unknown(query, "q, before, email")
    reader = await Reader.of(request)
    if begin:
        part = await reader.part({}, lambda c: store.beginning(c, begin, SHOWN + 1))
    else:
        part = await reader.part({}, lambda c: store.latest(c, before, SHOWN + 1))
    total = await reader.part({}, store.in_force)
    found = part.value or []
    return await render(
        request,
        "newsletter/suppressions.html",
        suppressions=part,
        shown=found[:SHOWN],
        is_more=len(found) > SHOWN,
        total=total.value,
        counted=store.COUNTED,
        q=begin,
        older=_older(found[SHOWN - 1]) if len(found) > SHOWN and not begin else None,
        newest=PATH if before or begin else None,
        max_reason=MAX_REASON,
    )


async def single(request: web.Request) -> web.StreamResponse:
    """The form that lifts one."""
    query = read_query(request)
    email = query.pop("email", "").strip().lower()
    if query:
        refuse_unknown(query, "email")
    one = await _found(request, email)
    return await render(
        request,
        "newsletter/lift.html",
        part="newsletter/lift_form.html",
        one=one,
        max_reason=MAX_REASON,
    )


async def lifted(request: web.Request, form: Form) -> web.StreamResponse:
    """As `lamplighter suppression lift` does, with whom and why in the activity."""
    email, reason = form.text("email"), form.text("reason")
    if email is None or len(email) > MOST_EMAIL:
        raise Refusal(422, "email must be the address that is suppressed")
    if reason is None or len(reason) > MAX_REASON:
        allowed = f"1 to {MAX_REASON} characters"
        raise Refusal(422, f"reason must be {allowed}", fields={"reason": allowed})
    caller = Caller.of(request)
    async with at_desk(request) as (desk, connection):
        held = await lift(connection, email, by=caller.who, now=desk.now())
    if held is None:
        return done(request, PATH, f"{email} is not suppressed.", good=False)
    await caller.record("lift_suppression", email.lower(), reason=reason, detail={"was": held})
    return done(request, PATH, f"{email} may be written to again; it was {held}.")


async def _found(request: web.Request, email: str) -> Suppressed:
    reader = await Reader.of(request)
    part = await reader.part({}, lambda c: store.beginning(c, email, 1))
    if part.trouble:
        raise Refusal(503, part.trouble)
    one = part.value[0] if part.value else None
    if one is None or one.email != email or one.lifted_at is not None:
        raise Refusal(404, "this address is not suppressed")
    return one


def _before(text: str | None, email: str | None) -> tuple[datetime, str] | None:
    """After whom the list goes on."""
    if text is None and email is None:
        return None
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or email is None or len(email) > MOST_EMAIL:
        raise Refusal(422, "before and email must be those of the page before")
    return at, email


def _older(last: Suppressed) -> str:
    query = {"before": last.created_at.isoformat(), "email": last.email}
    return f"{PATH}?{urlencode(query)}"


ROUTES = (
    *page(PATH, listed),
    *page(PATH + "/lift", single),
    change(PATH + "/lift", lifted),
)
