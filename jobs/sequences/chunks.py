"""How are many rows changed a chunk at a time, so that one bad row does not stop its neighbours?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import TypeVar
from uuid import UUID

import asyncpg
from pydantic import JsonValue

from scheduler.errors import JobError
from scheduler.job import Connection, JobContext
from scheduler.sql import load_sql
from scheduler.walk import MOST_REFUSED, REFUSED

sql = load_sql(__file__)

CHUNK = 1_000
"""Rows a transaction: some 50 ms, and nobody waits for longer."""
LOCK_WAIT = 1_000
"""Milliseconds that a chunk waits for a row; then those who are not concerned go first."""
FOUND = 100_000
"""Rows found at a time; where there are more, the rest is found next."""

T = TypeVar("T")


class Chunks:
    """Changes rows by key and remembers which ones the database refused."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self.refused: dict[UUID, str] = {}
        self.locked = 0
        """Left for the next run, since somebody else held what they need."""
        self._changed = 0

    def add(self, changed: int) -> None:
        """For the progress, over the whole run."""
        self._changed += changed
        self._ctx.progress(self._changed, None)

    async def change(
        self,
        ids: Sequence[UUID],
        change: Callable[[Connection, list[UUID]], Awaitable[T]],
        size: int = CHUNK,
    ) -> list[T]:
        """Call `change` for each chunk in a transaction of its own; what it answered each time."""
        answers: list[T] = []
        rest = iter(ids)
        while chunk := list(islice(rest, size)):
            await self._change(chunk, change, answers)
        return answers

    async def _change(
        self,
        ids: list[UUID],
        change: Callable[[Connection, list[UUID]], Awaitable[T]],
        answers: list[T],
    ) -> None:
        try:
            async with self._ctx.db.transaction() as connection:
                await sql.limit_lock_wait(connection, milliseconds=LOCK_WAIT)
                answer = await change(connection, ids)
        except (*REFUSED, asyncpg.LockNotAvailableError) as error:
            if len(ids) > 1:
                half = len(ids) // 2
                await self._change(ids[:half], change, answers)
                await self._change(ids[half:], change, answers)
                return
            if isinstance(error, asyncpg.LockNotAvailableError):
                self.locked += 1
                return
            if len(self.refused) >= MOST_REFUSED:
                raise JobError(
                    f"the database refused more than {MOST_REFUSED} rows, the last with: {error}"
                ) from error
            self.refused[ids[0]] = str(error)[:500]
            self._ctx.log.warning("row_refused", id=str(ids[0]), error=str(error))
        else:
            answers.append(answer)

    def details(self) -> list[JsonValue]:
        details: list[JsonValue] = [
            {"id": str(key), "message": message} for key, message in self.refused.items()
        ]
        if self.locked:
            message = "locked by other transactions; left for the next run"
            details.append({"rows": self.locked, "message": message})
        return details
