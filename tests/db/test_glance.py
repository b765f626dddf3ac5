"""Do pages read what they show, and no more of a long history than that?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from scheduler.db.glance import NEWEST, STRIP, WINDOW, GlanceStore, sql
from scheduler.db.pools import Pools
from scheduler.db.runs import LogLine, RunStore
from scheduler.db.sessions import SessionStore
from tests.support.machine import connect

START = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = 30_000
JOBS = [f"job-{n}" for n in range(50)]

# By minutes: 50 jobs in turn; every 1,000th by hand, every 2,000th failed.
LONG_HISTORY = """
INSERT INTO lamplighter.runs (id, job, job_type, trigger, status, scheduled_for, overlap_key,
    params, created_at, started_at, finished_at, attempt, max_attempts, data)
SELECT gen_random_uuid(), 'job-' || n % 50, 'count',
    CASE WHEN n % 1000 = 5 THEN 'admin' WHEN n % 100 = 50 THEN 'catch_up' ELSE 'schedule' END,
    CASE WHEN n % 2000 = 5 THEN 'failed' ELSE 'succeeded' END,
    t.at, 'job-' || n % 50, '{}', t.at, t.at + interval '4 ms', t.at + interval '504 ms', 1, 3,
    jsonb_build_object('changed', n, 'errors', 0, 'days', '["a", "b"]'::jsonb, 'note', 'x')
FROM generate_series(1, $1::int) AS n,
    LATERAL (SELECT $2::timestamptz + n * interval '1 minute' AS at) AS t
"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    async with connect(database) as made:
        yield made


@pytest.fixture
async def pools(database: str) -> AsyncIterator[Pools]:
    made = await Pools.open(lambda: database, job_connections=1)
    yield made
    await made.close()


@pytest.fixture
def glance(pools: Pools) -> GlanceStore:
    return GlanceStore(pools)


async def test_a_job_row_has_its_last_run_and_a_strip(
    connection: asyncpg.Connection[Any], glance: GlanceStore
) -> None:
    await connection.execute(LONG_HISTORY, 5_000, START)
    rows = await glance.rows(["job-5", "job-0", "job-never"])
    five, zero, never = rows["job-5"], rows["job-0"], rows["job-never"]
    assert never.last is None
    assert list(never.statuses) == []
    assert five.last is not None
    assert five.last.numbers == {"changed": 4955, "errors": 0, "days": 2}
    assert five.last.took == timedelta(milliseconds=500)
    assert len(five.statuses) == STRIP
    # Of the last 60 runs of job-5 those for 2005 and 4005 failed: the 20th and the last but 19.
    assert [n for n, status in enumerate(five.statuses) if status == "failed"] == [0, 40]
    assert set(zero.statuses) == {"caught_up", "succeeded"}


async def test_lateness_is_of_the_clocks_runs(
    connection: asyncpg.Connection[Any], glance: GlanceStore
) -> None:
    assert await glance.lateness() == await glance.lateness()
    assert (await glance.lateness()).p99 is None
    await connection.execute(LONG_HISTORY, 1_000, START)
    await connection.execute(
        "UPDATE lamplighter.runs SET started_at = scheduled_for + interval '9 s' WHERE seq % 50 = 1"
    )
    late = await glance.lateness()
    assert (late.runs, late.p50, late.p99) == (989, 0.004, 9.0)


async def test_filters_find_what_is_rare_and_go_on_where_they_stopped(
    connection: asyncpg.Connection[Any], glance: GlanceStore
) -> None:
    await connection.execute(LONG_HISTORY, RUNS, START)
    failed = await glance.runs(status="failed", most=10)
    assert len(failed.items) == 10
    assert failed.next == failed.items[-1].seq
    rest = await glance.runs(status="failed", most=10, before=failed.next)
    assert (len(rest.items), rest.next) == (5, None)
    assert {run.job for run in (*failed.items, *rest.items)} == {"job-5"}
    assert (await glance.runs(job="job-6", status="failed")).items == []
    # By hand 30 in all: a look through the last rows finds some, and says where it stopped.
    found: list[UUID] = []
    before, looks = None, 0
    while True:
        page = await glance.runs(trigger="admin", before=before, most=50)
        found += [run.id for run in page.items]
        looks += 1
        if page.next is None:
            break
        before = page.next
    assert len(found) == len(set(found)) == RUNS // 1000
    assert looks == RUNS // WINDOW + 1


async def test_lines_of_a_log_stay_in_their_order(
    connection: asyncpg.Connection[Any], pools: Pools
) -> None:
    """However the database looks up the runs: of some hundred it reads all and joins by hash."""
    await connection.execute(LONG_HISTORY, 400, START)
    await connection.execute("ANALYZE lamplighter.runs")
    run = await connection.fetchval("SELECT id FROM lamplighter.runs LIMIT 1")
    store = RunStore(pools, "one")
    await store.append_logs(
        [LogLine(run, 1, START + timedelta(seconds=n), "info", f"line_{n}", {}) for n in range(9)]
    )
    expected = [f"line_{n}" for n in range(9)]
    assert [line.event for line in await store.log_lines(run)] == expected
    assert [line.event for line in (await GlanceStore(pools).log_tail(run)).items] == expected


