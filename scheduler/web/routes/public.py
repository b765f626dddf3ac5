"""The addresses that modules under `jobs/` declare, as routes: open to all, each call bounded."""

from __future__ import annotations

from aiohttp import web
from asyncpg import QueryCanceledError

from scheduler.endpoint import Call, Endpoint
from scheduler.web.answers import Refusal
from scheduler.web.auth import Access
from scheduler.web.body import read_body, read_query
from scheduler.web.keys import DAEMON
from scheduler.web.route import Route

TOO_SLOW = "the database did not answer in time; try again in a moment"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A page may send its own form, and nothing else.
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def routes_of(endpoint: Endpoint) -> list[Route]:
    async def handle(request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            headers.setdefault(name.lower(), value)
        call = Call(
            method=request.method,
            values=dict(request.match_info),
            query=read_query(request),
            headers=headers,
            body=await read_body(request),
        )
        try:
            reply = await endpoint.handle(await request.app[DAEMON].desk(), call)
        except (TimeoutError, QueryCanceledError) as error:
            raise Refusal(503, TOO_SLOW, headers={"Retry-After": "5"}) from error
        return web.Response(
            status=reply.status,
            text=reply.body,
            content_type=reply.content_type,
            charset="utf-8",
            headers={**HEADERS, **reply.headers},
        )

    return [
        Route(method, endpoint.path, Access.OPEN, handle, "A public address", {})
        for method in endpoint.methods
    ]
