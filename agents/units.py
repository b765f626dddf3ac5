"""Who works on a project, and how did it end: the record of one project in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from scheduler.errors import BusyError
from scheduler.job import JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)

MOST_ATTEMPTS = 3
RETRIED_FOR = timedelta(hours=24)
"""After that the next batch has long come by."""
BACKOFF = timedelta(minutes=10)
"""Before the second attempt; three times as long before the third."""
MOST_ERROR = 1_000


class Phase(StrEnum):
    """How far the work on a project is."""

    ANALYSE = "analyse"
    """Fetch what is new, and measure it."""
    DECIDE = "decide"
    """The agents' gates."""
    EXECUTE = "execute"
    """Models are asked."""
    VERIFY = "verify"
    """What they propose is held against the data; what may go by itself is published."""
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Unit:
    id: UUID
    project: UUID
    attempt: int


async def begin_unit(ctx: JobContext, project: UUID, scheduled_for: datetime) -> Unit | None:
    """Take the project for this run; None where that batch is done with it already.

    Raises `BusyError` where another run is working on it.
    """
    async with ctx.db.transaction() as connection:
        await sql.hold(connection, project=project)
        now = ctx.now()
        await sql.give_up_dead(connection, project=project, run=ctx.run_id, now=now)
        if (busy := await sql.at_work(connection, project=project)) is not None:
            raise BusyError(f"run {busy['run_id']} is working on project {project}")
        row = await sql.begin(
            connection, project=project, scheduled_for=scheduled_for, run=ctx.run_id, now=now
        )
    return None if row is None else Unit(row["id"], project, row["attempts"])


async def done_unit(ctx: JobContext, project: UUID, scheduled_for: datetime) -> UUID | None:
    """The unit that an earlier attempt of this run has come to the end of."""
    async with ctx.db.transaction() as connection:
        row = await sql.done_by(
            connection, project=project, scheduled_for=scheduled_for, run=ctx.run_id
        )
    return None if row is None else row["id"]


async def set_phase(ctx: JobContext, unit: Unit, phase: Phase) -> None:
    async with ctx.db.transaction() as connection:
        await sql.set_phase(connection, unit=unit.id, phase=phase)


async def end_unit(ctx: JobContext, unit: Unit, error: str | None) -> None:
    """`error` says why it failed; it is then tried again after a while."""
    now = ctx.now()
    async with ctx.db.transaction() as connection:
        if error is None:
            await sql.succeed(connection, unit=unit.id, now=now)
        else:
            await sql.fail(
                connection,
                unit=unit.id,
                error=error[:MOST_ERROR],
                now=now,
                next_attempt_at=now + BACKOFF * 3 ** (unit.attempt - 1),
            )


@dataclass(frozen=True, slots=True)
class FailedUnit:
    id: UUID
    project: UUID
    scheduled_for: datetime


async def failed_units(ctx: JobContext, most: int) -> Sequence[FailedUnit]:
    """What failed within a day, has attempts left, and has waited long enough.

    What a run that was stopped, or an earlier attempt of this one, left at work has failed too.
    """
    now = ctx.now()
    async with ctx.db.transaction() as connection:
        await sql.give_up_left(connection, run=ctx.run_id, now=now)
        rows = sql.failed(
            connection,
            since=now - RETRIED_FOR,
            most_attempts=MOST_ATTEMPTS,
            now=now,
            most=most,
        )
        return [
            FailedUnit(row["id"], row["project_id"], row["scheduled_for"]) async for row in rows
        ]
