"""Computes the product's funnels: who went through their steps, in order and in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import Field, JsonValue

from jobs.analytics.events import event_sql
from jobs.analytics.funnel_steps import BrokenFunnelError, Step, parse_steps
from jobs.analytics.names import Slugs
from scheduler.errors import JobError, MissingTablesError
from scheduler.job import Connection, Done, Explanation, Job, JobContext, Outcome, Params, Row
from scheduler.sql import Queries
from scheduler.transaction import give_memory, in_plain_words, limit_lock_wait
from scheduler.walk import REFUSED

PROGRESS = "analytics_funnel_progress"
PROGRESS_COLUMNS = frozenset(
    {
        *("id", "funnel_id", "user_id", "session_id", "current_step", "completed"),
        *("step_timestamps", "entered_at", "completed_at", "time_to_complete"),
    }
)
MOST_BYTES = 65_536
"""Of a funnel's steps as JSON: 20 steps with long conditions need a tenth of it."""
MOST_DAYS = 3_650
LOOKBACK_DAYS = 30
WINDOW_DAYS = 30
"""Where the product left `window_days` NULL."""

# What the database says of one funnel's definition, as opposed to of the statement or the server.
OF_THE_DEFINITION = (
    *REFUSED,
    asyncpg.ProgramLimitExceededError,
    # Somebody keeps its row locked: the next run computes it.
    asyncpg.LockNotAvailableError,
)
LOCK_WAIT = 2.0
"""Seconds that one funnel may keep the others waiting."""


class ComputeFunnels(Params):
    lookback_days: int = Field(LOOKBACK_DAYS, ge=1, le=MOST_DAYS)
    """Chains count that begin in the last so many times 24 hours before the run's `scheduled_for`,
    as far as events are kept; both ends belong to it."""
    track_progress: bool = False
    """Whether each person's furthest chain is kept in `analytics_funnel_progress`."""
    progress_batch: int = Field(20_000, ge=100, le=1_000_000)
    """People whose progress one transaction writes, about: 20,000 take a second or two."""
    slugs: Slugs | None = None
    """Only these funnels; all that are published where it is not given."""


@dataclass(frozen=True, slots=True)
class Funnel:
    id: UUID
    json: str
    """The steps as they are stored: what the database takes, number for number."""
    steps: Sequence[Step]
    stored_window: int | None

    def parameters(self, ctx: JobContext, lookback_days: int) -> dict[str, object]:
        return {
            "steps": self.json,
            "events": sorted({step.event for step in self.steps}),
            "since": ctx.scheduled_for - timedelta(days=lookback_days),
            "until": ctx.scheduled_for,
            "window_days": WINDOW_DAYS if self.stored_window is None else self.stored_window,
        }


async def run(ctx: JobContext, params: ComputeFunnels) -> Outcome:
    """Compute each published funnel.

    A person is a user, or a session of nobody who is known. A person reached step k when events for
    steps 1 to k happened in that order, each another event, the last of them at most `window_days`
    times 24 hours after the first. Events of one instant are in the order of their ids.

    Of each person and step counts the first event by which the step was reached, and of the chains
    of events that lead to it the one that is the latest in every step. `total_entered` are the
    people who reached step 1, `total_completed` those who reached the last, `conversion_rate` is
    the latter in percent of the former, `avg_time_to_complete` the average from first to last step.
    """
    sql = event_sql(__file__, ctx.tables)
    missing = PROGRESS_COLUMNS - ctx.tables.get(PROGRESS, frozenset())
    if params.track_progress and missing:
        raise MissingTablesError(
            f"trackProgress needs {PROGRESS} with {', '.join(sorted(missing))}"
        )
    async with ctx.db.transaction() as connection:
        rows = sql.published(connection, slugs=params.slugs)
        funnels = [(row["id"], row["slug"]) async for row in rows]
    answers: dict[str, JsonValue] = {
        slug: {"error": "there is no published funnel of this slug"} for slug in params.slugs or ()
    }
    computed = 0
    for number, (key, slug) in enumerate(funnels, 1):
        try:
            answers[slug] = await compute(ctx, sql, key, params)
            computed += 1
        except (BrokenFunnelError, *OF_THE_DEFINITION) as error:
            answers[slug] = {"error": in_plain_words(error)}
            ctx.log.warning("funnel_failed", slug=slug, error=in_plain_words(error))
        ctx.progress(number, len(funnels))
    return Done({"computed": computed, "funnels": answers})


async def compute(
    ctx: JobContext, sql: Queries, key: UUID, params: ComputeFunnels
) -> dict[str, JsonValue]:
    """Compute one funnel and store it. Raises `BrokenFunnelError`; then it stays as it was."""
    async with ctx.db.transaction() as connection:
        funnel = await read(connection, sql, key)
        parameters = funnel.parameters(ctx, params.lookback_days)
        await tune(connection, sql)
        reached = [row async for row in sql.measure(connection, **parameters)]
    counts = [row["people"] for row in reached] + [0] * (len(funnel.steps) - len(reached))
    entered, completed = counts[0], counts[-1]
    rate = percent(completed, entered)
    answer: dict[str, JsonValue] = {
        "entered": entered,
        "completed": completed,
        "conversionRate": float(rate),
    }
    if params.track_progress:
        answer["progress"] = await track(
            ctx, sql, funnel, parameters, entered, params.progress_batch
        )
    async with ctx.db.transaction() as connection:
        await limit_lock_wait(connection, LOCK_WAIT)
        stored = await sql.store(
            connection,
            id=key,
            steps=funnel.json,
            stored_window=funnel.stored_window,
            entered=entered,
            completed=completed,
            conversion_rate=rate,
            average_time=average(int(reached[-1]["since_first"]), completed) if completed else None,
            step_metrics=step_metrics(funnel.steps, counts, reached),
            now=ctx.now(),
        )
    if not stored:
        raise BrokenFunnelError("was changed while it was computed; the next run computes it")
    return answer


