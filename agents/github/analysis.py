"""What is there to say of one project's repository, computed once for the same rows?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from pydantic import JsonValue

from agents.github.facts import Period
from agents.github.metrics import Reading, analyse, fingerprint, moment
from agents.github.reader import Repository, read_history, read_repository
from scheduler.errors import NotFoundError
from scheduler.job import JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)

STALE_DAYS = 60
"""As GitHub's own action `stale` has it."""
KEPT = 200
"""Of one project: what a page of its history shows."""


async def analyse_project(
    ctx: JobContext, project: UUID, hours: int, stale_days: int = STALE_DAYS, *, keep: bool = True
) -> dict[str, JsonValue]:
    """The last `hours` that are known of, beside as many before; `cached` says it was there.

    The period ends at the run's `scheduled_for`, but not after the last sync: of what happened
    since then nothing is known, and silence would be read into it. Rows that the sync writes
    meanwhile may be read or not; then the next analysis has another hash. Without `keep` nothing is
    written.

    Raises `NotFoundError` where the project's repository was never read to the end.
    """
    async with ctx.db.transaction() as connection:
        repository = await read_repository(connection, project)
        if repository is None or repository.last_synced_at is None:
            raise NotFoundError(f"nothing was fetched from GitHub for project {project} yet")
        end = min(ctx.scheduled_for, repository.last_synced_at)
        period = Period(end - timedelta(hours=hours), end)
        history = await read_history(connection, project, repository, period)
        reading = Reading(ctx.timezone, timedelta(days=stale_days))
        # Rows may be many, and health is asked meanwhile: neither step holds up the loop.
        data_hash = await asyncio.to_thread(fingerprint, history, period, reading)
        known = (
            await sql.known(connection, project=project, data_hash=data_hash, now=ctx.now())
            if keep
            else None
        )
    if known is not None:
        return {**about(repository), **known, "cached": True}
    data = await asyncio.to_thread(analyse, history, period, reading)
    if not keep:
        return {**about(repository), **data, "cached": False}
    async with ctx.db.transaction() as connection:
        await sql.keep(
            connection,
            project=project,
            data_hash=data_hash,
            period_start=period.start,
            period_end=period.end,
            data=data,
            now=ctx.now(),
        )
        await sql.prune(connection, project=project, keep=KEPT)
    return {**about(repository), **data, "cached": False}


def about(repository: Repository) -> dict[str, JsonValue]:
    return {
        "repository": repository.full_name,
        "syncedAt": moment(repository.last_synced_at),
        "isSample": repository.is_sample,
    }
