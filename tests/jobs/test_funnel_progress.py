"""Is each person's furthest chain kept once, and changed by difference?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from jobs import compute_funnels
from jobs.compute_funnels import job
from scheduler.errors import LeaseLostError, MissingTablesError
from tests.jobs.funnel_data import (
    A_DAY,
    A_MOMENT,
    AN_HOUR,
    BEGIN,
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
from tests.jobs.funnel_oracle import expected, furthest, people
from tests.support.jobs import MIDNIGHT, Product


def rows_of(
    slug: str, events: Sequence[Event], steps: Sequence[Mapping[str, Any]], window: int
) -> list[dict[str, Any]]:
    """What `progress` must give, ids aside."""
    rows: list[dict[str, Any]] = []
    for person, happened in people(events, BEGIN, MIDNIGHT).items():
        times = furthest(happened, steps, window)
        if not times:
            continue
        completed = len(times) == len(steps)
        rows.append(
            {
                "slug": slug,
                "user_id": person if isinstance(person, UUID) else None,
                "session_id": None if isinstance(person, UUID) else person,
                "current_step": len(times),
                "completed": completed,
                "step_timestamps": [
                    at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z" for at in times
                ],
                "entered_at": times[0],
                "completed_at": times[-1] if completed else None,
                "time_to_complete": times[-1] - times[0] if completed else None,
            }
        )
    return rows


def in_order(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(
        (
            {**row, "step_timestamps": [_instant(at) for at in row["step_timestamps"]]}
            for row in rows
        ),
        key=lambda row: (row["slug"], str(row["user_id"]), str(row["session_id"])),
    )


def _instant(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


TRACKED: Mapping[str, Any] = {"track_progress": True, "progress_batch": 100}
"""As many transactions as there may be."""


async def test_progress_is_each_persons_furthest_chain(shop: Product) -> None:
    dice = random.Random(3)
    events = random_events(dice, 250)
    await add_events(shop, events)
    right: list[dict[str, Any]] = []
    for n in range(8):
        steps = random_steps(dice)
        await add_funnel(shop, f"f{n}", steps, 4)
        right += rows_of(f"f{n}", events, steps, 4)
    data = await shop.run(job, **TRACKED)
    assert in_order(await progress(shop)) == in_order_with_ids(await progress(shop), right)
    assert sum(answer["progress"]["added"] for answer in data["funnels"].values()) == len(right)


def in_order_with_ids(
    rows: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The right rows, with the ids that the stored ones have been given."""
    ordered = in_order(right)
    ids = [row["id"] for row in in_order(rows)]
    assert len(ids) == len(ordered)
    return [{"id": key, **row} for key, row in zip(ids, ordered, strict=True)]


async def test_progress_changes_by_difference(shop: Product) -> None:
    steps = steps_of("a", "b", "c")
    key = await add_funnel(shop, "f", steps)
    gone, stays, goes_on, comes = (uuid4() for _ in range(4))
    crowd = [Event("a", BEGIN + AN_HOUR, session=f"s{n}") for n in range(200)]
    await add_events(
        shop,
        [
            *crowd,
            Event("a", BEGIN, gone),
            Event("a", BEGIN + AN_HOUR, stays),
            Event("a", BEGIN + AN_HOUR, goes_on),
        ],
    )
    first = (await shop.run(job, **TRACKED))["funnels"]["f"]["progress"]
    assert first == {"added": 203, "changed": 0, "removed": 0}
    before = {row["id"]: row for row in await progress(shop)}

    again = (await shop.run(job, **TRACKED))["funnels"]["f"]["progress"]
    assert again == {"added": 0, "changed": 0, "removed": 0}
    assert {row["id"]: row for row in await progress(shop)} == before

    await add_events(
        shop,
        [Event("b", MIDNIGHT - A_DAY, goes_on), Event("a", MIDNIGHT - A_DAY, comes)],
    )
    # Rows of other hands: a second one of somebody, one of nobody, one of a person who did nothing.
    for user, session in ((stays, None), (None, None), (None, "never seen")):
        await sql.add_progress(
            shop.pool, funnel_id=key, user_id=user, session_id=session, current_step=2
        )
    # A moment later `gone` began too long ago.
    later = (await shop.run(job, MIDNIGHT + A_MOMENT, **TRACKED))["funnels"]["f"]
    assert later["progress"]["added"] == 1
    assert later["progress"]["removed"] == 4
    after = {row["user_id"] or row["session_id"]: row for row in await progress(shop)}
    assert len(after) == len(await progress(shop)) == 203
    assert gone not in after
    assert after[goes_on]["current_step"] == 2
    assert after[comes]["current_step"] == after[stays]["current_step"] == 1
    assert after[stays]["entered_at"] == BEGIN + AN_HOUR
    assert all(before[after[event.session]["id"]] == after[event.session] for event in crowd)


@pytest.mark.parametrize("commits", range(9))
async def test_killed_half_way_then_run_again(shop: Product, commits: int) -> None:
    dice = random.Random(4)
    events = random_events(dice, 250)
    await add_events(shop, events)
    right: list[dict[str, Any]] = []
    for n in range(2):
        steps = steps_of("a", "b", "c")
        await add_funnel(shop, f"f{n}", steps, 5)
        right += rows_of(f"f{n}", events, steps, 5)
    with pytest.raises(LeaseLostError):
        await shop.run(job, **TRACKED, commits_left=commits)
    data = await shop.run(job, **TRACKED)
    assert data["computed"] == 2
    assert in_order(await progress(shop)) == in_order_with_ids(await progress(shop), right)
    row = expected(people(events, BEGIN, MIDNIGHT), steps_of("a", "b", "c"), 5)
    for stored in (await funnels(shop)).values():
        assert {name: stored[name] for name in row} == row


async def test_two_runs_at_once_leave_one_row_each(shop: Product) -> None:
    await add_events(shop, [Event("a", BEGIN, session=f"s{n}") for n in range(500)])
    await add_funnel(shop, "f", steps_of("a", "b"))
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(shop.run(job, track_progress=True))
    assert len(await progress(shop)) == 500


async def test_events_may_outlive_their_user_but_not_in_progress(shop: Product) -> None:
    user = uuid4()
    await add_events(shop, [Event("a", BEGIN, user)])
    await sql.forget_users(shop.pool)
    gone = uuid4()
    await sql.add_events(
        shop.pool,
        ids=[uuid4()],
        events=["a"],
        users=[gone],
        sessions=[None],
        times=[BEGIN],
        metadata=[None],
        properties=[None],
    )
    await add_funnel(shop, "f", steps_of("a", "b"))
    assert (await shop.run(job, track_progress=True))["funnels"]["f"]["entered"] == 2
    assert [row["user_id"] for row in await progress(shop)] == [user]


async def test_without_the_table_of_progress_everything_else_works(shop: Product) -> None:
    await add_funnel(shop, "f", steps_of("a", "b"))
    await sql.drop_progress(shop.pool)
    shop.tables = {
        name: columns for name, columns in shop.tables.items() if name != compute_funnels.PROGRESS
    }
    assert (await shop.run(job))["computed"] == 1
    with pytest.raises(MissingTablesError, match="analytics_funnel_progress"):
        await shop.run(job, track_progress=True)
