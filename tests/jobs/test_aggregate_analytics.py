"""Is every day that is over rolled up, once, with the right numbers, and none past counting?"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs import aggregate_analytics, cleanup
from jobs.aggregate_analytics import NAME, job
from scheduler.days import day_start
from scheduler.errors import LeaseLostError, PermanentError
from tests.jobs import rollup_oracle as oracle
from tests.jobs.rollup_data import (
    Row,
    add,
    add_events,
    queries,
    random_events,
    random_history,
    random_invoices,
    random_ledger,
    random_mail,
    random_people,
    random_readers,
    rows_read,
)
from tests.support.jobs import MIDNIGHT, NOW, UTC_ZONE, Log, Product

A_MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TODAY = MIDNIGHT.date()
ID = "00000000-0000-4000-8000-000000000001"


async def days(shop: Product) -> list[Row]:
    return [dict(row) async for row in queries(shop).days(shop.pool)]


async def watermark(shop: Product) -> Any:
    return await queries(shop).watermark(shop.pool, job=NAME, key="")


async def state(shop: Product) -> tuple[list[Row], list[Row], Any]:
    """Everything that a run leaves behind, but for the times of writing."""
    rows = [without(row, "computed_at") for row in await days(shop)]
    rollups = [without(dict(row), "written_at") async for row in queries(shop).rollups(shop.pool)]
    return rows, rollups, await watermark(shop)


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def ago(*numbers: int) -> list[str]:
    return [str(TODAY - number * DAY) for number in numbers]


async def one_event_a_day(shop: Product, count: int) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * DAY} for n in range(1, count + 1)))


async def test_nothing_to_do(shop: Product) -> None:
    data = await shop.run(job)
    assert data == {"days": [], "held": [], "otherCurrencies": {}, "unfed": []}
    assert await state(shop) == ([], [], None)


async def test_a_day_is_written_when_it_is_over(shop: Product) -> None:
    start = MIDNIGHT - DAY
    for at in (start - A_MOMENT, start, MIDNIGHT - A_MOMENT, MIDNIGHT):
        await add_events(shop, {"at": at})
    data = await shop.run(job, MIDNIGHT - A_MOMENT)
    assert data["days"] == ago(2)
    data = await shop.run(job, MIDNIGHT)
    assert data["days"] == ago(2, 1)
    rows = await days(shop)
    assert [(row["date"], row["page_views"]) for row in rows] == [
        (TODAY - 2 * DAY, 1),
        (TODAY - DAY, 2),
    ]
    assert {row["computed_at"] for row in rows} == {NOW}
    assert await watermark(shop) == MIDNIGHT


async def test_late_events_count_in_the_last_days(shop: Product) -> None:
    await one_event_a_day(shop, 5)
    await shop.run(job)
    await one_event_a_day(shop, 5)
    data = await shop.run(job, MIDNIGHT + DAY)
    assert data["days"] == ago(2, 1, 0)
    assert [row["page_views"] for row in await days(shop)] == [1, 1, 1, 2, 2, 0]
    data = await shop.run(job, MIDNIGHT + DAY, late_days=0)
    assert data["days"] == []


async def test_a_second_run_changes_nothing(shop: Product) -> None:
    await one_event_a_day(shop, 5)
    await shop.run(job)
    once = await state(shop)
    await shop.run(job)
    assert await state(shop) == once


async def test_three_days_of_downtime_are_filled_and_no_day_is_there_twice(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT + n * DAY} for n in range(-5, 3)))
    await shop.run(job)
    data = await shop.run(job, MIDNIGHT + 3 * DAY + 5 * HOUR)
    assert data["days"] == ago(2, 1, 0, -1, -2)
    rows = await days(shop)
    assert [row["date"] for row in rows] == [TODAY + n * DAY for n in range(-5, 3)]
    assert {row["page_views"] for row in rows} == {1}


async def test_the_first_run_goes_back_to_the_first_event_or_max_days(shop: Product) -> None:
    await one_event_a_day(shop, 20)
    data = await shop.run(job, max_days=3)
    assert data["days"] == ago(3, 2, 1)
    # What lies before is not its business, but for a rebuild.
    data = await shop.run(job, max_days=20, late_days=9)
    assert data["days"] == ago(3, 2, 1)
    data = await shop.run(job, from_=TODAY - 6 * DAY, to=TODAY - 4 * DAY)
    assert data["days"] == ago(6, 5, 4)
    assert await watermark(shop) == MIDNIGHT


async def test_a_named_day_or_range_is_written_again(shop: Product) -> None:
    await one_event_a_day(shop, 9)
    await shop.run(job)
    await one_event_a_day(shop, 9)
    named: dict[str, Any] = {"from": str(TODAY - 7 * DAY), "to": str(TODAY - 7 * DAY)}
    data = await shop.run(job, **named)
    assert data["days"] == ago(7)
    assert [row["page_views"] for row in await days(shop)] == [1, 1, 2, 1, 1, 1, 1, 1, 1]
    data = await shop.run(job, from_=TODAY - 3 * DAY)
    assert data["days"] == ago(3, 2, 1)


async def test_a_rebuild_leaves_the_days_before_it_to_the_next_run(shop: Product) -> None:
    await one_event_a_day(shop, 2)
    await shop.run(job)
    data = await shop.run(job, MIDNIGHT + 3 * DAY, from_=TODAY + 2 * DAY)
    assert data["days"] == ago(-2)
    assert await watermark(shop) == MIDNIGHT
    data = await shop.run(job, MIDNIGHT + 3 * DAY, late_days=0)
    assert data["days"] == ago(0, -1, -2)


async def test_a_day_that_is_not_over_is_refused(shop: Product) -> None:
    with pytest.raises(PermanentError, match=r"2026-01-31 is not over: the last .* is 2026-01-30"):
        await shop.run(job, from_=TODAY, to=TODAY)
    with pytest.raises(PermanentError, match=r"2026-02-03 is not over"):
        await shop.run(job, from_=TODAY + 3 * DAY)
    with pytest.raises(PermanentError, match=r"2026-01-31 is not over"):
        await shop.run(job, from_=TODAY - 3 * DAY, to=TODAY)


async def test_a_rebuild_draws_no_zeros_where_the_cleanup_has_been(shop: Product) -> None:
    """Of days before the first run nothing was ever stored, and some of their events are gone."""
    await one_event_a_day(shop, 5)
    await shop.run(job, max_days=2)
    await shop.run(cleanup.job, MIDNIGHT - HOUR, events_days=3)
    data = await shop.run(job, from_=TODAY - 6 * DAY)
    # Three days before that hour is within the fourth day back.
    assert (data["held"], data["days"]) == (ago(6, 5, 4), ago(3, 2, 1))
    assert [row["date"] for row in await days(shop)] == [TODAY - n * DAY for n in (3, 2, 1)]


async def test_a_day_that_the_cleanup_has_left_alone_can_still_be_written(shop: Product) -> None:
    await one_event_a_day(shop, 5)
    await shop.run(job)
    async with shop.pool.acquire() as connection:
        await queries(shop).lose_day(connection, date=TODAY - 4 * DAY, at=MIDNIGHT - 4 * DAY)
    options: dict[str, Any] = {"scheduled_jobs": frozenset({NAME}), "events_days": 1}
    await shop.run(cleanup.job, MIDNIGHT, **options)
    data = await shop.run(job, from_=TODAY - 5 * DAY)
    assert (data["held"], data["days"]) == (ago(5, 3, 2), ago(4, 1))
    assert {row["page_views"] for row in await days(shop)} == {1}


async def test_days_whose_events_are_being_deleted_keep_their_numbers(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * DAY / 2} for n in range(1, 9)))
    await shop.run(job)
    before = await days(shop)
    await queries(shop).delete_events(shop.pool, before=MIDNIGHT - 2.25 * DAY)
    log = Log()
    data = await shop.run(job, from_=TODAY - 4 * DAY, log=log)
    assert (data["held"], data["days"]) == (ago(4, 3), ago(2, 1))
    assert await days(shop) == before
    assert "days_held" in log.events()


async def test_days_that_the_cleanup_has_passed_are_held_whatever_came_late(shop: Product) -> None:
    await one_event_a_day(shop, 3)
    await shop.run(job)
    await one_event_a_day(shop, 3)
    await queries(shop).set_watermark(
        shop.pool, job="cleanup", key="analytics_events", at=MIDNIGHT - 1.5 * DAY
    )
    data = await shop.run(job, from_=TODAY - 3 * DAY)
    assert (data["held"], data["days"]) == (ago(3, 2), ago(1))
    assert [row["page_views"] for row in await days(shop)] == [1, 1, 2]


async def test_the_cleanup_and_late_events_cannot_spoil_a_day(shop: Product) -> None:
    """Half of the day's events go, then as many come late."""
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 25)))
    await shop.run(job)
    before = await days(shop)
    options: dict[str, Any] = {"scheduled_jobs": frozenset({NAME}), "events_days": 1}
    data = await shop.run(cleanup.job, MIDNIGHT + 12 * HOUR, **options)
    assert data["eventsDeleted"] == 12
    await add_events(shop, *({"at": MIDNIGHT - n * HOUR} for n in range(1, 25)))
    data = await shop.run(job, MIDNIGHT + DAY)
    assert (data["held"], data["days"]) == (ago(1), ago(0))
    assert (await days(shop))[:1] == before


