"""How many people are taken to the next message of a sequence in a second?

Beside the same statements, in the same chunks, sent by psql.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg

from bench.bed import Bed
from bench.processes import environment, pg, run
from bench.report import Result
from jobs.sequences import steps
from jobs.sequences.chunks import CHUNK
from jobs.sequences.configs import Signup
from jobs.sequences.model import SequenceOfSteps, Step
from jobs.sequences.plan import plan_of
from scheduler.sql import load_sql
from scheduler.walk import FIRST_KEY

sql = load_sql(__file__)

SCHEDULE = "jobs:\n  process-sequences:\n    cron: '0 */6 * * *'\n    timeout: 4h\n"


async def measure(bed: Bed) -> list[Result]:
    readers = 10_000 if bed.quick else 200_000
    template = await bed.fresh("sequences")
    now = datetime.now(UTC)
    async with connected(template) as connection:
        await sql.readers(connection, readers=readers, now=now)
        sequence = await sql.sequence(connection)
        await sql.steps(connection, sequence=sequence)
        await sql.seen(connection, sequence=sequence, now=now)
        await sql.enrolments(connection, sequence=sequence, now=now)
    await pg("vacuumdb", "--quiet", "--analyze", f"--dbname={template}")
    took = {}
    for name, way in (("psql", _psql), ("lamplighter", _lamplighter)):
        dsn = await bed.copy("sequences", f"sequences_{name}")
        async with connected(dsn) as connection:
            await sql.settle(connection)
        took[name] = await way(bed, dsn, sequence)
        async with connected(dsn) as connection:
            outcome = tuple(await sql.outcome(connection))
        if outcome != (readers,) * 3:
            raise RuntimeError(f"{readers} were to be written to, but {name} gave {outcome}")
        await bed.drop(f"sequences_{name}")
    await bed.drop("sequences")
    return [
        Result(
            f"{readers:,} enrolments advanced by a message, to psql",
            readers / took["lamplighter"],
            readers / took["psql"],
            "/s",
            budget=0.8,
            more_is_better=True,
        )
    ]


async def _lamplighter(bed: Bed, dsn: str, _: UUID) -> float:
    """The run's own time, from its claim to its end: enrolling, cancelling, counting included."""
    env = environment(bed.home, SCHEDULE, DATABASE_URL=dsn)
    await run(sys.executable, "-m", "scheduler", "run", "process-sequences", env=env, cwd=bed.home)
    async with connected(dsn) as connection:
        seconds: float = await sql.seconds(connection)
    return seconds


async def _psql(bed: Bed, dsn: str, sequence: UUID) -> float:
    now = datetime.now(UTC)
    async with connected(dsn) as connection:
        rows = [row async for row in sql.step_ids(connection)]
    made = [Step(row["id"], row["step_order"], "email", timedelta(days=1)) for row in rows]
    whole = SequenceOfSteps(sequence, "welcome", Signup(), None, made, now, None)
    parameters: dict[str, object] = {
        **plan_of([whole]),
        "now": now,
        "scheduled_for": now,
        "day_start": now.replace(hour=0, minute=0, second=0, microsecond=0),
        "next_day": now + timedelta(days=1),
        "max_per_day": 3,
        "from_email": "news@example.com",
        "from_name": None,
        "sequences": [sequence],
        "at": datetime(1, 1, 1, tzinfo=UTC),
        "after": FIRST_KEY,
        "most": 10_000_000,
    }
    script = bed.home / "sequences.psql"
    script.write_text(_prepare("due") + _execute("due", parameters), encoding="utf-8")
    begun = perf_counter()
    ids = [line.partition("|")[0] for line in (await _send(dsn, script)).split("\n") if line]
    took = perf_counter() - begun
    calls = [_prepare("take"), _prepare("advance")]
    for first in range(0, len(ids), CHUNK):
        chunk = {**parameters, "ids": ids[first : first + CHUNK]}
        calls += ["BEGIN;\n", _execute("take", chunk), _execute("advance", chunk), "COMMIT;\n"]
    script.write_text("".join(calls), encoding="utf-8")
    begun = perf_counter()
    await _send(dsn, script)
    return took + perf_counter() - begun


async def _send(dsn: str, script: Path) -> str:
    options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
    return await pg("psql", *options, "-d", dsn, "-f", str(script))


def _prepare(name: str) -> str:
    return f"PREPARE {name} AS {getattr(steps.sql, name).sql.rstrip().rstrip(';')};\n"


def _execute(name: str, parameters: Mapping[str, object]) -> str:
    # In the order in which aiosql has numbered them.
    names = steps.sql.driver_adapter.var_sorted[name]  # type: ignore[attr-defined]
    return f"EXECUTE {name} ({', '.join(_literal(parameters[key]) for key in names)});\n"


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case list():
            return "'{" + ",".join(_item(item) for item in value) + "}'"
        case _:
            return f"'{value}'"


def _item(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case timedelta():
            return f'"{value.total_seconds()} seconds"'
        case _:
            return str(value)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
