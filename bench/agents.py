"""What do the agents cost: time beside the ideal for so many requests at a time, memory, and what a
quiet month costs with the gate's first step and without it?

The model is the tests' double; lamplighter is a daemon of its own, except for the month.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

import asyncpg

from bench.bed import Bed
from bench.processes import daemon
from bench.report import Result
from jobs.orchestration import batch
from scheduler.sql import load_sql
from tests.support.agent_model import eager
from tests.support.agent_shop import MODEL, NOW, AgentShop
from tests.support.jobs import product
from tests.support.openai_answers import silent
from tests.support.openai_server import model_double

sql = load_sql(__file__)

JOB = "/api/v1/workers/orchestration/batch?wait=3600"
AT_ONCE = 64
SCHEDULE = f"""
jobs:
  orchestration/batch:
    cron: '0 5 1 1 *'
    timeout: 1h
    params: {{max_concurrent_projects: {AT_ONCE}}}
agents:
  max_concurrent_calls: {AT_ONCE}
  prices: {{{MODEL}: {{input: 0, output: 0}}}}
"""
AGENTS = 5
MOST_MEMORY = 200


async def measure(bed: Bed) -> list[Result]:
    return [*await _many(bed), *await _month(bed)]


async def _many(bed: Bed) -> list[Result]:
    projects, takes = (20, 0.2) if bed.quick else (500, 2.0)
    what = f"agents, {projects} projects, a model that takes {takes:g} s"
    dsn = await bed.fresh("agents_many")
    await _fill(dsn, projects, datetime.now(UTC))
    async with (
        model_double(says=eager, takes=takes) as model,
        daemon(
            bed.home,
            SCHEDULE,
            DATABASE_URL=dsn,
            OPENAI_API_KEY="key-of-tests",
            OPENAI_BASE_URL=model.url,
            OPENAI_MODEL=MODEL,
        ) as running,
    ):
        begun = perf_counter()
        answer = await running.get(JOB)
        if not answer["success"]:
            raise RuntimeError(f"the batch answers {answer}")
        data = answer["data"]
        seconds = perf_counter() - begun
        requests = len(model.asked)
        if data["errors"] or data["projectsProcessed"] != projects:
            raise RuntimeError(f"the batch answers {data}")
        again = (await running.get(JOB))["data"]
        asked_again = len(model.asked) - requests
        memory = running.memory
    await bed.drop("agents_many")
    ideal = requests * takes / min(AT_ONCE, projects)
    return [
        Result(
            f"{what}: time beside {min(AT_ONCE, projects)} requests at a time without a pause",
            seconds,
            ideal,
            "s",
            budget=1.25,
            note=f"{requests:,} requests, {data['suggestionsCreated']:,} suggestions; a second "
            f"batch asks {asked_again} times ({again['agents']['skipped']:,} looks skipped)",
        ),
        Result(f"{what}: memory of the daemon", memory, MOST_MEMORY, "MiB", limit=MOST_MEMORY),
    ]


async def _month(bed: Bed) -> list[Result]:
    """Four batches a day on data that does not change, whatever `frequency_hours` says."""
    days = 2 if bed.quick else 30
    dsn = await bed.fresh("agents_month")
    await _fill(dsn, 1, NOW)
    costs = {}
    async with product(dsn) as made, model_double(says=silent) as model:
        for gate in (True, False):
            await sql.forget(made.pool)
            shop = AgentShop(made, model.url, now=NOW + timedelta(days=0 if gate else days))
            model.asked.clear()
            for _ in range(days * 4):
                if not gate:
                    await sql.forget(made.pool)
                await shop.run(batch.job)
                shop.now += timedelta(hours=6)
            used = "SELECT sum(tokens_in + tokens_out) FROM lamplighter.agent_executions"
            tokens = await made.pool.fetchval(used)
            await made.pool.execute("TRUNCATE lamplighter.agent_units CASCADE")
            costs[gate] = (len(model.asked), int(tokens))
    await bed.drop("agents_month")
    (calls, tokens), (calls_without, tokens_without) = costs[True], costs[False]
    return [
        Result(
            f"agents, {days} quiet days of one project: requests beside those without the gate's "
            "first step",
            calls,
            calls_without,
            "requests",
            limit=AGENTS,
            note=f"{tokens:,} tokens instead of {tokens_without:,}",
        )
    ]


async def _fill(dsn: str, projects: int, now: datetime) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await sql.add_projects(connection, projects=projects)
        for fill in (
            *(sql.add_repositories, sql.add_pulls, sql.add_issues, sql.add_releases),
            sql.add_files,
        ):
            await fill(connection, now=now)
    finally:
        await connection.close()