async def test_somebody_elses_days_are_written_only_where_all_events_must_be_there(
    shop: Product,
) -> None:
    """The fifth day back may have lost events, those after it cannot have."""
    await one_event_a_day(shop, 5)
    for number in range(1, 10):
        date = TODAY - number * DAY
        await queries(shop).store_day(shop.pool, date=date, page_views=99, mrr_cents=7)
    data = await shop.run(job)
    assert (data["held"], data["days"]) == (ago(5), ago(4, 3, 2, 1))
    views = [row["page_views"] for row in await days(shop)]
    assert views == [99, 99, 99, 99, 99, 1, 1, 1, 1]
    assert await watermark(shop) == MIDNIGHT
    data = await shop.run(job, from_=TODAY - 9 * DAY, to=TODAY - 5 * DAY)
    assert (data["held"], data["days"]) == (ago(9, 8, 7, 6, 5), [])


async def test_only_events_of_the_day_before_prove_a_day_whole(shop: Product) -> None:
    """Older ones may have been left behind by who keeps some days and deletes others."""
    await add_events(shop, {"at": MIDNIGHT - 4 * DAY}, {"at": MIDNIGHT - 2 * DAY})
    await queries(shop).store_day(shop.pool, date=TODAY - 2 * DAY, page_views=99, mrr_cents=7)
    data = await shop.run(job)
    assert (data["held"], data["days"]) == (ago(2), ago(4, 3, 1))
    assert [row["page_views"] for row in await days(shop)] == [1, 0, 99, 0]


