"""How many messages a second leave through a mail server, beside a bare loop of aiosmtplib?

The loop sends messages that are made already, over as many connections, and keeps no record.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import aiosmtplib
import asyncpg

from bench.bed import Bed
from bench.postfix import is_usable, postfix
from bench.processes import PATIENCE, environment, run
from bench.report import Result
from scheduler.sql import load_sql

sql = load_sql(__file__)

Server: TypeAlias = Callable[[], AbstractAsyncContextManager[int]]
NUMBERS = itertools.count(1)

SINK = Path(__file__).with_name("sink.py")
SCHEDULE = "jobs:\n  process-email-queue:\n    cron: '* * * * *'\n    timeout: 1h\n"
A_RUN = 1_000
HTML = (
    "<html><body><h1>Hello {{ first_name }}</h1>"
    + "<p>This is a line of a newsletter, with <a href='https://example.com/'>a link</a>.</p>\n"
    * 40
    + "</body></html>"
)


async def measure(bed: Bed) -> list[Result]:
    messages = A_RUN if bed.quick else 5 * A_RUN
    results = [
        await _measure(bed, messages, "our tables", sink, "a server that keeps nothing"),
        await _measure(bed, messages, "the product's tables", sink, "a server that keeps nothing"),
    ]
    if is_usable():
        results.append(await _measure(bed, messages, "our tables", postfix, "Postfix"))
    return results


async def _measure(bed: Bed, messages: int, tables: str, server: Server, named: str) -> Result:
    dsn = await bed.fresh(f"mail{next(NUMBERS)}", wild=tables != "our tables")
    connection = await asyncpg.connect(dsn)
    try:
        await sql.lay(connection, readers=messages + 1, html=HTML, now=datetime.now(UTC))
        async with server() as port:
            await _run(bed, dsn, port, 1)
            bare = await _bare(port, messages, connections=4)
            for _ in range(messages // A_RUN):
                await _run(bed, dsn, port, A_RUN)
        rows = [row async for row in sql.runs(connection)][1:]
    finally:
        await connection.close()
    sent = sum(row["sent"] for row in rows)
    if sent != messages:
        raise RuntimeError(f"{messages} messages were to be sent, and {sent} were")
    middle = sorted(row["p50"] for row in rows)[len(rows) // 2]
    note = (
        f"from the server's answer to the commit p50 {middle:.1f} ms, at most"
        f" {max(row['max'] for row in rows):.1f} ms: the only moments in which a crash makes"
        " a message come twice"
    )
    return Result(
        f"messages sent to {named}, {tables}",
        sent / sum(row["seconds"] for row in rows),
        bare,
        "/s",
        more_is_better=True,
        note=note,
    )


async def _run(bed: Bed, dsn: str, port: int, limit: int) -> None:
    env = environment(
        bed.home,
        SCHEDULE,
        DATABASE_URL=dsn,
        SMTP_URL=f"smtp://127.0.0.1:{port}",
        MAIL_FROM="news@example.com",
        PUBLIC_URL="https://app.example.com",
    )
    limits = (f"limit={limit}", "per_second=10000", "per_domain=10000")
    given = [part for value in limits for part in ("--param", value)]
    command = (sys.executable, "-m", "scheduler", "run", "process-email-queue", *given)
    await run(*command, env=env, cwd=bed.home)


async def _bare(port: int, messages: int, *, connections: int) -> float:
    """Messages a second."""
    raw = f"Subject: Hello\r\nMIME-Version: 1.0\r\n\r\n{HTML}\r\n".encode()

    async def send(count: int) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as client:
            for n in range(count):
                await client.sendmail("news@example.com", [f"reader-{n}@example.com"], raw)

    begun = perf_counter()
    await asyncio.gather(*(send(messages // connections) for _ in range(connections)))
    return messages / (perf_counter() - begun)


@asynccontextmanager
async def sink() -> AsyncIterator[int]:
    """The mail server's port, as long as it is wanted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", str(SINK)), stdin=DEVNULL, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        yield int(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
    finally:
        process.kill()
        await process.wait()
