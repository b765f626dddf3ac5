"""How long do seven segments take: built anew, and when one reader in a hundred changed?

Beside the best single statement for each segment in psql, and the second beside the first.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import asyncpg

from bench.bed import Bed
from bench.processes import environment, pg, run
from bench.report import Result
from scheduler.sql import load_sql

sql = load_sql(__file__)

SCHEDULE = "jobs:\n  update-segments:\n    cron: '0 3 * * *'\n    timeout: 4h\n"
MEMORY = "SET work_mem = '128MB';\n"


async def measure(bed: Bed) -> list[Result]:
    subscribers = 20_000 if bed.quick else 1_000_000
    template = await bed.fresh("segments")
    async with connected(template) as connection:
        await sql.people(connection)
        await sql.subscribers(connection, subscribers=subscribers, now=datetime.now(UTC))
    await pg("vacuumdb", "--quiet", "--analyze", f"--dbname={template}")
    took: dict[str, tuple[float, float]] = {}
    counts: dict[str, list[list[Any]]] = {}
    for name, way in (("psql", _psql), ("lamplighter", _lamplighter)):
        dsn = await bed.copy("segments", f"segments_{name}")
        full = await way(bed, dsn, "build")
        counts[name] = [await _counts(dsn)]
        async with connected(dsn) as connection:
            await sql.change(connection)
        took[name] = full, await way(bed, dsn, "change")
        counts[name].append(await _counts(dsn))
        await bed.drop(f"segments_{name}")
    await bed.drop("segments")
    if counts["psql"] != counts["lamplighter"]:
        raise RuntimeError(f"the members differ: {counts}")
    (full, changed), (full_floor, changed_floor) = took["lamplighter"], took["psql"]
    of = f"7 segments, {subscribers:,} subscribers"
    return [
        Result(f"{of}, full build, to psql", full, full_floor, "s"),
        Result(f"{of}, 1 % changed, to psql", changed, changed_floor, "s"),
        # How many times faster: the full build's speed is the floor.
        Result(
            f"{of}, 1 % changed, to the full build",
            subscribers / changed,
            subscribers / full,
            "/s",
            budget=None if bed.quick else 10,
            more_is_better=True,
        ),
    ]


async def _psql(bed: Bed, dsn: str, what: str) -> float:
    async with connected(dsn) as connection:
        rows = [row async for row in sql.statements(connection)]
        await sql.settle(connection)
    script = bed.home / "segments.psql"
    statements = [f"{row[what]}\n{row['count']}\n" for row in rows]
    script.write_text(MEMORY + "".join(statements), encoding="utf-8")
    begun = perf_counter()
    await pg("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", str(script))
    return perf_counter() - begun


async def _lamplighter(bed: Bed, dsn: str, _: str) -> float:
    """The run's own time, from its claim to its end."""
    async with connected(dsn) as connection:
        await sql.settle(connection)
    env = environment(bed.home, SCHEDULE, DATABASE_URL=dsn)
    await run(sys.executable, "-m", "scheduler", "run", "update-segments", env=env, cwd=bed.home)
    async with connected(dsn) as connection:
        seconds: float = await sql.seconds(connection)
    return seconds


async def _counts(dsn: str) -> list[Any]:
    async with connected(dsn) as connection:
        rows = [tuple(row.values()) async for row in sql.counts(connection)]
    if wrong := [row for row in rows if row[1] != row[2]]:
        raise RuntimeError(f"subscriber_count is not the number of members: {wrong}")
    return rows


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
