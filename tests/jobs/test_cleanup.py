"""Does the cleanup delete what is old and handled, and nothing that is still wanted?"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs.cleanup import job, split_by_days
from scheduler.errors import LeaseLostError
from tests.support.jobs import MIDNIGHT, Log, Product

A_MOMENT = timedelta(microseconds=1)
A_DAY = timedelta(days=1)
SCHEDULED_FOR = MIDNIGHT + timedelta(hours=7)
ROLLING_UP = frozenset({"aggregate-analytics"})
DONE = {"webhooksDeleted": 0, "eventsDeleted": 0, "runsDeleted": 0}
NO_BACKLOG = {"webhooks": 0, "events": 0, "eventsHeld": 0, "runs": 0, "capped": False}


async def webhooks(shop: Product) -> list[Any]:
    return [row["id"] async for row in shop.sql.webhooks(shop.pool)]


async def test_nothing_to_do(shop: Product) -> None:
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    assert data == {**DONE, "backlog": NO_BACKLOG, "errors": 0, "errorDetails": []}


async def test_processed_webhooks_go_after_their_days(shop: Product) -> None:
    limit = SCHEDULED_FOR - 30 * A_DAY
    kept: list[Any] = []
    for created_at, processed in [
        (limit - A_MOMENT, True),
        (limit - A_MOMENT, False),
        (limit - A_MOMENT, None),
        (limit, True),
    ]:
        webhook = await shop.sql.add_webhook(shop.pool, processed=processed, created_at=created_at)
        if kept or not processed:
            kept.append(webhook)
    data = await shop.run(job, SCHEDULED_FOR)
    assert data["webhooksDeleted"] == 1
    assert data["backlog"] == NO_BACKLOG
    assert sorted(await webhooks(shop)) == sorted(kept)


async def test_events_go_after_their_days(shop: Product) -> None:
    limit = SCHEDULED_FOR - 90 * A_DAY
    await shop.events(limit - A_MOMENT, limit, datetime(1969, 12, 31, tzinfo=UTC))
    data = await shop.run(job, SCHEDULED_FOR)
    assert (data["eventsDeleted"], data["backlog"]) == (2, NO_BACKLOG)
    assert await shop.event_times() == [limit]


@pytest.mark.parametrize("at", ["-infinity", "0044-03-15 BC"])
async def test_what_is_older_than_any_calendar_goes_too(at: str, shop: Product) -> None:
    await shop.sql.add_ancient(shop.pool, at=at)
    await shop.roll_up((SCHEDULED_FOR - 91 * A_DAY).date())
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    # A row of such a day is no proof that its events were counted.
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (0, 1)
    assert data["webhooksDeleted"] == 1
    data = await shop.run(job, SCHEDULED_FOR)
    assert (data["eventsDeleted"], data["backlog"]) == (1, NO_BACKLOG)


async def test_the_days_are_parameters(shop_b: Product) -> None:
    ages = [timedelta(days=days, seconds=1) for days in (4, 5, 6)]
    await shop_b.events(*(SCHEDULED_FOR - age for age in ages))
    data = await shop_b.run(job, SCHEDULED_FOR, eventsDays=5)
    assert data["eventsDeleted"] == 2
    assert await shop_b.event_times() == [SCHEDULED_FOR - ages[0]]


async def test_a_second_run_deletes_nothing(shop: Product) -> None:
    await shop.events(*(SCHEDULED_FOR - days * A_DAY for days in range(85, 95)))
    first = await shop.run(job, SCHEDULED_FOR)
    second = await shop.run(job, SCHEDULED_FOR)
    assert (first["eventsDeleted"], second["eventsDeleted"]) == (4, 0)


async def test_events_of_a_day_that_is_not_rolled_up_are_held(shop: Product) -> None:
    first = date(2025, 10, 20)
    days = [first + number * A_DAY for number in range(5)]
    noon = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
    await shop.events(*noon, *noon, noon[0] - 400 * A_DAY)
    await shop.roll_up(days[0], days[1], days[3])
    log = Log()
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP, log=log)
    assert data["eventsDeleted"] == 6
    assert data["backlog"] == {**NO_BACKLOG, "eventsHeld": 5}
    assert await shop.event_times() == [noon[0] - 400 * A_DAY, *[noon[2]] * 2, *[noon[4]] * 2]
    assert "events_held" in log.events()
    await shop.roll_up(days[2], days[4])
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (4, 1)


async def test_somebody_elses_row_frees_a_day_only_where_our_rollup_has_been(shop: Product) -> None:
    days = [date(2025, 10, 20) + number * A_DAY for number in range(4)]
    noon = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
    await shop.events(*noon)
    await shop.sql.store_days(shop.pool, days=days)
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (0, 4)
    await reach(shop, "aggregate-analytics", noon[2] - 12 * timedelta(hours=1))
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (2, 2)
    assert await shop.event_times() == noon[2:]


async def test_events_wait_for_each_rollup_that_is_on_the_clock(shop: Product) -> None:
    hours = [datetime(2025, 10, 20, hour, tzinfo=UTC) for hour in range(4)]
    await shop.events(*hours)
    await shop.roll_up(date(2025, 10, 20))
    hourly = frozenset({"aggregate-hourly"})
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP | hourly)
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (0, 4)
    await reach(shop, "aggregate-hourly", hours[1])
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP | hourly)
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (1, 3)
    await reach(shop, "aggregate-hourly", hours[3])
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=hourly)
    assert (data["eventsDeleted"], data["backlog"]["eventsHeld"]) == (2, 1)
    assert await shop.event_times() == hours[3:]


async def test_it_says_up_to_where_events_may_be_gone(shop: Product) -> None:
    async def cleaned() -> list[datetime]:
        rows = shop.sql.watermarks(shop.pool)
        return [row["at"] async for row in rows if row["job"] == "cleanup"]

    await shop.events(SCHEDULED_FOR - 100 * A_DAY)
    await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    assert await cleaned() == []
    await shop.run(job, SCHEDULED_FOR)
    assert await cleaned() == [SCHEDULED_FOR - 90 * A_DAY]
    await shop.run(job, SCHEDULED_FOR, eventsDays=120)
    assert await cleaned() == [SCHEDULED_FOR - 90 * A_DAY]


async def reach(shop: Product, rollup: str, at: datetime) -> None:
    await shop.sql.set_watermark(shop.pool, job=rollup, key="", at=at)


async def test_nothing_is_held_where_nobody_rolls_up(shop: Product) -> None:
    await shop.events(SCHEDULED_FOR - 200 * A_DAY)
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=frozenset({"cleanup"}))
    assert (data["eventsDeleted"], data["backlog"]) == (1, NO_BACKLOG)


async def test_nothing_is_held_without_daily_analytics(shop_b: Product) -> None:
    await shop_b.events(SCHEDULED_FOR - 200 * A_DAY)
    data = await shop_b.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP)
    assert (data["eventsDeleted"], data["backlog"]) == (1, NO_BACKLOG)


async def test_a_day_is_the_schedules_zones(shop: Product) -> None:
    """The 20th of October began in Tokyo nine hours before it did in UTC."""
    began = datetime(2025, 10, 19, 15, tzinfo=UTC)
    await shop.events(began - A_MOMENT, began, began + A_DAY - A_MOMENT, began + A_DAY)
    await shop.roll_up(date(2025, 10, 20))
    zone = ZoneInfo("Asia/Tokyo")
    data = await shop.run(job, SCHEDULED_FOR, scheduled_jobs=ROLLING_UP, zone=zone)
    assert data["eventsDeleted"] == 2
    assert await shop.event_times() == [began - A_MOMENT, began + A_DAY]


def test_spans_cover_rolled_up_days_up_to_the_cutoff() -> None:
    zone = ZoneInfo("Europe/Berlin")
    days = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 31)]
    cutoff = datetime(2026, 3, 31, 6, tzinfo=UTC)
    covered, between = split_by_days(days, cutoff, zone)
    midnights = [
        datetime(2026, 3, 27, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
        datetime(2026, 3, 30, 22, tzinfo=UTC),
    ]
    assert covered == [(midnights[0], midnights[1]), (midnights[2], cutoff)]
    assert between == [(None, midnights[0]), (midnights[1], midnights[2])]
    assert split_by_days([], cutoff, zone) == ([], [(None, cutoff)])


async def test_finished_runs_go_but_for_the_last_50_of_each_job(shop: Product) -> None:
    limit = SCHEDULED_FOR - 90 * A_DAY
    old = [limit - hours * timedelta(hours=1) for hours in range(60, 0, -1)]
    await shop.runs("often", "succeeded", old)
    await shop.runs("often", "failed", [limit, limit + A_DAY])
    await shop.runs("seldom", "succeeded", old[:50])
    await shop.runs("stuck", "running", old[:1])
    await shop.runs("stuck", "succeeded", old[:51])
    data = await shop.run(job, SCHEDULED_FOR)
    # 62 of `often` less the last 50; of `stuck` one, and never the one that is active.
    assert data["runsDeleted"] == 12 + 1
    assert data["backlog"] == NO_BACKLOG
    rows = [row async for row in shop.sql.runs(shop.pool)]
    assert [row["finished_at"] for row in rows if row["job"] == "often"] == [
        *old[12:],
        limit,
        limit + A_DAY,
    ]
    assert sum(row["job"] == "seldom" for row in rows) == 50
    assert [row["status"] for row in rows if row["job"] == "stuck"] == ["running"] + [
        "succeeded"
    ] * 50


async def test_finished_runs_stay_until_their_days_are_over(shop: Product) -> None:
    limit = SCHEDULED_FOR - 90 * A_DAY
    await shop.runs("often", "succeeded", [limit - A_MOMENT, limit, *[SCHEDULED_FOR] * 50])
    assert (await shop.run(job, SCHEDULED_FOR))["runsDeleted"] == 1
    rows = [row async for row in shop.sql.runs(shop.pool)]
    assert (len(rows), rows[0]["finished_at"]) == (51, limit)


async def test_what_one_run_may_not_delete_is_in_the_backlog(shop: Product) -> None:
    old = [SCHEDULED_FOR - days * A_DAY for days in range(100, 107)]
    await shop.events(*old)
    for created_at in old:
        await shop.sql.add_webhook(shop.pool, processed=True, created_at=created_at)
    await shop.roll_up(*(at.date() for at in old[:6]))
    options: dict[str, Any] = {"scheduled_jobs": ROLLING_UP, "max_rows": 4}
    data = await shop.run(job, SCHEDULED_FOR, **options)
    assert (data["eventsDeleted"], data["webhooksDeleted"]) == (4, 4)
    assert data["backlog"] == {**NO_BACKLOG, "webhooks": 3, "events": 2, "eventsHeld": 1}
    data = await shop.run(job, SCHEDULED_FOR, **options)
    assert (data["eventsDeleted"], data["webhooksDeleted"]) == (2, 3)
    assert data["backlog"] == {**NO_BACKLOG, "eventsHeld": 1}


async def test_a_row_that_must_stay_does_not_stop_the_rest(shop: Product) -> None:
    old = SCHEDULED_FOR - 60 * A_DAY
    rows = [await shop.sql.add_webhook(shop.pool, processed=True, created_at=old) for _ in range(9)]
    await shop.sql.keep_webhook(shop.pool)
    await shop.sql.dispute(shop.pool, webhook_id=rows[4])
    await shop.events(SCHEDULED_FOR - 100 * A_DAY)
    data = await shop.run(job, SCHEDULED_FOR)
    assert (data["webhooksDeleted"], data["eventsDeleted"], data["errors"]) == (8, 1, 1)
    assert data["errorDetails"][0]["id"] == str(rows[4])
    assert data["backlog"]["webhooks"] == 1
    assert await webhooks(shop) == [rows[4]]


async def test_a_locked_row_is_left_and_counted(shop: Product) -> None:
    old = SCHEDULED_FOR - 60 * A_DAY
    rows = [await shop.sql.add_webhook(shop.pool, processed=True, created_at=old) for _ in range(3)]
    async with shop.pool.acquire() as connection, connection.transaction():
        await shop.sql.lock_webhook(connection, id=rows[0])
        data = await shop.run(job, SCHEDULED_FOR)
    assert (data["webhooksDeleted"], data["backlog"]["webhooks"]) == (2, 1)


async def test_a_cancelled_run_keeps_its_batches_and_the_next_does_the_rest(
    shop: Product,
) -> None:
    old = SCHEDULED_FOR - 120 * A_DAY
    await shop.events(*(old + seconds * timedelta(seconds=1) for seconds in range(11_000)))
    seen: list[int] = []

    def progress(done: int, total: int | None) -> None:
        seen.append(done)
        if done:
            first.cancel()

    first = asyncio.create_task(shop.run(job, SCHEDULED_FOR, progress=progress))
    with pytest.raises(asyncio.CancelledError):
        await first
    assert seen[-1] == 5000
    assert len(await shop.event_times()) == 6000
    assert (await shop.run(job, SCHEDULED_FOR))["eventsDeleted"] == 6000


async def test_a_lost_run_deletes_nothing_that_it_could_not_commit(shop: Product) -> None:
    old = SCHEDULED_FOR - 120 * A_DAY
    await shop.events(*[old] * 11_000)
    with pytest.raises(LeaseLostError):
        await shop.run(job, SCHEDULED_FOR, commits_left=5)
    # Webhooks were looked for, the mark set, one batch found and deleted, the second only found.
    assert len(await shop.event_times()) == 6000
    assert (await shop.run(job, SCHEDULED_FOR))["eventsDeleted"] == 6000


def test_parameters_are_bounded() -> None:
    for wrong in ({"webhooks_days": 0}, {"events_days": 3651}, {"runs_days": 0}, {"days": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            job.params.model_validate(wrong)