async def test_mrr_is_written_once(shop: Product) -> None:
    invoice = {
        "user_id": ID,
        "invoice": "in_1",
        "status": "paid",
        "cents": 1200,
        "currency": "usd",
        "period_start": MIDNIGHT - 9 * DAY,
        "period_end": MIDNIGHT + 20 * DAY,
        "invoice_date": MIDNIGHT - 9 * DAY,
        "paid_at": None,
    }
    await add(shop, "people", [{"id": ID, "created_at": MIDNIGHT - 40 * DAY, "tier": "pro"}])
    await add(shop, "invoices", [invoice])
    await one_event_a_day(shop, 3)
    await shop.run(job)
    other = {**invoice, "invoice": "in_2", "cents": 2400, "paid_at": MIDNIGHT - 8 * DAY}
    await add(shop, "invoices", [other])
    await shop.run(job, MIDNIGHT + DAY)
    assert [row["mrr_cents"] for row in await days(shop)] == [1200, 1200, 1200, 2400]


@pytest.mark.parametrize("odd", ["-infinity", "0044-03-15 BC", "20000-01-01", "infinity"])
async def test_times_beyond_any_calendar_harm_nobody(odd: str, shop: Product) -> None:
    await add(shop, "people", [{"id": ID, "created_at": odd, "tier": "pro"}])
    await add_events(shop, {"at": odd, "user_id": ID}, {"at": MIDNIGHT - HOUR, "user_id": ID})
    await add(shop, "ledger", [{"user_id": ID, "type": "generation", "amount": -1, "at": odd}])
    canceled = {"user_id": ID, "action": "canceled", "to_tier": "free", "invoice": None}
    await add(shop, "history", [{**canceled, "reason": None, "at": odd}])
    await add(shop, "readers", [{"subscribed_at": odd, "unsubscribed_at": odd}])
    await add(shop, "mail", [{"event_type": "sent", "at": odd}])
    paid = {"user_id": ID, "status": "paid", "cents": 1200, "currency": "usd"}
    paid |= {"invoice_date": MIDNIGHT - 40 * DAY, "paid_at": None}
    month = {"period_start": MIDNIGHT - 40 * DAY, "period_end": MIDNIGHT + DAY}
    for n, name in enumerate(month):
        await add(shop, "invoices", [{**paid, **month, name: odd, "invoice": str(n)}])
    await add(shop, "invoices", [{**paid, **month, "paid_at": odd, "invoice": "3"}])
    data = await shop.run(job)
    assert data["days"][-1] == ago(1)[0]
    row = (await days(shop))[-1]
    past = odd in {"-infinity", "0044-03-15 BC"}
    assert (row["active_users"], row["returning_users"], row["new_users"]) == (1, int(past), 0)
    # Whatever lasts for ages is yearly.
    assert row["mrr_cents"] == 100


