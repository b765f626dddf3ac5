"""What does the product's log say of a sync? One row for each run, however often it is attempted.

What a lot came to is added in the transaction that keeps it: a sync that is cut off and goes on in
another attempt ends with the row that it would have had.
"""

from __future__ import annotations

from datetime import datetime
from uuid import uuid5

from jobs.newsletter.tally import Tally
from scheduler.job import Connection, JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)


class Journal:
    """The row of one run's sync of one provider."""

    def __init__(self, ctx: JobContext, provider: str) -> None:
        self._ctx = ctx
        self._provider = provider
        self._id = uuid5(ctx.run_id, provider)
        self._began: datetime = ctx.now()

    async def earlier(self) -> Tally:
        """What earlier attempts of this run have done."""
        async with self._ctx.db.transaction() as connection:
            row = await sql.log(connection, id=self._id)
        if row is None:
            return Tally()
        self._began = row["started_at"]
        return Tally(
            full=row["sync_type"] == "full",
            created=row["records_created"],
            updated=row["records_updated"],
            left=row["left_there"],
            failed=row["records_failed"],
            errors=row["errors"],
        )

    async def begin(self, settled: Tally) -> None:
        """Say that it has begun, and whether it reads everything."""
        async with self._ctx.db.transaction() as connection:
            await self.keep(connection, settled)

    async def keep(self, connection: Connection, settled: Tally) -> None:
        """Write what is settled, in the transaction that settles it."""
        await self._write(connection, settled, status="started")

    async def close(self, tally: Tally) -> None:
        async with self._ctx.db.transaction() as connection:
            await self._write(connection, tally, status=tally.status, now=self._ctx.now())

    async def _write(
        self, connection: Connection, tally: Tally, *, status: str, now: datetime | None = None
    ) -> None:
        await sql.write_log(
            connection,
            id=self._id,
            provider=self._provider,
            sync_type="full" if tally.full else "incremental",
            status=status,
            processed=tally.processed,
            created=tally.created,
            updated=tally.updated,
            failed=tally.failed,
            errors=tally.errors,
            started_at=self._began,
            now=now,
        )