async def test_points_over_time_are_the_last_ones_oldest_first(
    connection: asyncpg.Connection[Any], glance: GlanceStore
) -> None:
    await connection.execute(LONG_HISTORY, 1_000, START)
    points = await glance.over_time("job-7", most=3)
    assert [point.numbers["changed"] for point in points] == [857, 907, 957]
    assert points[0].took == timedelta(milliseconds=500)


async def test_a_log_is_read_from_its_end(
    connection: asyncpg.Connection[Any], glance: GlanceStore
) -> None:
    await connection.execute(LONG_HISTORY, 1, START)
    run = await connection.fetchval("SELECT id FROM lamplighter.runs")
    assert (await glance.log_end(run), (await glance.log_tail(run)).items) == (0, [])
    await connection.execute(
        "INSERT INTO lamplighter.run_logs (run_id, attempt, at, level, event, fields)"
        " SELECT $1, 1, $2, 'info', 'line_' || n, jsonb_build_object('text', repeat('x', 9000))"
        " FROM generate_series(1, 25) AS n",
        run,
        START,
    )
    last = await glance.log_tail(run, most=10)
    assert [line.event for line in last.items] == [f"line_{n}" for n in range(16, 26)]
    assert {len(line.fields) for line in last.items} == {300}
    before = await glance.log_tail(run, before=last.next, most=15)
    assert [line.event for line in before.items] == [f"line_{n}" for n in range(1, 16)]
    assert before.next is None
    assert await glance.log_end(run) == last.items[-1].seq


async def test_sessions_that_are_ended_are_forgotten_when_they_are_over(database: str) -> None:
    pools = await Pools.open(lambda: database, job_connections=1)
    store = SessionStore(pools)
    await store.end("a", START + timedelta(hours=1), START)
    await store.end("a", START + timedelta(hours=1), START)
    assert [await store.is_ended(one) for one in ("a", "b")] == [True, False]
    await store.end("b", START + timedelta(hours=3), START + timedelta(hours=2))
    assert [await store.is_ended(one) for one in ("a", "b")] == [False, True]
    await pools.close()


PLACE: dict[str, Any] = {"before": NEWEST, "window": WINDOW}
OF_JOB = {"job": "job-7"}
OF_STATUS = {"status": "failed"}
QUERIES: dict[str, tuple[dict[str, Any], int]] = {
    # Blocks that each may touch: of the window where it looks through one, else of what it shows.
    "rows": ({"jobs": JOBS, "most": STRIP}, 5_000),
    "lateness": ({"most": 2_000}, 200),
    "over_time": ({**OF_JOB, "most": 60}, 100),
    "all_runs": ({**PLACE, "trigger": None, "most": 41}, 30),
    "runs_of_status": ({**PLACE, **OF_STATUS, "trigger": None, "most": 41}, 100),
    "runs_of_job": ({**PLACE, **OF_JOB, "trigger": None, "most": 41}, 100),
    "runs_of_job_and_status": ({**PLACE, **OF_JOB, **OF_STATUS, "trigger": None, "most": 41}, 100),
    "end_of_all_runs": (PLACE, 600),
    "end_of_runs_of_status": ({**PLACE, **OF_STATUS}, 100),
    "end_of_runs_of_job": ({**PLACE, **OF_JOB}, 800),
    "end_of_runs_of_job_and_status": ({**PLACE, **OF_JOB, **OF_STATUS}, 100),
    "activity": ({**PLACE, "who": "nobody", "action": None, "target": None, "most": 51}, 150),
    "end_of_activity": (PLACE, 150),
}


async def test_no_query_of_a_page_reads_the_whole_history(
    connection: asyncpg.Connection[Any],
) -> None:
    await connection.execute(LONG_HISTORY, RUNS, START)
    await connection.execute(
        "INSERT INTO lamplighter.activity (at, who, action)"
        " SELECT $1, 'admin', 'trigger' FROM generate_series(1, 30000)",
        START,
    )
    await connection.execute("VACUUM ANALYZE lamplighter.runs, lamplighter.activity")
    whole = await connection.fetchval("SELECT pg_relation_size('lamplighter.runs') / 8192")
    assert whole > 900
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET plan_cache_mode = {mode}")
        for name, (parameters, most) in QUERIES.items():
            plan = await _explained(connection, name, parameters)
            assert "Seq Scan on runs" not in plan, (mode, name)
            assert "Seq Scan on activity" not in plan, (mode, name)
            touched = re.search(r"Buffers: shared hit=(\d+)(?: read=(\d+))?", plan)
            blocks = sum(int(part or 0) for part in touched.groups()) if touched else 0
            assert blocks <= most, (mode, name, blocks)


class _Explaining:
    """A connection that explains what it is given, for aiosql to hand the parameters to."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self.plan = ""

    async def fetch(self, query: str, *values: object) -> list[Any]:
        rows = await self._connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {query}", *values)
        self.plan = "\n".join(row[0] for row in rows)
        return []

    async def fetchrow(self, query: str, *values: object) -> None:
        await self.fetch(query, *values)

    async def fetchval(self, query: str, *values: object) -> None:
        await self.fetch(query, *values)


async def _explained(
    connection: asyncpg.Connection[Any], name: str, parameters: dict[str, Any]
) -> str:
    explaining = _Explaining(connection)
    called = getattr(sql, name)(explaining, **parameters)
    if hasattr(called, "__aiter__"):
        assert [row async for row in called] == []
    else:
        await called
    assert explaining.plan
    return explaining.plan
