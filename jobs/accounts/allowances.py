"""How many credits a day does each tier have?"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from scheduler.job import JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {"subscription_plans": ("tier", "credits_per_day")}
UNLIMITED = -1
"""What `subscription_plans.credits_per_day` says for no limit."""
ONE_TIER_TWO_NAMES = {"unlimited": "agency", "agency": "unlimited"}


async def read_plans(ctx: JobContext) -> Mapping[str, int]:
    """`credits_per_day` by tier. A plan that is not active still serves those who are on it."""
    async with ctx.db.transaction() as connection:
        return {row["tier"]: row["credits_per_day"] async for row in sql.plans(connection)}


def daily_allowances(plans: Mapping[str, int], unlimited_credits: int) -> dict[str, int]:
    """Credits a day by tier; a tier whose plan makes no sense has none.

    `unlimited` and `agency` are one tier under two names: a plan for either serves both.
    """
    allowances = {
        tier: unlimited_credits if credits_per_day == UNLIMITED else credits_per_day
        for tier, credits_per_day in plans.items()
        if credits_per_day >= UNLIMITED
    }
    for name, other in ONE_TIER_TWO_NAMES.items():
        if name not in plans and other in allowances:
            allowances[name] = allowances[other]
    return allowances


def no_allowance(tier: str, users: int, plans: Mapping[str, int], then: str) -> JsonValue:
    """The error of a tier without an allowance: why it has none, whom it concerns, what was done.

    `then` completes "its users ...".
    """
    if tier in plans:
        why = f"has credits_per_day = {plans[tier]} in subscription_plans (allowed: -1, 0 and more)"
    else:
        why = "has no row in subscription_plans"
    return {"tier": tier, "users": users, "message": f"tier {tier} {why}; its users {then}"}
