"""How does a test set a newsletter up: readers, segments, and a product that acts meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from jobs.update_segments import (
    Limits,
    UpdateSegments,
    job,
    update_all,
)
from scheduler.job import Connection, JobContext, JobDatabase, Outcome
from scheduler.sql import load_sql
from tests.support.jobs import NOW, Product

sql = load_sql(__file__)

Act: TypeAlias = Callable[[], Awaitable[object]]
ACTIVE = {"status": "active"}
FOUND = 3
"""Transactions until a difference is found: the columns, the segments, the difference."""


def reader_id(number: int) -> UUID:
    return UUID(int=number)


class Shared:
    """A JobDatabase in which the product does something after so many of the run's transactions."""

    def __init__(self, inner: JobDatabase, after: int, act: Act) -> None:
        self._inner = inner
        self._left = after
        self._act = act

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self._inner.transaction() as connection:
            yield connection
        self._left -= 1
        if self._left == 0:
            await self._act()


class Readers:
    """The newsletter of a test."""

    def __init__(self, shop: Product) -> None:
        self.shop = shop

    async def segment(
        self,
        slug: str,
        criteria: object,
        *,
        is_dynamic: bool | None = True,
        status: str | None = "published",
    ) -> None:
        text = criteria if isinstance(criteria, str) else json.dumps(criteria)
        await sql.add_segment(
            self.shop.pool, slug=slug, criteria=text, is_dynamic=is_dynamic, status=status
        )

    async def reader(self, number: int, **columns: object) -> UUID:
        defaults: dict[str, object] = {
            "status": "active",
            "interests": None,
            "emails_opened": 0,
            "user_id": None,
            "subscribed_at": NOW - timedelta(days=30),
        }
        key = reader_id(number)
        await sql.add_reader(self.shop.pool, **{**defaults, **columns, "id": key})
        return key

    async def many(self, count: int, **columns: object) -> None:
        for number in range(1, count + 1):
            await self.reader(number, **columns)

    async def members(self, slug: str) -> list[int]:
        rows = sql.members(self.shop.pool)
        return [row["subscriber_id"].int async for row in rows if row["slug"] == slug]

    async def joins(self, slug: str) -> list[tuple[int, Any]]:
        rows = sql.joins(self.shop.pool)
        return [
            (row["subscriber_id"].int, row["joined_at"])
            async for row in rows
            if row["slug"] == slug
        ]

    async def joined(self, slug: str) -> list[int]:
        return [number for number, _ in await self.joins(slug)]

    async def status(self, number: int, status: str | None) -> None:
        await sql.set_status(self.shop.pool, id=reader_id(number), status=status)

    async def run(
        self, limits: Limits | None = None, meanwhile: Act | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Run the job; the product does `meanwhile` when the first difference is found."""

        async def run(ctx: JobContext, params: UpdateSegments) -> Outcome:
            if meanwhile is not None:
                ctx = replace(ctx, db=Shared(ctx.db, FOUND, meanwhile))
            return await update_all(ctx, params, limits or Limits())

        changed = limits is not None or meanwhile is not None
        return await self.shop.run(replace(job, run=run) if changed else job, **arguments)
