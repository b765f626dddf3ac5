"""The least a daemon of this kind is: five libraries, a pool, a server with one bare route.

Run as `floor.py DSN PORT`, in a process of its own; says `ready` and serves `/livez`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import apscheduler.schedulers.asyncio  # noqa: F401 - loading it is what is measured
import asyncpg
import pydantic_settings  # noqa: F401
import structlog  # noqa: F401
from aiohttp import web


async def livez(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def main(dsn: str, port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=5):
        app = web.Application()
        app.router.add_get("/livez", livez)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("ready", flush=True)
        await stopped.wait()
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
