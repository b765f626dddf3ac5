"""Which calls are due, and what becomes of those who wait for their answer?

A call is made at least once: the row that stands for it is there before it, and the same row, with
the same Idempotency-Key, is tried again until it was answered well or so often that it is given up.
"""

from __future__ import annotations

import asyncio
import json
import re
from asyncio import get_running_loop
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from jobs.sequences.calling import Caller, CallError
from jobs.sequences.chunks import Chunks
from jobs.sequences.configs import Call
from jobs.sequences.model import SequenceOfSteps
from scheduler.job import JobContext, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

BATCH = 50
"""Calls between two transactions."""
AT_ONCE = 10
LONGEST = 300.0
"""Seconds that all calls of a run may take; the rest is for the next run."""
VARIABLE = re.compile(r"\{\{\s*(\w{1,40})\s*\}\}")
VARIABLES = ("email", "first_name", "last_name", "name", "subscription_tier", "sequence", "step")

MakeCaller = Callable[[JobContext], AbstractAsyncContextManager[Caller]]


def caller_of(ctx: JobContext) -> Caller:
    """The one of the settings."""
    webhooks = ctx.services.webhooks
    if webhooks.signing_key is None:
        raise ValueError("without a key no step makes a call")
    return Caller(webhooks.hosts, webhooks.signing_key)


class Webhooks:
    """Makes the calls that are due; their people go on, or fail."""

    def __init__(
        self,
        ctx: JobContext,
        sequences: Sequence[SequenceOfSteps],
        now: datetime,
        attempts: int,
        chunks: Chunks,
        make_caller: MakeCaller,
    ) -> None:
        self._ctx = ctx
        self._now = now
        self._attempts = attempts
        self._chunks = chunks
        self._make_caller = make_caller
        self._calls: dict[UUID, Call] = {}
        orders, next_delays = [], []
        for sequence in sequences:
            followed = zip(sequence.steps, [*sequence.steps[1:], None], strict=True)
            for step, following in followed:
                if step.call is not None:
                    self._calls[step.id] = step.call
                    orders.append(step.order)
                    next_delays.append(following and following.delay)
        self._steps = {
            "steps": list(self._calls),
            "orders": orders,
            "next_delays": next_delays,
        }
        self._give_up = get_running_loop().time() + LONGEST
        self.counts: Counter[str] = Counter()

    async def go(self) -> int:
        """Make the calls that are due, each once; how many people went on."""
        async with self._ctx.db.transaction() as connection:
            await sql.drop_calls(connection, now=self._now)
        if not self._calls:
            return 0
        before = self.counts["processed"]
        async with self._make_caller(self._ctx) as caller:
            while get_running_loop().time() < self._give_up:
                async with self._ctx.db.transaction() as connection:
                    rows = sql.claim(connection, now=self._now, size=BATCH, steps=list(self._calls))
                    batch = [row async for row in rows]
                if not batch:
                    break
                await self._make(caller, batch)
        return self.counts["processed"] - before

    async def _make(self, caller: Caller, batch: Sequence[Row]) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def make(row: Row) -> str | None:
            config = self._calls[row["step_id"]]
            async with places:
                try:
                    await caller.call(config.url, _body(config, row), row["id"], self._ctx.now())
                except CallError as error:
                    return str(error)
            return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(make(row)) for row in batch]
        errors = {row["id"]: task.result() for row, task in zip(batch, tasks, strict=True)}
        answered = [key for key, error in errors.items() if error is None]
        failed = {key: error for key, error in errors.items() if error is not None}
        async with self._ctx.db.transaction() as connection:
            moved = await sql.settle_answered(
                connection, **self._steps, ids=answered, now=self._now
            )
            ended = await sql.settle_failed(
                connection,
                ids=list(failed),
                errors=list(failed.values()),
                attempts=self._attempts,
                now=self._now,
            )
        for key, error in failed.items():
            self._ctx.log.warning("webhook_failed", call=str(key), error=error)
        self._chunks.add(moved["processed"] + ended)
        self.counts.update(
            processed=moved["processed"],
            completed=moved["completed"],
            failed=ended,
            called=len(answered),
            callsFailed=len(failed),
        )


def _body(config: Call, row: Row) -> bytes:
    values = {name: str(row[name]) for name in VARIABLES}
    if config.body is None:
        document: JsonValue = {
            **dict[str, JsonValue](values),
            "subscriberId": str(row["subscriber_id"]),
            "enrollmentId": str(row["enrollment_id"]),
            "stepId": str(row["step_id"]),
        }
    else:
        document = filled(config.body, values)
    return json.dumps(document, ensure_ascii=False).encode()


def filled(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    """The same with `{{ email }}` and the like replaced in its texts; other braces stay."""
    match value:
        case str():
            return VARIABLE.sub(lambda found: values.get(found[1], found[0]), value)
        case list():
            return [filled(item, values) for item in value]
        case dict():
            return {key: filled(item, values) for key, item in value.items()}
        case _:
            return value
