"""`migrate`, `doctor`: the database and what the jobs need of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from scheduler.commands.output import json_option, print_json, print_table
from scheduler.errors import LamplighterError
from scheduler.settings import Settings, load_settings

if TYPE_CHECKING:
    from scheduler.db.database import Database
    from scheduler.db.migrations import Standing


UP_TO_DATE, PENDING, UNKNOWN, REFUSED = range(4)
"""The exit codes of `migrate --check`."""


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; say what would be applied.")
@json_option
def migrate(check: bool, as_json: bool) -> None:
    """Lay or upgrade the schema `lamplighter`. Tables of the product are never touched.

    Exit status of --check: 0 this version works with the schema as it is (a newer one too),
    1 something is to be applied, 2 the database cannot be looked at, 3 a newer version has changed
    the schema so that this one cannot work with it.
    """
    if check:
        sys.exit(_check(as_json=as_json))
    ids = asyncio.run(_migrate(load_settings()))
    if as_json:
        print_json({"applied": ids})
    else:
        click.echo("applied: " + ", ".join(ids) if ids else "up to date")


def _check(*, as_json: bool) -> int:
    """Say how the schema stands; gives the exit code."""
    try:
        found = asyncio.run(_standing(load_settings()))
    except LamplighterError as error:
        click.echo(f"lamplighter: {error}", err=True)
        return UNKNOWN
    ids = [migration.id for migration in found.pending]
    if as_json:
        print_json({"pending": ids, "newer": found.newer, "refused": found.refusal})
    else:
        click.echo("to be applied: " + ", ".join(ids) if ids else "up to date")
        if found.newer:
            click.echo("laid by a newer version: " + ", ".join(found.newer))
        if found.refusal:
            click.echo(f"lamplighter: {found.refusal}", err=True)
        for migration in found.pending:
            if migration.contracts in ids:
                click.echo(
                    f"{migration.id} ends daemons of versions that do not know"
                    f" {migration.contracts}, which is to be applied too: stop these first, or"
                    " upgrade to a version between"
                )
    if found.refusal:
        return REFUSED
    return PENDING if ids else UP_TO_DATE


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look for what is wrong, and say what to do about it.

    Looks at settings, schedule, database, tables, mail, alerts, newsletter providers, GitHub and
    the model. Runs no job. Exit status 1 if something is wrong.
    """
    from scheduler.commands.checks import examine, in_brief

    findings = asyncio.run(examine())
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        print_table(
            ("", "check", "job", "found", "what to do"),
            [
                ("ok" if f.ok else "BAD", f.check, f.job, f.message, f.fix if not f.ok else None)
                for f in in_brief(findings)
            ],
        )
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


async def _migrate(settings: Settings) -> list[str]:
    async with _opened(settings) as database:
        return await database.prepare()


async def _standing(settings: Settings) -> Standing:
    from scheduler.db.migrations import standing

    async with _opened(settings) as database, database.connection() as connection:
        return await standing(connection)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    from scheduler.app import replica_name
    from scheduler.db.database import Database

    database = Database.of(settings, replica_name())
    await database.open(job_connections=1)
    try:
        yield database
    finally:
        await database.close()


COMMANDS = (migrate, doctor)
