"""Do the sequences of the sample data work, and write to nobody who is in it?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from scheduler.db.product import lay_demo
from tests.support import databases
from tests.support.jobs import NOW, product
from tests.support.postgres import Postgres
from tests.support.sequences import A_DAY, A_MINUTE, A_MOMENT, AN_HOUR, Letters

A_WEEK = timedelta(weeks=1)
VARIABLES = {"email", "first_name", "last_name", "name", "subscription_tier", "sequence", "step"}


async def lay(connection: asyncpg.Connection[Any]) -> None:
    await databases.product_a(connection)
    await lay_demo(connection, now=NOW, users=300)


@pytest.fixture
async def sample(postgres: Postgres) -> AsyncIterator[Letters]:
    name = await postgres.create(await postgres.template("sample_sequences", lay))
    async with product(postgres.dsn(name)) as shop:
        yield Letters(shop)
    await postgres.drop(name)


async def test_the_first_runs_write_to_nobody(sample: Letters) -> None:
    for _ in range(3):
        data = await sample.later(AN_HOUR)
        assert {value for key, value in data.items() if key != "errorDetails"} == {0}
    assert await sample.enrolments() == []
    assert await sample.messages() == []


async def test_a_new_reader_is_welcomed(sample: Letters) -> None:
    await sample.run()
    reader = await sample.subscriber("ines@example.com", sample.now + A_MOMENT, first_name="Inês")
    data = await sample.later(A_MINUTE)
    assert (data["enrolled"], data["queued"], data["processed"]) == (1, 1, 2)
    assert await sample.sql.interests(sample.pool, id=reader) == ["welcomed"]
    assert (await sample.later(2 * A_DAY))["queued"] == 1
    data = await sample.later(A_WEEK)
    assert (data["queued"], data["completed"]) == (1, 1)
    messages = await sample.messages()
    assert [row["subject"] for row in messages] == [
        "Welcome, {{ first_name }}",
        "Three tips for better results",
        "How is it going?",
    ]
    for row in messages:
        used = re.findall(r"\{\{ *(\w+) *\}\}", row["subject"] + row["html_body"])
        assert set(used) <= VARIABLES == set(row["template_data"])


async def test_a_trial_is_accompanied_to_its_end(sample: Letters) -> None:
    await sample.run()
    ends: datetime = sample.now + 3 * A_DAY
    user = await sample.shop.user(subscription_status="trialing", subscription_ends_at=ends)
    await sample.subscriber("ines", user_id=user)
    await sample.sql.add_event(
        sample.pool, event="trial_will_end", user_id=user, at=sample.now + A_MOMENT
    )
    data = await sample.later(A_MINUTE)
    assert (data["enrolled"], data["queued"]) == (1, 1)
    assert (await sample.later(2 * A_DAY))["processed"] == 0
    sample.now = ends
    assert (await sample.run())["processed"] == 1
    data = await sample.later(AN_HOUR)
    assert (data["queued"], data["completed"]) == (1, 1)
    assert await sample.subjects() == ["Your trial ends in three days", "Your trial is over"]
