"""How late does a job begin when thirteen are due in one second?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import asyncpg

from bench.bed import Bed
from bench.processes import Running, daemon
from bench.report import Result
from scheduler.sql import load_sql

sql = load_sql(__file__)

JOBS = 13
AHEAD = 6.0
"""Seconds from a daemon's start to the minute in which everything is due."""
SCHEDULE = f"max_concurrent_runs: {JOBS}\njobs:\n" + "".join(
    f"  cleanup-{n}:\n    job: cleanup\n    cron: '* * * * *'\n" for n in range(JOBS)
)


async def measure(bed: Bed) -> list[Result]:
    begun: list[float] = []
    ended: list[float] = []
    timers: list[float] = []
    for n in range(1 if bed.quick else 3):
        dsn = await bed.fresh(f"fires{n}")
        timers += await _timers(dsn)
        now = datetime.now(UTC)
        offset = 60 - now.second - now.microsecond / 1e6 - AHEAD
        values = {"DATABASE_URL": dsn, "LAMPLIGHTER_NOW_OFFSET": str(offset)}
        async with daemon(bed.home, SCHEDULE, **values) as running:
            for run in await _runs(running):
                begun.append(_late(run, "startedAt"))
                ended.append(_late(run, "finishedAt"))
    note = (
        f"{len(begun)} fires, so p99 is the latest; startedAt is the daemon's clock as it claims;"
        f" until the job had ended: p50 {_rank(ended, 0.5):.1f}, p99 {_rank(ended, 0.99):.1f} ms;"
        " the floor is a bare timer until its commit"
    )
    return [
        Result(f"fire to start, {JOBS} at once, {name}", ours, bare, "ms", limit=limit, note=said)
        for name, ours, bare, limit, said in (
            ("p50", _rank(begun, 0.5), _rank(timers, 0.5), 5, note),
            ("p99", _rank(begun, 0.99), _rank(timers, 0.99), 25, ""),
        )
    ]


async def _runs(running: Running) -> list[dict[str, Any]]:
    deadline = perf_counter() + AHEAD + 30
    while perf_counter() < deadline:
        items: list[dict[str, Any]] = (await running.get("/api/v1/runs?limit=200"))["items"]
        done = [item for item in items if item["status"] == "succeeded"]
        if len(done) >= JOBS:
            return done[:JOBS]
        await asyncio.sleep(1)
    raise RuntimeError(f"{JOBS} runs were expected, these are there: {items}")


async def _timers(dsn: str) -> list[float]:
    """Milliseconds from the due time to the end of each commit."""
    async with asyncpg.create_pool(dsn, min_size=JOBS, max_size=JOBS) as pool:
        await sql.lay(pool)
        clock = asyncio.get_running_loop().time
        late: list[float] = []

        async def fire(due: float, n: int) -> None:
            await asyncio.sleep(due - clock())
            await sql.note(pool, n=n)
            late.append((clock() - due) * 1000)

        for n in range(2):  # the first prepares the statement on every connection
            late.clear()
            due = clock() + 0.5 + n
            await asyncio.gather(*(fire(due, n * JOBS + k) for k in range(JOBS)))
        return late


def _late(run: dict[str, Any], key: str) -> float:
    due = datetime.fromisoformat(run["scheduledFor"])
    return (datetime.fromisoformat(run[key]) - due) / timedelta(milliseconds=1)


def _rank(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
