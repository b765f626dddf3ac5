"""`segment`, `funnel`, `cohort`: what a job would compute for one that the product has defined."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from scheduler.commands.output import json_option, print_json, print_table
from scheduler.errors import LamplighterError
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
    from scheduler.commands.outside import outside

    async with outside(settings, job) as at:
        if at.job.explain is None:
            raise LamplighterError(f"{job} explains nothing")
        return await at.job.explain(at.ctx, at.params, slug)


COMMANDS = tuple(_group(what, job) for what, job in EXPLAINED_BY.items())