async def test_nobody_without_a_time_of_signing_up_is_new_or_returns(shop: Product) -> None:
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
    times = [None, MIDNIGHT - DAY - A_MOMENT, MIDNIGHT - DAY]
    people = zip(ids, times, strict=True)
    await add(shop, "people", [{"id": i, "created_at": at, "tier": "pro"} for i, at in people])
    await add_events(shop, *({"at": MIDNIGHT - HOUR, "user_id": user} for user in ids))
    await shop.run(job)
    row = (await days(shop))[-1]
    assert (row["active_users"], row["returning_users"], row["new_users"]) == (3, 1, 1)


async def test_other_currencies_are_left_out_and_named(shop: Product) -> None:
    await add(shop, "people", [{"id": ID, "created_at": MIDNIGHT - 40 * DAY, "tier": "pro"}])
    paid = {"user_id": ID, "status": "paid", "invoice_date": MIDNIGHT - HOUR}
    paid |= {"paid_at": MIDNIGHT - HOUR, "period_start": None, "period_end": None}
    amounts = [("usd", 100), ("eur", 70), ("EUR", 30), ("sek", 5), (None, 11)]
    rows = [
        {**paid, "invoice": str(n), "currency": currency, "cents": cents}
        for n, (currency, cents) in enumerate(amounts)
    ]
    await add(shop, "invoices", rows)
    await one_event_a_day(shop, 1)
    data = await shop.run(job)
    assert data["otherCurrencies"] == {
        "eur": {"invoices": 2, "cents": 100},
        "sek": {"invoices": 1, "cents": 5},
    }
    row = (await days(shop))[0]
    assert (row["revenue_cents"], row["revenue_by_tier"]) == (111, {"pro": 111})
    await shop.run(job, from_=TODAY - DAY, currency="eur")
    assert (await days(shop))[0]["revenue_cents"] == 100


