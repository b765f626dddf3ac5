"""Logging in with the operators' secret, and logging out."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from aiohttp import web

from scheduler.errors import DatabaseAwayError
from scheduler.settings import DEV_SECRET
from scheduler.web.answers import Elsewhere, Refusal
from scheduler.web.auth import GATE, Access
from scheduler.web.keys import DAEMON, PEERS
from scheduler.web.pages.door import own_path
from scheduler.web.pages.origin import check_origin, is_https
from scheduler.web.pages.page import Form, change, read_form
from scheduler.web.pages.rendering import render
from scheduler.web.route import Route
from scheduler.web.sessions import SESSION, SESSIONS, end_session, set_session

log = structlog.stdlib.get_logger("lamplighter.web")


async def login_form(request: web.Request) -> web.Response:
    return await _shown(request, request.query.get("next"))


async def log_in(request: web.Request) -> web.Response:
    check_origin(request)
    form = await read_form(request)
    following = own_path(form.text("next"))
    try:
        digest = request.app[GATE].log_in(form.text("secret") or "", request)
    except Refusal as refusal:
        return await _shown(request, following, refusal)
    response = Elsewhere(following).answer()
    session = await request.app[SESSIONS].begin(digest)
    set_session(response, session, secure=is_https(request))
    return response


async def log_out(request: web.Request, _form: Form) -> web.Response:
    """For good: who has a copy of the cookie is out too, in every daemon."""
    daemon, session = request.app[DAEMON], request[SESSION]
    until = datetime.fromtimestamp(session.expires, UTC)
    try:
        await daemon.sessions.end(session.id, until, daemon.now())
    except DatabaseAwayError:
        # This browser forgets its cookie all the same.
        log.warning("session_not_ended", address=request.app[PEERS].address(request))
    response = Elsewhere("/login").answer()
    end_session(response)
    return response


async def _shown(
    request: web.Request, following: str | None, refusal: Refusal | None = None
) -> web.Response:
    gate = request.app[GATE]
    response = await render(
        request,
        "login.html",
        status=refusal.status if refusal else 200,
        next=own_path(following),
        refusal=refusal,
        lost="lost" in request.query,
        published=DEV_SECRET if gate.is_local else None,
        is_shut=not gate.admin_digests,
    )
    if refusal and refusal.headers:
        response.headers.update(refusal.headers)
    return response


ROUTES = (
    Route("GET", "/login", Access.OPEN, login_form, "", {}),
    Route("HEAD", "/login", Access.OPEN, login_form, "", {}),
    Route("POST", "/login", Access.OPEN, log_in, "", {}),
    change("/logout", log_out),
)
