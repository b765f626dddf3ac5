"""What every request passes: the gate before it, and one form for whatever goes wrong after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from aiohttp import web

from scheduler.errors import DatabaseAwayError
from scheduler.web.answers import Elsewhere, Refusal, short
from scheduler.web.auth import API, Access, Gate, Opening

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Doorkeeper(Protocol):
    """What the pages do before and after a request."""

    async def let_in(self, request: web.BaseRequest) -> None:
        """Know the session of a request for a page. Raises `Refusal`, or sends to the login."""
        ...

    async def say(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        """The refusal as a page."""
        ...


MAX_BODY = 64 * 1024

log = structlog.stdlib.get_logger("lamplighter.web")

DATABASE_AWAY = "the database is away; try again in a moment"
INTERNAL = "the daemon failed to answer this; its log says why"


class Front:
    """Stands before the router, not in it: wrong paths and methods are answered here as well."""

    def __init__(self, gate: Gate, opening: Opening, pages: Doorkeeper) -> None:
        self._gate = gate
        self._opening = opening
        self._pages = pages

    async def answer(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
        # The path as the router will read it: `%77orkers` is `workers` to both.
        path = request.rel_url.path_safe
        access = self._opening.access(path)
        try:
            if self._gate.is_local:
                self._gate.check_local(request.headers)
            self._gate.check(access, request)
            if access is Access.PAGE:
                await self._pages.let_in(request)
            return await handler(request)
        except Refusal as error:
            refusal = error
        except Elsewhere as elsewhere:
            return elsewhere.answer()
        except web.HTTPException as error:
            refusal = _of_http(error, request)
        except DatabaseAwayError:
            refusal = Refusal(503, DATABASE_AWAY, headers={"Retry-After": "5"})
        except ConnectionError:
            # The caller is gone; aiohttp knows what to do.
            raise
        except Exception:
            log.exception("request_failed", method=request.method, path=short(request.path))
            refusal = Refusal(500, INTERNAL)
        if access is Access.PAGE or (not path.startswith(API) and _wants_page(request)):
            return await self._pages.say(request, refusal)
        return refusal.answer()


def _wants_page(request: web.BaseRequest) -> bool:
    return request.method in {"GET", "POST"} and "text/html" in request.headers.get("Accept", "")


def _of_http(error: web.HTTPException, request: web.BaseRequest) -> Refusal:
    """What aiohttp refuses, in our words."""
    path = short(request.path)
    match error:
        case web.HTTPNotFound():
            return Refusal(404, f"there is nothing at {path}")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Refusal(
                405,
                f"{short(request.method)} is not possible at {path}; possible: {allowed}",
                headers={"Allow": allowed},
            )
        case web.HTTPRequestEntityTooLarge():
            return too_large()
        case _:
            return Refusal(error.status, error.reason)


def too_large(most: int = MAX_BODY) -> Refusal:
    return Refusal(413, f"the body may have {most // 1024} KiB", close=True)
