"""How does a test set up sequences, and run the job that processes them?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from jobs import process_sequences
from jobs.email.suppression import suppress
from jobs.process_sequences import ProcessSequences
from jobs.sequences.calling import Caller
from jobs.sequences.webhooks import MakeCaller, caller_of
from scheduler.job import Done, JobContext, Json
from scheduler.services import Services
from scheduler.sql import load_sql
from tests.support.jobs import NOW, UTC_ZONE, Log, PlainDatabase, Product

SQL = {column: load_sql(__file__, events_time=column) for column in ("timestamp", "created_at")}

A_MOMENT = timedelta(microseconds=1)
A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)
LONG_AGO = NOW - timedelta(days=400)
DEFAULTS = ProcessSequences.model_validate({})
SEEN = NOW
"""When the sequences of a test were first seen active."""


class Letters:
    """The newsletter of a test, and its clock."""

    def __init__(self, shop: Product) -> None:
        self.shop = shop
        self.pool = shop.pool
        column = "timestamp" if "timestamp" in shop.tables["analytics_events"] else "created_at"
        self.sql = SQL[column]
        self.now = NOW
        self.zone: ZoneInfo = UTC_ZONE
        self.services = Services()
        self.log = Log()
        self.make_caller: MakeCaller = caller_of

    async def sequence(
        self,
        slug: str,
        trigger_type: str = "signup",
        config: object = None,
        *,
        status: str | None = "active",
        steps: Sequence[Mapping[str, object]] = ({},),
        segment_id: UUID | None = None,
    ) -> UUID:
        sequence: UUID = await self.sql.add_sequence(
            self.pool,
            slug=slug,
            name=slug.capitalize(),
            status=status,
            trigger_type=trigger_type,
            trigger_config=config if isinstance(config, str) else json.dumps(config or {}),
            segment_id=segment_id,
        )
        for order, step in enumerate(steps, start=1):
            await self.step(sequence, **{"step_order": order, **step})
        return sequence

    async def step(self, sequence: UUID, **columns: Any) -> UUID:
        row: dict[str, Any] = {
            "name": f"Step {columns['step_order']}",
            "delay_value": 0,
            "delay_unit": "minutes",
            "action_type": "email",
            "subject": f"Message {columns['step_order']}",
            "content_html": "<p>Hello {{ first_name }}</p>",
            "content_text": None,
            "action_config": {},
            "template_id": None,
            **columns,
        }
        if not isinstance(row["action_config"], str):
            row["action_config"] = json.dumps(row["action_config"])
        step: UUID = await self.sql.add_step(self.pool, sequence_id=sequence, **row)
        return step

    async def subscriber(self, name: str, at: datetime | None = LONG_AGO, **columns: Any) -> UUID:
        row: dict[str, Any] = {
            "email": name if "@" in name else f"{name}@example.com",
            "status": "active",
            "user_id": None,
            "first_name": None,
            "last_name": None,
            "interests": None,
            "subscribed_at": at,
            "created_at": at,
            **columns,
        }
        subscriber: UUID = await self.sql.add_subscriber(self.pool, **row)
        return subscriber

    async def enrol(self, sequence: UUID, subscriber: UUID, **columns: Any) -> UUID:
        """As the product would."""
        row = {
            "current_step": 0,
            "status": "active",
            "next_step_at": self.now,
            "enrolled_at": self.now,
            **columns,
        }
        enrolment: UUID = await self.sql.add_enrolment(
            self.pool, sequence=sequence, subscriber=subscriber, **row
        )
        return enrolment

    async def suppress(self, *emails: str) -> None:
        async with self.pool.acquire() as connection:
            await suppress(
                connection,
                emails,
                reason="unsubscribed",
                source="test",
                now=self.now,
                tables={},
            )

    def ctx(
        self, commits_left: int | None = None, scheduled_for: datetime | None = None
    ) -> JobContext:
        return JobContext(
            run_id=uuid4(),
            job="process-sequences",
            attempt=1,
            scheduled_for=scheduled_for or self.now,
            timezone=self.zone,
            now=lambda: self.now,
            db=PlainDatabase(self.pool, commits_left),
            tables=self.shop.tables,
            scheduled_jobs=frozenset(),
            log=self.log,
            progress=lambda done, total: None,
            services=self.services,
        )

    async def run(
        self,
        *,
        commits_left: int | None = None,
        scheduled_for: datetime | None = None,
        **params: object,
    ) -> dict[str, Any]:
        def caller(ctx: JobContext) -> AbstractAsyncContextManager[Caller]:
            return self.make_caller(ctx)

        outcome = await process_sequences.process(
            self.ctx(commits_left, scheduled_for), ProcessSequences.model_validate(params), caller
        )
        assert isinstance(outcome, Done)
        return dict(outcome.data)

    async def later(self, by: timedelta, **options: Any) -> dict[str, Any]:
        """Let time pass, and run."""
        self.now += by
        return await self.run(**options)

    async def enroll(self, slug: str, email: str) -> Json:
        return await process_sequences.enroll_one(self.ctx(), DEFAULTS, slug, email)

    async def enroll_existing(self, slug: str) -> Json:
        return await process_sequences.enroll_existing(self.ctx(), DEFAULTS, slug)

    async def count_existing(self, slug: str) -> Json:
        return await process_sequences.count_existing(self.ctx(), DEFAULTS, slug)

    async def enrolments(self) -> list[dict[str, Any]]:
        return [dict(row) async for row in self.sql.enrolments(self.pool)]

    async def enrolled(self) -> list[str]:
        """Who is enrolled, without the domain."""
        return [row["email"].partition("@")[0] for row in await self.enrolments()]

    async def statuses(self) -> list[str]:
        return [row["status"] for row in await self.enrolments()]

    async def messages(self) -> list[dict[str, Any]]:
        return [dict(row) async for row in self.sql.messages(self.pool)]

    async def subjects(self) -> list[str]:
        return [row["subject"] for row in await self.messages()]

    async def fingerprint(self) -> list[tuple[Any, ...]]:
        return [tuple(row) async for row in self.sql.fingerprint(self.pool)]
