"""`migrate`, `doctor`: the database and what the jobs need of it."""

from __future__ import annotations

import asyncio
import sys

import click

from scheduler.commands.output import json_option, print_json, print_table
from scheduler.settings import Settings, load_settings


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if something is to be applied.")
@json_option
def migrate(check: bool, as_json: bool) -> None:
    """Lay or upgrade the schema `lamplighter`. Tables of the product are never touched."""
    settings = load_settings()
    ids = asyncio.run(_migrate(settings, apply=not check))
    if as_json:
        print_json({"pending" if check else "applied": ids})
    elif check:
        click.echo("to be applied: " + ", ".join(ids) if ids else "up to date")
    else:
        click.echo("applied: " + ", ".join(ids) if ids else "up to date")
    sys.exit(1 if check and ids else 0)


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check settings, schedule, database and what each job needs, with what to do about it."""
    from scheduler.commands.checks import examine

    findings = asyncio.run(examine())
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        print_table(
            ("", "check", "job", "found", "what to do"),
            [
                ("ok" if f.ok else "BAD", f.check, f.job, f.message, f.fix if not f.ok else None)
                for f in findings
            ],
        )
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


async def _migrate(settings: Settings, *, apply: bool) -> list[str]:
    from scheduler.app import replica_name
    from scheduler.db.database import Database
    from scheduler.db.migrations import pending

    database = Database.of(settings, replica_name())
    await database.open(job_connections=1)
    try:
        if apply:
            return await database.prepare()
        async with database.connection() as connection:
            return [migration.id for migration in await pending(connection)]
    finally:
        await database.close()


COMMANDS = (migrate, doctor)
