"""Adds up each day of the product in `analytics_daily`; the formulas stand beside the SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from pydantic import Field, JsonValue

from jobs.analytics.names import Currency, EventNames, Names
from jobs.analytics.rebuild import DAY, Rebuild
from jobs.analytics.rollups import LEDGER, Source, done_before, feeds, rollup_sql
from scheduler.days import day_of, day_start
from scheduler.job import Connection, Done, Job, JobContext, Outcome
from scheduler.sql import Queries
from scheduler.transaction import give_memory

NAME = "aggregate-analytics"
"""Of the watermark, whichever entries run the job."""
TOGETHER = 7
"""Days a transaction, where several are due: tables that have no index by time are read once."""

# By the query that adds it, `add_...`.
SOURCES: Mapping[str, Source] = {
    "credits": LEDGER,
    "subscriptions": {"subscription_history": {"user_id", "action", "reason", "created_at"}},
    "revenue": {
        "invoice_cache": {"user_id", "stripe_invoice_id", "status", "amount_cents", "currency"}
        | {"invoice_date", "paid_at"},
        "subscription_history": {"id", "user_id", "to_tier", "stripe_invoice_id", "created_at"},
    },
    "mrr": {
        "invoice_cache": {"id", "user_id", "status", "amount_cents", "currency", "invoice_date"}
        | {"paid_at", "period_start", "period_end"}
    },
    "newsletter": {"newsletter_subscribers": {"subscribed_at", "unsubscribed_at"}},
    "email": {"email_events": {"event_type", "occurred_at"}},
}


class AggregateAnalytics(EventNames, Rebuild):
    most_days = 3660

    late_days: int = Field(2, ge=0, le=60)
    """How many days before the last one that was written are written again, for what came late."""
    max_days: int = Field(90, ge=1, le=3660)
    """How far back the first run goes."""
    currency: Currency = "usd"
    """Whose invoices are the revenue; those in others are left out and counted in the answer."""
    profile_events: Names = ("profile_created",)
    """Events that are a new profile."""
    comment_events: Names = ("comment_created",)
    """Events that are a new comment."""
    report_opened_events: Names = ("report_created",)
    """Events that open a report to the moderators."""
    report_resolved_events: Names = ("report_resolved",)
    """Events that close one."""
    ban_events: Names = ("user_banned",)
    """Events that ban somebody."""
    warning_events: Names = ("warning_issued",)
    """Events that warn somebody."""


async def run(ctx: JobContext, params: AggregateAnalytics) -> Outcome:
    """Write each day that was over at `scheduled_for` and is not written, and the last ones again.

    Days are those of the job's zone. The first run begins where the events begin, `max_days` back
    at most. A day whose events have begun to be deleted keeps the numbers that it has, and is in
    `held`. With `from` (and `to`) it writes those days again and goes no further.
    """
    sql = rollup_sql(__file__, ctx.tables)
    days = await due_days(ctx, sql, params)
    rollup = Rollup(ctx, sql, params)
    for number in range(0, len(days), TOGETHER):
        together = days[number : number + TOGETHER]
        async with ctx.db.transaction() as connection:
            await give_memory(connection, 64)
            await rollup.write(connection, together)
            if params.from_ is None:
                await sql.advance(connection, job=NAME, at=rollup.start(together[-1] + DAY))
        ctx.progress(number + len(together), len(days))
    if rollup.held:
        ctx.log.warning("days_held", days=len(rollup.held))
    return Done(
        {
            "days": [str(day) for day in rollup.written],
            "held": [str(day) for day in rollup.held],
            "otherCurrencies": rollup.other_currencies(),
            "unfed": [name for name in SOURCES if name not in rollup.sources],
        }
    )


async def due_days(ctx: JobContext, sql: Queries, params: AggregateAnalytics) -> list[date]:
    """The days to write, without a gap, oldest first."""
    if rebuilt := params.days(ctx.scheduled_for, ctx.timezone):
        first, last = rebuilt
        return days_between(first, last + DAY)
    today = day_of(ctx.scheduled_for, ctx.timezone)

    def start(day: date) -> datetime:
        return day_start(day, ctx.timezone)

    async with ctx.db.transaction() as connection:
        earliest = start(today - params.max_days * DAY)
        reached = await done_before(connection, sql, NAME, earliest, start(today))
        first = min(day_of(reached, ctx.timezone), today)
        rows = sql.known_periods(
            connection,
            rollup="daily",
            first=start(first - params.late_days * DAY),
            before=start(first),
        )
        late = [day_of(row["starts_at"], ctx.timezone) async for row in rows]
    return days_between(min(late, default=first), today)


def days_between(first: date, before: date) -> list[date]:
    return [first + number * DAY for number in range((before - first).days)]


class Rollup:
    """Writes days, and remembers which were written and what was left out."""

    def __init__(self, ctx: JobContext, sql: Queries, params: AggregateAnalytics) -> None:
        self._ctx = ctx
        self._sql = sql
        self._parameters = {
            **params.model_dump(exclude={"late_days", "max_days", "from_", "to"}),
            "has_pages": "page_url" in ctx.tables["analytics_events"],
        }
        self.sources = [name for name, source in SOURCES.items() if feeds(ctx.tables, source)]
        self.written: list[date] = []
        self.held: list[date] = []
        self._others: dict[str, Counter[str]] = {}

    def start(self, day: date) -> datetime:
        return day_start(day, self._ctx.timezone)

    async def write(self, connection: Connection, days: Sequence[date]) -> None:
        """Write `days`, which follow one another, and their traces in the same transaction."""
        parameters = {**self._parameters, "now": self._ctx.now()}
        written: list[date] = []
        first_written: list[date] = []
        for day in days:
            row = await self._sql.roll_up(
                connection,
                **parameters,
                date=day,
                starts_at=self.start(day),
                ends_at=self.start(day + DAY),
            )
            if not row["whole"]:
                self.held.append(day)
                continue
            written.append(day)
            if row["is_first"]:
                first_written.append(day)
        together = {
            **parameters,
            "dates": list(days),
            "starts": [self.start(day) for day in days],
            "first": self.start(days[0]),
            "before": self.start(days[-1] + DAY),
            "written": written,
            "first_dates": first_written,
            "first_ends": [self.start(day + DAY) for day in first_written],
        }
        for source in self.sources if written else ():
            await getattr(self._sql, f"add_{source}")(connection, **together)
        if written and "revenue" in self.sources:
            async for row in self._sql.other_currencies(connection, **together):
                self._others.setdefault(row["currency"], Counter()).update(
                    invoices=row["invoices"], cents=row["cents"]
                )
        self.written += written

    def other_currencies(self) -> dict[str, JsonValue]:
        return {currency: dict(counts) for currency, counts in self._others.items()}


job = Job(
    run=run,
    params=AggregateAnalytics,
    needs={
        "analytics_events": ("id", "event_type", "event_category", "user_id", "metadata"),
        "app_users": ("id", "created_at", "subscription_tier"),
        "analytics_daily": (
            "date",
            "new_users",
            "active_users",
            "returning_users",
            "generations",
            "credits_used",
            "avg_confidence_score",
            "new_subscriptions",
            "churned_subscriptions",
            "upgrades",
            "downgrades",
            "revenue_cents",
            "mrr_cents",
            "new_profiles",
            "new_comments",
            "reports_opened",
            "reports_resolved",
            "users_banned",
            "warnings_issued",
            "api_requests",
            "api_errors",
            "avg_response_time_ms",
            "computed_at",
            "unique_visitors",
            "page_views",
            "avg_session_duration_seconds",
            "bounce_rate",
            "newsletter_signups",
            "newsletter_unsubscribes",
            "email_sent",
            "email_opened",
            "email_clicked",
            "conversion_rate",
            "revenue_by_tier",
            "top_events",
            "top_pages",
        ),
    },
    changes=("days",),
)
