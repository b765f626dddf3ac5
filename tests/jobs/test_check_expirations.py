"""Does a subscription end for everyone whose time is over, once, and for nobody else?"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from jobs.check_expirations import job
from scheduler.errors import LeaseLostError
from tests.support.jobs import MIDNIGHT, NOW, Product

A_MOMENT = timedelta(microseconds=1)
A_DAY = timedelta(days=1)
PLANS = {"free": 10, "maker": 100, "pro": 1000, "unlimited": -1}
ENDED = {
    "subscription_tier": "pro",
    "subscription_status": "canceled",
    "subscription_id": "sub_1",
    "subscription_ends_at": MIDNIGHT - timedelta(minutes=5),
}


async def test_nothing_to_do(shop: Product) -> None:
    assert await shop.run(job) == {
        "checked": 0,
        "downgraded": 0,
        "activated": 0,
        "changed": 0,
        "errors": 0,
        "errorDetails": [],
    }


async def test_an_ended_subscription_becomes_free_with_its_history(shop: Product) -> None:
    await shop.plans(**PLANS)
    user = await shop.user(**ENDED, credits_remaining=400)
    data = await shop.run(job)
    assert (data["checked"], data["downgraded"], data["changed"], data["errors"]) == (1, 1, 1, 0)
    row = (await shop.users())[user]
    assert row["subscription_tier"] == "free"
    assert row["subscription_status"] == "active"
    assert row["subscription_id"] is None
    assert row["subscription_ends_at"] is None
    assert row["credits_remaining"] == 10
    assert row["credits_reset_at"] == MIDNIGHT
    assert await shop.history() == [
        {
            "user_id": user,
            "action": "expired",
            "from_tier": "pro",
            "to_tier": "free",
            "stripe_subscription_id": "sub_1",
            "reason": "canceled subscription ended",
            "created_at": NOW,
        }
    ]
    assert await shop.ledger() == [
        {
            "user_id": user,
            "type": "expiration",
            "amount": -390,
            "balance_before": 400,
            "balance_after": 10,
            "created_at": NOW,
        }
    ]


@pytest.mark.parametrize("grace", [0, 3])
async def test_the_end_is_before_the_fire_and_a_null_end_never_comes(
    shop: Product, grace: int
) -> None:
    await shop.plans(**PLANS)
    end = MIDNIGHT - grace * A_DAY
    before, at, never = [
        await shop.user(**{**ENDED, "subscription_ends_at": ends_at})
        for ends_at in (end - A_MOMENT, end, None)
    ]
    assert (await shop.run(job, grace_days=grace))["downgraded"] == 1
    users = await shop.users()
    tiers = [users[user]["subscription_tier"] for user in (before, at, never)]
    assert tiers == ["free", "pro", "pro"]


async def test_unpaid_subscriptions_expire_only_by_their_own_grace(shop: Product) -> None:
    await shop.plans(**PLANS)
    unpaid = {**ENDED, "subscription_status": "past_due"}
    long_ago, lately = [
        await shop.user(**{**unpaid, "subscription_ends_at": MIDNIGHT - days * A_DAY - A_MOMENT})
        for days in (7, 6)
    ]
    assert (await shop.run(job))["checked"] == 0
    assert (await shop.run(job, past_due_grace_days=7))["downgraded"] == 1
    users = await shop.users()
    assert users[long_ago]["subscription_tier"] == "free"
    assert users[lately]["subscription_tier"] == "pro"
    assert [row["reason"] for row in await shop.history()] == ["unpaid subscription ended"]


async def test_who_is_on_free_already_only_becomes_active(shop: Product) -> None:
    await shop.plans(**PLANS)
    users = [
        await shop.user(**{**ENDED, "subscription_tier": tier}, credits_remaining=4)
        for tier in ("free", None)
    ]
    before = await shop.users()
    data = await shop.run(job)
    assert (data["checked"], data["downgraded"], data["activated"]) == (2, 0, 2)
    for user in users:
        expected = {**before[user], "subscription_status": "active"}
        assert (await shop.users())[user] == expected
    assert (await shop.history(), await shop.ledger()) == ([], [])


@pytest.mark.parametrize(
    ("on_expiry", "balances"),
    [
        # Below the allowance, with 250 bought, none, unknown, and in debt.
        ("strip_allowance", [10, 250, 10, 10, 10]),
        ("keep", [400, 1250, 10, None, -(2**31)]),
        ("overwrite", [10, 10, 10, 10, 10]),
    ],
)
async def test_what_becomes_of_the_balance(
    shop: Product, on_expiry: str, balances: list[int | None]
) -> None:
    await shop.plans(**PLANS)
    before = [400, 1250, 10, None, -(2**31)]
    users = [await shop.user(**ENDED, credits_remaining=balance) for balance in before]
    data = await shop.run(job, on_expiry=on_expiry)
    assert await shop.balances(*users) == balances
    changed = [old for old, new in zip(before, balances, strict=True) if old != new]
    assert data["changed"] == len(changed) == len(await shop.ledger())
    assert data["downgraded"] == len(await shop.history()) == 5
    times = {row["credits_reset_at"] for row in (await shop.users()).values()}
    assert times == {MIDNIGHT}


async def test_unlimited_is_stripped_of_what_unlimited_gives(shop_b: Product) -> None:
    await shop_b.plans(free=10, unlimited=-1)
    users = [
        await shop_b.user(**{**ENDED, "subscription_tier": tier}, credits_remaining=balance)
        for tier, balance in (("unlimited", 999_000), ("agency", 1_000_499))
    ]
    assert (await shop_b.run(job))["errors"] == 0
    assert await shop_b.balances(*users) == [10, 500]


async def test_the_time_of_the_reset_never_goes_back(shop: Product) -> None:
    await shop.plans(**PLANS)
    later = MIDNIGHT + timedelta(hours=7)
    user = await shop.user(**ENDED, credits_reset_at=later)
    await shop.run(job)
    assert (await shop.users())[user]["credits_reset_at"] == later


async def test_a_second_run_changes_nothing(shop: Product) -> None:
    await shop.plans(**PLANS)
    await shop.user(**ENDED, credits_remaining=1500)
    await shop.user(**{**ENDED, "subscription_tier": "free"})
    await shop.run(job)
    after_the_first = await shop.users(), await shop.ledger(), await shop.history()
    assert (await shop.run(job))["checked"] == 0
    assert (await shop.users(), await shop.ledger(), await shop.history()) == after_the_first


async def test_missing_plans_take_nothing_away_and_are_named(shop: Product) -> None:
    await shop.plans(maker=100)
    pro = await shop.user(**ENDED, credits_remaining=400)
    maker = await shop.user(**{**ENDED, "subscription_tier": "maker"}, credits_remaining=130)
    data = await shop.run(job)
    assert await shop.balances(pro, maker) == [400, 30]
    assert (data["downgraded"], data["errors"]) == (2, 2)
    assert [error["tier"] for error in data["errorDetails"]] == ["pro", "free"]


async def test_overwrite_without_a_free_plan_leaves_the_balance(shop: Product) -> None:
    user = await shop.user(**ENDED, credits_remaining=400)
    data = await shop.run(job, on_expiry="overwrite")
    assert await shop.balances(user) == [400]
    assert [error["tier"] for error in data["errorDetails"]] == ["free"]


async def test_who_subscribes_again_at_the_same_moment_is_not_downgraded(shop: Product) -> None:
    """The new subscription is written when the run gets there, and committed while it waits."""
    await shop.plans(**PLANS)
    user = await shop.user(**ENDED, credits_remaining=400)
    other = await shop.user(**ENDED, credits_remaining=400)
    passed_over = asyncio.Event()
    subscribed = asyncio.Event()

    async def subscribe() -> None:
        async with shop.pool.acquire() as connection, connection.transaction():
            await shop.sql.subscribe_again(connection, id=user)
            subscribed.set()
            await passed_over.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(subscribe())
        await subscribed.wait()
        data = await shop.run(job, progress=lambda done, total: passed_over.set())
    assert (data["downgraded"], data["errors"]) == (1, 0)
    users = await shop.users()
    assert users[user]["subscription_tier"] == "pro"
    assert users[user]["subscription_id"] == "sub_new"
    assert users[user]["credits_remaining"] == 400
    assert users[other]["subscription_tier"] == "free"
    assert [row["user_id"] for row in await shop.history()] == [other]


async def test_a_user_whom_the_product_refuses_to_change_stays_alone(shop: Product) -> None:
    await shop.plans(**PLANS)
    refused = await shop.user(**ENDED, email="refused@example.com")
    others = [await shop.user(**ENDED) for _ in range(25)]
    await shop.sql.refuse_changes(shop.pool)
    data = await shop.run(job, lock_wait_seconds=0)
    assert (data["downgraded"], data["errors"]) == (25, 1)
    assert data["errorDetails"][0]["userId"] == str(refused)
    users = await shop.users()
    assert users[refused]["subscription_tier"] == "pro"
    assert {users[user]["subscription_tier"] for user in others} == {"free"}


@pytest.mark.parametrize("commits", [2, 3])
async def test_a_lost_run_and_then_another_are_one_clean_run(shop: Product, commits: int) -> None:
    await shop.plans(**PLANS)
    await shop.sql.add_crowd(shop.pool, users=2300)
    await shop.sql.expire_crowd(shop.pool, ends_at=MIDNIGHT - A_DAY)
    with pytest.raises(LeaseLostError):
        await shop.run(job, commits_left=commits)
    half = len(await shop.history())
    assert half == (commits - 2) * 1000
    assert (await shop.run(job))["downgraded"] == 2300 - half
    users = await shop.users()
    assert {row["subscription_tier"] for row in users.values()} == {"free"}
    assert {row["credits_remaining"] for row in users.values()} == {10}
    assert len({row["user_id"] for row in await shop.history()}) == 2300
    assert len(await shop.history()) == 2300
    # 115 of the crowd had exactly the 10 credits that they are left with.
    assert len(await shop.ledger()) == 2300 - 115


@pytest.mark.parametrize("seed", range(6))
async def test_like_a_slow_and_simple_program(shop: Product, seed: int) -> None:
    """Any mix of tiers, statuses, ends and balances ends as a loop over the users would end it."""
    chance = random.Random(seed)
    plans = {"free": 10, "maker": 100, "pro": 1000}
    await shop.plans(**plans)
    times = [None, *(MIDNIGHT + timedelta(hours=hours) for hours in (-300, -30, -1, 0, 1, 30))]
    for number in range(150):
        await shop.user(
            subscription_tier=chance.choice([None, "free", "maker", "pro", "unlimited"]),
            subscription_status=chance.choice(
                [None, "active", "trialing", "canceled", "canceled", "past_due"]
            ),
            subscription_id=f"sub_{number}",
            subscription_ends_at=chance.choice(times),
            credits_remaining=chance.choice([None, -5, 0, 10, 99, 1005, 1300]),
            credits_reset_at=chance.choice(times),
        )
    options: dict[str, Any] = {
        "on_expiry": chance.choice(["strip_allowance", "keep", "overwrite"]),
        "grace_days": chance.choice([0, 1]),
        "past_due_grace_days": chance.choice([None, 0, 10]),
    }
    expected = await shop.users()
    history, ledger, checked = {}, {}, 0
    for user, row in expected.items():
        grace = {"canceled": options["grace_days"], "past_due": options["past_due_grace_days"]}.get(
            row["subscription_status"]
        )
        ends_at = row["subscription_ends_at"]
        if grace is None or ends_at is None or ends_at + grace * A_DAY >= MIDNIGHT:
            continue
        checked += 1
        if row["subscription_tier"] in (None, "free"):
            expected[user] = {**row, "subscription_status": "active"}
            continue
        before = row["credits_remaining"] or 0
        balance = {
            "strip_allowance": max(10, before - plans.get(row["subscription_tier"], 0)),
            "keep": row["credits_remaining"],
            "overwrite": 10,
        }[options["on_expiry"]]
        expected[user] = {
            **row,
            "subscription_tier": "free",
            "subscription_status": "active",
            "subscription_id": None,
            "subscription_ends_at": None,
            "credits_remaining": balance,
            "credits_reset_at": max(row["credits_reset_at"] or MIDNIGHT, MIDNIGHT),
        }
        history[user] = (row["subscription_tier"], row["subscription_id"])
        if (balance or 0) != before:
            ledger[user] = (before, balance)
    data = await shop.run(job, **options)
    assert await shop.users() == expected
    assert {
        row["user_id"]: (row["from_tier"], row["stripe_subscription_id"])
        for row in await shop.history()
    } == history
    assert {
        row["user_id"]: (row["balance_before"], row["balance_after"]) for row in await shop.ledger()
    } == ledger
    assert (data["checked"], data["downgraded"]) == (checked, len(history))
