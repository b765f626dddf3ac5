"""A job's context for a command that asks the job something outside any run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import structlog

from scheduler.app import all_jobs, read_schedule_file, replica_name
from scheduler.db.catalog import Catalog, missing
from scheduler.db.database import Database
from scheduler.db.fenced import BoundedDatabase
from scheduler.db.looking import ReadOnlyDatabase
from scheduler.errors import MissingTablesError
from scheduler.job import Job, JobContext, JobDatabase, Params
from scheduler.now import clock_with
from scheduler.settings import Settings


@dataclass(frozen=True, slots=True)
class Outside:
    job: Job[Any]
    ctx: JobContext
    params: Params
    """Those that the schedule gives it; its own defaults where it is not on the schedule."""
    database: Database


@asynccontextmanager
async def outside(
    settings: Settings, name: str, *, seconds: float | None = None
) -> AsyncIterator[Outside]:
    """The job `name` on the database: for `seconds` of work, or without them only to look.

    Raises `MissingTablesError`, or another `LamplighterError`.
    """
    jobs = all_jobs()
    job = jobs[name].job
    schedule = read_schedule_file(settings, jobs)
    entry = next((entry for entry in schedule.entries.values() if entry.job == name), None)
    now = clock_with(settings.offset)
    database = Database.of(settings, replica_name())
    await database.open(job_connections=1)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        db: JobDatabase
        if seconds is None:
            db = ReadOnlyDatabase(await stack.enter_async_context(database.connection()))
        else:
            await database.prepare()
            db = BoundedDatabase(database.pools.jobs, monotonic() + seconds)
        tables = await Catalog(database.pools).tables()
        if lacking := missing(job.needs, tables):
            raise MissingTablesError(f"{name} needs what is missing: {', '.join(lacking)}")
        ctx = JobContext(
            run_id=uuid4(),
            job=entry.name if entry else name,
            attempt=1,
            scheduled_for=now(),
            timezone=entry.timezone if entry else schedule.timezone,
            now=now,
            db=db,
            tables=tables,
            scheduled_jobs=frozenset(),
            log=structlog.stdlib.get_logger("lamplighter.command"),
            progress=lambda *_: None,
            services=settings.services,
            policy=schedule.agents,
        )
        yield Outside(job, ctx, entry.params if entry else job.params(), database)
