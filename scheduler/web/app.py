"""The web application of a daemon: its routes, and the front that every request passes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from aiohttp import web

from scheduler.web.answers import answer
from scheduler.web.auth import GATE, Access, Gate, Opening
from scheduler.web.front import MAX_BODY, Front
from scheduler.web.guesses import Guesses
from scheduler.web.keys import DAEMON, PEERS, Daemon
from scheduler.web.openapi import openapi
from scheduler.web.pages import HEADS, assets
from scheduler.web.pages.door import Door
from scheduler.web.pages.lazily import LazyPages
from scheduler.web.pages.rendering import TEMPLATES, Templates
from scheduler.web.pages.upcoming import ALMANAC, Almanac
from scheduler.web.peers import Peers
from scheduler.web.route import Route
from scheduler.web.routes import (
    activity,
    agents,
    health,
    jobs,
    log_level,
    metrics,
    projects,
    runs,
    schedule,
    suggestions,
    workers,
)
from scheduler.web.routes.public import routes_of
from scheduler.web.server import FRONT
from scheduler.web.sessions import SESSIONS, Sessions


async def document(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    return answer(openapi((*ROUTES, *metrics.routes(daemon.settings)), daemon))


ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *workers.ROUTES,
    *jobs.ROUTES,
    *runs.ROUTES,
    *suggestions.ROUTES,
    *agents.ROUTES,
    *projects.ROUTES,
    *activity.ROUTES,
    *schedule.ROUTES,
    *log_level.ROUTES,
    Route("GET", "/openapi.json", Access.OPEN, document, "This document", {200: "OpenApi"}),
)


def make_app(daemon: Daemon, *, steady: Callable[[], float] = monotonic) -> web.Application:
    """The application, for `serving`. `steady` counts the seconds between wrong secrets."""
    app = web.Application(client_max_size=MAX_BODY)
    peers = Peers(daemon.settings.trusted_proxies)
    gate = Gate(daemon.settings, peers, Guesses(steady))
    sessions = Sessions(gate.admin_digests, daemon.now)
    templates = Templates(daemon.now)
    app[DAEMON] = daemon
    app[PEERS] = peers
    app[GATE] = gate
    app[SESSIONS] = sessions
    app[TEMPLATES] = templates
    app[ALMANAC] = Almanac()
    public = [route for each in daemon.endpoints for route in routes_of(each)]
    routes = [*ROUTES, *metrics.routes(daemon.settings), *assets.ROUTES, *public]
    open_paths = (route.documented_path for route in routes if route.access is Access.OPEN)
    opening = Opening(frozenset(open_paths), HEADS, frozenset({metrics.PATH}))
    app[FRONT] = Front(gate, opening, Door(sessions, templates, daemon))
    for route in routes:
        if (access := opening.access(route.documented_path)) is not route.access:
            raise ValueError(f"{route.path} would be {access}")
        app.router.add_route(route.method, route.path, route.handler)
    app.router.register_resource(LazyPages(opening))
    return app
