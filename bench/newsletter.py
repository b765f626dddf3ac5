"""How long does a sync take: the first, of everybody, and the second, with nothing to do?

Beside the bare HTTP calls of the first, and the bare SQL that finds nothing for the second. The
provider is on loopback and answers at once; a real one takes longer than all of this.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from bench.bed import Bed
from bench.mailchimp import AUDIENCE
from bench.processes import PATIENCE, environment, free_port, pg, run
from bench.report import Result
from jobs.newsletter.contacts import FIRST
from jobs.newsletter.contacts import sql as contacts
from jobs.newsletter.mailchimp import AT_ONCE, CALL, FIELDS, PAGE
from scheduler.sql import load_sql

sql = load_sql(__file__)

READERS = 100_000
SERVER = Path(__file__).with_name("mailchimp.py")
LAST = UUID(int=2**128 - 1)
SCHEDULE = "jobs:\n  sync-newsletter:\n    cron: '0 3 * * *'\n    timeout: 1h\n"


async def measure(bed: Bed) -> list[Result]:
    readers = 5_000 if bed.quick else READERS
    dsn = await bed.fresh("newsletter", wild=True)
    await _execute(dsn, sql.subscribers, readers=readers)
    await pg("vacuumdb", "--quiet", "--analyze", f"--dbname={dsn}")
    async with _provider(bed.home) as url:
        bare = await _bare_calls(dsn, url)
        first = await _sync(bed, dsn, url)
        synced = await _execute(dsn, sql.synced)
        if synced != readers:
            raise RuntimeError(f"{readers} readers were to be synced, but {synced} were")
        await pg("vacuumdb", "--quiet", "--analyze", f"--dbname={dsn}")
        writes = (await _ask(url, "GET", "/calls"))["writes"]
        second = await _sync(bed, dsn, url)
        if (await _ask(url, "GET", "/calls"))["writes"] != writes:
            raise RuntimeError("the second sync sent something")
    nothing = await _find_nothing(dsn)
    await bed.drop("newsletter")
    what = f"sync of {readers:,} subscribers"
    return [
        Result(f"{what}, first, to bare calls", first, bare, "s"),
        Result(f"{what}, second, to bare SQL", second, nothing, "s"),
    ]


async def _sync(bed: Bed, dsn: str, url: str) -> float:
    """The run's own time, from its claim to its end."""
    env = environment(
        bed.home,
        SCHEDULE,
        DATABASE_URL=dsn,
        MAILCHIMP_API_KEY="bench-us1",
        MAILCHIMP_API_URL=url,
        MAILCHIMP_LIST_ID="bench",
        NEWSLETTER_PROVIDER="mailchimp",
    )
    await run(sys.executable, "-m", "scheduler", "run", "sync-newsletter", env=env, cwd=bed.home)
    seconds: float = await _execute(dsn, sql.seconds)
    return seconds


async def _bare_calls(dsn: str, url: str) -> float:
    """The same calls, as many at once, without a database."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = [row async for row in sql.readers(connection)]
    finally:
        await connection.close()
    begun = perf_counter()
    places = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(url) as session:

        async def add(part: list[Any]) -> None:
            members = [
                {
                    "email_address": row["email"],
                    "status": "subscribed",
                    "merge_fields": {
                        "FNAME": row["first_name"],
                        "LNAME": row["last_name"],
                        "TIER": row["subscription_tier"],
                    },
                }
                for row in part
            ]
            body = json.dumps({"members": members, "update_existing": False})
            async with places, session.post(AUDIENCE, data=body) as response:
                json.loads(await response.read())

        left = iter(rows)
        await asyncio.gather(*(add(part) for part in iter(lambda: list(islice(left, CALL)), [])))
        for offset in range(0, len(rows), PAGE):
            params = {"offset": str(offset), "count": str(PAGE), "fields": FIELDS}
            async with session.get(f"{AUDIENCE}/members", params=params) as response:
                json.loads(await response.read())
    took = perf_counter() - begun
    await _ask(url, "DELETE", "/calls")
    return took


async def _find_nothing(dsn: str) -> float:
    """The statements that look for who is to be sent, and find nobody."""
    connection = await asyncpg.connect(dsn)
    try:
        begun = perf_counter()
        asked = {"provider": "mailchimp", "grouped": False, "full": False}
        everybody = {"after": FIRST, "through": LAST}
        due = [row async for row in contacts.due(connection, **asked, **everybody)]
        found = contacts.leaving(connection, provider="mailchimp", after="", size=4000)
        leaving = [row async for row in found]
        took = perf_counter() - begun
    finally:
        await connection.close()
    if due or leaving:
        raise RuntimeError(f"{len(due) + len(leaving)} contacts are still to be sent")
    return took


async def _execute(dsn: str, query: Any, **parameters: object) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await query(connection, **parameters)
    finally:
        await connection.close()


async def _ask(url: str, method: str, path: str) -> Any:
    async with aiohttp.ClientSession(url) as session, session.request(method, path) as response:
        return await response.json()


@asynccontextmanager
async def _provider(home: Path) -> AsyncIterator[str]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVER), str(port)), cwd=home, stdin=DEVNULL, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        if said != b"ready\n":
            raise RuntimeError(f"the provider's process said {said!r} instead of ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