async def test_a_run_that_died_half_way_is_finished_by_the_next(shop: Product) -> None:
    await one_event_a_day(shop, 30)
    seen: list[tuple[int, int | None]] = []
    with pytest.raises(LeaseLostError):
        await shop.run(job, commits_left=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(7, 30), (14, 30)]
    rows, rollups, reached = await state(shop)
    assert len(rows) == len(rollups) == 14
    assert reached == MIDNIGHT - 16 * DAY
    await shop.run(job)
    died = await state(shop)
    assert len(died[0]) == 30
    await queries(shop).forget(shop.pool, rollup="daily")
    await shop.run(job, from_=TODAY - 29 * DAY)
    assert (await state(shop))[0] == died[0]


async def test_columns_that_nothing_feeds_stay_as_they_are(shop_events_b: Product) -> None:
    shop = shop_events_b
    await one_event_a_day(shop, 2)
    await queries(shop).store_fed_by_nobody(shop.pool, date=TODAY - DAY)
    await queries(shop).drop_sources(shop.pool)
    left_out = {"credit_transactions", "subscription_history", "invoice_cache"}
    left_out |= {"newsletter_subscribers", "email_events"}
    tables = {name: columns for name, columns in shop.tables.items() if name not in left_out}
    data = await Product(shop.pool, tables).run(job)
    assert data["unfed"] == [*("credits", "subscriptions", "revenue", "mrr", "newsletter", "email")]
    row = (await days(shop))[1]
    assert row["page_views"] == 1
    assert row["top_pages"] == [{"page": "/kept", "count": 3}]
    assert (row["credits_used"], row["revenue_by_tier"]) == (41, {"kept": 1})
    assert (row["mrr_cents"], row["email_sent"], row["conversion_rate"]) == (42, 43, 44)


async def test_numbers_fit_their_columns_and_names_are_only_names(shop: Product) -> None:
    hostile = "x'); DROP TABLE app_users; --"
    at = MIDNIGHT - HOUR
    await add(shop, "people", [{"id": ID, "created_at": at, "tier": "free"}])
    await add_events(
        shop,
        {
            "at": at,
            "event_type": hostile,
            "page_url": "p" * 9000,
            "metadata": {"confidence": 99.996},
        },
        {"at": at, "event_type": hostile, "metadata": {"response_time_ms": 86_400_000}},
    )
    ledger = {"user_id": ID, "type": "generation", "amount": -(2**31), "at": at}
    await add(shop, "ledger", [ledger, ledger])
    invoice = {"user_id": ID, "status": "paid", "cents": 2**31 - 1, "currency": "usd"}
    invoice |= {"invoice_date": at, "paid_at": at, "period_start": at}
    invoice |= {"period_end": MIDNIGHT + DAY}
    await add(shop, "invoices", [{**invoice, "invoice": str(n)} for n in range(3)])
    created = {"user_id": ID, "action": "created", "to_tier": "pro", "invoice": None}
    await add(shop, "history", [{**created, "reason": None, "at": at} for _ in range(11)])
    await shop.run(job, page_view_events=[hostile], generation_events=[hostile])
    row = (await days(shop))[0]
    assert (row["page_views"], row["generations"], row["api_requests"]) == (2, 2, 0)
    assert (row["credits_used"], row["revenue_cents"]) == (2**31 - 1, 2**31 - 1)
    assert row["revenue_by_tier"] == {"pro": 3 * (2**31 - 1)}
    assert float(row["conversion_rate"]) == 999.99
    assert (row["avg_response_time_ms"], row["avg_confidence_score"]) == (86_400_000, 100)
    assert row["top_events"] == [{"event": hostile, "count": 2}]
    assert row["top_pages"] == [{"page": "p" * 2000, "count": 1}]


