"""Does each cohort hold the numbers that a slow program counts, and never lose one that it had?"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product as every
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from jobs import cleanup
from jobs.analytics.cohorts import MOST_PERIODS, read_cohort, read_window
from jobs.analytics.periods import Granularity
from jobs.refresh_cohorts import RefreshCohorts, job
from scheduler.db.product import lay_demo
from scheduler.errors import JobError, LeaseLostError
from tests.jobs.cohort_shop import GENERATION, Asked, Person, Shop, randomly, slowly, utc
from tests.support.jobs import Log, Product, product

A_MOMENT = timedelta(microseconds=1)
A_DAY = timedelta(days=1)
A_WEEK = 7 * A_DAY
UTC_ZONE = ZoneInfo("UTC")
MONDAY = utc(2026, 3, 2)
TYPES = ("signup_date", "first_purchase", "subscription_start", "custom")
GRANULARITIES = ("day", "week", "month")
METRICS = ("retention", "revenue", "generations", "engagement")
FILTERS: list[tuple[object, Any]] = [
    (None, lambda _: True),
    ({"subscription_tier": ["free", "pro"]}, lambda person: person.tier in {"free", "pro"}),
    (
        {"$or": [{"user.is_banned": True}, {"subscription_tier": {"$ne": "free"}}]},
        lambda person: person.banned or person.tier != "free",
    ),
]


def every_definition(dice: random.Random, at: datetime) -> Iterator[tuple[str, Asked, object]]:
    for number, (kind, granularity, metric) in enumerate(every(TYPES, GRANULARITIES, METRICS)):
        filters, chosen = dice.choice(FILTERS[1:] if kind == "custom" else FILTERS)
        start = end = None
        if dice.random() < 0.4:
            start = at.date() - dice.randrange(1, 150) * A_DAY
        if dice.random() < 0.4:
            end = (start or at.date() - 40 * A_DAY) + dice.randrange(0, 50) * A_DAY
        yield f"c{number}", Asked(kind, granularity, metric, start, end, chosen), filters


ZONES = {
    "Europe/Berlin": utc(2026, 3, 31, 22),  # a month begins, two days after one of 23 hours
    "America/New_York": utc(2026, 11, 2, 4, 59),  # the minute before a week ends
    "Australia/Lord_Howe": utc(2026, 4, 8, 13, 30),  # whose clock changes by half an hour
    "Asia/Kolkata": utc(2027, 1, 5, 7),
}


@pytest.mark.parametrize(
    ("zone", "cumulative"),
    [("Europe/Berlin", False), ("America/New_York", True), ("Australia/Lord_Howe", False)],
)
async def test_every_kind_of_cohort_is_what_a_slow_program_counts(
    zone: str, cumulative: bool, shop: Product
) -> None:
    await compare(Shop(shop), zone, cumulative)


async def test_the_same_where_events_have_another_form(shop_events_b: Product) -> None:
    await compare(Shop(shop_events_b), "Asia/Kolkata", cumulative=False)


async def compare(shop: Shop, zone: str, cumulative: bool) -> None:
    at = ZONES[zone]
    dice = random.Random(f"{zone} {cumulative}")
    randomly(shop, dice, at - 180 * A_DAY, 182, 120)
    await shop.lay()
    asked = {}
    for slug, definition, filters in every_definition(dice, at):
        asked[slug] = replace(definition, cumulative=cumulative)
        await shop.cohort(
            slug,
            definition.metric,
            definition.granularity,
            definition.type,
            filters=filters,
            start_date=definition.start,
            end_date=definition.end,
        )
    told = await shop.product.run(
        job, at, zone=ZoneInfo(zone), cumulative=cumulative, events_days=3650
    )
    assert (told["refreshed"], told["errors"]) == (48, 0)
    found = await shop.data()
    values = 0
    for slug, definition in asked.items():
        names = ("size", "periods", "complete")
        shown = {key: {n: entry[n] for n in names} for key, entry in found[slug].items()}
        right = slowly(shop, definition, at, ZoneInfo(zone))
        assert shown == right, definition
        sizes = [entry["size"] for entry in right.values()]
        assert told["cohorts"][slug] == {"cohorts": len(sizes), "size": sum(sizes)}
        values += sum(len(entry["periods"]) for entry in right.values())
    assert values > 1_500


async def test_the_cohorts_of_the_sample_data(shop: Product, database: str) -> None:
    at = utc(2026, 11, 24, 9, 30)
    connection = await asyncpg.connect(database, timeout=10, command_timeout=50)
    try:
        await lay_demo(connection, now=at, users=1_000)
    finally:
        await connection.close()
    told = await shop.run(job, at)
    assert (told["refreshed"], told["errors"]) == (3, 0)
    made = Shop(shop)
    await made.read()
    asked = {
        "weekly-retention": Asked("signup_date", "week", "retention"),
        "monthly-revenue": Asked("signup_date", "month", "revenue"),
        "subscription-retention": Asked("subscription_start", "week", "retention"),
    }
    for slug, definition in asked.items():
        right = slowly(made, definition, at, UTC_ZONE)
        assert await made.shown(slug) == {
            key: (entry["size"], entry["periods"]) for key, entry in right.items()
        }


def person(created_at: datetime, **columns: Any) -> Person:
    return Person(uuid4(), created_at, **columns)


async def weekly_shop(product: Product) -> Shop:
    """Four who came in the first week of March, of whom 3, 2 and 1 are there in the next ones."""
    shop = Shop(product)
    shop.people = [person(MONDAY + number * A_DAY) for number in range(4)]
    for week, there in enumerate([4, 3, 2, 1]):
        for member in shop.people[:there]:
            shop.events.append((GENERATION, member.id, MONDAY + week * A_WEEK + 6 * A_DAY))
            shop.events.append(("page_view", member.id, MONDAY + week * A_WEEK + 6 * A_DAY))
    await shop.lay()
    return shop


async def test_nothing_to_do(shop: Product) -> None:
    assert await shop.run(job) == {"refreshed": 0, "errors": 0, "cohorts": {}}


async def test_a_cohort_counted_by_hand(shop: Product) -> None:
    made = await weekly_shop(shop)
    for metric in METRICS:
        await made.cohort(metric, metric)
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert told["cohorts"]["retention"] == {"cohorts": 1, "size": 4}
    assert await made.shown("retention") == {"2026-W10": (4, [100, 75, 50, 25, None])}
    assert await made.shown("generations") == {"2026-W10": (4, [4, 3, 2, 1, None])}
    assert await made.shown("engagement") == {"2026-W10": (4, [2, 2, 2, 2, None])}
    assert await made.shown("revenue") == {"2026-W10": (4, [0, 0, 0, 0, None])}
    entry = (await made.data())["retention"]["2026-W10"]
    assert (entry["complete"], entry["active"]) == (4, [4, 3, 2, 1, None])


async def test_a_period_counts_once_it_is_over(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c")
    await shop.run(job, MONDAY + 2 * A_WEEK - A_MOMENT)
    assert await made.shown("c") == {"2026-W10": (4, [100, None])}
    await shop.run(job, MONDAY + 2 * A_WEEK)
    assert await made.shown("c") == {"2026-W10": (4, [100, 75, None])}


async def test_a_moment_lies_in_one_period(shop: Product) -> None:
    """In Berlin the week of the change of the clocks begins at 23:00 and ends at 22:00 UTC."""
    made = Shop(shop)
    begins, ends = utc(2026, 3, 22, 23), utc(2026, 3, 29, 22)
    made.people = [person(at) for at in (begins - A_MOMENT, begins, ends - A_MOMENT, ends)]
    first = made.people[0].id
    for at in (begins - A_MOMENT, begins, ends - A_MOMENT, ends):
        made.events.append((GENERATION, first, at))
        made.invoices.append((first, "paid", 100, "usd", at, None))
    await made.lay()
    for metric in ("generations", "revenue"):
        await made.cohort(metric, metric)
    await shop.run(job, utc(2026, 4, 10), zone=ZoneInfo("Europe/Berlin"))
    for metric, one in (("generations", 1), ("revenue", 100)):
        assert await made.shown(metric) == {
            "2026-W12": (1, [one, 2 * one, one, None]),
            "2026-W13": (2, [0, 0, None]),
            "2026-W14": (1, [0, None]),
        }


async def test_who_comes_in_the_running_period_is_a_cohort_that_grows(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", "retention")
    await made.cohort("g", "generations")
    await shop.run(job, MONDAY + 2 * A_DAY)
    assert await made.shown("c") == {"2026-W10": (2, [100])}
    assert await made.shown("g") == {"2026-W10": (2, [None])}
    assert (await made.data())["c"]["2026-W10"]["complete"] == 0


async def test_the_iso_year_is_not_the_dates(shop: Product) -> None:
    made = Shop(shop)
    days = [date(2026, 12, 27), date(2027, 1, 3), date(2027, 1, 4)]
    made.people = [person(utc(day.year, day.month, day.day, 12)) for day in days]
    await made.lay()
    await made.cohort("week")
    await made.cohort("month", granularity="month")
    await made.cohort("day", granularity="day", start_date=days[0])
    await shop.run(job, utc(2027, 1, 4, 13))
    data = await made.data()
    assert list(data["week"]) == ["2026-W52", "2026-W53", "2027-W01"]
    assert list(data["month"]) == ["2026-12", "2027-01"]
    assert list(data["day"]) == ["2026-12-27", "2027-01-03", "2027-01-04"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kolkata", date(2026, 3, 29), 24),
    ],
)
def test_a_day_is_as_long_as_the_clock_makes_it(zone: str, day: date, hours: float) -> None:
    at = utc(2026, 12, 31)
    window = read_window(Granularity.DAY, day, day, at, ZoneInfo(zone))
    starts = window.starts()
    assert starts[1] - starts[0] == timedelta(hours=hours)
    assert starts[0].astimezone(ZoneInfo(zone)).date() == day
    assert (starts[0] - A_MOMENT).astimezone(ZoneInfo(zone)).date() == day - A_DAY


def test_windows() -> None:
    def window(start: date | None, end: date | None, granularity: str = "week") -> tuple[str, ...]:
        found = read_window(Granularity(granularity), start, end, utc(2026, 3, 18), UTC_ZONE)
        return tuple(map(found.key, (found.first, found.last_cohort, found.last, found.ended)))

    assert window(None, None) == ("2026-W01", "2026-W12", "2026-W12", "2026-W11")
    assert window(None, None, "month") == ("2025-04", "2026-03", "2026-03", "2026-02")
    assert window(date(2026, 1, 7), None) == ("2026-W02", "2026-W12", "2026-W12", "2026-W11")
    assert window(None, date(2026, 1, 7), "day")[:2] == ("2025-12-27", "2026-01-07")
    assert window(None, date(2100, 1, 1)) == window(None, None)
    long_ago = window(date(2020, 1, 1), date(2020, 1, 2), "day")
    assert long_ago[:3] == ("2020-01-01", "2020-01-02", "2021-02-03")
    most = date(2026, 3, 18) - (MOST_PERIODS - 1) * A_DAY
    assert window(most, None, "day")[0] == most.isoformat()


async def test_a_start_that_is_to_come_leaves_no_cohort(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", start_date=date(2030, 1, 1))
    await made.cohort("r", "revenue", start_date=date(2030, 1, 1))
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert told["cohorts"] == {slug: {"cohorts": 0, "size": 0} for slug in ("c", "r")}
    assert await made.data() == {"c": {}, "r": {}}


@pytest.mark.parametrize("end", ["9999-12-31", "infinity"])
async def test_an_end_that_never_comes_is_an_open_one(end: str, shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", end_date=end)
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert told["errors"] == 0
    assert await made.shown("c") == {"2026-W10": (4, [100, 75, 50, 25, None])}


async def test_dates_are_read_whatever_way_the_server_writes_them(
    shop: Product, database: str
) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", start_date="2026-02-04", end_date="2026-03-05")
    await made.sql.write_dates_in_german(shop.pool)
    async with product(database) as german:
        told = await german.run(job, MONDAY + 4 * A_WEEK)
    assert told["errors"] == 0
    assert await made.shown("c") == {"2026-W10": (4, [100, 75, 50, 25, None])}


@pytest.mark.parametrize("odd", ["-infinity", "0044-03-15 BC", "20000-01-01", "infinity"])
async def test_times_beyond_any_calendar_harm_nobody(odd: str, shop: Product) -> None:
    made = await weekly_shop(shop)
    for kind, metric in every(TYPES, METRICS):
        await made.cohort(f"{kind} {metric}", metric, "week", kind, start_date=MONDAY.date())
    await made.sql.delete_events(shop.pool, before=None, after=None)
    await made.sql.add_odd_rows(shop.pool, user_id=made.people[3].id, at=odd)
    told = await shop.run(job, MONDAY + 20 * A_WEEK)
    assert told["errors"] == 0
    for kind, metric in every(TYPES, METRICS):
        joined = kind in {"signup_date", "custom"}
        size = {"cohorts": 1, "size": 4} if joined else {"cohorts": 0, "size": 0}
        assert told["cohorts"][f"{kind} {metric}"] == size
    values = (await made.shown("signup_date engagement"))["2026-W10"][1]
    assert values[:9] == [None] * 8 + [0]


async def test_a_second_run_changes_nothing(shop: Product) -> None:
    made = await weekly_shop(shop)
    for metric in METRICS:
        await made.cohort(metric, metric)
    first = await shop.run(job, MONDAY + 4 * A_WEEK)
    data = await made.data()
    assert await shop.run(job, MONDAY + 4 * A_WEEK) == first
    assert await made.data() == data


async def test_late_events_are_counted(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c")
    await made.cohort("g", "generations")
    await shop.run(job, MONDAY + 4 * A_WEEK)
    late = made.people[3].id
    # The second one into the week in which events begin, of which there may have been more.
    await made.more_events(("page_view", late, MONDAY + A_WEEK))
    await made.more_events((GENERATION, late, MONDAY + 6 * A_DAY + A_MOMENT))
    await shop.run(job, MONDAY + 4 * A_WEEK)
    assert await made.shown("c") == {"2026-W10": (4, [100, 100, 50, 25, None])}
    assert await made.shown("g") == {"2026-W10": (4, [5, 3, 2, 1, None])}


@pytest.mark.parametrize("before", [None, MONDAY + A_WEEK, MONDAY + 2 * A_WEEK - A_MOMENT])
@pytest.mark.parametrize("later", [4, 20])
async def test_numbers_stay_when_their_events_are_cleaned(
    before: datetime | None, later: int, shop: Product
) -> None:
    """Cleaned wholly, up to a period's end or in the middle of it, as planned or sooner."""
    made = await weekly_shop(shop)
    for metric in METRICS:
        await made.cohort(metric, metric, start_date=MONDAY.date())
    await shop.run(job, MONDAY + 4 * A_WEEK)
    data = await made.data()
    await made.sql.delete_events(shop.pool, before=before, after=None)
    told = await shop.run(job, MONDAY + later * A_WEEK)
    assert told["errors"] == 0
    for metric, cohorts in (await made.data()).items():
        values = cohorts["2026-W10"]["periods"]
        assert values[:4] == data[metric]["2026-W10"]["periods"][:4]
        assert values[-1] is None
        assert len(values) == later + 1


