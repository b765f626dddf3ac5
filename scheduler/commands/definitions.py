"""`segment`, `funnel`, `cohort`: what a job would compute for one that the product has defined."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from scheduler.commands.output import json_option, print_json, print_table
from scheduler.errors import LamplighterError, MissingTablesError
from scheduler.settings import Settings, load_settings

if TYPE_CHECKING:
    from scheduler.job import Explanation

EXPLAINED_BY = {
    "segment": "update-segments",
    "funnel": "compute-funnels",
    "cohort": "refresh-cohorts",
}


def _group(what: str, job: str) -> click.Group:
    @click.group(name=what, help=f"Look at a {what} of the product's.")
    def group() -> None:
        pass

    @group.command(help=f"Show what {job} would compute for the {what} SLUG. Changes nothing.")
    @click.argument("slug")
    @json_option
    def explain(slug: str, as_json: bool) -> None:
        explanation = asyncio.run(_explain(load_settings(), job, slug))
        if as_json:
            print_json(
                {
                    "sql": explanation.sql,
                    "values": list(explanation.values),
                    "counts": dict(explanation.counts),
                }
            )
            return
        click.echo(explanation.sql.strip())
        values = enumerate(explanation.values, start=1)
        print_table(("value", "stands for"), [(f"${n}", value) for n, value in values])
        print_table(("count", "now"), list(explanation.counts.items()))

    return group


async def _explain(settings: Settings, job: str, slug: str) -> Explanation:
    from uuid import UUID

    import structlog

    from scheduler.app import all_jobs, read_schedule_file, replica_name
    from scheduler.db.catalog import Catalog, missing
    from scheduler.db.database import Database
    from scheduler.db.looking import ReadOnlyDatabase
    from scheduler.job import JobContext
    from scheduler.now import clock_with

    jobs = all_jobs()
    declared = jobs[job].job
    if declared.explain is None:
        raise LamplighterError(f"{job} explains nothing")
    schedule = read_schedule_file(settings, jobs)
    # As the schedule would run it; by the job's own defaults where it is not on it.
    entry = next((entry for entry in schedule.entries.values() if entry.job == job), None)
    now = clock_with(settings.offset)
    database = Database.of(settings, replica_name())
    await database.open(job_connections=1)
    try:
        tables = await Catalog(database.pools).tables()
        if lacking := missing(declared.needs, tables):
            raise MissingTablesError(f"{job} needs what is missing: {', '.join(lacking)}")
        async with database.connection() as connection:
            ctx = JobContext(
                run_id=UUID(int=0),
                job=entry.name if entry else job,
                attempt=1,
                scheduled_for=now(),
                timezone=entry.timezone if entry else schedule.timezone,
                now=now,
                db=ReadOnlyDatabase(connection),
                tables=tables,
                scheduled_jobs=frozenset(),
                log=structlog.stdlib.get_logger("lamplighter.explain"),
                progress=lambda *_: None,
            )
            return await declared.explain(ctx, entry.params if entry else declared.params(), slug)
    finally:
        await database.close()


COMMANDS = tuple(_group(what, job) for what, job in EXPLAINED_BY.items())