async def test_a_day_reads_its_own_events_once(shop: Product) -> None:
    await add_events(shop, *({"at": MIDNIGHT - n * DAY / 50} for n in range(1, 5001)))
    parameters = {
        **aggregate_analytics.AggregateAnalytics.model_validate({}).model_dump(),
        "has_pages": True,
        "date": TODAY - DAY,
        "starts_at": MIDNIGHT - DAY,
        "ends_at": MIDNIGHT,
        "now": NOW,
    }
    owner = str(aggregate_analytics.__file__)
    assert await rows_read(shop, owner, "roll_up", parameters, "analytics_events") == 50


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"late_days": -1}, "late_days"),
        ({"late_days": 61}, "late_days"),
        ({"max_days": 0}, "max_days"),
        ({"max_days": 3661}, "max_days"),
        ({"currency": "US$"}, "currency"),
        ({"comment_events": ["x" * 101]}, "comment_events"),
    ],
)
def test_parameters_are_bounded(params: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        job.params.model_validate(params)


ZONES = {
    "Europe/Berlin": (date(2026, 3, 25), 9),  # the 29th has 23 hours
    "America/Santiago": (date(2026, 4, 1), 8),  # the 4th has 25: midnight comes twice
    "Asia/Kolkata": (date(2026, 3, 1), 6),  # half an hour off
}


@pytest.mark.parametrize("zone", [*ZONES])
async def test_every_column_is_as_counted_one_by_one(shop: Product, zone: str) -> None:
    first, count = ZONES[zone]
    await compare(shop, ZoneInfo(zone), first, count)


async def test_every_column_is_as_counted_where_events_have_fewer_columns(
    shop_events_b: Product,
) -> None:
    await compare(shop_events_b, UTC_ZONE, date(2026, 3, 25), 8)


async def compare(shop: Product, zone: ZoneInfo, first_day: date, count: int) -> None:
    """Random rows, rolled up while they come in and some of them late, beside a count of each.

    Then everything is rolled up anew, and must be as before.
    """
    random = Random(zone.key)
    dates = [first_day + number * DAY for number in range(count)]
    starts = [day_start(day, zone) for day in [*dates, dates[-1] + DAY]]
    first, until = starts[0], starts[-1]
    has_pages = "page_url" in shop.tables["analytics_events"]
    people = random_people(random, 60, first, until)
    events = random_events(random, 12_000, people, first, until)
    if not has_pages:
        events = [{**without(event, "properties"), "session_id": None} for event in events]
    laid = oracle.Shop(
        people=people,
        events=events,
        ledger=random_ledger(random, 1500, people, first, until),
        history=random_history(random, 800, people, first - 5 * DAY, until),
        invoices=random_invoices(random, 400, people, first - 20 * DAY, until),
        readers=random_readers(random, 300, first, until),
        mail=random_mail(random, 500, first, until),
        has_pages=has_pages,
    )
    for table in ("people", "ledger", "history", "invoices", "readers", "mail"):
        await add(shop, table, getattr(laid, table))
    in_time: list[Row] = []
    late: list[Row] = []
    for event in events:
        (in_time if random.random() < 0.99 or event["at"] < first + DAY else late).append(event)
    await add_events(shop, *(event for event in in_time if event["at"] < starts[4]))
    await shop.run(job, starts[4], zone=zone)
    await add_events(shop, *(event for event in in_time if event["at"] >= starts[4]), *late)
    for start in starts[5:]:
        await shop.run(job, start + HOUR, zone=zone, late_days=5)
    wanted = [
        oracle.day(day, start, end, laid)
        for day, start, end in zip(dates, starts[:-1], starts[1:], strict=True)
    ]
    for row, expected in zip(await days(shop), wanted, strict=True):
        assert without(row, "computed_at") == expected
    incremental = await state(shop)
    await shop.run(job, until, zone=zone, from_=dates[0])
    assert await state(shop) == incremental
