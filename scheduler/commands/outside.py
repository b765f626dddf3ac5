"""A job's context for a command that asks something outside any run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from scheduler.app import all_jobs, read_schedule_file, replica_name
from scheduler.db.catalog import Catalog, missing
from scheduler.db.database import Database
from scheduler.db.fenced import BoundedDatabase
from scheduler.db.looking import ReadOnlyDatabase
from scheduler.entry import Schedule
from scheduler.errors import MissingTablesError
from scheduler.job import Connection, Job, JobContext, JobDatabase, Params
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
        zone = entry.timezone if entry else schedule.timezone
        ctx = _context(settings, schedule, entry.name if entry else name, zone, now, db, tables)
        yield Outside(job, ctx, entry.params if entry else job.params(), database)


def without_database(settings: Settings) -> JobContext:
    """What the settings and the schedule file say, for what needs no data of the product's.

    Raises `ScheduleError`.
    """
    schedule = read_schedule_file(settings, all_jobs())
    now = clock_with(settings.offset)
    return _context(settings, schedule, "none", schedule.timezone, now, NoDatabase(), {})


class NoDatabase:
    """A `JobDatabase` for what asks for none."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        raise RuntimeError("there is no database here")


def _context(
    settings: Settings,
    schedule: Schedule,
    name: str,
    timezone: ZoneInfo,
    now: Callable[[], datetime],
    db: JobDatabase,
    tables: Mapping[str, frozenset[str]],
) -> JobContext:
    return JobContext(
        run_id=uuid4(),
        job=name,
        attempt=1,
        scheduled_for=now(),
        timezone=timezone,
        now=now,
        db=db,
        tables=tables,
        scheduled_jobs=frozenset(),
        log=structlog.stdlib.get_logger("lamplighter.command"),
        progress=lambda *_: None,
        services=settings.services,
        policy=schedule.agents,
    )
