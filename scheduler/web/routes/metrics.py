"""What Prometheus scrapes: for whoever has the admin secret, or for all with METRICS_PUBLIC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import TYPE_CHECKING

from aiohttp import web

from scheduler.settings import Settings
from scheduler.watching.metrics import Snapshot
from scheduler.web.answers import HEADERS
from scheduler.web.auth import Access
from scheduler.web.keys import DAEMON
from scheduler.web.route import Route

if TYPE_CHECKING:
    from scheduler.watching.exposition import Written

PATH = "/metrics"


async def metrics(request: web.Request) -> web.Response:
    snapshot = await request.app[DAEMON].metrics.snapshot()
    accept = ",".join(request.headers.getall("Accept", ()))
    encodings = ",".join(request.headers.getall("Accept-Encoding", ()))
    # On a thread: what is imported here is imported once.
    written = await (await asyncio.to_thread(_writing))(snapshot, accept, encodings)
    headers = {**HEADERS, "Content-Type": written.content_type, "Vary": "Accept, Accept-Encoding"}
    if written.is_gzip:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=written.body, headers=headers)


def _writing() -> Callable[[Snapshot, str, str], Awaitable[Written]]:
    from scheduler.watching.exposition import write
    from scheduler.watching.metrics_here import of_this_process
    from scheduler.watching.metrics_shared import of_the_database

    def written(snapshot: Snapshot, accept: str, encodings: str) -> Awaitable[Written]:
        families = chain(of_this_process(snapshot), of_the_database(snapshot))
        return write(families, accept, encodings)

    return written


def routes(settings: Settings) -> tuple[Route, Route]:
    """Who may scrape is a setting."""
    access = Access.OPEN if settings.metrics_public else Access.ADMIN

    def route(method: str) -> Route:
        answers = {200: "Metrics"}
        return Route(method, PATH, access, metrics, "For Prometheus", answers, text=True)

    return route("GET"), route("HEAD")
