"""What Prometheus scrapes: for whoever has the admin secret, or for all with METRICS_PUBLIC."""

from __future__ import annotations

import asyncio
from itertools import chain

from aiohttp import web

from scheduler.settings import Settings
from scheduler.watching.metrics import Snapshot
from scheduler.web.answers import HEADERS
from scheduler.web.auth import Access
from scheduler.web.keys import DAEMON
from scheduler.web.route import Route

PATH = "/metrics"


async def metrics(request: web.Request) -> web.Response:
    """Written on a thread: with many jobs that takes longer than a fire may wait."""
    snapshot = await request.app[DAEMON].metrics.snapshot()
    accept = ",".join(request.headers.getall("Accept", ()))
    encodings = ",".join(request.headers.getall("Accept-Encoding", ()))
    content_type, body, headers = await asyncio.to_thread(_write, snapshot, accept, encodings)
    return web.Response(body=body, headers={**HEADERS, **headers, "Content-Type": content_type})


def _write(snapshot: Snapshot, accept: str, encodings: str) -> tuple[str, bytes, dict[str, str]]:
    from scheduler.watching.exposition import write
    from scheduler.watching.metrics_here import of_this_process
    from scheduler.watching.metrics_shared import of_the_database

    written = write(
        lambda: chain(of_this_process(snapshot), of_the_database(snapshot)),
        accept,
        encodings,
    )
    encoding = {"Content-Encoding": "gzip"} if written.is_gzip else {}
    return written.content_type, written.body, {**encoding, "Vary": "Accept, Accept-Encoding"}


def routes(settings: Settings) -> tuple[Route, Route]:
    """Who may scrape is a setting."""
    access = Access.OPEN if settings.metrics_public else Access.ADMIN

    def route(method: str) -> Route:
        answers = {200: "Metrics"}
        return Route(method, PATH, access, metrics, "For Prometheus", answers, text=True)

    return route("GET"), route("HEAD")
