"""How long does a matrix of weekly retention take, beside the best statement by hand?

And three cohorts of the same people together, beside one after the other.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import asyncpg

from bench.bed import Bed
from bench.events import fill_events
from bench.processes import environment, pg, run
from bench.report import Result
from scheduler.sql import load_sql

sql = load_sql(__file__)

SCHEDULE = "jobs:\n  refresh-cohorts:\n    cron: '0 5 * * *'\n"
METRICS = ("retention", "generations", "engagement")
WEEKS = 12


async def measure(bed: Bed) -> list[Result]:
    users, events = (2_000, 100_000) if bed.quick else (100_000, 5_000_000)
    rounds = 2 if bed.quick else 5
    dsn = await bed.fresh("cohorts")
    connection = await asyncpg.connect(dsn)
    try:
        # Laid up to now; the running week is not over, so its last days are without events.
        await fill_events(dsn, users=users, events=events, until=datetime.now(UTC))
        by_hand, alone, together, one_by_one = [], [], [], []
        # In turns, so that a busy moment of the machine meets all; once more than is counted, so
        # that what is read stands in memory.
        for number in range(rounds + 1):
            seconds, people = await _psql(dsn)
            by_hand.append(seconds)
            if not number:
                await _run(bed, dsn, connection)  # lays the schema of its own
                await sql.add_cohorts(connection)
            alone.append(await _run(bed, dsn, connection, ["retention"]))
            await _check(connection, people)
            together.append(await _run(bed, dsn, connection))
            one_by_one.append(
                alone[-1]
                + sum([await _run(bed, dsn, connection, [metric]) for metric in METRICS[1:]])
            )
    finally:
        await connection.close()
    await bed.drop("cohorts")
    what = f"{WEEKS} weeks, {events:,} events, {users:,} users"
    note = f"medians of {rounds}"
    return [
        Result(
            f"retention, {what}",
            median(alone[1:]),
            median(by_hand[1:]),
            "s",
            budget=1.25,
            note=f"{note}; the best of each {min(alone[1:]):.2f} and {min(by_hand[1:]):.2f} s;"
            " the job also counts events and generations, and stores the matrix",
        ),
        Result(
            f"3 cohorts in one pass, to one by one, {what}",
            median(together[1:]),
            median(one_by_one[1:]),
            "s",
            budget=0.5,
            note=note,
        ),
    ]


async def _psql(dsn: str) -> tuple[float, dict[tuple[str, str], int]]:
    """The statement's own time, and how many people of which week came in which."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    said = await pg(
        "psql",
        *("-X", "-q", "-A", "-t", "-F", " ", "-v", "ON_ERROR_STOP=1", "-d", dsn),
        *("-c", "SET work_mem = '64MB'", "-c", "SET jit = off", "-c", "SET timezone = 'UTC'"),
        *("-c", "SET datestyle = 'ISO'", "-c", r"\timing on"),
        *("-c", sql.by_hand.sql.replace("$1", f"'{since.isoformat()}'")),
    )
    *lines, time = said.strip().splitlines()
    took = re.match(r"Time: ([0-9.]+) ms", time)
    assert took is not None
    people = {}
    for line in lines:
        cohort, _, week, _, count = line.split()
        people[cohort, week] = int(count)
    return float(took[1]) / 1000, people


async def _run(
    bed: Bed, dsn: str, connection: asyncpg.Connection[Any], slugs: Sequence[str] = METRICS
) -> float:
    """The run's own time, from its claim to its end."""
    env = environment(bed.home, SCHEDULE, DATABASE_URL=dsn)
    command = ("-m", "scheduler", "run", "refresh-cohorts", "--param", f"slugs={json.dumps(slugs)}")
    await run(sys.executable, *command, env=env, cwd=bed.home)
    seconds: float = await sql.seconds(connection)
    return seconds


async def _check(connection: asyncpg.Connection[Any], people: dict[tuple[str, str], int]) -> None:
    """Whether the job says what the statement by hand does, of the weeks that are over."""
    [row] = [row async for row in sql.stored(connection)]
    counts: dict[str, dict[str, int]] = {}
    for (cohort, week), count in people.items():
        if cohort < week:
            counts.setdefault(_key(cohort), {})[_key(week)] = count
    for key, entry in json.loads(row["cohort_data"]).items():
        by_hand = [counts[key][week] for week in sorted(counts.get(key, {}))]
        found = [value for value in entry["active"][1:] if value is not None]
        if found != by_hand[: len(found)] or not len(by_hand) - 1 <= len(found) <= len(by_hand):
            raise RuntimeError(f"{key}: the job counts {found}, the statement by hand {by_hand}")


def _key(day: str) -> str:
    return datetime.fromisoformat(day).strftime("%G-W%V")
