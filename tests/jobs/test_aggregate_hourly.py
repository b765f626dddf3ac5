"""Is every whole hour rolled up, once, with the right numbers, and none that is past counting?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs import aggregate_hourly, cleanup
from jobs.aggregate_hourly import HOUR, NAME, job, stretches
from scheduler.errors import LeaseLostError, PermanentError
from tests.jobs import rollup_oracle as oracle
from tests.jobs.rollup_data import (
    Row,
    add,
    add_events,
    queries,
    random_events,
    random_ledger,
    random_people,
    rows_read,
)
from tests.support.jobs import MIDNIGHT, NOW, Log, Product, product

A_MOMENT = timedelta(microseconds=1)
ID = "00000000-0000-4000-8000-000000000001"


async def hours(shop: Product) -> list[Row]:
    return [dict(row) async for row in queries(shop).hours(shop.pool)]


async def state(shop: Product) -> tuple[list[Row], list[Row], Any]:
    """Everything that a run leaves behind, but for the ids and times of writing."""
    rows = [without(row, "id", "computed_at") for row in await hours(shop)]
    rollups = [without(dict(row), "written_at") async for row in queries(shop).rollups(shop.pool)]
    return rows, rollups, await queries(shop).watermark(shop.pool, job=NAME, key="")


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def said(*times: datetime) -> list[str]:
    return [time.isoformat() for time in times]


async def test_nothing_to_do(shop: Product) -> None:
    data = await shop.run(job)
    assert data == {"hours": [], "held": [], "left": 0, "unfed": []}
    assert await state(shop) == ([], [], MIDNIGHT)


async def test_an_hour_is_written_when_it_is_over(shop: Product) -> None:
    start = MIDNIGHT - HOUR
    for at in (start - A_MOMENT, start, MIDNIGHT - A_MOMENT, MIDNIGHT):
        await add_events(shop, {"at": at})
    data = await shop.run(job, MIDNIGHT - A_MOMENT)
    assert data["hours"] == said(start - HOUR)
    data = await shop.run(job, MIDNIGHT)
    assert data["hours"] == said(start - HOUR, start)
    rows = await hours(shop)
    assert [(row["hour"], row["page_views"]) for row in rows] == [(start - HOUR, 1), (start, 2)]
    assert {row["computed_at"] for row in rows} == {NOW}


async def test_late_events_count_in_the_last_hours(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 8)))
    await shop.run(job, MIDNIGHT)
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 8)))
    data = await shop.run(job, MIDNIGHT + HOUR)
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in (3, 2, 1, 0)))
    assert [row["page_views"] for row in await hours(shop)] == [1, 1, 1, 1, 2, 2, 2, 0]
    data = await shop.run(job, MIDNIGHT + HOUR, late_hours=0)
    assert data["hours"] == []


async def test_a_second_run_changes_nothing(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 8)))
    await shop.run(job)
    once = await state(shop)
    await shop.run(job)
    assert await state(shop) == once


async def test_three_days_of_downtime_are_filled_and_no_hour_is_there_twice(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT + n * HOUR} for n in range(-5, 80)))
    await shop.run(job, MIDNIGHT)
    data = await shop.run(job, MIDNIGHT + timedelta(days=3, minutes=1))
    assert len(data["hours"]) == 72 + 3
    rows = await hours(shop)
    assert [row["hour"] for row in rows] == [MIDNIGHT + n * HOUR for n in range(-5, 72)]
    assert {row["page_views"] for row in rows} == {1}


async def test_where_more_are_missing_the_newest_come_first_and_the_rest_later(
    shop: Product,
) -> None:
    await add_events(shop, *({"at": MIDNIGHT + n * HOUR} for n in range(-1, 20)))
    await shop.run(job, MIDNIGHT)
    at = MIDNIGHT + 10 * HOUR
    data = await shop.run(job, at, max_hours=4, late_hours=1)
    assert data["hours"] == said(MIDNIGHT - HOUR, *(MIDNIGHT + n * HOUR for n in (6, 7, 8, 9)))
    assert data["left"] == 6
    assert await queries(shop).watermark(shop.pool, job=NAME, key="") == MIDNIGHT
    data = await shop.run(job, at + HOUR, max_hours=4, late_hours=1)
    assert data["hours"] == said(*(MIDNIGHT + n * HOUR for n in (3, 4, 5, 9, 10)))
    data = await shop.run(job, at + HOUR, max_hours=4, late_hours=0)
    assert (data["hours"], data["left"]) == (said(*(MIDNIGHT + n * HOUR for n in (0, 1, 2))), 0)
    assert await queries(shop).watermark(shop.pool, job=NAME, key="") == at + HOUR
    assert len(await hours(shop)) == 12


async def test_the_first_run_goes_back_to_the_first_event_or_max_hours(shop: Product) -> None:
    await add_events(shop, {"at": MIDNIGHT - 5 * HOUR - A_MOMENT}, {"at": MIDNIGHT - 500 * HOUR})
    data = await shop.run(job, max_hours=10)
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in range(10, 0, -1)))
    # What lies before is not its business, however far back a later run may go.
    data = await shop.run(job, max_hours=1000, late_hours=0)
    assert data["hours"] == []


async def test_the_first_run_begins_with_the_first_event(shop: Product) -> None:
    await add_events(shop, {"at": MIDNIGHT - 5 * HOUR - A_MOMENT})
    data = await shop.run(job)
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in range(6, 0, -1)))


async def test_an_older_fire_that_is_caught_up_does_not_undo_newer_hours(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(10)))
    await shop.run(job, MIDNIGHT)
    done = await state(shop)
    data = await shop.run(job, MIDNIGHT - 4 * HOUR)
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in (7, 6, 5)))
    assert await state(shop) == done


async def test_hours_whose_events_are_being_deleted_keep_their_numbers(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR / 4} for n in range(1, 17)))
    await shop.run(job)
    before = await hours(shop)
    await queries(shop).delete_events(shop.pool, before=MIDNIGHT - 1.5 * HOUR)
    log = Log()
    data = await shop.run(job, log=log)
    assert data["held"] == said(MIDNIGHT - 3 * HOUR, MIDNIGHT - 2 * HOUR)
    assert data["hours"] == said(MIDNIGHT - HOUR)
    assert await hours(shop) == before
    assert "hours_held" in log.events()


async def test_hours_that_the_cleanup_has_passed_are_held_whatever_came_late(
    shop: Product,
) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in (1, 2, 3)))
    await shop.run(job)
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in (1, 2, 3)))
    await queries(shop).set_watermark(
        shop.pool, job="cleanup", key="analytics_events", at=MIDNIGHT - 1.5 * HOUR
    )
    data = await shop.run(job)
    assert data["held"] == said(MIDNIGHT - 3 * HOUR, MIDNIGHT - 2 * HOUR)
    assert [row["page_views"] for row in await hours(shop)] == [1, 1, 2]


async def test_somebody_elses_hours_are_written_only_where_all_events_must_be_there(
    shop: Product,
) -> None:
    """The first of two stored hours may have lost events; the second cannot have."""
    first, second = MIDNIGHT - 30 * HOUR, MIDNIGHT - 5 * HOUR
    for hour in (first, second):
        await queries(shop).store_hour(shop.pool, hour=hour, page_views=99)
        await add_events(shop, {"at": hour})
    await add_events(shop, {"at": second - HOUR})
    data = await shop.run(job)
    assert data["held"] == said(first)
    assert data["left"] == 0
    rows = {row["hour"]: row["page_views"] for row in await hours(shop)}
    assert (rows[first], rows[second]) == (99, 1)
    assert len(rows) == 30
    # It is not asked again, and nothing is left to do.
    data = await shop.run(job, late_hours=0)
    assert (data["hours"], data["held"]) == ([], [])


async def test_a_run_that_died_half_way_is_finished_by_the_next(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 101)))
    with pytest.raises(LeaseLostError):
        await shop.run(job, commits_left=3)
    rows, rollups, watermark = await state(shop)
    assert len(rows) == len(rollups) == 48
    assert watermark == MIDNIGHT - 100 * HOUR
    await shop.run(job, late_hours=0)
    died = await state(shop)
    assert len(died[0]) == 100
    await queries(shop).forget(shop.pool, rollup="hourly")
    await shop.run(job, late_hours=0)
    assert (await state(shop))[0] == died[0]


async def test_a_cancelled_run_keeps_its_groups(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 101)))
    seen: list[tuple[int, int | None]] = []

    def progress(done: int, total: int | None) -> None:
        seen.append((done, total))
        run.cancel()

    run = asyncio.create_task(shop.run(job, progress=progress))
    with pytest.raises(asyncio.CancelledError):
        await run
    assert seen == [(24, 100)]
    assert len(await hours(shop)) == 24
    assert len((await shop.run(job, late_hours=0))["hours"]) == 76


async def test_the_hours_of_named_days_are_written_again_with_rows_or_without(
    shop: Product,
) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 73)))
    await shop.run(job)
    before = await state(shop)
    await queries(shop).lose_hours(
        shop.pool, first=MIDNIGHT - 40 * HOUR, before=MIDNIGHT - 10 * HOUR
    )
    # A usual run does not ask for them.
    await shop.run(job)
    assert len(await hours(shop)) == 72 - 30
    data = await shop.run(job, MIDNIGHT + 5 * HOUR, from_="2026-01-29", to="2026-01-29")
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in range(48, 24, -1)))
    assert data["left"] == 0
    data = await shop.run(job, MIDNIGHT + 5 * HOUR, from_="2026-01-30")
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in range(24, 0, -1)))
    # Nor did it pass over the hours since then, which are the usual run's.
    assert await state(shop) == before
    assert len((await shop.run(job, MIDNIGHT + 5 * HOUR, late_hours=0))["hours"]) == 5


async def test_a_rebuild_may_reach_behind_the_first_run(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 73)))
    await shop.run(job, max_hours=24)
    data = await shop.run(job, from_="2026-01-28", to="2026-01-28")
    assert len(data["hours"]) == 24
    assert await queries(shop).watermark(shop.pool, job=NAME, key="") == MIDNIGHT


async def test_a_rebuild_leaves_hours_alone_to_which_the_cleanup_has_come(shop: Product) -> None:
    """Some have a row, some have lost it, and of some there never was one."""
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR / 2} for n in range(1, 145)))
    await shop.run(job, max_hours=40)
    await shop.run(cleanup.job, MIDNIGHT - 6.5 * HOUR, events_days=1)
    await queries(shop).lose_hours(
        shop.pool, first=MIDNIGHT - 36 * HOUR, before=MIDNIGHT - 12 * HOUR
    )
    data = await shop.run(job, from_="2026-01-28")
    assert data["held"] == said(*(MIDNIGHT - n * HOUR for n in range(72, 30, -1)))
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in range(30, 0, -1)))
    rows = {row["hour"]: row["page_views"] for row in await hours(shop)}
    assert list(rows) == [MIDNIGHT - n * HOUR for n in (*range(40, 36, -1), *range(30, 0, -1))]
    assert set(rows.values()) == {2}


async def test_a_day_of_a_zone_half_an_hour_off_has_the_hours_that_end_in_it(
    shop: Product,
) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 73)))
    kolkata = ZoneInfo("Asia/Kolkata")  # whose day begins at 18:30
    data = await shop.run(job, zone=kolkata, from_="2026-01-30", to="2026-01-30")
    assert data["hours"] == said(*(MIDNIGHT - n * HOUR for n in range(30, 6, -1)))


async def test_a_day_that_is_not_over_is_not_written_again(shop: Product) -> None:
    with pytest.raises(PermanentError, match="2026-01-31 is not over"):
        await shop.run(job, MIDNIGHT + 5 * HOUR, from_="2026-01-31")


@pytest.mark.parametrize("lacking", ["drop_ledger", "drop_amounts"])
async def test_columns_that_nothing_feeds_stay_as_they_are(
    lacking: str, shop: Product, database: str
) -> None:
    await getattr(queries(shop), lacking)(shop.pool)
    await add_events(shop, {"at": MIDNIGHT - HOUR})
    async with product(database) as lean:
        assert (await lean.run(job))["unfed"] == ["credits"]
    assert [row["credits_used"] for row in await hours(shop)] == [0]


@pytest.mark.parametrize("odd", ["-infinity", "0044-03-15 BC", "20000-01-01", "infinity"])
async def test_times_beyond_any_calendar_harm_nobody(odd: str, shop: Product) -> None:
    await add(shop, "people", [{"id": ID, "created_at": odd, "tier": "pro"}])
    await add_events(shop, {"at": odd, "user_id": ID}, {"at": MIDNIGHT - HOUR, "user_id": ID})
    await add(shop, "ledger", [{"user_id": ID, "type": "generation", "amount": -1, "at": odd}])
    await shop.run(job)
    row = (await hours(shop))[-1]
    assert (row["active_users"], row["signups"], row["credits_used"]) == (1, 0, 0)


async def test_names_are_parameters_and_numbers_fit(shop: Product) -> None:
    hostile = "x'); DROP TABLE app_users; --"
    await add(shop, "people", [{"id": ID, "created_at": MIDNIGHT - 900 * HOUR, "tier": "free"}])
    await add_events(shop, *({"at": MIDNIGHT - HOUR, "event_type": hostile} for _ in range(3)))
    ledger = {"user_id": ID, "type": "generation", "amount": -(2**31), "at": MIDNIGHT - HOUR}
    await add(shop, "ledger", [ledger, ledger])
    await shop.run(job, page_view_events=[hostile], errorEvents=[hostile, "y"], request_events=[])
    row = (await hours(shop))[0]
    assert (row["page_views"], row["api_requests"], row["api_errors"]) == (3, 3, 3)
    assert row["credits_used"] == 2**31 - 1


async def test_an_hour_reads_only_its_own_events(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR / 50} for n in range(1, 5001)))
    parameters = {
        **aggregate_hourly.AggregateHourly.model_validate({}).model_dump(),
        "hours": [MIDNIGHT - HOUR],
        "first": MIDNIGHT - HOUR,
        "before": MIDNIGHT,
        "now": NOW,
    }
    owner = str(aggregate_hourly.__file__)
    assert await rows_read(shop, owner, "roll_up", parameters, "analytics_events") == 50


def test_parameters_are_bounded() -> None:
    for name, value in (
        ("late_hours", -1),
        ("late_hours", 169),
        ("max_hours", 0),
        ("max_hours", 8761),
        ("page_view_events", ["x" * 101]),
        ("page_view_events", ["\0"]),
        ("error_events", ["x"] * 51),
    ):
        with pytest.raises(ValueError, match=name.split("_")[0]):
            job.params.model_validate({name: value})


def test_stretches_are_whole_hours_together() -> None:
    times = [MIDNIGHT + n * HOUR for n in (0, 1, 2, 3, 5, 6)]
    assert stretches(times, 3) == [times[4:], times[1:4], times[:1]]
    assert stretches([], 3) == []


async def test_every_column_is_as_counted_one_by_one(shop: Product) -> None:
    await compare(shop, Random(1), variant_a=True)


async def test_every_column_is_as_counted_where_events_have_fewer_columns(
    shop_events_b: Product,
) -> None:
    await compare(shop_events_b, Random(2), variant_a=False)


async def compare(shop: Product, random: Random, *, variant_a: bool) -> None:
    """Random rows, rolled up while they come in and some of them late, beside a count of each."""
    until = datetime(2026, 3, 30, tzinfo=UTC)
    first = until - timedelta(days=6)
    people = random_people(random, 40, first, until)
    events = random_events(random, 4000, people, first, until)
    if not variant_a:
        events = [without(event, "properties") for event in events]
    ledger = random_ledger(random, 1500, people, first, until)
    await add(shop, "people", people)
    await add(shop, "ledger", ledger)
    middle = until - 40 * HOUR
    first_event = min(event["at"] for event in events)
    late = [event for event in events if random.random() < 0.01 and event["at"] > first_event]
    in_time = [event for event in events if event not in late]
    await add_events(shop, *(event for event in in_time if event["at"] < middle))
    await shop.run(job, middle, late_hours=0)
    await add_events(shop, *(event for event in in_time if event["at"] >= middle), *late)
    for back in (39, 30, 29, 0):
        await shop.run(job, until - back * HOUR, late_hours=168)
    rows = [without(row, "id", "computed_at") for row in await hours(shop)]
    start = first_event.replace(minute=0, second=0)
    count = (until - start) // HOUR
    assert rows == [oracle.hour(start + n * HOUR, people, events, ledger) for n in range(count)]