async def test_a_life_with_cleanups_keeps_every_number_right(shop: Product) -> None:
    """A number is either the one that all events together make, or not known; never less."""
    dice = random.Random(12)
    zone = ZoneInfo("Europe/Berlin")
    made = Shop(shop)
    first, begun = utc(2026, 1, 1), utc(2026, 4, 1)
    randomly(made, dice, first, 300, 80)
    await made.lay()
    asked = {
        f"{metric} {granularity}": Asked("signup_date", granularity, metric, start=first.date())
        for metric, granularity in every(("retention", "generations", "engagement"), GRANULARITIES)
    }
    for slug, definition in asked.items():
        await made.cohort(
            slug, definition.metric, definition.granularity, start_date=definition.start
        )
    at, unknown = begun, 0
    while at < utc(2026, 10, 1):
        cleaned = at - dice.randrange(60, 80) * A_DAY
        await made.sql.delete_events(shop.pool, before=cleaned, after=None)
        await shop.run(job, at, zone=zone, events_days=60)
        data = await made.data()
        for slug, definition in asked.items():
            right = slowly(made, definition, at, zone)
            assert list(data[slug]) == list(right)
            for key, entry in data[slug].items():
                for value, true in zip(entry["periods"], right[key]["periods"], strict=True):
                    assert value in {true, None}, (slug, key, at)
                    unknown += value is None and true is not None
                if key >= "2026-04" and definition.granularity == "day":
                    assert entry["periods"] == right[key]["periods"]
        at += dice.randrange(10, 40) * A_DAY + dice.randrange(86_400) * timedelta(seconds=1)
    assert unknown > 300


