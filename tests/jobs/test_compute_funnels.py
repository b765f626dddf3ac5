"""Are funnels counted in order and in time, for each person, whatever their definitions hold?"""

from __future__ import annotations

import random
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from jobs.compute_funnels import job
from scheduler.errors import JobError
from tests.jobs.funnel_data import (
    A_DAY,
    A_MOMENT,
    AN_HOUR,
    BEGIN,
    UNTOUCHED,
    Event,
    add_events,
    add_funnel,
    funnels,
    progress,
    random_events,
    random_steps,
    sql,
    steps_of,
)
from tests.jobs.funnel_oracle import expected, people
from tests.support.jobs import MIDNIGHT, NOW, Product

FUNNELS = 200
PEOPLE = 2_000


async def test_nothing_to_do(shop: Product) -> None:
    assert await shop.run(job) == {"computed": 0, "funnels": {}}


async def test_a_funnel_that_nobody_entered(shop: Product) -> None:
    await add_funnel(shop, "empty", steps_of("a", "b"))
    data = await shop.run(job)
    none = {"entered": 0, "completed": 0, "conversionRate": 0.0}
    assert data == {"computed": 1, "funnels": {"empty": none}}
    row = (await funnels(shop))["empty"]
    assert (row["conversion_rate"], row["avg_time_to_complete"]) == (Decimal("0.00"), None)
    assert row["last_computed_at"] == NOW
    assert row["step_metrics"] == [
        {
            "step": 1,
            "name": "a",
            "count": 0,
            "dropoff": 0,
            "conversion_from_previous": None,
            "median_seconds_from_previous": None,
        },
        {
            "step": 2,
            "name": "b",
            "count": 0,
            "dropoff": 0,
            "conversion_from_previous": 0.0,
            "median_seconds_from_previous": None,
        },
    ]


async def test_a_funnel_by_hand(shop: Product) -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    await add_events(
        shop,
        [
            # Enters twice; the second entry leads on, an hour before the pricing.
            Event("visit", BEGIN + A_DAY, one),
            Event("visit", BEGIN + 5 * A_DAY, one),
            Event("other", BEGIN + 5 * A_DAY, one),
            Event("pricing", BEGIN + 5 * A_DAY + AN_HOUR, one),
            Event("buy", BEGIN + 6 * A_DAY, one),
            Event("buy", BEGIN + 7 * A_DAY, one),
            # In the wrong order.
            Event("buy", BEGIN + A_DAY, two),
            Event("pricing", BEGIN + 2 * A_DAY, two),
            Event("visit", BEGIN + 3 * A_DAY, two),
            # Three hours from step to step.
            Event("visit", BEGIN, three),
            Event("pricing", BEGIN + 3 * AN_HOUR, three),
            Event("visit", BEGIN, session="s"),
        ],
    )
    steps = steps_of({"event": "visit", "name": "Visit"}, "pricing", "buy")
    await add_funnel(shop, "sales", steps, 7)
    data = await shop.run(job)
    assert data["funnels"]["sales"] == {"entered": 4, "completed": 1, "conversionRate": 25.0}
    assert (await funnels(shop))["sales"] == {
        "slug": "sales",
        "total_entered": 4,
        "total_completed": 1,
        "conversion_rate": Decimal("25.00"),
        "avg_time_to_complete": A_DAY,
        "step_metrics": [
            {
                "step": 1,
                "name": "Visit",
                "count": 4,
                "dropoff": 0,
                "conversion_from_previous": None,
                "median_seconds_from_previous": None,
            },
            {
                "step": 2,
                "name": "pricing",
                "count": 2,
                "dropoff": 2,
                "conversion_from_previous": 50.0,
                "median_seconds_from_previous": 7200.0,
            },
            {
                "step": 3,
                "name": "buy",
                "count": 1,
                "dropoff": 1,
                "conversion_from_previous": 50.0,
                "median_seconds_from_previous": 82800.0,
            },
        ],
        "last_computed_at": NOW,
    }


@pytest.mark.parametrize(
    ("entry", "end", "entered", "completed"),
    [
        (BEGIN, BEGIN + A_DAY, 1, 1),  # just in time, at every end
        (BEGIN - A_MOMENT, BEGIN, 0, 0),
        (BEGIN, BEGIN + A_DAY + A_MOMENT, 1, 0),
        (MIDNIGHT - A_DAY, MIDNIGHT, 1, 1),
        (MIDNIGHT - AN_HOUR, MIDNIGHT + A_MOMENT, 1, 0),
        (MIDNIGHT, MIDNIGHT + AN_HOUR, 1, 0),
        (MIDNIGHT + A_MOMENT, MIDNIGHT + AN_HOUR, 0, 0),
    ],
)
async def test_just_before_and_just_after(
    shop: Product, entry: datetime, end: datetime, entered: int, completed: int
) -> None:
    user = uuid4()
    await add_events(shop, [Event("a", entry, user), Event("b", end, user)])
    await add_funnel(shop, "f", steps_of("a", "b"), 1)
    answer = (await shop.run(job))["funnels"]["f"]
    assert (answer["entered"], answer["completed"]) == (entered, completed)


