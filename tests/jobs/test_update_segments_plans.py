"""Does a segment's update read each row once, whatever the planner knows of its tables?"""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobs.update_segments import Language, Limits, Segment, learn, read_segments
from jobs.update_segments import sql as statements
from scheduler.walk import FIRST_KEY
from tests.jobs.rollup_data import nodes
from tests.jobs.segment_readers import ACTIVE, Readers, sql
from tests.support.jobs import NOW, Product

SUBSCRIBERS = 6_000
LIMITS = Limits()


async def plan_of(connection: Any, text: str, *values: object) -> list[dict[str, Any]]:
    """The nodes of the plan by which the statement is run, and taken back."""
    transaction = connection.transaction()
    await transaction.start()
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) {text}", *values)
    await transaction.rollback()
    return list(nodes(plan[0]["Plan"]))


def rows_touched(plan: list[dict[str, Any]]) -> int:
    removed = ("Rows Removed by Filter", "Rows Removed by Join Filter")
    return sum(
        int(
            (node["Actual Rows"] + sum(node.get(name, 0) for name in removed))
            * node["Actual Loops"]
        )
        for node in plan
    )


@pytest.mark.parametrize("known", ["nothing", "no members", "few members"])
async def test_the_work_grows_with_the_rows_alone(known: str, shop: Product) -> None:
    """Small tables are read from end to end, and for each row whatever was not worked out before
    is worked out again: the keys of a chunk, 5,000 of them in one text.
    """
    readers = Readers(shop)
    await readers.segment("s", ACTIVE)
    await sql.add_crowd(shop.pool, readers=SUBSCRIBERS)
    if known == "few members":
        await sql.add_some_members(shop.pool, slug="s", members=30)
    if known != "nothing":
        await sql.analyze(shop.pool)

    for _ in range(2):
        ctx = shop.context()
        (segment,) = await read_segments(ctx, None)
        await compare(shop, await learn(ctx), segment)
        data = await readers.run()
        assert data["segments"]["s"]["members"] == SUBSCRIBERS / 2
        # Half of them leave, and the other half comes in.
        await sql.turn_crowd(shop.pool)


async def compare(shop: Product, language: Language, segment: Segment) -> None:
    find, values = language.statement(statements.chunks, segment)
    change, _ = language.statement(statements.change, segment)
    found = (FIRST_KEY, segment.id, LIMITS.chunk, LIMITS.chunks, *values)
    async with shop.pool.acquire() as connection:
        ids = (await connection.fetch(find, *found))[0]["ids"]
        assert rows_touched(await plan_of(connection, find, *found)) < 15 * SUBSCRIBERS
        plan = await plan_of(connection, change, segment.id, segment.criteria, ids, NOW, *values)
    assert rows_touched(plan) < 15 * SUBSCRIBERS
    for node in plan:
        for condition in ("Filter", "Index Cond", "Recheck Cond", "Join Filter"):
            # As a value of its own; not the text, taken apart for each row.
            assert not re.search(r"::uuid\[\]", node.get(condition, "")), node["Node Type"]
