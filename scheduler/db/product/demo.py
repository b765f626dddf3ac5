"""Lays the sample data of `--demo`: made-up people over 400 days, and 90 days of what they did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import aiosql
import asyncpg

from scheduler.db.product.lay import HERE
from scheduler.errors import LamplighterError

# Each is a query of that name. Those that are no table prepare what the tables after them need.
STEPS = (
    "days",
    "subscription_plans",
    "allowances",
    "people",
    "visits",
    "ledger",
    "app_users",
    "credit_transactions",
    "invoices",
    "invoice_cache",
    "history",
    "subscription_history",
    "payment_webhooks",
    "views",
    "analytics_events",
    "readers",
    "mail",
    "newsletter_subscribers",
    "email_events",
    "newsletter_segments",
    "newsletter_segment_members",
    "count_members",
    "newsletter_sequences",
    "newsletter_sequence_steps",
    "analytics_funnels",
    "analytics_cohorts",
    "projects",
    "todos",
    "analytics_hourly",
    "analytics_daily",
    "remember_rollups",
)
# The same for one project's repository, and what agents suggest about it, in the schema
# `lamplighter`: only where that is laid.
GITHUB_STEPS = (
    "github_repositories",
    "github_people",
    "github_items",
    "github_said",
    "github_changes",
    "github_pulls",
    "github_issues",
    "github_reviews",
    "github_comments",
    "github_commits",
    "github_releases",
    "github_milestones",
    "github_labels",
    "github_files",
    "github_finish",
    "suggestion_evidence",
    "suggestions",
    "drop_suggestion_functions",
    "drop_github_functions",
)


@cache
def sample_sql() -> Any:
    """The queries of the folder `sample`, read when sample data is wanted: a start needs none."""
    return aiosql.from_path(HERE / "sample", "asyncpg")


class DemoError(LamplighterError):
    """Sample data cannot be laid on this database."""


async def lay_demo(
    connection: asyncpg.Connection[Any],
    *,
    now: datetime,
    users: int = 20_000,
    seed: int = 7,
    events_per_user: float = 10.0,
    report: Callable[[str, int], None] | None = None,
) -> dict[str, int]:
    """Fill the empty tables of `lay_product_tables`; returns the rows laid, by table.

    The same `now` (with a time zone), `users`, `seed` and `events_per_user` give the same rows on
    every machine. `events_per_user` is about how many there will be, sign-ups apart. All of it is
    one transaction, so a process that dies half way leaves nothing. The days and hours before the
    last two whole days are rolled up. `report(table, rows)` hears of each table as it is done.
    Raises `DemoError` where there are people already, for variant B, and for a bad argument.
    """
    if now.tzinfo is None:
        raise DemoError("The sample data needs a `now` with a time zone.")
    if users < 1 or not 0 < events_per_user <= 1000:
        raise DemoError(
            "The sample data needs 1 user or more, and more than 0 events for each, at most 1000."
        )
    laid: dict[str, int] = {}
    sql = sample_sql()
    async with connection.transaction():
        if not await sql.has_variant_a(connection):
            raise DemoError("The sample data needs the product's tables of variant A.")
        if await sql.people_exist(connection):
            raise DemoError("There are people in app_users already: sample data needs it empty.")
        await sql.settle(connection)
        await sql.skip_row_triggers(connection)
        await sql.put_indexes_aside(connection)
        await sql.functions(connection)
        await sql.settings(
            connection, now=now, users=users, seed=seed, events_per_user=events_per_user
        )
        with_github = await sql.github_is_laid(connection)
        for step in (*STEPS, *(GITHUB_STEPS if with_github else ())):
            status: str = await getattr(sql, step)(connection)
            if status.startswith("INSERT"):
                laid[step] = int(status.rsplit(" ", 1)[-1])
                if report is not None:
                    report(step, laid[step])
        await sql.put_indexes_back(connection)
        await sql.drop_functions(connection)
        await sql.gather_statistics(connection)
    return laid
