"""How long does the reset of everybody's credits take?

Beside the same statements sent by psql, and beside a loop that takes one user after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from uuid import UUID

import asyncpg

from bench.bed import Bed
from bench.processes import environment, pg, run
from bench.report import Result
from jobs import reset_credits
from scheduler.sql import load_sql
from scheduler.walk import FIRST_KEY, LAST_KEY, STRETCH

sql = load_sql(__file__)

SCHEDULE = "jobs:\n  reset-credits:\n    cron: '0 0 * * *'\n    timeout: 4h\n"
ONE_BY_ONE = 20_000


async def measure(bed: Bed) -> list[Result]:
    results = []
    for form, factor in (("wild", 15), ("ours", 35)):
        template = f"people_{form}"
        await _fill(await bed.fresh(template, wild=form == "wild"), bed.users)
        await pg("vacuumdb", "--quiet", "--analyze", f"--dbname={bed.database(template)}")
        took = {}
        for way in (_psql, _lamplighter, _one_by_one):
            name = f"{template}{way.__name__}"
            dsn = await bed.copy(template, name)
            await _settle(dsn)
            took[way] = await way(bed, dsn)
            await bed.drop(name)
        await bed.drop(template)
        tables = "the product's tables" if form == "wild" else "our tables"
        what = f"reset of {bed.users:,} users, {tables}"
        ours, loop = took[_lamplighter], took[_one_by_one]
        note = f"the loop's time is {min(ONE_BY_ONE, bed.users):,} users', extrapolated"
        results += [
            Result(f"{what}, to psql", ours, took[_psql], "s", budget=1.15),
            # How many times faster: the loop's speed is the floor.
            Result(
                f"{what}, to one by one",
                bed.users / ours,
                bed.users / loop,
                "users/s",
                budget=factor,
                more_is_better=True,
                note=note,
            ),
        ]
    return results


async def _psql(bed: Bed, dsn: str) -> float:
    now = datetime.now(UTC)
    parameters: dict[str, object] = {
        "refused": [],
        "day_start": now.replace(hour=0, minute=0, second=0, microsecond=0),
        "scheduled_for": now,
        "now": now,
        "policy": "top_up",
        "tiers": ["free", "maker", "pro", "unlimited"],
        "credits": [10, 50, 200, 999_999],
        "include_past_due": True,
        "include_banned": False,
        "size": STRETCH,
    }
    script = bed.home / "reset.psql"
    whole = {**parameters, "first": FIRST_KEY, "through": LAST_KEY}
    script.write_text(_prepare("stretches") + _execute("stretches", whole), encoding="utf-8")
    begun = perf_counter()
    lines = (await _send(dsn, script)).split()
    took = perf_counter() - begun

    calls, first = [_prepare("change")], FIRST_KEY
    for line in lines:
        through = UUID(line.partition("|")[0])
        calls.append(_execute("change", {**parameters, "first": first, "through": through}))
        first = UUID(int=through.int + 1)
    script.write_text("".join(calls), encoding="utf-8")
    begun = perf_counter()
    await _send(dsn, script)
    took += perf_counter() - begun
    await _check(dsn, bed.users)
    return took


async def _lamplighter(bed: Bed, dsn: str) -> float:
    """The run's own time, from its claim to its end."""
    env = environment(bed.home, SCHEDULE, DATABASE_URL=dsn)
    await run(sys.executable, "-m", "scheduler", "run", "reset-credits", env=env, cwd=bed.home)
    await _check(dsn, bed.users)
    connection = await asyncpg.connect(dsn)
    try:
        seconds: float = await sql.seconds(connection)
        return seconds
    finally:
        await connection.close()


async def _one_by_one(bed: Bed, dsn: str) -> float:
    """Seconds for all, from those for the first `ONE_BY_ONE`; one transaction a user."""
    connection = await asyncpg.connect(dsn)
    try:
        now = datetime.now(UTC)
        begun = perf_counter()
        users = [row async for row in sql.some(connection, now=now, count=ONE_BY_ONE)]
        for user in users:
            async with connection.transaction():
                await sql.set_one(connection, id=user["id"], now=now)
                before = user["credits_remaining"]
                await sql.note_one(connection, id=user["id"], before=before, now=now)
        return (perf_counter() - begun) * bed.users / len(users)
    finally:
        await connection.close()


async def _fill(dsn: str, users: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await sql.people(connection)
        await sql.users(connection, now=datetime.now(UTC), users=users)
    finally:
        await connection.close()


async def _settle(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await sql.settle(connection)
    finally:
        await connection.close()


async def _check(dsn: str, users: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await sql.ledger_rows(connection)
    finally:
        await connection.close()
    if rows != users:
        raise RuntimeError(f"{users} users were to be reset, but the ledger has {rows} rows")


async def _send(dsn: str, script: Path) -> str:
    options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
    return await pg("psql", *options, "-d", dsn, "-f", str(script))


def _prepare(name: str) -> str:
    return f"PREPARE {name} AS {getattr(reset_credits.sql, name).sql.rstrip().rstrip(';')};\n"


def _execute(name: str, parameters: Mapping[str, object]) -> str:
    # In the order in which aiosql has numbered them.
    names = reset_credits.sql.driver_adapter.var_sorted[name]  # type: ignore[attr-defined]
    return f"EXECUTE {name} ({', '.join(_literal(parameters[key]) for key in names)});\n"


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "'{" + ",".join(str(item) for item in value) + "}'"
    return str(value) if isinstance(value, bool | int) else f"'{value}'"
