"""`log-level`: how much the running daemon logs, for a while."""

from __future__ import annotations

from datetime import datetime

import click

from scheduler.commands.client import call
from scheduler.commands.output import json_option, moment_in_words, print_json
from scheduler.settings import LogLevel, load_settings

PATH = "/api/v1/log-level"


@click.command("log-level")
@click.argument(
    "level",
    metavar="[LEVEL]",
    required=False,
    type=click.Choice([str(level) for level in LogLevel]),
)
@click.option("--for", "for_", default="10m", show_default=True, help="How long: 30s, 10m, 24h.")
@click.option("--reason", help="Kept in the record of activity.")
@json_option
def log_level(level: str | None, for_: str, reason: str | None, as_json: bool) -> None:
    """Let the running daemon log at LEVEL for a while.

    LEVEL is debug, info, warning or error; without it, the level in force is shown.
    Of several daemons only the one that answers at HOST and PORT changes.
    """
    settings = load_settings()
    if level is None:
        found = call(settings, "GET", PATH, admin=True).ok()
    else:
        body = {"level": level, "for": for_, **({"reason": reason} if reason else {})}
        found = call(settings, "PUT", PATH, admin=True, json=body).ok()
    if as_json:
        print_json(found)
    elif found["until"]:
        until = moment_in_words(datetime.fromisoformat(found["until"]))
        back = f"until {until}, then {found['configured']} again"
        click.echo(f"{found['replica']} logs at {found['level']} {back}")
    else:
        click.echo(f"{found['replica']} logs at {found['level']}")


COMMANDS = (log_level,)
