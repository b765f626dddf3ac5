"""Does a segment's update hold when it is killed or refused, or the product acts meanwhile?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from jobs.criteria.columns import Column
from jobs.criteria.compiler import placed
from jobs.criteria.errors import CriteriaError
from jobs.criteria.types import TYPES
from jobs.update_segments import (
    Language,
    Limits,
    Segment,
    Update,
    UpdateSegments,
    job,
    read_segments,
    would,
)
from scheduler.errors import LeaseLostError
from scheduler.job import Done, JobContext, Outcome
from scheduler.sql import Query
from tests.jobs.segment_readers import ACTIVE, Readers, reader_id, sql
from tests.support.jobs import NOW, Log, Product


@pytest.fixture
def readers(shop: Product) -> Readers:
    return Readers(shop)


class WithAHole(Language):
    """A compiler that lets something through."""

    def statement(self, query: Query, segment: Segment) -> tuple[str, tuple[object, ...]]:
        hole = "EXISTS (SELECT FROM credit_transactions WHERE pg_sleep(99) IS NULL)"
        return placed(query.sql, hole), ()


async def test_the_second_guard_stands_in_front_of_every_statement(readers: Readers) -> None:
    says = "reads pg_sleep, public.credit_transactions; it was not run"
    columns = {
        "status": Column('s."status"::text', TYPES["text"]),
        "user.id": Column('u."id"::uuid', TYPES["uuid"]),
    }
    language = WithAHole(columns, NOW)

    async def run(ctx: JobContext, _: UpdateSegments) -> Outcome:
        (segment,) = await read_segments(ctx, None)
        with pytest.raises(CriteriaError, match=says):
            await would(ctx, segment, language)
        with pytest.raises(CriteriaError, match=says):
            await Update(ctx, segment, language, Limits()).run()
        return Done({"asked": True})

    await readers.segment("s", ACTIVE)
    await readers.many(1)
    assert await readers.shop.run(replace(job, run=run)) == {"asked": True}
    assert await readers.members("s") == []


async def test_killed_anywhere_and_run_again_is_one_clean_run(readers: Readers) -> None:
    await readers.segment("known", ACTIVE)
    await readers.many(5)
    await readers.run()
    for number in (1, 4):
        await readers.status(number, "bounced")
    for number in range(10, 20):
        await readers.reader(number)
    await readers.segment("unknown", {"status": ["active", "bounced"]})
    kills = 0
    for commits_left in range(100):
        try:
            data = await readers.run(Limits(chunk=3), commits_left=commits_left)
            break
        except LeaseLostError:
            kills += 1
    assert kills >= 8, "the run is over too soon to be killed at every place"
    assert data["errors"] == 0
    assert await readers.members("known") == [2, 3, 5, *range(10, 20)]
    assert await readers.joined("known") == list(range(10, 20))
    assert await readers.members("unknown") == [1, 2, 3, 4, 5, *range(10, 20)]
    assert await readers.joined("unknown") == []


async def test_a_member_that_the_database_refuses_stops_nobody(readers: Readers) -> None:
    await sql.refuse_member(readers.shop.pool)
    await readers.segment("s", ACTIVE)
    await readers.many(9)
    log = Log()
    data = await readers.run(log=log)
    answer = data["segments"]["s"]
    assert (answer["members"], answer["joined"]) == (8, 8)
    assert answer["refused"] == [{"subscriberId": str(reader_id(5)), "message": "not this one"}]
    assert await readers.members("s") == [1, 2, 3, 4, 6, 7, 8, 9]
    assert "member_refused" in log.events()


async def test_a_segment_that_is_refused_altogether_stops_no_other(readers: Readers) -> None:
    await readers.segment("r", ACTIVE)
    await readers.segment("s", ACTIVE)
    await readers.many(4)
    await sql.refuse_segment(readers.shop.pool)
    data = await readers.run(Limits(refused=2))
    assert "refused more than 2 members" in data["segments"]["r"]["error"]
    assert data["segments"]["s"]["members"] == 4


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (sql.set_criteria, {"slug": "s", "criteria": '{"status": "bounced"}'}),
        (sql.freeze, {"slug": "s"}),
    ],
)
async def test_a_segment_that_is_edited_meanwhile_waits_for_the_next_run(
    readers: Readers, query: Any, parameters: dict[str, object]
) -> None:
    await readers.segment("s", ACTIVE)
    await readers.segment("t", ACTIVE)
    await readers.many(2)
    data = await readers.run(meanwhile=lambda: query(readers.shop.pool, **parameters))
    assert "was changed while it was computed" in data["segments"]["s"]["error"]
    assert (await readers.members("s"), await readers.members("t")) == ([], [1, 2])


async def test_readers_who_change_or_go_meanwhile(readers: Readers) -> None:
    async def change() -> None:
        await sql.delete_reader(readers.shop.pool, id=reader_id(2))
        await readers.status(3, "bounced")

    await readers.segment("s", ACTIVE)
    await readers.many(4)
    data = await readers.run(meanwhile=change)
    assert data["segments"]["s"] == {"members": 2, "joined": 2, "left": 0}
    assert await readers.members("s") == [1, 4]


async def test_a_reader_who_is_being_deleted_is_waited_for(readers: Readers) -> None:
    await readers.segment("s", ACTIVE)
    await readers.many(9)
    async with readers.shop.pool.acquire() as connection:
        async with connection.transaction():
            await sql.delete_reader(connection, id=reader_id(4))
            running = asyncio.create_task(readers.run())
            while not await sql.somebody_waits(readers.shop.pool):
                assert not running.done()
                await asyncio.sleep(0.01)
        data = await running
    assert data["segments"]["s"] == {"members": 8, "joined": 8, "left": 0}
    assert await readers.members("s") == [1, 2, 3, 5, 6, 7, 8, 9]


async def test_a_locked_reader_delays_one_segment(readers: Readers) -> None:
    await readers.segment("s", ACTIVE)
    await readers.segment("t", {"emails_opened": {"$gt": 0}})
    await readers.many(2)
    await readers.reader(3, emails_opened=1)
    async with readers.shop.pool.acquire() as connection, connection.transaction():
        await sql.lock_reader(connection, id=reader_id(1))
        data = await readers.run(Limits(lock_wait=0.05))
    assert data["segments"]["s"]["error"].startswith("somebody kept rows of it locked")
    assert data["segments"]["t"] == {"members": 1, "joined": 1, "left": 0}
    assert (await readers.run())["segments"]["s"]["members"] == 3
