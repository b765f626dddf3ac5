"""Who is due for their next step, and what does it do?"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from uuid import UUID

from jobs.sequences.chunks import CHUNK, FOUND, Chunks
from jobs.sequences.model import SequenceOfSteps
from jobs.sequences.plan import plan_of
from scheduler.days import day_of, day_start
from scheduler.job import Connection, JobContext
from scheduler.sql import load_sql
from scheduler.walk import FIRST_KEY

sql = load_sql(__file__)

EVER = datetime.min.replace(tzinfo=UTC)
CHUNK_OCTETS = 16 * 2**20
"""Of messages in one transaction."""
NOBODY = "newsletter@localhost"
"""The sender where `MAIL_FROM` names none."""
COUNTS = ("processed", "queued", "completed", "cancelled", "capped")


class Steps:
    """Takes everybody who is due one step further, again and again until nobody is.

    What is due is what is due now, for a late run too; the step's delay counts from now as well, so
    that the messages of a week of downtime do not come in one hour. Nobody gets two messages of one
    sequence in one run, nor more than `max_per_day` of all sequences in one day of the job's zone.
    """

    def __init__(
        self,
        ctx: JobContext,
        sequences: list[SequenceOfSteps],
        now: datetime,
        max_per_day: int,
        chunks: Chunks,
    ) -> None:
        self._ctx = ctx
        self._now = now
        self._chunks = chunks
        self._ids = [sequence.id for sequence in sequences]
        self._plan = plan_of(sequences)
        today = day_of(now, ctx.timezone)
        name, address = parseaddr(ctx.services.mail.sender or "")
        self._parameters: dict[str, object] = {
            **self._plan,
            "now": now,
            # What was queued since then was by this run, an attempt of it, or a later one.
            "scheduled_for": min(ctx.scheduled_for, now),
            "day_start": day_start(today, ctx.timezone),
            "next_day": day_start(today + timedelta(days=1), ctx.timezone),
            "max_per_day": max_per_day,
            "from_email": address or NOBODY,
            "from_name": name[:100] or None,
        }
        biggest = max((step.octets for one in sequences for step in one.steps), default=0)
        self._size = max(min(CHUNK, CHUNK_OCTETS // max(biggest, 1)), 10)
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    async def complete(self) -> None:
        """Give a time to enrolments that the product made without."""
        changed = CHUNK
        while changed == CHUNK:
            async with self._ctx.db.transaction() as connection:
                changed = await sql.complete(connection, **self._plan, now=self._now, size=CHUNK)

    async def go(self) -> None:
        """Walk over who is due, and then over those whose next step was due at once."""
        changed = await self._walk(EVER)
        while changed:
            changed = await self._walk(self._now)

    async def _walk(self, at: datetime) -> int:
        changed = 0
        after: UUID = FIRST_KEY
        found = FOUND
        while found == FOUND:
            async with self._ctx.db.transaction() as connection:
                rows = sql.due(
                    connection, sequences=self._ids, now=self._now, at=at, after=after, most=FOUND
                )
                ids = [after]
                async for row in rows:
                    ids.append(row["id"])
                    at = row["at"]
            found, after = len(ids) - 1, ids[-1]
            for answer in await self._chunks.change(ids[1:], self._advance, self._size):
                changed += answer
        return changed

    async def _advance(self, connection: Connection, ids: list[UUID]) -> int:
        taken = [row["id"] async for row in sql.take(connection, ids=ids, now=self._now)]
        if not taken:
            return 0
        row = await sql.advance(connection, **self._parameters, ids=taken)
        self.counts.update({name: row[name] for name in COUNTS})
        self._chunks.add(row["changed"])
        return int(row["changed"])
