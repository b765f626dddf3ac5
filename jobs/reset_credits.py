"""Gives every user who is due the tier's daily credits, once a day."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

from jobs.accounts.allowances import NEEDS, daily_allowances, no_allowance, read_plans
from scheduler.days import day_of, day_start
from scheduler.job import Done, Job, JobContext, Outcome, Params, Row
from scheduler.sql import load_sql
from scheduler.walk import Walk

sql = load_sql(__file__)

TIERS = ("free", "maker", "pro", "unlimited")
"""Named in the answer even where nobody was due."""


class ResetCredits(Params):
    policy: Literal["top_up", "overwrite"] = "top_up"
    """`top_up` raises a balance to the allowance and leaves a higher one, so that credits that were
    bought stay; `overwrite` sets every balance to the allowance."""
    unlimited_credits: int = Field(999_999, ge=0, le=2_000_000_000)
    """The balance that a plan with `-1` credits a day gives."""
    include_past_due: bool = True
    """Whether users with an unpaid invoice get credits."""
    include_banned: bool = False
    """Whether banned users get credits."""
    lock_wait_seconds: int = Field(30, ge=0, le=600)
    """How long to wait, in all, for users whose row another transaction keeps locked."""


async def run(ctx: JobContext, params: ResetCredits) -> Outcome:
    """Reset whoever was not reset since the day of `scheduled_for` began, in the job's zone.

    Users of a tier without an allowance stay as they are and are named in `errorDetails`.
    """
    plans = await read_plans(ctx)
    allowances = daily_allowances(plans, params.unlimited_credits)
    parameters: dict[str, object] = {
        "day_start": day_start(day_of(ctx.scheduled_for, ctx.timezone), ctx.timezone),
        "scheduled_for": ctx.scheduled_for,
        "now": ctx.now(),
        "policy": params.policy,
        "tiers": list(allowances),
        "credits": list(allowances.values()),
        "include_past_due": params.include_past_due,
        "include_banned": params.include_banned,
    }
    processed: Counter[str] = Counter()
    changed = 0

    def count(row: Row) -> int:
        nonlocal changed
        users = dict(zip(row["tiers"] or (), row["users"] or (), strict=True))
        processed.update(users)
        changed += row["changed"]
        return sum(users.values())

    walk = Walk(ctx, sql, parameters, count)
    left = await walk.go(params.lock_wait_seconds)
    async with ctx.db.transaction() as connection:
        rows = sql.without_allowance(connection, **walk.everywhere())
        without = {row["tier"]: row["users"] async for row in rows}
    for tier, users in without.items():
        ctx.log.warning("tier_without_allowance", tier=tier, users=users)
    details = [no_allowance(tier, users, plans, "were left") for tier, users in without.items()]
    return Done(
        {
            **dict.fromkeys(TIERS, 0),
            **processed,
            "total": processed.total(),
            "changed": changed,
            "errors": len(details) + left.users,
            "errorDetails": [*details, *left.details()],
        }
    )


job = Job(
    run=run,
    params=ResetCredits,
    needs={
        **NEEDS,
        "app_users": (
            "id",
            "subscription_tier",
            "subscription_status",
            "subscription_ends_at",
            "credits_remaining",
            "credits_reset_at",
            "is_banned",
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
    changes=("changed",),
)
