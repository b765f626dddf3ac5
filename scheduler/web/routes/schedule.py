"""Putting the schedule file in force without a restart."""

from __future__ import annotations

from aiohttp import web

from scheduler.web.answers import answer, error_body
from scheduler.web.auth import Access
from scheduler.web.bodies import ReasonBody, body_asked
from scheduler.web.deeds import reload_schedule
from scheduler.web.route import Route


async def reload(request: web.Request) -> web.Response:
    """422 with every error where the file is rejected; the schedule in force stays."""
    body = await body_asked(request, ReasonBody)
    result = await reload_schedule(request, body.reason)
    changes = {
        "changed": list(result.changed),
        "added": list(result.added),
        "removed": list(result.removed),
    }
    errors = [
        {"line": problem.line, "key": problem.key, "message": problem.message}
        for problem in result.errors
    ]
    if errors:
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        error = f"the schedule file has {count}; the schedule in force stays as it is"
        return answer({**error_body(error), **changes, "errors": errors}, status=422)
    return answer({**changes, "errors": []})


ROUTES = (
    Route(
        "POST",
        "/api/v1/schedule/reload",
        Access.ADMIN,
        reload,
        "Read the schedule file anew",
        {200: "Reload", 422: "RejectedReload"},
        body=ReasonBody,
    ),
)
