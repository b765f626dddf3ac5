"""What every request passes: the gate before it, and one form for whatever goes wrong after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from scheduler.errors import DatabaseAwayError
from scheduler.web.answers import Refusal, short
from scheduler.web.auth import Gate, access_of

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_BODY = 64 * 1024

log = structlog.stdlib.get_logger("lamplighter.web")

DATABASE_AWAY = "the database is away; try again in a moment"
INTERNAL = "the daemon failed to answer this; its log says why"


class Front:
    """Stands before the router, not in it: wrong paths and methods are answered here as well."""

    def __init__(self, gate: Gate, open_paths: frozenset[str]) -> None:
        self._gate = gate
        self._open_paths = open_paths

    async def answer(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
        try:
            if self._gate.is_local:
                self._gate.check_local(request.headers)
            # The path as the router will read it: `%77orkers` is `workers` to both.
            access = access_of(request.rel_url.path_safe, self._open_paths)
            self._gate.check(access, request)
            return await handler(request)
        except Refusal as refusal:
            return refusal.answer()
        except web.HTTPException as error:
            return _of_http(error, request).answer()
        except DatabaseAwayError:
            return Refusal(503, DATABASE_AWAY, headers={"Retry-After": "5"}).answer()
        except ConnectionError:
            # The caller is gone; aiohttp knows what to do.
            raise
        except Exception:
            log.exception("request_failed", method=request.method, path=short(request.path))
            return Refusal(500, INTERNAL).answer()


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


def too_large() -> Refusal:
    return Refusal(413, f"the body may have {MAX_BODY // 1024} KiB", close=True)
