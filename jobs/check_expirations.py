"""Puts users whose subscription has ended on the free tier."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Literal

from pydantic import Field, JsonValue

from jobs.accounts.allowances import NEEDS, daily_allowances, no_allowance, read_plans
from scheduler.job import Done, Job, JobContext, Outcome, Params, Row
from scheduler.sql import load_sql
from scheduler.walk import Walk

sql = load_sql(__file__)


class CheckExpirations(Params):
    grace_days: int = Field(0, ge=0, le=365)
    """Days of 24 hours that a canceled subscription lasts beyond its end."""
    past_due_grace_days: int | None = Field(None, ge=0, le=365)
    """The same for an unpaid one; null: an unpaid subscription does not expire."""
    on_expiry: Literal["strip_allowance", "keep", "overwrite"] = "strip_allowance"
    """What becomes of the balance: `strip_allowance` takes the old tier's allowance off it, so that
    credits that were bought stay, and gives the free one where that is more; `keep` leaves it;
    `overwrite` sets it to the free allowance."""
    unlimited_credits: int = Field(999_999, ge=0, le=2_000_000_000)
    """The allowance of a plan with `-1` credits a day; the same as for `reset-credits`."""
    lock_wait_seconds: int = Field(30, ge=0, le=600)
    """How long to wait, in all, for users whose row another transaction keeps locked."""


async def run(ctx: JobContext, params: CheckExpirations) -> Outcome:
    """Expire what ended before `scheduled_for`; a subscription without an end never expires.

    Who is already on the free tier only becomes active.
    """
    plans = await read_plans(ctx)
    allowances = daily_allowances(plans, params.unlimited_credits)
    unpaid = params.past_due_grace_days
    parameters: dict[str, object] = {
        "scheduled_for": ctx.scheduled_for,
        "canceled_before": ctx.scheduled_for - timedelta(days=params.grace_days),
        "past_due_before": None if unpaid is None else ctx.scheduled_for - timedelta(days=unpaid),
        "now": ctx.now(),
        "on_expiry": params.on_expiry,
        "tiers": list(allowances),
        "credits": list(allowances.values()),
        "free_credits": allowances.get("free"),
    }
    downgraded: Counter[str] = Counter()
    activated = changed = 0

    def count(row: Row) -> int:
        nonlocal activated, changed
        users = dict(zip(row["tiers"] or (), row["users"] or (), strict=True))
        downgraded.update(users)
        activated += row["activated"]
        changed += row["changed"]
        return sum(users.values()) + int(row["activated"])

    left = await Walk(ctx, sql, parameters, count).go(params.lock_wait_seconds)
    details: list[JsonValue] = []
    if params.on_expiry == "strip_allowance":
        then = "became free, and nothing was taken off their balance"
        details += [
            no_allowance(tier, users, plans, then)
            for tier, users in sorted(downgraded.items())
            if tier not in allowances
        ]
    if params.on_expiry != "keep" and downgraded and "free" not in allowances:
        details.append(no_allowance("free", downgraded.total(), plans, "got no free credits"))
    return Done(
        {
            "checked": downgraded.total() + activated,
            "downgraded": downgraded.total(),
            "activated": activated,
            "changed": changed,
            "errors": len(details) + left.users,
            "errorDetails": [*details, *left.details()],
        }
    )


job = Job(
    run=run,
    params=CheckExpirations,
    needs={
        **NEEDS,
        "app_users": (
            "id",
            "subscription_tier",
            "subscription_status",
            "subscription_id",
            "subscription_ends_at",
            "credits_remaining",
            "credits_reset_at",
        ),
        "subscription_history": (
            "id",
            "user_id",
            "action",
            "from_tier",
            "to_tier",
            "stripe_subscription_id",
            "reason",
            "created_at",
        ),
        "credit_transactions": (
            "id",
            "user_id",
            "type",
            "amount",
            "balance_before",
            "balance_after",
            "reason",
            "created_at",
        ),
    },
    changes=("downgraded", "activated"),
)
