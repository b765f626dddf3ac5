"""Are the members of every dynamic segment exactly who matches, and their joins told once?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from jobs.update_segments import (
    Limits,
    job,
)
from scheduler.db.catalog import missing
from scheduler.db.product import lay_demo
from scheduler.errors import JobError
from tests.jobs.criteria.evaluator import matches
from tests.jobs.segment_readers import ACTIVE, Readers, reader_id, sql
from tests.support.jobs import MIDNIGHT, NOW, Log, Product, product

AN_HOUR = timedelta(hours=1)
A_MOMENT = timedelta(microseconds=1)


@pytest.fixture
def readers(shop: Product) -> Readers:
    return Readers(shop)


async def test_nothing_to_do(readers: Readers) -> None:
    assert await readers.run() == {"updated": 0, "errors": 0, "segments": {}}


async def test_who_matches_is_a_member_and_the_first_time_is_a_baseline(readers: Readers) -> None:
    await readers.segment("active", ACTIVE)
    await readers.segment("keen", {"emails_opened": {"$gte": 3}})
    await readers.reader(1)
    await readers.reader(2, status="bounced", emails_opened=3)
    await readers.reader(3, emails_opened=2)
    await readers.reader(4, status=None, emails_opened=None)
    data = await readers.run()
    assert data == {
        "updated": 2,
        "errors": 0,
        "segments": {
            "active": {"members": 2, "joined": 2, "left": 0},
            "keen": {"members": 1, "joined": 1, "left": 0},
        },
    }
    assert await readers.members("active") == [1, 3]
    assert await readers.members("keen") == [2]
    row = await sql.segment(readers.shop.pool, slug="active")
    assert (row["subscriber_count"], row["last_computed_at"]) == (2, NOW)
    assert await readers.joins("active") == []


async def test_the_time_is_the_runs_own_and_now(readers: Readers) -> None:
    await readers.segment("new", {"subscribed_at": {"$gte": "NOW() - INTERVAL 7 DAY"}})
    limit = NOW - timedelta(days=7)
    for number, at in enumerate((limit - A_MOMENT, limit, NOW, None)):
        await readers.reader(number, subscribed_at=at)
    await readers.run(scheduled_for=MIDNIGHT - timedelta(days=100))
    assert await readers.members("new") == [1, 2]
    data = await readers.run(now=NOW + A_MOMENT)
    assert data["segments"]["new"] == {"members": 1, "joined": 0, "left": 1}


async def test_times_beyond_any_calendar_are_before_or_after_all_others(readers: Readers) -> None:
    await readers.segment("early", {"subscribed_at": {"$lt": "0001-01-02T00:00:00Z"}})
    await readers.segment("late", {"last_opened_at": {"$gte": "9999-12-31T00:00:00Z"}})
    await readers.segment("never", {"last_opened_at": {"$exists": False}})
    for n, at in enumerate(("-infinity", "0044-03-15 BC", "20000-01-01", "infinity")):
        await sql.add_odd_reader(readers.shop.pool, id=reader_id(n), at=at)
    await readers.reader(4)
    data = await readers.run()
    assert data["errors"] == 0
    assert await readers.members("early") == [0, 1]
    assert await readers.members("late") == [2, 3]
    assert await readers.members("never") == [4]


async def test_who_leaves_and_comes_back_joins_anew(readers: Readers) -> None:
    await readers.segment("active", ACTIVE)
    await readers.many(3)
    await readers.run()
    await readers.status(1, "unsubscribed")
    await readers.reader(4)
    first = await readers.run(now=NOW + AN_HOUR)
    assert first["segments"]["active"] == {"members": 3, "joined": 1, "left": 1}
    await readers.status(1, "active")
    await readers.run(now=NOW + 2 * AN_HOUR)
    assert await readers.members("active") == [1, 2, 3, 4]
    assert await readers.joins("active") == [(4, NOW + AN_HOUR), (1, NOW + 2 * AN_HOUR)]
    # Out and in again within one and the same moment of the clock.
    await readers.status(1, "bounced")
    await readers.run(now=NOW + 2 * AN_HOUR)
    await readers.status(1, "active")
    await readers.run(now=NOW + 2 * AN_HOUR)
    assert await readers.joined("active") == [4, 1, 1]


async def test_joins_are_remembered_for_their_days(readers: Readers) -> None:
    await readers.segment("s", ACTIVE)
    await readers.run()
    await readers.many(5)
    await readers.run(now=NOW)
    await readers.reader(6)
    await readers.run(now=NOW + A_MOMENT)
    a_year_later = NOW + timedelta(days=365)
    await readers.run(now=a_year_later + A_MOMENT, joins_days=365, dry_run=True)
    await readers.run(now=a_year_later, joins_days=365)
    assert await readers.joined("s") == [1, 2, 3, 4, 5, 6]
    await readers.run(Limits(chunk=2), now=a_year_later + A_MOMENT, joins_days=365)
    assert await readers.joined("s") == [6]
    assert await readers.members("s") == [1, 2, 3, 4, 5, 6]


async def test_a_second_run_changes_nothing(readers: Readers) -> None:
    await readers.segment("active", ACTIVE)
    await readers.many(3)
    await readers.run()
    before = [tuple(row.values()) async for row in sql.members(readers.shop.pool)]
    data = await readers.run(now=NOW + AN_HOUR)
    assert data["segments"]["active"] == {"members": 3, "joined": 0, "left": 0}
    assert [tuple(row.values()) async for row in sql.members(readers.shop.pool)] == before
    assert await readers.joins("active") == []


async def test_who_comes_in_by_wider_criteria_has_joined(readers: Readers) -> None:
    await readers.segment("s", {"status": "active"})
    await readers.reader(1)
    await readers.reader(2, status="bounced")
    await readers.run()
    await sql.set_criteria(
        readers.shop.pool, slug="s", criteria='{"status": ["active", "bounced"]}'
    )
    await readers.run()
    assert (await readers.members("s"), await readers.joined("s")) == ([1, 2], [2])


async def test_only_published_dynamic_segments_are_computed(readers: Readers) -> None:
    await readers.segment("static", ACTIVE, is_dynamic=False)
    await readers.segment("draft", ACTIVE, status="draft")
    await readers.segment("defaults", ACTIVE, is_dynamic=None, status=None)
    await readers.many(2)
    for slug in ("static", "draft"):
        await sql.add_member(readers.shop.pool, slug=slug, subscriber_id=reader_id(2))
    data = await readers.run()
    assert list(data["segments"]) == ["defaults"]
    assert await readers.members("static") == await readers.members("draft") == [2]
    row = await sql.segment(readers.shop.pool, slug="static")
    assert (row["subscriber_count"], row["last_computed_at"]) == (0, None)


async def test_criteria_may_ask_about_the_account(readers: Readers) -> None:
    await readers.segment("rich", {"user.credits_remaining": {"$gte": 5}})
    await readers.segment("not-rich", {"$not": {"user.credits_remaining": {"$gte": 5}}})
    await readers.segment("strangers", {"user.id": {"$exists": False}})
    rich = await readers.shop.user(credits_remaining=5)
    poor = await readers.shop.user(credits_remaining=4)
    await readers.reader(1, user_id=rich)
    await readers.reader(2, user_id=poor)
    await readers.reader(3)
    await readers.run()
    assert await readers.members("rich") == [1]
    assert await readers.members("not-rich") == [2, 3]
    assert await readers.members("strangers") == [3]


BROKEN: Mapping[str, tuple[object, str | None, str]] = {
    "regex": ({"email": {"$regex": "'; drop table"}}, "email.$regex", "it takes $eq"),
    "nested": ({"$and": [ACTIVE, {"emails": 1}]}, "$and[1].emails", "is no column"),
    "of-the-account": ({"user.password_hash": "x"}, "user.password_hash", "is no column"),
    "hostile": ({'status" = 1 OR "email': 1}, "['status\" = 1 OR \"email']", "is no column"),
    "huge": ('{"emails_opened": ' + "9" * 6_000 + "}", None, "a number with too many digits"),
    "big": ({"emails_opened": 2**40}, "emails_opened", "a whole number"),
    "deep": ('{"$not": ' * 900 + "{}" + "}" * 900, None, "too deep"),
    "long": ({"email": ["x" * 900] * 200}, None, "longer than 100,000 characters"),
    "list": ([], None, "must be an object"),
    "empty": ({}, None, "would make everybody a member"),
}


async def test_broken_segments_are_named_and_stop_nobody(readers: Readers) -> None:
    await readers.many(3)
    for slug, (criteria, _, _) in BROKEN.items():
        await readers.segment(slug, criteria)
        await sql.add_member(readers.shop.pool, slug=slug, subscriber_id=reader_id(2))
    await readers.segment("a-good-one", ACTIVE)
    await readers.segment("zuletzt", ACTIVE)
    log = Log()
    data = await readers.run(log=log)
    assert (data["updated"], data["errors"]) == (2, len(BROKEN))
    for slug, (_, path, says) in BROKEN.items():
        answer = data["segments"][slug]
        assert says in answer["error"], slug
        assert path is None or answer["path"] == path
        assert await readers.members(slug) == [2]
        assert (await sql.segment(readers.shop.pool, slug=slug))["last_computed_at"] is None
    assert log.events().count("segment_failed") == len(BROKEN)
    assert await readers.members("a-good-one") == await readers.members("zuletzt") == [1, 2, 3]


async def test_a_segments_first_good_computation_is_its_baseline(readers: Readers) -> None:
    await readers.segment("s", {"status": {"$is": "active"}})
    await readers.many(2)
    await readers.run()
    await sql.set_criteria(readers.shop.pool, slug="s", criteria='{"status": "active"}')
    await readers.run()
    assert (await readers.members("s"), await readers.joined("s")) == ([1, 2], [])


async def test_a_dry_run_says_who_would_and_writes_nothing(readers: Readers) -> None:
    await readers.segment("s", ACTIVE)
    await readers.segment("broken", {"status": 5})
    await readers.many(3)
    await readers.status(3, "bounced")
    for number in (1, 3):
        await sql.add_member(readers.shop.pool, slug="s", subscriber_id=reader_id(number))
    data = await readers.run(dry_run=True)
    assert data["segments"]["s"] == {"members": 2, "wouldJoin": 1, "wouldLeave": 1}
    assert data["segments"]["broken"]["path"] == "status"
    assert (data["updated"], data["errors"]) == (0, 1)
    assert await readers.members("s") == [1, 3]
    assert (await sql.segment(readers.shop.pool, slug="s"))["last_computed_at"] is None
    # Nor was it the baseline.
    await readers.run()
    assert await readers.joins("s") == []


@pytest.mark.parametrize("named", ["b,nobody's", ["b", "nobody's"]])
async def test_only_segments_that_are_named(readers: Readers, named: object) -> None:
    await readers.segment("a", ACTIVE)
    await readers.segment("b", ACTIVE)
    await readers.many(1)
    data = await readers.run(segments=named)
    assert (data["updated"], data["errors"]) == (1, 1)
    assert "no published dynamic segment" in data["segments"]["nobody's"]["error"]
    assert (await readers.members("a"), await readers.members("b")) == ([], [1])


async def test_more_than_is_found_at_a_time(readers: Readers) -> None:
    await readers.segment("s", ACTIVE)
    await readers.many(12)
    await readers.reader(0)
    await readers.reader(2**128 - 1)
    progress: list[int] = []
    limits = Limits(chunk=3, chunks=2)
    data = await readers.run(limits, progress=lambda done, _: progress.append(done))
    assert data["segments"]["s"] == {"members": 14, "joined": 14, "left": 0}
    assert progress == [3, 6, 9, 12, 14]


async def test_random_changes_day_after_day(readers: Readers) -> None:
    """Members and joins against a slow account of them, over rounds of changes."""
    rng = Random(20260131)
    segments: dict[str, Any] = {
        "active": ACTIVE,
        "quiet": {"emails_opened": {"$lt": 2}, "status": {"$nin": ["bounced", "cleaned"]}},
        "odd": {"$or": [{"status": None}, {"$not": {"emails_opened": [0, 2, 4]}}]},
        "rich": {"user.credits_remaining": {"$gte": 3}},
    }
    for slug, criteria in segments.items():
        await readers.segment(slug, criteria)
    expected: dict[str, set[int]] = {slug: set() for slug in segments}
    joined: dict[str, list[int]] = {slug: [] for slug in segments}
    users = [await readers.shop.user(credits_remaining=balance) for balance in range(6)]
    statuses = ["active", "active", "bounced", "cleaned", None]
    numbers: list[int] = []
    for day in range(12):
        for _ in range(20):
            number = uuid4().int
            numbers.append(number)
            await readers.reader(
                number,
                status=rng.choice(statuses),
                emails_opened=rng.choice([None, 0, 1, 2, 3]),
                user_id=rng.choice([None, *users]),
            )
        for number in rng.sample(numbers, 15):
            await readers.status(number, rng.choice(statuses))
            await sql.set_opened(
                readers.shop.pool, id=reader_id(number), opened=rng.choice([None, 1, 2])
            )
        for number in rng.sample(numbers, 3):
            numbers.remove(number)
            await sql.delete_reader(readers.shop.pool, id=reader_id(number))
        await readers.run(now=NOW + day * timedelta(days=1))
        rows = [dict(row) async for row in sql.readers(readers.shop.pool)]
        for slug, criteria in segments.items():
            now_in = {
                row["id"].int for row in rows if matches(criteria, row, lambda _, value: value)
            }
            if day:
                joined[slug] += sorted(now_in - expected[slug])
            expected[slug] = now_in
            assert set(await readers.members(slug)) == now_in
            assert sorted(await readers.joined(slug)) == sorted(joined[slug])


async def test_the_sample_datas_segments(readers: Readers, database: str) -> None:
    connection = await asyncpg.connect(database, timeout=10, command_timeout=30)
    try:
        await lay_demo(connection, now=NOW, users=1_500, seed=7, events_per_user=1)
    finally:
        await connection.close()
    data = await readers.run()
    counted = {
        row["slug"]: row["count"] async for row in sql.of_the_sample(readers.shop.pool, now=NOW)
    }
    members = {slug: answer["members"] for slug, answer in data["segments"].items()}
    assert members == counted
    assert all(members.values())
    assert len(await readers.members("beta-testers")) == 40


async def test_a_bridging_view_serves_as_the_table(readers: Readers, database: str) -> None:
    await readers.segment("keen", {"emails_opened": {"$gte": 3}})
    await readers.reader(1, emails_opened=3)
    await readers.reader(2, emails_opened=2)
    await sql.bridge(readers.shop.pool)
    async with product(database) as bridged:
        data = await Readers(bridged).run()
    assert data["segments"]["keen"] == {"members": 1, "joined": 1, "left": 0}


async def test_an_explanation_says_what_an_update_would_do(readers: Readers) -> None:
    await readers.segment("s", {"status": "active", "emails_opened": [1, 2]})
    await readers.segment("broken", {"status": {"$regex": "'; drop table"}})
    await readers.many(3, emails_opened=1)
    explanation = await readers.shop.explain(job, "s")
    assert explanation.counts == {"members": 0, "wouldJoin": 3, "wouldLeave": 0}
    assert list(explanation.values)[2:] == ["active", [1, 2]]
    assert 's."status"::text = $3::text' in explanation.sql
    assert await readers.members("s") == []
    for slug, says in (("broken", "status.$regex: does not go"), ("none", "no published dynamic")):
        with pytest.raises(JobError, match=re.escape(says)):
            await readers.shop.explain(job, slug)


def test_it_needs_the_newsletters_tables(shop_b: Product) -> None:
    lacking = missing(job.needs, shop_b.tables)
    assert {"newsletter_segments", "newsletter_segment_members"} <= set(lacking)
