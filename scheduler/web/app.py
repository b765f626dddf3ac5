"""The web application of a daemon: its routes, and the front that every request passes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from aiohttp import web

from scheduler.web.answers import answer
from scheduler.web.auth import Access, Gate, access_of
from scheduler.web.front import MAX_BODY, Front
from scheduler.web.guesses import Guesses
from scheduler.web.keys import DAEMON, PEERS, Daemon
from scheduler.web.openapi import openapi
from scheduler.web.peers import Peers
from scheduler.web.route import Route
from scheduler.web.routes import (
    activity,
    agents,
    health,
    jobs,
    runs,
    schedule,
    suggestions,
    workers,
)
from scheduler.web.routes.public import routes_of
from scheduler.web.server import FRONT


async def document(request: web.Request) -> web.Response:
    return answer(openapi(ROUTES, request.app[DAEMON]))


ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *workers.ROUTES,
    *jobs.ROUTES,
    *runs.ROUTES,
    *suggestions.ROUTES,
    *agents.ROUTES,
    *activity.ROUTES,
    *schedule.ROUTES,
    Route("GET", "/openapi.json", Access.OPEN, document, "This document", {200: "OpenApi"}),
)


def make_app(daemon: Daemon, *, steady: Callable[[], float] = monotonic) -> web.Application:
    """The application, for `serving`. `steady` counts the seconds between wrong secrets."""
    app = web.Application(client_max_size=MAX_BODY)
    peers = Peers(daemon.settings.trusted_proxies)
    app[DAEMON] = daemon
    app[PEERS] = peers
    routes = [*ROUTES, *(route for each in daemon.endpoints for route in routes_of(each))]
    open_paths = frozenset(route.path for route in routes if route.access is Access.OPEN)
    app[FRONT] = Front(Gate(daemon.settings, peers, Guesses(steady)), open_paths)
    for route in routes:
        if access_of(route.documented_path, open_paths) is not route.access:
            raise ValueError(f"{route.path} would be {access_of(route.path, open_paths)}")
        app.router.add_route(route.method, route.path, route.handler)
    return app
