"""Computes each published cohort: who came back, paid or generated, by when they joined.

- People join a cohort when they sign up (`signup_date`; `custom` too, of those whom its filters
  choose), with their first paid invoice that is not 0 in any currency (`first_purchase`), or with
  the first subscription that is no trial (`subscription_start`). Filters, in the language of
  segments over the columns of `app_users`, narrow down every type.
- `retention` is the share, in percent, of those with any event in the period; in their own period
  it is 100. `revenue` is cents of paid invoices in one currency, `generations` a number of events,
  `engagement` events for each person with any. What happened in a cohort's own period counts
  whole, before joining too.
- `start_date` and `end_date` choose cohorts, by the whole periods that they lie in; without them it
  is the last 12, the running one included. Each is followed up to the running period, which has no
  value before it is over, for 400 periods at most.
- Events are cleaned after a while. Values stored before that stay; where there are none they are
  unknown, not 0: in periods that `cleanup` has come to, and in older ones than `events_days` that
  are empty or follow an empty one. To have a cohort computed anew, empty its `cohort_data`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

import asyncpg
from pydantic import Field, JsonValue

from jobs.analytics import cohort_pass
from jobs.analytics.cohort_data import Matrix, cohort_data
from jobs.analytics.cohort_pass import FILTERS, FIRST_FILTER, Statement
from jobs.analytics.cohorts import BrokenCohortError, Cohort, read_cohort
from jobs.analytics.names import Currency, Name, Slugs
from jobs.criteria import guard
from jobs.criteria.columns import read_columns
from jobs.criteria.compiler import compile_criteria
from jobs.criteria.errors import CriteriaError
from jobs.criteria.reading import LONGEST, read_criteria
from scheduler.days import day_of, day_start
from scheduler.errors import JobError, MissingTablesError
from scheduler.job import (
    Connection,
    Done,
    Explanation,
    Job,
    JobContext,
    Listed,
    Outcome,
    Params,
    Row,
)
from scheduler.sql import Queries, load_sql
from scheduler.transaction import in_plain_words, limit_lock_wait

sql = load_sql(__file__)

DEFINITION = ("cohort_type", "granularity", "metric", "filters", "start_date", "end_date")

# What filters may name, as `column` or `user.column`.
USER_COLUMNS = (
    *("id", "status", "email", "display_name", "preferred_locale", "email_preferences"),
    *("subscription_tier", "subscription_status", "subscription_started_at"),
    *("subscription_ends_at", "credits_remaining", "lifetime_credits_used", "credits_reset_at"),
    *("is_banned", "is_admin", "last_login_at", "last_generation_at", "total_generations"),
    *("created_at", "updated_at"),
)

# What is wrong with one cohort, or what the database says of its statement: the others go on.
BROKEN = (
    BrokenCohortError,
    CriteriaError,
    MissingTablesError,
    asyncpg.DataError,
    asyncpg.LockNotAvailableError,
    asyncpg.SyntaxOrAccessError,
)


class RefreshCohorts(Params):
    slugs: Slugs | None = None
    """Only these cohorts; all that are published where it is left out."""
    currency: Currency = "usd"
    """Whose invoices are revenue; those in other currencies are left out."""
    cumulative: bool = False
    """Whether revenue is all that a cohort has paid by the end of the period."""
    generation_events: Annotated[Listed[Name], Field(min_length=1, max_length=20)] = (
        "generation_completed",
    )
    """The events that are generations."""
    events_days: int = Field(default=90, ge=1, le=3650)
    """Events younger than this are deleted by nobody but `cleanup`, of which it is known."""


@dataclass(slots=True)
class Report:
    """What became of each cohort, by slug."""

    cohorts: dict[str, JsonValue] = field(default_factory=dict)
    refreshed: int = 0
    errors: int = 0

    def broken(self, ctx: JobContext, slug: str, error: Exception) -> None:
        path: JsonValue = getattr(error, "path", None)
        if isinstance(error, CriteriaError):
            path = f"filters.{error.path}" if error.path else "filters"
        said = in_plain_words(error)
        self.cohorts[slug] = {"error": said, "path": path}
        self.errors += 1
        ctx.log.warning("cohort_failed", slug=slug, path=path, error=said)


async def run(ctx: JobContext, params: RefreshCohorts) -> Outcome:
    """Compute the cohorts as of `scheduled_for`; a period is the job's zone's.

    Cohorts of the same people in the same periods share one pass. One that cannot be computed keeps
    its data and is named with its error.
    """
    passes = cohort_pass.pass_sql(ctx.tables)
    report = Report()
    groups: dict[tuple[object, ...], list[tuple[Row, Cohort]]] = {}
    rows = await _published(ctx, params.slugs)
    unknown = set(params.slugs or ()).difference(row["slug"] for row in rows)
    for slug in sorted(unknown):
        report.broken(ctx, slug, BrokenCohortError("slug", "no published cohort has it"))
    for row in rows:
        if row["computed_for"] is not None and row["computed_for"] > ctx.scheduled_for:
            # A late run for an earlier moment must not undo what can no longer be computed.
            report.cohorts[row["slug"]] = {"computedFor": row["computed_for"].isoformat()}
            continue
        try:
            cohort = _read(ctx, row)
            groups.setdefault(cohort.shared(), []).append((row, cohort))
        except BROKEN as error:
            report.broken(ctx, row["slug"], error)

    for cohorts in groups.values():
        try:
            _, matrix = await _measure(ctx, passes, cohorts[0][1], params)
        except BROKEN as error:
            for _, cohort in cohorts:
                report.broken(ctx, cohort.slug, error)
            continue
        for row, cohort in cohorts:
            try:
                report.cohorts[cohort.slug] = await _write(ctx, row, cohort, matrix, params)
                report.refreshed += 1
            except BROKEN as error:
                report.broken(ctx, cohort.slug, error)
            ctx.progress(len(report.cohorts), len(rows) + len(unknown))
    return Done({"refreshed": report.refreshed, "errors": report.errors, "cohorts": report.cohorts})


async def _published(ctx: JobContext, slugs: Sequence[str] | None) -> list[Row]:
    async with ctx.db.transaction() as connection:
        rows = sql.published(connection, longest=LONGEST + 1, slugs=slugs)
        return [row async for row in rows]


def _read(ctx: JobContext, row: Row) -> Cohort:
    filters = {} if row["filters"] is None else read_criteria(row["filters"])
    cohort = read_cohort(row, filters, ctx.scheduled_for, ctx.timezone)
    cohort_pass.check_tables(cohort, ctx.tables)
    return cohort


async def _measure(
    ctx: JobContext, passes: Queries, cohort: Cohort, params: RefreshCohorts
) -> tuple[Statement, Matrix]:
    """What counts the cohort's people and their doings, and what comes out of it."""
    oldest_day = day_of(ctx.scheduled_for, ctx.timezone) - timedelta(days=params.events_days)
    async with ctx.db.transaction() as connection:
        condition = await _condition(ctx, connection, passes, cohort.filters)
        measured = params.generation_events if cohort.needs_events else params.currency
        counting = cohort_pass.statement(passes, cohort, ctx.scheduled_for, measured, condition)
        cutoff = day_start(oldest_day, ctx.timezone)
        return counting, await cohort_pass.measure(connection, passes, cohort, counting, cutoff)


