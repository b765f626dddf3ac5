"""How long does a funnel of four steps take, beside the best statement by hand?"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from statistics import median

import asyncpg

from bench.bed import Bed
from bench.events import fill_events
from bench.processes import Running, daemon, pg
from bench.report import Result
from scheduler.sql import load_sql

sql = load_sql(__file__)

SCHEDULE = "jobs:\n  compute-funnels:\n    cron: '0 5 1 1 *'\n"
DAYS = 29
"""Within the job's lookback, so that every event is read."""


async def measure(bed: Bed) -> list[Result]:
    users, events = (5_000, 50_000) if bed.quick else (100_000, 1_000_000)
    rounds = 2 if bed.quick else 7
    results = []
    for form in ("wild", "ours"):
        name = f"funnels_{form}"
        dsn = await bed.fresh(name, wild=form == "wild")
        await fill_events(dsn, users=users, events=events, until=datetime.now(UTC), days=DAYS)
        ours, by_hand = [], []
        async with daemon(bed.home, SCHEDULE, DATABASE_URL=dsn) as running:
            # In turns, so that a busy moment of the machine meets both; once more than is counted,
            # so that what is read stands in memory.
            for _ in range(rounds + 1):
                seconds, counts = await _psql(dsn)
                by_hand.append(seconds)
                ours.append(await _lamplighter(running, dsn, counts))
        await bed.drop(name)
        tables = "the product's tables" if form == "wild" else "our tables"
        results.append(
            Result(
                f"funnel of 4 steps, {events:,} events, {users:,} users, {tables}",
                median(ours[1:]),
                median(by_hand[1:]),
                "s",
                budget=1.25,
                note=f"medians of {rounds}; psql only counts, the job's run has times too and"
                f" stores them; the best of each {min(ours[1:]):.2f} and {min(by_hand[1:]):.2f} s",
            )
        )
    return results


async def _psql(dsn: str) -> tuple[float, str]:
    """The statement's own time, and what it counts."""
    said = await pg(
        "psql",
        *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn),
        *("-c", "SET work_mem = '128MB'", "-c", "SET jit = off"),
        # Without it the planner sorts in one process, for longer.
        *("-c", "SET parallel_tuple_cost = 0"),
        # The second of two counts: by then the connection knows the tables, as the daemon's does.
        *("-c", r"\timing on", "-c", sql.by_hand.sql, "-c", sql.by_hand.sql),
    )
    counts, time = said.strip().splitlines()[-2:]
    took = re.match(r"Time: ([0-9.]+) ms", time)
    assert took is not None
    return float(took[1]) / 1000, counts


async def _lamplighter(running: Running, dsn: str, counts: str) -> float:
    """The run's own time, from its claim to its end."""
    connection = await asyncpg.connect(dsn)
    try:
        await sql.add_funnel(connection)
        await running.get("/api/v1/workers/compute-funnels")
        row = await sql.stored(connection)
    finally:
        await connection.close()
    if row["counts"] != counts:
        raise RuntimeError(f"the job counts {row['counts']}, the statement by hand {counts}")
    return float(row["seconds"])