async def test_numbers_stay_when_events_between_older_ones_are_cleaned(shop: Product) -> None:
    """As the cleanup does it where the oldest day is held back."""
    made = await weekly_shop(shop)
    await made.cohort("c", start_date=MONDAY.date())
    await shop.run(job, MONDAY + 4 * A_WEEK)
    await made.sql.delete_events(shop.pool, before=MONDAY + 3 * A_WEEK, after=MONDAY + A_WEEK)
    await shop.run(job, MONDAY + 20 * A_WEEK)
    assert (await made.shown("c"))["2026-W10"][1][:4] == [100, 75, 50, 25]


async def test_what_was_never_computed_is_unknown_and_not_zero(shop: Product) -> None:
    made = await weekly_shop(shop)
    for metric in METRICS:
        await made.cohort(metric, metric, start_date=MONDAY.date())
    await made.sql.delete_events(shop.pool, before=MONDAY + 2 * A_WEEK, after=None)
    await shop.run(job, MONDAY + 17 * A_WEEK)
    # The third week's first event came on its last day: its beginning may be gone.
    assert (await made.shown("retention"))["2026-W10"][1][:5] == [100, None, None, 25, None]
    assert (await made.shown("generations"))["2026-W10"][1][:5] == [None, None, None, 1, None]
    assert (await made.shown("engagement"))["2026-W10"][1][:5] == [None, None, None, 2, None]
    assert (await made.shown("revenue"))["2026-W10"][1][:5] == [0, 0, 0, 0, 0]
    # From 90 days ago on, a week without events is one in which nobody came.
    values = (await made.shown("retention"))["2026-W10"][1]
    assert values[4:] == [None] + [0] * 12 + [None]


