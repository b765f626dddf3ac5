"""Can the queue be tried with sample suggestions, which point to what is there and go nowhere?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.approvals import By, Lapsed, approve, expire, find, reject
from agents.kit.suggest import words_of
from agents.publish import publish
from scheduler.db.product import lay_demo
from scheduler.errors import ConflictError
from tests.support import databases
from tests.support.jobs import Product, product
from tests.support.postgres import Postgres

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


async def lay(connection: Any) -> None:
    await databases.product_a(connection)
    await lay_demo(connection, now=NOW, users=20)


@pytest.fixture
async def demo(postgres: Postgres) -> Any:
    name = await postgres.create(await postgres.template("demo_suggestions", lay))
    async with product(postgres.dsn(name)) as made:
        yield made
    await postgres.drop(name)


async def samples(demo: Product) -> list[dict[str, Any]]:
    rows = await demo.pool.fetch("SELECT * FROM lamplighter.suggestions ORDER BY seq")
    return [dict(row) for row in rows]


async def test_there_are_some_of_each_agent_and_status_and_all_are_samples(demo: Product) -> None:
    rows = await samples(demo)
    assert len(rows) == 12
    assert {row["agent"] for row in rows} == {
        *("developer", "researcher", "marketer", "seo_writer", "designer"),
    }
    assert {row["status"] for row in rows} == {
        *("pending", "approved", "rejected", "expired", "published", "publish_failed"),
    }
    assert len([row for row in rows if row["status"] == "pending"]) == 6
    assert {row["action"]["type"] for row in rows} == {
        *("review", "comment", "issue", "draft_release", "todo"),
    }
    assert all(row["is_sample"] for row in rows)
    assert all("%" not in row["title"] + row["body"] for row in rows)


async def test_evidence_is_there(demo: Product) -> None:
    there = {
        row[0]
        for row in await demo.pool.fetch(
            "SELECT 'pull:' || number FROM lamplighter.github_pulls"
            " UNION ALL SELECT 'issue:' || number FROM lamplighter.github_issues"
            " UNION ALL SELECT 'release:' || tag FROM lamplighter.github_releases"
            " UNION ALL SELECT 'milestone:' || number FROM lamplighter.github_milestones"
            " UNION ALL SELECT 'file:' || path FROM lamplighter.github_files"
        )
    }
    numbers = {int(ref.partition(":")[2]) for ref in there if ref.startswith(("pull", "issue"))}
    for row in await samples(demo):
        refs = [item["ref"] for item in row["evidence"]]
        assert refs
        assert set(refs) <= there
        assert "\n".join(sorted(refs)) == row["evidence_key"]
        action = row["action"]
        assert action["repository"] == "lamplighter-demo/lantern"
        if action["type"] in {"review", "comment"}:
            assert action["number"] in numbers
        if action["type"] == "draft_release":
            assert f"release:{action['tag']}" in refs


async def test_they_are_as_agents_would_have_left_them(demo: Product) -> None:
    for row in await samples(demo):
        hash_now, title, body = await demo.pool.fetchrow(  # type: ignore[misc]
            "SELECT lamplighter.shown_hash(title, body, action), lamplighter.trigrams($2),"
            " lamplighter.trigrams($3) FROM lamplighter.suggestions WHERE id = $1",
            *(row["id"], words_of(row["title"]), words_of(row["body"])),
        )
        assert row["shown_hash"] == hash_now
        assert (row["approved_hash"] == hash_now) is (row["status"] == "approved")
        assert (set(row["title_trigrams"]), set(row["body_trigrams"])) == (set(title), set(body))
        assert row["created_at"] <= (row["decided_at"] or NOW) <= NOW
        assert (row["expires_at"] <= NOW) is (row["status"] == "expired")
        events = await demo.pool.fetch(
            "SELECT action FROM lamplighter.suggestion_events WHERE suggestion_id = $1 ORDER BY id",
            row["id"],
        )
        last = {"pending": "created"}.get(row["status"], row["status"])
        assert [events[0][0], events[-1][0]] == ["created", last]


async def test_the_queue_can_be_tried_and_nothing_goes_out(demo: Product) -> None:
    ctx = demo.context(NOW, now=NOW)
    async with ctx.db.transaction() as connection:
        assert await expire(connection, NOW) == Lapsed(0, 0)
        first, second, *_ = await find(connection, NOW, status="pending")
        await approve(connection, first.id, By("admin"), NOW)
        await reject(connection, second.id, By("admin"), NOW)
    with pytest.raises(ConflictError, match="a sample is never published"):
        await publish(ctx, first.id)
    later = NOW + timedelta(days=4)
    async with ctx.db.transaction() as connection:
        assert (await expire(connection, later)).voided == 3


@pytest.mark.parametrize("seed", range(1, 4))
async def test_with_other_seeds_too(postgres: Postgres, seed: int) -> None:
    name = await postgres.create()
    connection = await postgres.connect(name)
    try:
        await databases.product_a(connection)
        await lay_demo(connection, now=NOW, users=5, seed=seed)
        count = await connection.fetchval("SELECT count(*) FROM lamplighter.suggestions")
        assert 8 <= count <= 12
    finally:
        await connection.close()
        await postgres.drop(name)