async def track(
    ctx: JobContext,
    sql: Queries,
    funnel: Funnel,
    parameters: Mapping[str, object],
    entered: int,
    batch: int,
) -> dict[str, JsonValue]:
    """Bring the rows of progress to what is computed, a share of all people at a time."""
    async with ctx.db.transaction() as connection:
        rows = max(entered, await sql.tracked(connection, id=funnel.id))
    shares = 1
    while rows > shares * batch:
        shares *= 2
    difference = dict.fromkeys(("added", "changed", "removed"), 0)
    for share in range(shares):
        async with ctx.db.transaction() as connection:
            await tune(connection, sql)
            await sql.one_at_a_time(connection, id=funnel.id)
            row = await sql.track(
                connection, id=funnel.id, shares=shares, share=share, **parameters
            )
        for name in difference:
            difference[name] += row[name]
    return {**difference}


async def tune(connection: Connection, sql: Queries) -> None:
    """The sort and the rounds in memory."""
    await give_memory(connection, 128)
    await sql.tune(connection)


async def read(connection: Connection, sql: Queries, key: UUID) -> Funnel:
    """The definition as it is now. Raises `BrokenFunnelError`."""
    row = await sql.definition(connection, id=key, most_bytes=MOST_BYTES)
    if row is None:
        raise BrokenFunnelError("was deleted while the others were computed")
    if row["steps"] is None:
        raise BrokenFunnelError(f"steps: longer than {MOST_BYTES} bytes")
    window = row["window_days"]
    if window is not None and not 1 <= window <= MOST_DAYS:
        raise BrokenFunnelError(f"window_days: is {window}, allowed are 1 to {MOST_DAYS}")
    return Funnel(key, row["steps"], parse_steps(row["steps"]), window)


def step_metrics(
    steps: Sequence[Step], counts: Sequence[int], reached: Sequence[Row]
) -> list[dict[str, JsonValue]]:
    """What `step_metrics` holds: for each step, who came and how fast, beside the step before.

    The first step has none before it, so its dropoff is 0 and the rest NULL. The median is in
    seconds, to the millisecond, over the people in `count`; NULL where that is 0.
    """
    metrics: list[dict[str, JsonValue]] = []
    for n, (step, count) in enumerate(zip(steps, counts, strict=True)):
        median = reached[n]["since_previous"] if n < len(reached) else None
        metrics.append(
            {
                "step": n + 1,
                "name": step.name or step.event,
                "count": count,
                "dropoff": counts[n - 1] - count if n else 0,
                "conversion_from_previous": float(percent(count, counts[n - 1])) if n else None,
                "median_seconds_from_previous": (
                    None if median is None else round(median / 1_000) / 1_000
                ),
            }
        )
    return metrics


def percent(part: int, whole: int) -> Decimal:
    """To two places, halves up; 0 of nobody."""
    share = Decimal(100 * part) / whole if whole else Decimal(0)
    return share.quantize(Decimal("0.01"), ROUND_HALF_UP)


def average(microseconds: int, people: int) -> timedelta:
    """To the microsecond, halves up."""
    return timedelta(microseconds=(2 * microseconds + people) // (2 * people))


class Recorder:
    """Passes a query on, and keeps it as PostgreSQL got it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.query = ""
        self.values: tuple[object, ...] = ()

    async def fetch(self, query: str, *values: object) -> Sequence[Row]:
        self.query, self.values = query, values
        return await self._connection.fetch(query, *values)


async def explain(ctx: JobContext, params: ComputeFunnels, slug: str) -> Explanation:
    """What the funnel of that slug would be computed by, whatever its status."""
    sql = event_sql(__file__, ctx.tables)
    async with ctx.db.transaction() as connection:
        key = await sql.by_slug(connection, slug=slug)
        if key is None:
            raise JobError(f"there is no funnel {slug!r}")
        funnel = await read(connection, sql, key)
        await tune(connection, sql)
        recorder = Recorder(connection)
        parameters = funnel.parameters(ctx, params.lookback_days)
        reached = [row async for row in sql.measure(recorder, **parameters)]
    people: list[Any] = [row["people"] for row in reached]
    people += [0] * (len(funnel.steps) - len(people))
    return Explanation(
        sql=recorder.query,
        values=recorder.values,
        counts={
            "entered": people[0],
            "completed": people[-1],
            "steps": [
                {"step": n, "name": step.name or step.event, "count": count}
                for n, (step, count) in enumerate(zip(funnel.steps, people, strict=True), 1)
            ],
        },
    )


job = Job(
    run=run,
    params=ComputeFunnels,
    needs={
        "analytics_events": ("id", "event_type", "user_id", "metadata"),
        "analytics_funnels": (
            "id",
            "status",
            "slug",
            "steps",
            "window_days",
            "total_entered",
            "total_completed",
            "conversion_rate",
            "avg_time_to_complete",
            "step_metrics",
            "last_computed_at",
        ),
    },
    explain=explain,
)
