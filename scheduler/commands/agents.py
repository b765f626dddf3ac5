"""`agents dry-run|eval`: what the agents would say, of a project or of labelled cases."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scheduler.commands.output import json_option
from scheduler.errors import LamplighterError
from scheduler.settings import Settings, load_settings

if TYPE_CHECKING:
    from agents.dry_run import Rehearsed
    from agents.evaluation.running import Played

DOLLARS = click.FloatRange(min=0, max=1000)


@click.group()
def agents() -> None:
    """See what the agents would say, and how well they do."""


@agents.command("dry-run")
@click.argument("project")
@click.option("--agent", "only", metavar="SLUG", help="This agent alone.")
@click.option("--force", is_flag=True, help="Look even where it is not due yet.")
@click.option("--prompts", is_flag=True, help="Show what the model is asked.")
@click.option(
    "--max-cost",
    type=DOLLARS,
    default=1.0,
    show_default=True,
    help="US dollars that it may cost; never more than the day's caps leave.",
)
@json_option
def dry_run(
    project: str, only: str | None, force: bool, prompts: bool, max_cost: float, as_json: bool
) -> None:
    """Show what the agents would suggest for PROJECT, and why.

    PROJECT is an id or owner/name. Looks at what was fetched last and asks the configured model;
    writes nothing, not even what it has cost. Without a model it shows the gate's first step, which
    costs nothing.

    Exit status: 0 it was shown, 1 something failed or no model is configured, 2 wrong usage.
    """
    from scheduler.commands.agents_shown import show_rehearsed

    rehearsed, note = asyncio.run(
        _dry_run(load_settings(), project, only, Decimal(str(max_cost)), force=force)
    )
    show_rehearsed(rehearsed, note, prompts=prompts, as_json=as_json)
    failed = any(
        one.ending is not None and one.ending.status in {"failed", "skipped"} for one in rehearsed
    )
    sys.exit(1 if failed or note is not None else 0)


@agents.command("eval")
@click.argument(
    "folder",
    metavar="[DIR]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--max-cost",
    type=DOLLARS,
    default=1.0,
    show_default=True,
    help="US dollars that all cases together may cost.",
)
@click.option(
    "--concurrent",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Cases at a time.",
)
@json_option
def evaluate(folder: Path | None, max_cost: float, concurrent: int, as_json: bool) -> None:
    """Try the agents on labelled cases, with the configured model.

    The cases are in DIR, or those that ship. A case is a YAML file: what an agent is shown, and
    whether it should speak, about what, or keep quiet. Needs no database. With a model of the name
    test-double only what lamplighter itself decided is printed.

    Exit status: 0 all cases were played, 1 something failed, 2 wrong usage.
    """
    from scheduler.commands.agents_shown import show_played

    played, model = asyncio.run(
        _evaluate(load_settings(), folder, Decimal(str(max_cost)), concurrent)
    )
    show_played(played, model, as_json=as_json)
    failed = any(one.error is not None or one.breaches for one in played)
    sys.exit(1 if failed else 0)


async def _dry_run(
    settings: Settings, project: str, only: str | None, most: Decimal, *, force: bool
) -> tuple[list[Rehearsed], str | None]:
    """And what keeps it from asking a model, if anything does."""
    import asyncpg

    import agents as package
    from agents.dry_run import find_project, left_today, rehearse
    from agents.kit.errors import NotConfiguredError
    from agents.kit.purse import open_unrecorded
    from agents.kit.registry import find_agents
    from scheduler.commands.outside import outside

    _warnings_only()
    found = find_agents(package)
    if only is not None and only not in found:
        raise click.BadParameter(f"there is no agent {only!r}; there are {', '.join(found)}")
    chosen = found if only is None else {only: found[only]}
    try:
        async with outside(settings, "orchestration/batch") as at:
            candidate, site = await find_project(at.ctx, found, project)
            most = min(most, await left_today(at.ctx, site.project))
            try:
                async with open_unrecorded(at.ctx, most) as model:
                    return await rehearse(at.ctx, chosen, candidate, site, model, force=force), None
            except NotConfiguredError as error:
                shown = await rehearse(at.ctx, chosen, candidate, site, None, force=force)
                return shown, str(error)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError) as error:
        raise LamplighterError(
            "the database lacks tables of lamplighter's: run `lamplighter migrate`"
        ) from error


async def _evaluate(
    settings: Settings, folder: Path | None, most: Decimal, concurrent: int
) -> tuple[list[Played], str]:
    """And the model's name."""
    import agents as package
    from agents.evaluation.loading import SHIPPED, load_cases
    from agents.evaluation.report import TEST_DOUBLE
    from agents.evaluation.running import Stage, play_all
    from agents.kit.errors import NotConfiguredError
    from agents.kit.purse import NO_MODEL, open_unrecorded
    from agents.kit.registry import find_agents
    from scheduler.commands.outside import without_database
    from scheduler.policy import Price

    _warnings_only()
    found = find_agents(package)
    cases = load_cases(folder or SHIPPED, found)
    ctx = without_database(settings)
    if ctx.services.model is None:
        raise NotConfiguredError(NO_MODEL)
    name = ctx.policy.defaults.model or ctx.services.model.name
    free = {TEST_DOUBLE: Price(input=0, output=0)}
    ctx = replace(ctx, policy=replace(ctx.policy, prices={**ctx.policy.prices, **free}))
    async with open_unrecorded(ctx, most) as model:
        stage = Stage(found, model, name, ctx.policy)
        played = await play_all(stage, cases, concurrent=concurrent, progress=_progress)
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    return played, name


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} cases   ", nl=False, err=True)


def _warnings_only() -> None:
    from scheduler.watching.logging import configure_logging

    secrets = load_settings().secret_values
    configure_logging(level="warning", console=True, secrets=secrets)


COMMANDS = (agents,)
