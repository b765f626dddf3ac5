"""`github sync|analyze`: the projects' repositories, read and measured in this process."""

from __future__ import annotations

from uuid import UUID

import click

from scheduler.commands.output import json_option
from scheduler.commands.runs import run_here


@click.group()
def github() -> None:
    """Read and measure the projects' GitHub repositories."""


@github.command()
@click.argument("project", metavar="[PROJECT]", required=False, type=click.UUID)
@json_option
def sync(project: UUID | None, as_json: bool) -> None:
    """Read what is new in the projects' repositories.

    PROJECT is an id, as GET /api/v1/projects and the project's page have it; without it, every
    project whose sync is on is read.

    Exit status: 0 it succeeded, 1 it failed, 2 wrong usage, 3 it is already running.
    """
    given = {} if project is None else {"project": str(project)}
    run_here("orchestration/github-sync", given, None, as_json=as_json)


@github.command()
@click.argument("project", metavar="[PROJECT]", required=False, type=click.UUID)
@click.option(
    "--hours",
    type=click.IntRange(1, 2160),
    default=24,
    show_default=True,
    help="How long the period is that ends with the last sync.",
)
@json_option
def analyze(project: UUID | None, hours: int, as_json: bool) -> None:
    """Measure the projects' repositories.

    PROJECT is an id, as GET /api/v1/projects and the project's page have it; without it, every
    project that was fetched is measured.

    Exit status: 0 it succeeded, 1 it failed, 2 wrong usage, 3 it is already running.
    """
    given: dict[str, object] = {"periodHours": hours}
    if project is not None:
        given["projectId"] = str(project)
    run_here("orchestration/analyze-github", given, None, as_json=as_json)


COMMANDS = (github,)
