"""The least of Mailchimp that a sync needs, in a process of its own: takes members, lists them.

Run as `mailchimp.py PORT`; says `ready`.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

AUDIENCE = "/3.0/lists/bench"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MEMBERS: web.AppKey[list[dict[str, Any]]] = web.AppKey("MEMBERS", list)
WRITES: web.AppKey[list[int]] = web.AppKey("WRITES", list)


async def add(request: web.Request) -> web.Response:
    members = request.app[MEMBERS]
    request.app[WRITES].append(len(members))
    at = (BEGIN + timedelta(seconds=len(request.app[WRITES]))).isoformat()
    made = [
        {
            "id": hashlib.md5(one["email_address"].encode(), usedforsecurity=False).hexdigest(),
            "email_address": one["email_address"],
            "status": one["status"],
            "last_changed": at,
        }
        for one in (await request.json())["members"]
    ]
    members += made
    return web.json_response({"new_members": made, "updated_members": [], "errors": []})


async def page(request: web.Request) -> web.Response:
    members, query = request.app[MEMBERS], request.query
    since, offset = query.get("since_last_changed", ""), int(query["offset"])
    start = bisect_right(members, since, key=lambda one: one["last_changed"]) + offset
    found = members[start : start + int(query["count"])]
    return web.json_response({"members": found, "total_items": len(members)})


async def calls(request: web.Request) -> web.Response:
    return web.json_response({"writes": len(request.app[WRITES])})


async def empty(request: web.Request) -> web.Response:
    request.app[MEMBERS].clear()
    request.app[WRITES].clear()
    return web.json_response({})


async def main(port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    app = web.Application(client_max_size=16 << 20)
    app[MEMBERS], app[WRITES] = [], []
    app.add_routes(
        [
            web.post(AUDIENCE, add),
            web.get(f"{AUDIENCE}/members", page),
            web.get("/calls", calls),
            web.delete("/calls", empty),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
