"""What waits in the e-mail queue, for what, and since when?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from scheduler.db.catalog import missing
from scheduler.db.product_pages.part import moment
from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {
    "email_queue": (
        *("id", "status", "scheduled_at", "next_retry_at", "attempts", "max_attempts"),
        *("created_at", "error", "error_code"),
    )
}
HELD_NEEDS = {
    "newsletter_sequences": ("id", "status"),
    "newsletter_sequence_steps": ("id", "sequence_id"),
}
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    messages: int
    oldest: datetime | None
    """When the first of those counted was to go."""


@dataclass(frozen=True, slots=True)
class Failure:
    code: str | None
    messages: int
    example: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    waiting: Mapping[str, Waiting]
    """By what for: `due`, `later`, `again`, `held`, `left`."""
    is_capped: bool
    sending: Waiting
    failures: Sequence[Failure]
    again: int
    """Of the failed ones, those that are tried again."""
    failures_capped: bool

    def count(self, waits: str) -> int:
        found = self.waiting.get(waits)
        return found.messages if found else 0

    @property
    def failed(self) -> int:
        return sum(one.messages for one in self.failures)


async def waiting(
    connection: Connection, tables: Mapping[str, frozenset[str]], now: datetime
) -> Mapping[str, Waiting]:
    """What is not sent yet, by what it waits for."""
    held: list[UUID] = []
    if not missing(HELD_NEEDS, tables):
        held = [row["id"] async for row in sql.held(connection)]
    came = await sql.came(connection) or datetime.min.replace(tzinfo=UTC)
    rows = sql.waiting(connection, held=held, came=came, now=now, cap=COUNTED)
    return {row["waits"]: Waiting(row["messages"], moment(row["oldest"])) async for row in rows}


async def backlog(
    connection: Connection, tables: Mapping[str, frozenset[str]], now: datetime
) -> Backlog:
    unsent = await waiting(connection, tables, now)
    failed = [row async for row in sql.failed(connection, cap=COUNTED)]
    sending = await sql.sending(connection)
    return Backlog(
        waiting=unsent,
        is_capped=sum(one.messages for one in unsent.values()) > COUNTED,
        sending=Waiting(sending["messages"], sending["oldest"]),
        failures=[Failure(row["code"], row["messages"], row["example"]) for row in failed],
        again=sum(row["again"] for row in failed),
        failures_capped=sum(row["messages"] for row in failed) > COUNTED,
    )