async def test_a_window_that_is_null_is_thirty_days_of_24_hours(shop: Product) -> None:
    soon, late = uuid4(), uuid4()
    await add_events(shop, [Event("a", MIDNIGHT - 40 * A_DAY, who) for who in (soon, late)])
    end = MIDNIGHT - 10 * A_DAY
    await add_events(shop, [Event("b", end, soon), Event("b", end + A_MOMENT, late)])
    await add_funnel(shop, "f", steps_of("a", "b"), None)
    answer = (await shop.run(job, lookback_days=60))["funnels"]["f"]
    assert (answer["entered"], answer["completed"]) == (2, 1)


async def test_one_instant_is_in_the_order_of_ids_and_no_event_follows_itself(
    shop: Product,
) -> None:
    low, high = sorted([uuid4(), uuid4()])
    first, second, third = uuid4(), uuid4(), uuid4()
    await add_events(
        shop,
        [
            Event("a", BEGIN, first, id=low),
            Event("b", BEGIN, first, id=high),
            Event("b", BEGIN, second, id=UUID(int=low.int - 1)),
            Event("a", BEGIN, second, id=UUID(int=high.int - 1)),
            Event("a", BEGIN, third),
        ],
    )
    await add_funnel(shop, "ab", steps_of("a", "b"))
    await add_funnel(shop, "aa", steps_of("a", "a"))
    await add_events(shop, [Event("a", BEGIN + AN_HOUR, third)])
    data = (await shop.run(job))["funnels"]
    assert (data["ab"]["entered"], data["ab"]["completed"]) == (3, 1)
    assert (data["aa"]["entered"], data["aa"]["completed"]) == (3, 1)


async def test_whoever_ever_did_each_step_is_another_number(shop: Product) -> None:
    dice = random.Random(5)
    events = random_events(dice, 500)
    await add_events(shop, events)
    await add_funnel(shop, "f", steps_of("a", "b", "c", "d"), 8)
    completed = (await shop.run(job))["funnels"]["f"]["completed"]
    by_person = people(events, BEGIN, MIDNIGHT)
    assert completed == expected(by_person, steps_of("a", "b", "c", "d"), 8)["total_completed"]
    assert 0 < 2 * completed < await sql.did_each_step(shop.pool, events=["a", "b", "c", "d"])


async def test_a_session_without_a_name_is_nobody(shop: Product) -> None:
    await add_events(
        shop,
        [
            Event("a", BEGIN, session=""),
            Event("b", MIDNIGHT, session=""),
            Event("a", BEGIN, session=" "),
            Event("a", BEGIN, uuid4(), session=""),
        ],
    )
    await add_funnel(shop, "f", steps_of("a", "b"))
    answer = (await shop.run(job, track_progress=True))["funnels"]["f"]
    assert (answer["entered"], answer["completed"]) == (2, 0)
    assert [row["session_id"] for row in await progress(shop)] == [None, " "]


@pytest.mark.parametrize("odd", ["-infinity", "0044-03-15 BC", "20000-01-01", "infinity"])
async def test_events_beyond_any_calendar_are_in_no_funnel(odd: str, shop: Product) -> None:
    await add_events(shop, [Event("a", BEGIN, session="s"), Event("b", MIDNIGHT, session="s")])
    for event in ("a", "b"):
        await sql.add_odd_event(shop.pool, event=event, session="odd", at=odd)
    await add_funnel(shop, "f", steps_of("a", "b"))
    answer = (await shop.run(job, lookback_days=3650, track_progress=True))["funnels"]["f"]
    assert (answer["entered"], answer["completed"]) == (1, 1)


async def test_a_locked_funnel_waits_for_the_next_run_and_holds_up_nobody(shop: Product) -> None:
    for slug in ("f", "g"):
        await add_funnel(shop, slug, steps_of("a", "b"))
    async with shop.pool.acquire() as connection, connection.transaction():
        await sql.lock_funnel(connection, slug="f")
        data = await shop.run(job)
    assert data["funnels"]["f"] == {
        "error": "somebody kept rows of it locked for too long; the next run tries again"
    }
    assert data["computed"] == 1