@pytest.mark.parametrize(("events_days", "known"), [(14, 2), (13, 1)])
async def test_what_the_cleanup_has_passed_is_unknown_however_young_it_is(
    events_days: int, known: int, shop: Product
) -> None:
    """New cohorts after a cleanup up to a week's beginning, and up to its second day."""
    made = await weekly_shop(shop)
    data = await shop.run(cleanup.job, MONDAY + 4 * A_WEEK, events_days=events_days)
    assert data["eventsDeleted"] == 14
    for metric in METRICS:
        await made.cohort(metric, metric, start_date=MONDAY.date())
    await shop.run(job, MONDAY + 4 * A_WEEK)
    right = {"retention": [100, 75, 50, 25], "generations": [4, 3, 2, 1], "engagement": [2] * 4}
    for metric, values in right.items():
        periods = (await made.shown(metric))["2026-W10"][1]
        assert periods[1:] == [*[None] * (3 - known), *values[-known:], None]
        assert periods[0] == (100 if metric == "retention" else None)
    assert await made.shown("revenue") == {"2026-W10": (4, [0, 0, 0, 0, None])}


async def test_an_ancient_event_does_not_make_cleaned_periods_whole(shop: Product) -> None:
    """Somebody else deletes up to the middle of a week, and one forgotten event stays behind."""
    made = await weekly_shop(shop)
    await made.cohort("c", start_date=MONDAY.date())
    await made.more_events((GENERATION, made.people[0].id, MONDAY + A_WEEK))
    middle = MONDAY + A_WEEK + A_DAY
    await made.sql.delete_events(shop.pool, before=middle, after=None)
    await made.more_events(("page_view", None, utc(2001, 1, 1)))
    await shop.run(job, MONDAY + 30 * A_WEEK)
    assert (await made.shown("c"))["2026-W10"][1][:5] == [100, None, 50, 25, None]


