"""How long do the rollups of events take, beside psql, and how does that grow with the events?"""

from __future__ import annotations

import math
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from bench.bed import Bed
from bench.events import fill_events
from bench.processes import environment, pg, run
from bench.report import Result
from scheduler.sql import Query, load_sql

sql = load_sql(__file__)

SCHEDULE = """\
jobs:
  aggregate-analytics:
    cron: '0 0 * * *'
    timeout: 4h
  aggregate-hourly:
    cron: '0 * * * *'
    params: {late_hours: 0}
"""
DAYS = 90
TIMES = 3
"""Each is taken so often, in turns; the best one counts, for what disturbs only ever adds."""
PRELUDE = "SET work_mem = '64MB'; SET jit = off; SET timezone = 'UTC';\n\\timing on\n"


async def measure(bed: Bed) -> list[Result]:
    sizes = (
        (10_000, 20_000, 40_000, 50_000) if bed.quick else (10**6, 2 * 10**6, 4 * 10**6, 5 * 10**6)
    )
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    results: list[Result] = []
    grown: dict[int, float] = {}
    for events in sizes:
        name = f"events{events}"
        dsn = await bed.fresh(name)
        await fill_events(dsn, users=events // 25, events=events, until=until, days=DAYS)
        await _lamplighter(bed, dsn, until, "aggregate-analytics")  # lays our schema
        if events == sizes[-1]:
            results += [
                await _beside_psql(bed, dsn, until, "aggregate-analytics", "daily", events),
                await _beside_psql(bed, dsn, until, "aggregate-hourly", "hourly", events),
            ]
        else:
            took: list[float] = []
            for _ in range(TIMES):
                await _forget(dsn, until)
                took.append(await _lamplighter(bed, dsn, until, "aggregate-analytics"))
            grown[events] = min(took)
        await bed.drop(name)
    each = ", ".join(f"{events:,} events {took:.2f} s" for events, took in grown.items())
    exponent = _slope(grown)
    results.append(
        Result(
            "growth of the daily rollup, exponent",
            exponent,
            1.0,
            "",
            limit=1.2,
            note=f"{each}: time grows with the number of events to the power {exponent:.2f}",
        )
    )
    return results


async def _beside_psql(
    bed: Bed, dsn: str, until: datetime, job: str, query: str, events: int
) -> Result:
    """The job and psql in turns, each from nothing; both must have written the same rows."""
    ours: list[float] = []
    floors: list[float] = []
    sums: list[tuple[int, str]] = []
    for _ in range(TIMES):
        for way, took in ((_psql, floors), (_lamplighter, ours)):
            await _forget(dsn, until)
            took.append(await way(bed, dsn, until, query if way is _psql else job))
            sums.append(await _sum(dsn, query))
    if len(set(sums)) != 1 or sums[0][0] != (DAYS if query == "daily" else 1):
        raise RuntimeError(f"{job} and psql do not agree: {sums}")
    what = (
        f"{events:,} events to {DAYS} days"
        if query == "daily"
        else f"one hour of {events:,} events"
    )
    note = f"best of {TIMES}: ours {_listed(ours)} s, psql {_listed(floors)} s"
    if query == "hourly":
        note += (
            "; ours in a process that has just begun, with its bookkeeping, so there is no budget"
        )
    return Result(
        what, min(ours), min(floors), "s", budget=1.15 if query == "daily" else None, note=note
    )


async def _lamplighter(bed: Bed, dsn: str, until: datetime, job: str) -> float:
    """The run's own time, from its claim to its end, a minute after `until`."""
    offset = (until - datetime.now(UTC)).total_seconds() + 60
    values = {"DATABASE_URL": dsn, "LAMPLIGHTER_NOW_OFFSET": f"{offset:.0f}"}
    env = environment(bed.home, SCHEDULE, **values)
    await run(sys.executable, "-m", "scheduler", "run", job, env=env, cwd=bed.home)
    return float(await _ask(dsn, sql.seconds))


async def _psql(bed: Bed, dsn: str, until: datetime, query: str) -> float:
    """What psql says that the statement took."""
    script = bed.home / "rollups.psql"
    text: str = getattr(sql, query).sql
    for number, literal in enumerate((f"timestamptz '{until.isoformat()}'", str(DAYS)), 1):
        text = text.replace(f"${number}", literal)
    script.write_text(PRELUDE + text, encoding="utf-8")
    said = await pg("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", str(script))
    found = re.findall(r"^Time: ([0-9.]+) ms", said, re.MULTILINE)
    return float(found[-1]) / 1000


async def _forget(dsn: str, until: datetime) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await sql.forget(connection)
        await sql.only_one_hour_left(connection, until=until)
    finally:
        await connection.close()


async def _sum(dsn: str, query: str) -> tuple[int, str]:
    row = await _ask(dsn, getattr(sql, f"{query}_sum"))
    return row["rows"], row["sum"]


async def _ask(dsn: str, query: Query) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await query(connection)
    finally:
        await connection.close()


def _listed(seconds: list[float]) -> str:
    return ", ".join(f"{second:.3g}" for second in seconds)


def _slope(took: dict[int, float]) -> float:
    """Of the line through the logarithms: 1 where twice the events take twice the time."""
    points = [(math.log(events), math.log(seconds)) for events, seconds in took.items()]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)
