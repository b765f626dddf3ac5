"""`suppression`: whether somebody may be written to, and how a person lifts it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from scheduler.commands.output import json_option, print_json
from scheduler.now import clock_with
from scheduler.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scheduler.db.database import Database


@click.group()
def suppression() -> None:
    """Addresses that nobody here writes to any more."""


@suppression.command()
@click.argument("email")
@json_option
def show(email: str, as_json: bool) -> None:
    """Say whether EMAIL is suppressed, since when and why. Exit status 1 if it is not."""
    found = asyncio.run(_show(load_settings(), email))
    if as_json:
        print_json(found)
    elif found is None:
        click.echo(f"{email} is not suppressed")
    else:
        click.echo(
            f"{found['email']} is suppressed: {found['reason']},"
            f" said by {found['source']} on {found['createdAt']:%Y-%m-%d %H:%M %Z}"
        )
        if found["detail"]:
            click.echo(found["detail"])
    sys.exit(0 if found else 1)


@suppression.command()
@click.argument("email")
@click.option("--reason", required=True, help="Kept with the activity.")
@json_option
def lift(email: str, reason: str, as_json: bool) -> None:
    """Let EMAIL be written to again. It subscribes nobody: that is for the person to do."""
    held = asyncio.run(_lift(load_settings(), email, reason))
    if as_json:
        print_json({"email": email.lower(), "lifted": held})
    else:
        click.echo(
            f"{email} may be written to again; it was {held}"
            if held
            else f"{email} is not suppressed"
        )
    sys.exit(0 if held else 1)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    from scheduler.app import replica_name
    from scheduler.db.database import Database

    database = Database.of(settings, replica_name())
    await database.open(job_connections=1)
    try:
        await database.prepare()
        yield database
    finally:
        await database.close()


async def _show(settings: Settings, email: str) -> Mapping[str, Any] | None:
    from jobs.email.suppression import entry

    async with _opened(settings) as database, database.connection() as connection:
        found = await entry(connection, email)
    if found is None:
        return None
    return {
        "email": found["email"],
        "reason": found["reason"],
        "source": found["source"],
        "detail": found["detail"],
        "createdAt": found["created_at"],
    }


async def _lift(settings: Settings, email: str, reason: str) -> str | None:
    from jobs.email.suppression import lift as lift_suppression
    from scheduler.db.activity import ActivityStore

    now = clock_with(settings.offset)()
    async with _opened(settings) as database:
        async with database.connection() as connection, connection.transaction():
            held = await lift_suppression(connection, email, by="command line", now=now)
        if held is not None:
            await ActivityStore(database.pools).record(
                at=now,
                who="command line",
                source=None,
                action="lift_suppression",
                target=email.lower(),
                reason=reason,
                detail={"was": held},
            )
    return held


COMMANDS = (suppression,)
