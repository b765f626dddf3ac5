"""Does the old record of e-mails go, and nothing that is still of use?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.cleanup_email_logs import job
from scheduler.services import Mail
from tests.support.jobs import MIDNIGHT, Product
from tests.support.mail import Post

A_MOMENT = timedelta(microseconds=1)
LIMIT = MIDNIGHT - timedelta(days=180)
NOTHING = {
    "trackingEventsDeleted": 0,
    "logsDeleted": 0,
    "queueDeleted": 0,
    "cutoff": LIMIT.isoformat(),
    "errors": 0,
    "errorDetails": [],
}


async def events(shop: Product, times: Sequence[datetime]) -> None:
    await shop.pool.execute(
        "INSERT INTO email_events (id, event_type, occurred_at)"
        " SELECT gen_random_uuid(), 'sent', at FROM unnest($1::timestamptz[]) at",
        times,
    )


async def logs(shop: Product, times: Sequence[datetime], queue_id: Any = None) -> None:
    await shop.pool.execute(
        "INSERT INTO email_logs (id, queue_id, to_email, subject, status, created_at)"
        " SELECT gen_random_uuid(), $2, 'a@example.com', 's', 'sent', at"
        " FROM unnest($1::timestamptz[]) at",
        times,
        queue_id,
    )


async def test_nothing_to_do(shop: Product) -> None:
    assert await shop.run(job) == NOTHING


@pytest.mark.parametrize("at", ["-infinity", "0044-03-15 BC"])
async def test_what_is_older_than_any_calendar_goes_too(at: str, shop: Product) -> None:
    await events(shop, [LIMIT])
    await logs(shop, [LIMIT])
    for change in (
        "UPDATE email_events SET occurred_at = $1::text::timestamptz",
        "UPDATE email_logs SET created_at = $1::text::timestamptz",
    ):
        await shop.pool.execute(change, at)
    assert await shop.run(job) == {**NOTHING, "trackingEventsDeleted": 1, "logsDeleted": 1}


async def test_events_and_logs_go_after_their_days(shop: Product) -> None:
    for add in (events, logs):
        await add(shop, [LIMIT - A_MOMENT, LIMIT - timedelta(days=900), LIMIT, MIDNIGHT])
    assert await shop.run(job) == {**NOTHING, "trackingEventsDeleted": 2, "logsDeleted": 2}
    kept = await shop.pool.fetch("SELECT occurred_at FROM email_events ORDER BY 1")
    assert [row[0] for row in kept] == [LIMIT, MIDNIGHT]
    assert await shop.run(job) == NOTHING


async def test_only_finished_messages_go(shop: Product) -> None:
    post = Post(shop, Mail(folder=Path("unused")))
    old = LIMIT - A_MOMENT
    gone = [
        await post.message(created_at=old, status="sent"),
        await post.message(created_at=old, status="cancelled"),
        await post.message(created_at=old, status="failed"),
        await post.message(created_at=old, status="failed", attempts=3, next_retry_at=old),
    ]
    kept = [
        await post.message(created_at=LIMIT, status="sent"),
        await post.message(created_at=old, status="pending"),
        await post.message(created_at=old, status="processing"),
        await post.message(created_at=old, status="scheduled", scheduled_at=MIDNIGHT),
        await post.message(created_at=old, status="failed", attempts=1, next_retry_at=old),
        # Queued long ago for a day that was not long ago.
        await post.message(created_at=old, status="sent", scheduled_at=MIDNIGHT),
    ]
    await logs(shop, [MIDNIGHT], gone[0])
    assert await shop.run(job) == {**NOTHING, "queueDeleted": 4}
    assert {row["id"] for row in await post.rows()} == set(kept)
    # The log of a message outlives its row.
    assert [log["queue_id"] for log in await post.rows("logs")] == [None]


async def test_who_got_what_is_kept_for_ever(shop: Product) -> None:
    post = Post(shop, Mail(folder=Path("unused")))
    reader = await post.reader("ann@example.com")
    await post.step_message(
        reader, "a@example.com", status="sent", created_at=LIMIT - A_MOMENT, scheduled_at=None
    )
    assert (await shop.run(job))["queueDeleted"] == 1
    assert await shop.pool.fetchval("SELECT count(*) FROM lamplighter.outbox") == 1


async def test_the_days_are_a_parameter(shop: Product) -> None:
    await events(shop, [MIDNIGHT - timedelta(days=days, seconds=1) for days in (4, 5, 6)])
    data = await shop.run(job, days=5)
    assert data["trackingEventsDeleted"] == 2
    assert data["cutoff"] == (MIDNIGHT - timedelta(days=5)).isoformat()


async def test_a_cancelled_run_keeps_its_batches(shop: Product) -> None:
    await events(shop, [LIMIT - timedelta(seconds=n + 1) for n in range(7000)])

    def progress(done: int, total: int | None) -> None:
        if done:
            first.cancel()

    first = asyncio.create_task(shop.run(job, progress=progress))
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await shop.pool.fetchval("SELECT count(*) FROM email_events") == 2000
    assert (await shop.run(job))["trackingEventsDeleted"] == 2000


async def test_a_product_without_newsletters(shop_b: Product) -> None:
    await logs(shop_b, [LIMIT - A_MOMENT])
    assert await shop_b.run(job) == {**NOTHING, "logsDeleted": 1}


def test_parameters_are_bounded() -> None:
    for wrong in ({"days": 0}, {"days": 3651}):
        with pytest.raises(ValueError, match="days"):
            job.params.model_validate(wrong)
