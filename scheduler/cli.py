"""The command `lamplighter`: which commands there are, and how a user's mistake is answered."""

from __future__ import annotations

import sys

import click

from scheduler.commands import (
    agents,
    alert,
    database,
    definitions,
    enroll,
    github,
    importing,
    log_level,
    postgres,
    runs,
    schedule,
    serve,
    suppression,
)
from scheduler.errors import LamplighterError


class Commands(click.Group):
    """Answers every error that is ours with its sentence, never with a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LamplighterError as error:
            click.echo(f"lamplighter: {error}", err=True)
            sys.exit(1)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="lamplighter", message="%(prog)s %(version)s")
def main() -> None:
    """Run a product's back office on a clock.

    Settings come from the environment and .env, the schedule from config.yaml.
    """


for command in (
    *serve.COMMANDS,
    *schedule.COMMANDS,
    *runs.COMMANDS,
    *database.COMMANDS,
    *postgres.COMMANDS,
    *definitions.COMMANDS,
    *suppression.COMMANDS,
    *enroll.COMMANDS,
    *github.COMMANDS,
    *agents.COMMANDS,
    *alert.COMMANDS,
    *importing.COMMANDS,
    *log_level.COMMANDS,
):
    main.add_command(command)
