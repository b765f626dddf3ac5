"""A service of dead man's switches on loopback, which keeps the rules of Healthchecks.

What it takes is in `pings`; a check is known from the start. Its status follows success and
failure; a start is over with the success of the same run, or any failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiohttp import web

MOST_BODY = 100_000


@dataclass(frozen=True, slots=True)
class Heard:
    check: str
    action: str
    rid: UUID | None
    body: str


@dataclass(slots=True)
class Check:
    status: str = "new"
    started: UUID | None = None


@dataclass(slots=True)
class Checks:
    port: int = 0
    known: set[str] = field(default_factory=lambda: {"one", "two", "daemon"})
    pings: list[Heard] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    """What it does with the next calls: a status, a text, `move`, `drop`, seconds to wait before it
    takes them; None to take them at once."""
    calls: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, check: str = "one") -> str:
        return f"http://localhost:{self.port}/ping/{check}"

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def actions(self, check: str = "one") -> list[str]:
        return [heard.action for heard in self.pings if heard.check == check]

    async def until(self, pings: int) -> None:
        async with asyncio.timeout(20):
            while len(self.pings) < pings:
                self.more.clear()
                await self.more.wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.more.set()
        odd = self.answers.pop(0) if self.answers else None
        match odd:
            case "move":
                raise web.HTTPFound(self.url("two"))
            case "drop":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case str():
                return web.Response(text=odd)
            case int():
                return web.Response(status=odd, text="secret of the service")
            case float():
                await asyncio.sleep(odd)
            case _:
                pass
        return await self._take(request)

    async def _take(self, request: web.Request) -> web.Response:
        check, action = request.match_info["check"], request.match_info.get("action", "success")
        if check not in self.known:
            return web.Response(status=404, text="not found")
        if action not in {"success", "start", "fail", "log"}:
            return web.Response(status=404, text="not found")
        rid = None
        if (given := request.query.get("rid")) is not None:
            try:
                rid = UUID(given)
            except ValueError:
                return web.Response(status=400, text="invalid uuid format")
        body = (await request.read())[:MOST_BODY].decode()
        self.pings.append(Heard(check, action, rid, body))
        self._turn(self.checks.setdefault(check, Check()), action, rid)
        self.more.set()
        return web.Response(text="OK")

    def _turn(self, check: Check, action: str, rid: UUID | None) -> None:
        match action:
            case "start":
                check.started = rid
            case "fail":
                check.started, check.status = None, "down"
            case "success":
                check.status = "up"
                if check.started == rid or rid is None:
                    check.started = None
            case _:
                pass


@asynccontextmanager
async def checks_service() -> AsyncIterator[Checks]:
    checks = Checks()
    app = web.Application(client_max_size=10 * MOST_BODY)
    for path in ("/ping/{check}", "/ping/{check}/{action}"):
        app.router.add_route("*", path, checks.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    checks.port = runner.addresses[0][1]
    try:
        yield checks
    finally:
        await runner.cleanup()