async def test_the_age_of_events_is_a_parameter(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", start_date=MONDAY.date())
    await made.sql.delete_events(shop.pool, before=MONDAY + 2 * A_WEEK, after=None)
    await shop.run(job, MONDAY + 17 * A_WEEK, events_days=365)
    assert (await made.shown("c"))["2026-W10"][1] == [100, 0, 50, 25] + [0] * 13 + [None]


async def test_what_others_have_stored_stays_where_it_cannot_be_computed(shop: Product) -> None:
    made = await weekly_shop(shop)
    stored = {"2026-W10": {"size": 4, "periods": [100, 75, 50, 25]}}
    await made.cohort("c", start_date=MONDAY.date(), stored=json.dumps(stored))
    await made.sql.delete_events(shop.pool, before=None, after=None)
    await shop.run(job, MONDAY + 30 * A_WEEK)
    assert (await made.shown("c"))["2026-W10"][1][:5] == [100, 75, 50, 25, None]


async def test_numbers_of_another_definition_do_not_stay(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", start_date=MONDAY.date())
    await shop.run(job, MONDAY + 4 * A_WEEK)
    await made.sql.change(shop.pool, slug="c", filters='{"subscription_tier": "free"}')
    await made.sql.delete_events(shop.pool, before=None, after=None)
    await shop.run(job, MONDAY + 20 * A_WEEK)
    assert (await made.shown("c"))["2026-W10"][1][:5] == [100, None, None, None, None]


async def test_a_run_for_an_earlier_moment_leaves_later_numbers(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c")
    await shop.run(job, MONDAY + 4 * A_WEEK)
    data = await made.data()
    told = await shop.run(job, MONDAY + 2 * A_WEEK)
    assert told["refreshed"] == 0
    assert told["cohorts"] == {"c": {"computedFor": "2026-03-30T00:00:00+00:00"}}
    assert await made.data() == data


async def test_people_who_are_deleted_leave_their_cohort(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c")
    await made.sql.delete_person(shop.pool, id=made.people[0].id)
    await shop.run(job, MONDAY + 4 * A_WEEK)
    assert await made.shown("c") == {"2026-W10": (3, [100, 66.67, 33.33, 0, None])}


async def test_only_what_is_published_is_computed(shop: Product) -> None:
    made = await weekly_shop(shop)
    for status in ("published", "draft", "archived", None):
        await made.cohort(str(status), status=status)
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert sorted(told["cohorts"]) == ["None", "published"]
    assert (await made.data())["draft"] == {}


async def test_some_cohorts_by_their_slugs(shop: Product) -> None:
    made = await weekly_shop(shop)
    for slug in ("a", "b", "c"):
        await made.cohort(slug)
    told = await shop.run(job, MONDAY + 4 * A_WEEK, slugs=["a", "c", "d"])
    assert sorted(told["cohorts"]) == ["a", "c", "d"]
    assert told["cohorts"]["d"] == {"error": "slug: no published cohort has it", "path": "slug"}
    assert [bool(data) for data in (await made.data()).values()] == [True, False, True]


DEEP = json.dumps({"$not": {}}).replace("{}", '{"$not": ' * 500 + "{}" + "}" * 500)
BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "metric": ({"metric": "churn'; DROP TABLE app_users; --"}, "metric", "must be one of"),
    "type": ({"cohort_type": "astrology"}, "cohort_type", "must be one of"),
    "end before start": (
        {"start_date": date(2026, 3, 2), "end_date": date(2026, 3, 1)},
        "end_date",
        "before the start_date",
    ),
    "too many": ({"granularity": "day", "start_date": date(2020, 1, 1)}, "start_date", "at most"),
    "too early": ({"end_date": "1899-12-31"}, "end_date", "from 1900-01-01 to 9999-12-31"),
    "endless": ({"start_date": "-infinity"}, "start_date", "is -infinity; it must be from"),
    "of Rome": ({"start_date": "0044-03-15 BC"}, "start_date", "is 0044-03-15 BC; it must be"),
    "far away": ({"end_date": "99999-01-01"}, "end_date", "is 99999-01-01; it must be"),
    "column": ({"filters": {"password": "x"}}, "filters.password", "no column"),
    "operator": (
        {"filters": {"email": {"$regex": "'; drop table"}}},
        "filters.email.$regex",
        "does not go with",
    ),
    "value": (
        {"filters": {"$or": [{"is_banned": "yes"}]}},
        "filters.$or[0].is_banned",
        "true or false",
    ),
    "no object": ({"filters": [1, 2]}, "filters", "must be an object"),
    "huge number": (
        {"filters": '{"total_generations": 1' + "0" * 9_000 + "}"},
        "filters",
        "a number with too many digits",
    ),
    "deep": ({"filters": DEEP}, "filters", "nested too deep"),
}


async def test_what_is_broken_is_named_and_stops_nobody(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.sql.allow_any_type(shop.pool)
    for slug, (columns, _, _) in BROKEN.items():
        await made.cohort(slug, **columns, stored='{"kept": true}')
    await made.cohort("z")
    log = Log()
    told = await shop.run(job, MONDAY + 4 * A_WEEK, log=log)
    assert (told["refreshed"], told["errors"]) == (1, len(BROKEN))
    for slug, (_, path, message) in BROKEN.items():
        error = told["cohorts"][slug]
        assert error["path"].startswith(path), slug
        assert message in error["error"], slug
        assert len(error["error"]) < 1_000, slug
    assert log.events() == ["cohort_failed"] * len(BROKEN)
    rows = [row async for row in made.sql.cohorts(shop.pool)]
    for row in rows:
        broken = row["slug"] in BROKEN
        assert (row["data"] == '{"kept": true}') == broken
        assert (row["last_computed_at"] is None) == broken


@pytest.mark.parametrize(
    "text",
    ["x'; DROP TABLE app_users; --", "$1", ":now", '"} {', "%s", "('filters' IS NOT NULL)", "ü\n"],
)
async def test_hostile_text_is_only_text(text: str, shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort(text, filters={"$or": [{"email": text}, {"subscription_tier": "free"}]})
    told = await shop.run(job, MONDAY + 4 * A_WEEK, generation_events=[text])
    assert told == {"refreshed": 1, "errors": 0, "cohorts": {text: {"cohorts": 1, "size": 4}}}
    assert await made.shown(text) == {"2026-W10": (4, [100, 75, 50, 25, None])}


@pytest.mark.parametrize(
    "stored",
    [
        "[]",
        "null",
        '{"2026-W10": 3}',
        '{"2026-W10": {"size": "4", "periods": {"0": 1}, "active": null}}',
        '{"2026-W10": {"size": 4, "periods": ["x", true, -5, 1e300], "active": [[], {}]}}',
        '{"2026-W10": {"size": 4, "periods": [1' + "0" * 9_000 + "]}}",
        '{"2026-W10": ' + "[" * 3_000 + "]" * 3_000 + "}",
    ],
)
async def test_odd_stored_data_are_replaced(stored: str, shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", start_date=MONDAY.date(), stored=stored)
    await made.cohort("e", "engagement", start_date=MONDAY.date(), stored=stored)
    await made.sql.delete_events(shop.pool, before=None, after=None)
    await shop.run(job, MONDAY + 4 * A_WEEK, events_days=1)
    assert await made.shown("c") == {"2026-W10": (4, [100, None, None, None, None])}
    assert await made.shown("e") == {"2026-W10": (4, [None] * 5)}


async def test_killed_at_any_commit_and_run_again_is_one_clean_run(shop: Product) -> None:
    made = await weekly_shop(shop)
    for number, metric in enumerate(METRICS * 2):
        await made.cohort(f"{number}", metric, GRANULARITIES[number % 3])
    at = MONDAY + 4 * A_WEEK
    for commits in range(40):
        try:
            told = await shop.run(job, at, commits_left=commits)
        except LeaseLostError:
            data = await made.data()
            assert {} in data.values()
            continue
        break
    else:
        pytest.fail("40 commits were not enough")
    assert commits > 8
    data = await made.data()
    assert await shop.run(job, at) == told
    assert await made.data() == data


async def test_a_cohort_that_changes_meanwhile_waits_for_the_next_run(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("a-first")
    await made.cohort("z-last")
    await made.sql.edit_last_meanwhile(shop.pool)
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert told["cohorts"]["a-first"] == {"cohorts": 1, "size": 4}
    assert told["cohorts"]["z-last"]["path"] == "definition"
    assert (await made.data())["z-last"] == {}
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert told["errors"] == 0
    assert await made.shown("z-last") == {"2026-W10": (4, [2, 2, 2, 2, None])}


async def test_a_locked_cohort_does_not_hold_up_the_others(shop: Product) -> None:
    made = await weekly_shop(shop)
    for slug in ("a", "b"):
        await made.cohort(slug)
    async with shop.pool.acquire() as connection, connection.transaction():
        await made.sql.lock(connection, slug="a")
        told = await shop.run(job, MONDAY + 4 * A_WEEK)
    assert told["cohorts"]["a"]["error"].startswith("somebody kept rows of it locked")
    assert told["cohorts"]["b"] == {"cohorts": 1, "size": 4}


async def test_a_missing_table_stops_only_what_needs_it(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.sql.drop_invoices(shop.pool)
    shop.tables = {name: columns for name, columns in shop.tables.items() if "invoice" not in name}
    await made.cohort("purchase", cohort_type="first_purchase")
    await made.cohort("revenue", "revenue")
    await made.cohort("signup")
    told = await shop.run(job, MONDAY + 4 * A_WEEK)
    for slug in ("purchase", "revenue"):
        assert told["cohorts"][slug] == {
            "error": "the database has no table invoice_cache",
            "path": None,
        }
    assert told["cohorts"]["signup"] == {"cohorts": 1, "size": 4}


async def test_a_product_without_cohorts_lacks_just_their_table(shop_b: Product) -> None:
    missing = {
        f"{table}.{column}"
        for table, columns in job.needs.items()
        for column in columns
        if column not in shop_b.tables.get(table, ())
    }
    assert {name.partition(".")[0] for name in missing} == {"analytics_cohorts"}


def test_cohorts_of_the_same_people_and_periods_share_a_pass() -> None:
    row: dict[str, Any] = {
        "id": uuid4(),
        "slug": "c",
        "cohort_type": "signup_date",
        "granularity": "week",
        "metric": "retention",
        "start_date": None,
        "end_date": None,
    }

    def shared(filters: object = None, **columns: object) -> tuple[object, ...]:
        cohort = read_cohort({**row, **columns}, filters, MONDAY, UTC_ZONE)  # type: ignore[arg-type]
        return cohort.shared()

    assert shared() == shared(metric="engagement") == shared({}, metric="generations")
    assert shared() == shared(cohort_type="custom", end_date=str(MONDAY.date()))
    assert shared({"a": 1, "b": 2}) == shared({"b": 2, "a": 1})
    others = [
        shared(),
        shared(metric="revenue"),
        shared(cohort_type="first_purchase"),
        shared(granularity="day"),
        shared(start_date="2026-01-01"),
        shared({"a": 1}),
        shared({"a": True}),
    ]
    assert len({repr(other) for other in others}) == len(others)


@pytest.mark.parametrize("metric", ["retention", "revenue"])
async def test_explain_says_what_would_be_computed(metric: str, shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort(
        "c", metric, filters={"email": {"$contains": "@"}, "created_at": {"$gt": "-9w"}}
    )
    told = await shop.explain(job, "c", MONDAY + 4 * A_WEEK)
    assert told.counts == {"cohorts": 1, "size": 4, "sizes": {"2026-W10": 4}}
    assert "strpos" in told.sql
    assert "@" in told.values
    assert datetime(2026, 1, 26, tzinfo=UTC) in told.values
    assert f"${len(told.values)}" in told.sql
    assert (await made.data())["c"] == {}


async def test_explain_names_what_is_wrong(shop: Product) -> None:
    made = await weekly_shop(shop)
    await made.cohort("c", filters={"password": 1})
    for slug, message in (
        ("c", "password"),
        ("d'; --", "no published cohort"),
        ("\0", "no published"),
    ):
        with pytest.raises(JobError, match=message):
            await shop.explain(job, slug, MONDAY)


@pytest.mark.parametrize(
    "params",
    [
        {"currency": "dollars"},
        {"currency": "u'd"},
        {"generation_events": []},
        {"generation_events": [""]},
        {"events_days": 0},
        {"slugs": ["x" * 256]},
        {"slugs": ["x\0"]},
    ],
)
def test_parameters_are_bounded(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        RefreshCohorts.model_validate(params)