async def test_where_asks_the_properties_then_the_metadata(shop: Product) -> None:
    cases: list[tuple[object, object, bool]] = [
        ({"plan": "pro"}, None, True),
        (None, {"plan": "pro"}, True),
        ({"plan": "pro"}, {"plan": "free"}, False),
        ({"plan": "free"}, {"plan": "pro", "more": 1}, True),
        ({"plan": "pro"}, {"more": 1}, True),
        ({"plan": "pro"}, {"plan": None}, False),
        ({"plan": ["pro"]}, None, False),
        (["plan", "pro"], "pro", False),
        (None, None, False),
    ]
    await add_events(
        shop, [Event("a", BEGIN, uuid4(), None, meta, props) for meta, props, _ in cases]
    )
    hit = sum(expected for *_, expected in cases)
    await add_funnel(shop, "f", steps_of({"event": "a", "where": {"plan": "pro"}}, "b"))
    await add_funnel(shop, "none", steps_of({"event": "a", "where": None}, "b"))
    await add_funnel(shop, "empty", steps_of({"event": "a", "where": {}}, "b"))
    data = (await shop.run(job))["funnels"]
    assert data["f"]["entered"] == hit
    assert data["none"]["entered"] == data["empty"]["entered"] == len(cases)


async def test_random_funnels_are_exact(shop: Product) -> None:
    dice = random.Random(20)
    events = random_events(dice, PEOPLE)
    await add_events(shop, events)
    lookback_days = 20
    by_person = people(events, MIDNIGHT - lookback_days * A_DAY, MIDNIGHT)
    right: dict[str, dict[str, Any]] = {}
    for n in range(FUNNELS):
        slug, steps = f"funnel-{n:03}", random_steps(dice)
        window = dice.choice([1, 2, 3, 5, 8, 20])
        await add_funnel(shop, slug, steps, window)
        right[slug] = expected(by_person, steps, window)
    data = await shop.run(job, lookback_days=lookback_days)
    assert data["computed"] == FUNNELS
    rows = await funnels(shop)
    for slug, row in right.items():
        assert {name: rows[slug][name] for name in row} == row, slug
        assert data["funnels"][slug]["completed"] == row["total_completed"]
    assert sum(row["total_completed"] > 0 for row in right.values()) > FUNNELS / 2


async def test_events_as_the_other_variant_has_them(shop_events_b: Product) -> None:
    dice = random.Random(8)
    shown = [
        Event(e.event, e.at, e.user, None, e.metadata, None, e.id) for e in random_events(dice, 300)
    ]
    await add_events(shop_events_b, shown)
    by_person = people(shown, BEGIN, MIDNIGHT)
    for n in range(10):
        steps = random_steps(dice)
        await add_funnel(shop_events_b, f"f{n}", steps, 5)
        await shop_events_b.run(job, slugs=[f"f{n}"], track_progress=n % 2 == 0)
        row = (await funnels(shop_events_b))[f"f{n}"]
        right = expected(by_person, steps, 5)
        assert {name: row[name] for name in right} == right
    assert len(await progress(shop_events_b)) > 300


async def test_explain_gives_the_statement_its_values_and_what_comes_out(shop: Product) -> None:
    events = random_events(random.Random(6), 200)
    await add_events(shop, events)
    steps = steps_of("a", {"event": "b", "name": "B", "where": {"plan": "x"}}, "c")
    await add_funnel(shop, "f", steps, 6, status="draft")
    explanation = await shop.explain(job, "f")
    right = expected(people(events, BEGIN, MIDNIGHT), steps, 6)
    counts = [metric["count"] for metric in right["step_metrics"]]
    assert explanation.counts == {
        "entered": counts[0],
        "completed": counts[-1],
        "steps": [
            {"step": n, "name": name, "count": count}
            for n, name, count in zip((1, 2, 3), ("a", "B", "c"), counts, strict=True)
        ],
    }
    rows = await shop.pool.fetch(explanation.sql, *explanation.values)
    assert [row["people"] for row in rows] == counts
    assert (await funnels(shop))["f"] == {"slug": "f", **UNTOUCHED}


async def test_explain_of_what_is_not_there_or_broken(shop: Product) -> None:
    with pytest.raises(JobError, match="there is no funnel 'nowhere'"):
        await shop.explain(job, "nowhere")
    await add_funnel(shop, "broken", steps_of("a"))
    with pytest.raises(JobError, match=r"^steps: must have at least 2 items"):
        await shop.explain(job, "broken")
