"""`enroll`: brings people into a sequence by hand, in this process, and keeps who did."""

from __future__ import annotations

import asyncio
import getpass
import socket
from typing import TYPE_CHECKING

import click

from scheduler.commands.output import json_option, print_json
from scheduler.errors import LamplighterError
from scheduler.settings import Settings, load_settings

if TYPE_CHECKING:
    from scheduler.job import Json

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
    """Enrol people in a sequence of e-mails.

    One subscriber by EMAIL, or with --existing those who were there before.
    The next run of process-sequences writes to them. Says how many they are first, and asks.
    """
    if existing == (email is not None):
        raise click.UsageError("name either an EMAIL or --existing")
    if as_json and existing and not yes:
        raise click.UsageError("--json asks nothing: add --yes")
    settings = load_settings()
    from scheduler.watching.logging import configure_logging

    configure_logging(level="warning", console=True, secrets=settings.secret_values)
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
    from scheduler.commands.outside import outside
    from scheduler.db.activity import ActivityStore

    async with outside(settings, JOB, seconds=SECONDS) as at:
        how = at.job.enroll
        if how is None:
            raise LamplighterError(f"{JOB} enrols nobody by hand")
        if email is not None:
            counts = await how.one(at.ctx, at.params, slug, email)
        else:
            if ask:
                due = await how.count(at.ctx, at.params, slug)
                question = (
                    f"{due['enrolled']:,} people would be enrolled in {slug}, and"
                    f" {due['adopted']:,} of the product's own enrolments taken over. Go on?"
                )
                if not await asyncio.to_thread(click.confirm, question):
                    return None
            counts = await how.existing(at.ctx, at.params, slug)
        await ActivityStore(at.database.pools).record(
            at=at.ctx.now(),
            who="command line",
            source=f"{_user()}@{socket.gethostname()}",
            action="enroll",
            target=slug,
            detail={**counts, **({"email": email} if email is not None else {"existing": True})},
        )
        return counts


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "?"


COMMANDS = (enroll,)
