"""How much this process logs: changed for a while, without a restart."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from scheduler.web.answers import answer
from scheduler.web.auth import Access
from scheduler.web.bodies import LogLevelBody, body_asked
from scheduler.web.deeds import set_log_level
from scheduler.web.keys import DAEMON
from scheduler.web.route import Route

PATH = "/api/v1/log-level"


async def shown(request: web.Request) -> web.Response:
    return answer(_view(request))


async def change(request: web.Request) -> web.Response:
    """It goes back by itself, so that nobody forgets it."""
    await set_log_level(request, await body_asked(request, LogLevelBody))
    return answer(_view(request))


def _view(request: web.Request) -> dict[str, Any]:
    logs = request.app[DAEMON].logs
    return {
        "level": logs.level,
        "configured": logs.configured,
        "until": logs.until.isoformat() if logs.until else None,
        "replica": logs.replica,
    }


ROUTES = (
    Route("GET", PATH, Access.ADMIN, shown, "How much this process logs", {200: "LogLevel"}),
    Route(
        "PUT",
        PATH,
        Access.ADMIN,
        change,
        "Log more, or less, in this process for a while",
        {200: "LogLevel"},
        body=LogLevelBody,
    ),
)
