"""`enroll`: brings people into a sequence by hand, in this process, and keeps who did."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from scheduler.commands.output import json_option, print_json
from scheduler.errors import LamplighterError, MissingTablesError
from scheduler.settings import Settings, load_settings

if TYPE_CHECKING:
    from scheduler.db.activity import ActivityStore
    from scheduler.job import Enrolling, JobContext, Json, Params

JOB = "process-sequences"
SECONDS = 3600.0
"""For all of it: a million people take two minutes."""


@click.command()
@click.argument("sequence")
@click.argument("email", required=False)
@click.option(
    "--existing",
    is_flag=True,
    help="Everybody for whom its trigger happened before lamplighter first saw the sequence"
    " active, and the enrolments that the product made before then.",
)
@click.option("--yes", is_flag=True, help="With --existing: do not ask.")
@json_option
def enroll(sequence: str, email: str | None, existing: bool, yes: bool, as_json: bool) -> None:
    """Enrol one subscriber in SEQUENCE, or with --existing those who were there before.

    The next run of process-sequences writes to them. Says how many they are first, and asks.
    """
    if existing == (email is not None):
        raise click.UsageError("name either an EMAIL or --existing")
    if as_json and existing and not yes:
        raise click.UsageError("--json asks nothing: add --yes")
    settings = load_settings()
    from scheduler.watching.logging import configure_logging

    configure_logging(level="warning", console=True)
    counts = asyncio.run(_enroll(settings, sequence, email, ask=not yes))
    if as_json:
        print_json({"sequence": sequence, **(counts or {})})
    elif counts is None:
        click.echo("Nobody was enrolled.")
    else:
        click.echo(f"{_people(counts)} in {sequence}.")


def _people(counts: Json) -> str:
    words = f"{counts['enrolled']:,} enrolled"
    if counts["adopted"]:
        words += f", {counts['adopted']:,} of the product's own enrolments taken over"
    if counts.get("refused"):
        words += f", {counts['refused']:,} refused by the database"
    return words


async def _enroll(settings: Settings, slug: str, email: str | None, *, ask: bool) -> Json | None:
    async with _at_work(settings) as work:
        if email is not None:
            counts = await work.how.one(work.ctx, work.params, slug, email)
        else:
            if ask:
                due = await work.how.count(work.ctx, work.params, slug)
                question = (
                    f"{due['enrolled']:,} people would be enrolled in {slug}, and"
                    f" {due['adopted']:,} of the product's own enrolments taken over. Go on?"
                )
                if not await asyncio.to_thread(click.confirm, question):
                    return None
            counts = await work.how.existing(work.ctx, work.params, slug)
        await work.activity.record(
            at=work.ctx.now(),
            who="command line",
            source=f"{_user()}@{socket.gethostname()}",
            action="enroll",
            target=slug,
            detail={**counts, **({"email": email} if email is not None else {"existing": True})},
        )
        return counts


@dataclass(frozen=True, slots=True)
class _Work:
    ctx: JobContext
    params: Params
    how: Enrolling[Any]
    activity: ActivityStore


@asynccontextmanager
async def _at_work(settings: Settings) -> AsyncIterator[_Work]:
    """The job's context, with the parameters that the schedule gives it."""
    from time import monotonic
    from uuid import uuid4

    import structlog

    from scheduler.app import all_jobs, read_schedule_file, replica_name
    from scheduler.db.activity import ActivityStore
    from scheduler.db.catalog import Catalog, missing
    from scheduler.db.database import Database
    from scheduler.db.fenced import BoundedDatabase
    from scheduler.job import JobContext
    from scheduler.now import clock_with

    jobs = all_jobs()
    declared = jobs[JOB].job
    if declared.enroll is None:
        raise LamplighterError(f"{JOB} enrols nobody by hand")
    schedule = read_schedule_file(settings, jobs)
    entry = next((entry for entry in schedule.entries.values() if entry.job == JOB), None)
    now = clock_with(settings.offset)
    database = Database.of(settings, replica_name())
    await database.open(job_connections=1)
    try:
        await database.prepare()
        tables = await Catalog(database.pools).tables()
        if lacking := missing(declared.needs, tables):
            raise MissingTablesError(f"{JOB} needs what is missing: {', '.join(lacking)}")
        ctx = JobContext(
            run_id=uuid4(),
            job=entry.name if entry else JOB,
            attempt=1,
            scheduled_for=now(),
            timezone=entry.timezone if entry else schedule.timezone,
            now=now,
            db=BoundedDatabase(database.pools.jobs, monotonic() + SECONDS),
            tables=tables,
            scheduled_jobs=frozenset(),
            log=structlog.stdlib.get_logger("lamplighter.enroll"),
            progress=lambda *_: None,
            services=settings.services,
        )
        params = entry.params if entry else declared.params()
        yield _Work(ctx, params, declared.enroll, ActivityStore(database.pools))
    finally:
        await database.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "?"


COMMANDS = (enroll,)
