"""A channel of alerts on loopback: takes messages, refuses them, or keeps the caller waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Hook:
    port: int = 0
    status: int = 200
    hangs: bool = False
    taken: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """As Apprise has it; its path is a secret."""
        return f"json://localhost:{self.port}/very-secret-path"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.taken]

    async def until(self, *, taken: int = 0, calls: int = 0) -> None:
        async with asyncio.timeout(30):
            while len(self.taken) < taken or self.calls < calls:
                self.more.clear()
                await self.more.wait()

    async def answer(self, request: web.Request) -> web.Response:
        self.calls += 1
        self.more.set()
        if self.hangs:
            await asyncio.sleep(60)
        if self.status == 200:
            self.taken.append(await request.json())
            self.more.set()
        return web.Response(status=self.status, text="very-secret-answer")


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