async def _condition(
    ctx: JobContext, connection: Connection, passes: Queries, filters: JsonValue
) -> Statement:
    """The filters in SQL, held by the guard to what they may read. Raises `CriteriaError`."""
    names = [name for name in USER_COLUMNS if name in ctx.tables["app_users"]]
    columns = {
        **await read_columns(connection, "app_users", "u", names),
        **await read_columns(connection, "app_users", "u", names, "user."),
    }
    now = ctx.scheduled_for.astimezone(ctx.timezone)
    if filters != {}:
        alone = compile_criteria(filters, columns, now)
        people = passes.people.sql.rstrip().rstrip(";")
        allowed = people.replace(FILTERS, guard.every_column(columns))
        guard.hold(
            await guard.reach(connection, people.replace(FILTERS, alone.text), *alone.values),
            await guard.reach(connection, allowed),
        )
    condition = compile_criteria(filters, columns, now, FIRST_FILTER)
    return Statement(condition.text, condition.values)


async def _write(
    ctx: JobContext, row: Row, cohort: Cohort, matrix: Matrix, params: RefreshCohorts
) -> JsonValue:
    """Write a cohort's data and give its summary.

    Raises `BrokenCohortError` where somebody has changed what is asked for meanwhile.
    """
    counted: JsonValue = None
    if cohort.metric == "generations":
        counted = [*params.generation_events]
    asked = {name: row[name] for name in DEFINITION}
    async with ctx.db.transaction() as connection:
        await limit_lock_wait(connection, 2)
        data = cohort_data(
            cohort.metric,
            cohort.window,
            matrix,
            _readable(await sql.stored(connection, id=cohort.id)),
            cohort.fingerprint(counted),
            cumulative=params.cumulative,
        )
        written = await sql.write(
            connection,
            id=cohort.id,
            data=json.dumps(data),
            now=ctx.now(),
            longest=LONGEST + 1,
            **asked,
        )
        if written is None:
            raise BrokenCohortError("definition", "was changed or deleted while it was computed")
        await sql.remember(connection, id=cohort.id, at=ctx.scheduled_for)
    return {"cohorts": len(data), "size": sum(matrix.sizes.values())}


def _readable(stored: str | None) -> JsonValue:
    """What stands in `cohort_data`; nothing where no JSON reader takes it."""
    try:
        data: JsonValue = json.loads(stored or "{}")
    except (ValueError, RecursionError):
        return {}
    return data


async def explain(ctx: JobContext, params: RefreshCohorts, slug: str) -> Explanation:
    """The pass that computes the cohort, as of `scheduled_for`, by these parameters."""
    rows = [] if "\0" in slug else await _published(ctx, [slug])
    if not rows:
        raise JobError(f"there is no published cohort {slug!r}")
    cohort = _read(ctx, rows[0])
    passes = cohort_pass.pass_sql(ctx.tables)
    counting, matrix = await _measure(ctx, passes, cohort, params)
    sizes: dict[str, JsonValue] = {
        cohort.window.key(number): size for number, size in sorted(matrix.sizes.items())
    }
    return Explanation(
        counting.text,
        counting.values,
        {"cohorts": len(sizes), "size": sum(matrix.sizes.values()), "sizes": sizes},
    )


job = Job(
    run=run,
    params=RefreshCohorts,
    explain=explain,
    needs={
        "analytics_cohorts": (
            *("id", "slug", "status", "cohort_data", "last_computed_at"),
            *DEFINITION,
        ),
        "analytics_events": ("id", "event_type", "event_category", "user_id", "metadata"),
        "app_users": ("id", "created_at"),
    },
)
