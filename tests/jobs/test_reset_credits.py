"""Does everybody who is due get the day's credits, once, and nobody else?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs.accounts.allowances import daily_allowances
from jobs.reset_credits import job
from scheduler.errors import LeaseLostError
from tests.support.jobs import MIDNIGHT, NOW, Log, Product

A_MOMENT = timedelta(microseconds=1)
PLANS = {"free": 10, "maker": 100, "pro": 1000, "unlimited": -1}


async def test_nothing_to_do(shop: Product) -> None:
    assert await shop.run(job) == {
        "free": 0,
        "maker": 0,
        "pro": 0,
        "unlimited": 0,
        "total": 0,
        "changed": 0,
        "errors": 0,
        "errorDetails": [],
    }


async def test_every_tier_gets_its_allowance_and_a_ledger_row(shop: Product) -> None:
    await shop.plans(**PLANS)
    free, maker, pro, unlimited = [
        await shop.user(subscription_tier=tier, credits_remaining=3) for tier in PLANS
    ]
    data = await shop.run(job)
    assert await shop.balances(free, maker, pro, unlimited) == [10, 100, 1000, 999_999]
    assert data["free"] == data["maker"] == data["pro"] == data["unlimited"] == 1
    assert (data["total"], data["changed"], data["errors"]) == (4, 4, 0)
    ledger = {row["user_id"]: row for row in await shop.ledger()}
    assert ledger[pro] == {
        "user_id": pro,
        "type": "daily_reset",
        "amount": 997,
        "balance_before": 3,
        "balance_after": 1000,
        "created_at": NOW,
    }
    assert len(ledger) == 4


async def test_due_is_who_was_not_reset_since_the_day_began(shop: Product) -> None:
    await shop.plans(**PLANS)
    before = await shop.user(credits_reset_at=MIDNIGHT - A_MOMENT)
    at = await shop.user(credits_reset_at=MIDNIGHT)
    never = await shop.user(credits_reset_at=None)
    data = await shop.run(job, MIDNIGHT + timedelta(hours=5))
    assert data["total"] == 2
    assert await shop.balances(before, at, never) == [10, 0, 10]
    users = await shop.users()
    assert users[before]["credits_reset_at"] == MIDNIGHT + timedelta(hours=5)
    assert users[at]["credits_reset_at"] == MIDNIGHT


async def test_canceled_is_due_while_it_is_paid_through(shop: Product) -> None:
    await shop.plans(**PLANS)
    over, paid, endless = [
        await shop.user(subscription_status="canceled", subscription_ends_at=end)
        for end in (MIDNIGHT, MIDNIGHT + A_MOMENT, None)
    ]
    await shop.run(job)
    assert await shop.balances(over, paid, endless) == [0, 10, 0]


async def test_a_second_run_for_the_day_changes_nothing(shop: Product) -> None:
    await shop.plans(**PLANS)
    user = await shop.user()
    await shop.run(job)
    await shop.sql.spend(shop.pool, id=user, at=NOW)
    after_the_first = await shop.users(), await shop.ledger()
    data = await shop.run(job, MIDNIGHT + timedelta(hours=23))
    assert (data["total"], data["changed"]) == (0, 0)
    assert (await shop.users(), await shop.ledger()) == after_the_first


async def test_a_late_run_does_its_own_day_and_leaves_the_next_one_alone(shop: Product) -> None:
    await shop.plans(**PLANS)
    user = await shop.user(credits_reset_at=MIDNIGHT - timedelta(days=2))
    await shop.run(job, MIDNIGHT - timedelta(days=1), now=MIDNIGHT + timedelta(seconds=5))
    await shop.sql.spend(shop.pool, id=user, at=NOW)
    assert (await shop.run(job, MIDNIGHT))["total"] == 1
    assert await shop.balances(user) == [10]


async def test_yesterdays_run_after_todays_changes_nothing(shop: Product) -> None:
    await shop.plans(**PLANS)
    user = await shop.user()
    await shop.run(job, MIDNIGHT)
    assert (await shop.run(job, MIDNIGHT - timedelta(days=1)))["total"] == 0
    assert (await shop.users())[user]["credits_reset_at"] == MIDNIGHT


@pytest.mark.parametrize(
    ("zone", "scheduled_for", "day_began"),
    [
        # Spring: the clock goes from 02:00 to 03:00, the day began in winter time.
        ("Europe/Berlin", "2026-03-29T10:00+00:00", "2026-03-28T23:00+00:00"),
        ("Europe/Berlin", "2026-03-30T10:00+00:00", "2026-03-29T22:00+00:00"),
        # Midnight itself is skipped: the day begins at one o'clock.
        ("Africa/Cairo", "2026-04-24T10:00+00:00", "2026-04-23T22:00+00:00"),
        # Half past midnight comes twice: the day began with the first one.
        ("America/Havana", "2026-11-01T12:00+00:00", "2026-11-01T04:00+00:00"),
        # The evening in UTC is the next day already.
        ("Pacific/Auckland", "2026-01-31T20:00+00:00", "2026-01-31T11:00+00:00"),
    ],
)
async def test_a_day_is_the_schedules_zones(
    shop: Product, zone: str, scheduled_for: str, day_began: str
) -> None:
    await shop.plans(**PLANS)
    began = datetime.fromisoformat(day_began)
    before = await shop.user(credits_reset_at=began - A_MOMENT)
    since = await shop.user(credits_reset_at=began)
    await shop.run(job, datetime.fromisoformat(scheduled_for), zone=ZoneInfo(zone))
    assert await shop.balances(before, since) == [10, 0]


@pytest.mark.parametrize(
    ("policy", "balances"), [("top_up", [10, 10, 60]), ("overwrite", [10] * 3)]
)
async def test_policy(shop: Product, policy: str, balances: list[int]) -> None:
    await shop.plans(**PLANS)
    users = [await shop.user(credits_remaining=balance) for balance in (4, 10, 60)]
    data = await shop.run(job, policy=policy)
    assert await shop.balances(*users) == balances
    changed = sum(balance != before for balance, before in zip(balances, (4, 10, 60), strict=True))
    assert data["changed"] == len(await shop.ledger()) == changed
    assert data["total"] == 3


async def test_unpaid_and_banned_users_by_parameter(shop: Product) -> None:
    await shop.plans(**PLANS)
    unpaid = await shop.user(subscription_status="past_due")
    banned = await shop.user(is_banned=True)
    await shop.run(job, include_past_due=False)
    assert await shop.balances(unpaid, banned) == [0, 0]
    await shop.run(job)
    assert await shop.balances(unpaid, banned) == [10, 0]
    await shop.run(job, include_banned=True)
    assert await shop.balances(unpaid, banned) == [10, 10]


async def test_what_the_product_left_null_counts_as_its_default(shop: Product) -> None:
    await shop.plans(**PLANS)
    user = await shop.user(
        subscription_tier=None, subscription_status=None, credits_remaining=None, is_banned=None
    )
    data = await shop.run(job)
    assert (data["free"], await shop.balances(user)) == (1, [10])
    assert [row["balance_before"] for row in await shop.ledger()] == [0]


async def test_a_tier_without_a_plan_is_named_and_its_users_stay(shop: Product) -> None:
    await shop.plans(free=10, pro=-7)
    free = await shop.user()
    makers = [await shop.user(subscription_tier="maker", credits_remaining=5) for _ in range(2)]
    pro = await shop.user(subscription_tier="pro", credits_remaining=5)
    before = await shop.users()
    data = await shop.run(job)
    assert (data["total"], data["errors"]) == (1, 2)
    assert [(error["tier"], error["users"]) for error in data["errorDetails"]] == [
        ("maker", 2),
        ("pro", 1),
    ]
    assert "no row in subscription_plans" in data["errorDetails"][0]["message"]
    assert "credits_per_day = -7" in data["errorDetails"][1]["message"]
    after = await shop.users()
    assert after[free] != before[free]
    for user in (*makers, pro):
        assert after[user] == before[user]


async def test_variant_b_with_agency_and_paused(shop_b: Product) -> None:
    await shop_b.plans(free=10, agency=-1)
    agency = await shop_b.user(subscription_tier="agency")
    unlimited = await shop_b.user(subscription_tier="unlimited")
    paused = await shop_b.user(subscription_status="paused")
    data = await shop_b.run(job, unlimited_credits=5000)
    assert await shop_b.balances(agency, unlimited, paused) == [5000, 5000, 0]
    assert (data["agency"], data["unlimited"], data["free"], data["errors"]) == (1, 1, 0, 0)


def test_unlimited_and_agency_serve_each_other_only_where_one_is_missing() -> None:
    assert daily_allowances({"unlimited": -1}, 7) == {"unlimited": 7, "agency": 7}
    assert daily_allowances({"agency": 50}, 7) == {"unlimited": 50, "agency": 50}
    assert daily_allowances({"agency": 50, "unlimited": -1}, 7) == {"unlimited": 7, "agency": 50}
    assert daily_allowances({"agency": -2, "free": 0}, 7) == {"free": 0}


async def test_a_user_at_the_edge_of_int_does_not_stop_the_others(shop: Product) -> None:
    await shop.plans(**PLANS)
    deep = await shop.user(subscription_tier="unlimited", credits_remaining=-(2**31))
    rich = await shop.user(subscription_tier="unlimited", credits_remaining=2**31 - 1)
    free = await shop.user()
    await shop.run(job, unlimited_credits=2_000_000_000)
    assert await shop.balances(deep, rich, free) == [2_000_000_000, 2**31 - 1, 10]


async def test_a_user_whom_the_product_refuses_to_change_stays_alone(shop: Product) -> None:
    await shop.plans(**PLANS)
    await shop.sql.add_crowd(shop.pool, users=1500)
    refused = await shop.user(email="refused@example.com")
    await shop.sql.refuse_changes(shop.pool)
    log = Log()
    data = await shop.run(job, log=log, lock_wait_seconds=0)
    assert (data["total"], data["errors"]) == (1500, 1)
    assert data["errorDetails"] == [
        {"userId": str(refused), "message": "this user is under investigation"}
    ]
    assert "row_refused" in log.events()
    assert await shop.balances(refused) == [0]
    changed = [row for row in (await shop.users()).values() if row["credits_reset_at"] == MIDNIGHT]
    assert len(changed) == 1500


async def test_who_spends_at_the_same_moment_loses_nothing(shop: Product) -> None:
    """The spender holds the row when the run gets there, and commits while the run waits for it."""
    await shop.plans(**PLANS)
    user = await shop.user(credits_remaining=40)
    passed_over = asyncio.Event()
    spent = asyncio.Event()

    async def spend() -> None:
        async with shop.pool.acquire() as connection, connection.transaction():
            await shop.sql.spend(connection, id=user, at=NOW)
            spent.set()
            await passed_over.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(spend())
        await spent.wait()
        data = await shop.run(job, progress=lambda done, total: passed_over.set())
    assert (data["total"], data["changed"], data["errors"]) == (1, 0, 0)
    assert await shop.balances(user) == [39]


async def test_balances_always_follow_from_the_ledger_while_people_spend(shop: Product) -> None:
    await shop.plans(**PLANS)
    users = [await shop.user(credits_remaining=4) for _ in range(60)]
    chance = random.Random(7)

    async def spend(times: int) -> None:
        for _ in range(times):
            await shop.sql.spend(shop.pool, id=chance.choice(users), at=NOW)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(spend(100))
        data = await shop.run(job)
    assert (data["total"], data["errors"]) == (60, 0)
    balance = dict.fromkeys(users, 4)
    resets = 0
    for row in await shop.ledger():
        assert row["balance_after"] - row["balance_before"] == row["amount"]
        balance[row["user_id"]] += row["amount"]
        resets += row["type"] == "daily_reset"
    assert await shop.balances(*users) == list(balance.values())
    assert resets == data["changed"]


async def test_a_user_who_stays_locked_counts_as_an_error_and_is_next_runs(shop: Product) -> None:
    await shop.plans(**PLANS)
    locked = await shop.user(credits_remaining=5)
    free = await shop.user()
    async with shop.pool.acquire() as connection, connection.transaction():
        await shop.sql.spend(connection, id=locked, at=NOW)
        data = await shop.run(job, lock_wait_seconds=0)
        assert (data["total"], data["errors"]) == (1, 1)
        assert data["errorDetails"][0]["users"] == 1
        assert "locked" in data["errorDetails"][0]["message"]
    assert await shop.balances(locked, free) == [4, 10]
    assert (await shop.run(job))["total"] == 1
    assert await shop.balances(locked) == [10]


@pytest.mark.parametrize("commits", [2, 3, 4])
async def test_a_lost_run_and_then_another_are_one_clean_run(shop: Product, commits: int) -> None:
    await shop.plans(**PLANS)
    await shop.sql.add_crowd(shop.pool, users=2300)
    expected = {
        user: max(10, row["credits_remaining"]) for user, row in (await shop.users()).items()
    }
    with pytest.raises(LeaseLostError):
        await shop.run(job, commits_left=commits)
    half = len([row for row in (await shop.users()).values() if row["credits_reset_at"]])
    assert half == (commits - 2) * 1000
    data = await shop.run(job, MIDNIGHT + timedelta(minutes=1))
    assert data["total"] == 2300 - half
    await assert_clean(shop, expected)


async def test_a_cancelled_run_keeps_its_stretches_and_the_next_does_the_rest(
    shop: Product,
) -> None:
    await shop.plans(**PLANS)
    await shop.sql.add_crowd(shop.pool, users=2300)
    expected = {
        user: max(10, row["credits_remaining"]) for user, row in (await shop.users()).items()
    }
    seen: list[tuple[int, int | None]] = []

    def cancel_at_once(done: int, total: int | None) -> None:
        seen.append((done, total))
        first.cancel()

    first = asyncio.create_task(shop.run(job, progress=cancel_at_once))
    with pytest.raises(asyncio.CancelledError):
        await first
    assert seen == [(1000, 2300)]
    assert (await shop.run(job))["total"] == 1300
    await assert_clean(shop, expected)


async def assert_clean(shop: Product, expected: Mapping[Any, int]) -> None:
    users = await shop.users()
    assert {user: row["credits_remaining"] for user, row in users.items()} == expected
    ledger = await shop.ledger()
    assert len({row["user_id"] for row in ledger}) == len(ledger) == 1150
    for row in ledger:
        assert row["balance_after"] == expected[row["user_id"]] != row["balance_before"]


@pytest.mark.parametrize("seed", range(6))
async def test_like_a_slow_and_simple_program(shop_b: Product, seed: int) -> None:
    """Any mix of tiers, statuses, times and balances ends as a loop over the users would end it."""
    chance = random.Random(seed)
    plans = {"free": 10, "maker": 100, "unlimited": -1}
    await shop_b.plans(**plans)
    times = [None, *(MIDNIGHT + timedelta(hours=hours) for hours in (-30, -1, 0, 1, 30))]
    for _ in range(150):
        await shop_b.user(
            subscription_tier=chance.choice([None, "free", "maker", "pro", "unlimited", "agency"]),
            subscription_status=chance.choice(
                [None, "active", "trialing", "canceled", "past_due", "paused"]
            ),
            subscription_ends_at=chance.choice(times),
            credits_remaining=chance.choice([None, -5, 0, 10, 99, 100, 2_000_000]),
            credits_reset_at=chance.choice(times),
            is_banned=chance.choice([None, False, False, True]),
        )
    options: dict[str, Any] = {
        "policy": chance.choice(["top_up", "overwrite"]),
        "unlimited_credits": chance.choice([0, 500, 999_999]),
        "include_past_due": chance.random() < 0.5,
        "include_banned": chance.random() < 0.5,
    }
    expected = await shop_b.users()
    ledger = {}
    allowances = {**plans, "unlimited": options["unlimited_credits"]}
    allowances["agency"] = allowances["unlimited"]
    total = 0
    without_plan: set[str] = set()
    scheduled_for = MIDNIGHT + timedelta(minutes=1)
    for user, row in expected.items():
        status = row["subscription_status"] or "active"
        tier = row["subscription_tier"] or "free"
        ends_at = row["subscription_ends_at"]
        if row["credits_reset_at"] is not None and row["credits_reset_at"] >= MIDNIGHT:
            continue
        if row["is_banned"] and not options["include_banned"]:
            continue
        if not (
            status in ("active", "trialing")
            or (status == "canceled" and ends_at is not None and ends_at > scheduled_for)
            or (status == "past_due" and options["include_past_due"])
        ):
            continue
        if tier not in allowances:
            without_plan.add(tier)
            continue
        total += 1
        before = row["credits_remaining"] or 0
        after = allowances[tier]
        if options["policy"] == "top_up":
            after = max(before, after)
        if after != before:
            ledger[user] = (before, after)
        expected[user] = {**row, "credits_remaining": after, "credits_reset_at": scheduled_for}
    data = await shop_b.run(job, scheduled_for, **options)
    assert await shop_b.users() == expected
    assert {
        row["user_id"]: (row["balance_before"], row["balance_after"])
        for row in await shop_b.ledger()
    } == ledger
    assert (data["total"], data["changed"]) == (total, len(ledger))
    assert {error["tier"] for error in data["errorDetails"]} == without_plan


def test_parameters_are_bounded() -> None:
    assert job.params.model_validate({"unlimitedCredits": 5}).model_dump()["unlimited_credits"] == 5
    for wrong in ({"policy": "gift"}, {"unlimited_credits": -1}, {"credits": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            job.params.model_validate(wrong)
