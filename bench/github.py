"""What does reading GitHub cost: requests beside the least possible, seconds, memory?

GitHub is the tests' double, in this process; lamplighter is a daemon of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import aiohttp
import asyncpg
from yarl import URL

from bench.bed import Bed
from bench.processes import Running, daemon
from bench.report import Result
from scheduler.sql import load_sql
from tests.support.github import Asked, GitHubDouble, github_double
from tests.support.github_repository import large

sql = load_sql(__file__)

TOKEN = "token-of-tests"  # noqa: S105 - the double's
JOB = "/api/v1/workers/orchestration/github-sync"
SCHEDULE = "jobs:\n  orchestration/github-sync: {cron: '0 5 1 1 *', timeout: 1h}\n"
AT_ONCE = 4
"""Projects, as the job takes them by default."""
ALWAYS = 7
"""Lists that a project is asked for, whether or not there is anything new in them."""
MOST_MEMORY = 150


async def measure(bed: Bed) -> list[Result]:
    return [*await _large(bed), *await _many(bed)]


async def _large(bed: Bed) -> list[Result]:
    issues, commits = (500, 1_000) if bed.quick else (10_000, 20_000)
    what = f"{issues:,} issues, {commits:,} commits"
    dsn = await bed.fresh("github_large")
    async with github_double() as github, _lamplighter(bed, dsn, github) as running:
        made = github.add(large(issues=issues, commits=commits, until=_yesterday()))
        await _add(dsn, [made.full_name])
        first = await _sync(running, "?maxRequests=15000&maxPages=1000&wait=3600")
        asked = list(github.asked)
        bare = await _replay(github, asked, 1)
        github.forget()
        again = await _sync(running)
        unchanged = github.statuses()[304]
        memory = running.memory
    await bed.drop("github_large")
    return [
        Result(
            f"GitHub, first sync: {what}",
            first["requests"],
            github.least(made, commit_details=100),
            "requests",
            budget=1.05,
            note=f"{first['rowsChanged']:,} rows; afterwards {memory:.0f} MiB",
        ),
        Result(
            "GitHub, its time beside a bare client that asks the same",
            first["seconds"],
            bare,
            "s",
        ),
        Result(
            "GitHub, second sync with nothing new",
            again["requests"],
            ALWAYS,
            "requests",
            limit=8,
            note=f"{unchanged} answered 304, {again['rowsChanged']} rows changed",
        ),
    ]


async def _many(bed: Bed) -> list[Result]:
    projects = 50 if bed.quick else 1_000
    what = f"{projects:,} projects with one changed issue each"
    dsn = await bed.fresh("github_many")
    async with github_double() as github, _lamplighter(bed, dsn, github) as running:
        repositories = [
            github.add(
                large(f"octocat/project-{n}", issues=20, commits=10, until=_yesterday(), id=n)
            )
            for n in range(1, projects + 1)
        ]
        await _add(dsn, [made.full_name for made in repositories])
        await _sync(running, "?wait=3600")
        github.forget()
        for made in repositories:
            made.touch(1, _yesterday() + timedelta(hours=1), title="Changed")
        synced = await _sync(running, "?wait=3600")
        if synced["projectsSynced"] != projects or synced["rowsChanged"] != projects:
            raise RuntimeError(f"one changed issue of each project was to be read, not {synced}")
        bare = await _replay(github, list(github.asked), AT_ONCE)
        memory = running.memory
    await bed.drop("github_many")
    return [
        Result(
            f"GitHub, {what}",
            synced["requests"],
            # What is always asked for, and the comments of what has changed.
            projects * (ALWAYS + 1),
            "requests",
            budget=1.0,
        ),
        Result(f"GitHub, {what}: beside a bare client", synced["seconds"], bare, "s"),
        Result(
            f"GitHub, {what}: memory of the daemon", memory, MOST_MEMORY, "MiB", limit=MOST_MEMORY
        ),
    ]


def _lamplighter(bed: Bed, dsn: str, github: GitHubDouble) -> Any:
    return daemon(
        bed.home, SCHEDULE, DATABASE_URL=dsn, GITHUB_API_URL=github.url, GITHUB_TOKEN=TOKEN
    )


async def _sync(running: Running, query: str = "") -> dict[str, Any]:
    begun = perf_counter()
    answer = await running.get(JOB + query)
    if not answer["success"] or answer["data"]["errors"] or answer["data"]["projectsPaused"]:
        raise RuntimeError(f"the sync answers {answer}")
    return {**answer["data"], "seconds": perf_counter() - begun}


async def _replay(github: GitHubDouble, asked: Sequence[Asked], at_once: int) -> float:
    """Seconds that the same requests take by themselves."""
    todo = iter(asked)
    begun = perf_counter()
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for one in todo:
                kept = {n: v for n, v in one.headers.items() if n != "host"}
                url = URL(github.url + one.path, encoded=True)
                async with session.get(url, headers=kept) as response:
                    await response.read()

        await asyncio.gather(*(work() for _ in range(at_once)))
    return perf_counter() - begun


async def _add(dsn: str, names: list[str]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await sql.add_projects(connection, names=names)
    finally:
        await connection.close()


def _yesterday() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
