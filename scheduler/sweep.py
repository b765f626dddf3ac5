"""How does a job delete many rows: oldest first, a batch at a time, stepping over what must stay.

Each batch is found in one transaction and deleted in another; what is done stays done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from scheduler.errors import JobError
from scheduler.job import JobContext
from scheduler.sql import Query
from scheduler.walk import MOST_REFUSED, REFUSED

BATCH = 5_000
"""Rows a transaction: some 100 ms, and little to lose when the time is over."""


class Sweep:
    """Deletes batch by batch, and remembers over all tables what is done and what was refused."""

    def __init__(self, ctx: JobContext, most: int) -> None:
        self._ctx = ctx
        self._most = most
        self._done = 0
        self.refused: dict[UUID, str] = {}

    async def delete(
        self,
        find: Query,
        delete: Query,
        parameters: Mapping[str, object],
        first: datetime | None = None,
        already: int = 0,
    ) -> int:
        """Delete what `find` gives from `first` on, oldest first, to `most` with those `already`.

        Returns how many went. What is locked or refused is stepped over.
        """
        deleted = 0
        at = first.isoformat() if first else None
        key = UUID(int=0)
        while (size := min(BATCH, self._most - already - deleted)) > 0:
            async with self._ctx.db.transaction() as connection:
                rows = find(connection, **parameters, at=at, id=key, size=size)
                batch = [(row["at"], row["id"]) async for row in rows]
            gone = await self._delete_rows(delete, parameters, [row for _, row in batch])
            deleted += gone
            self._done += gone
            self._ctx.progress(self._done, None)
            if len(batch) < size:
                break
            at, last = batch[-1]
            key = UUID(int=min(last.int + 1, 2**128 - 1))
        return deleted

    async def _delete_rows(
        self, delete: Query, parameters: Mapping[str, object], ids: list[UUID]
    ) -> int:
        try:
            async with self._ctx.db.transaction() as connection:
                return int(await delete(connection, **parameters, ids=ids))
        except REFUSED as error:
            if len(self.refused) >= MOST_REFUSED:
                raise JobError(
                    f"the database refused to delete more than {MOST_REFUSED} rows: {error}"
                ) from error
            if len(ids) == 1:
                self.refused[ids[0]] = str(error)
                self._ctx.log.warning("row_refused", id=str(ids[0]), error=str(error))
                return 0
            half = len(ids) // 2
            return await self._delete_rows(
                delete, parameters, ids[:half]
            ) + await self._delete_rows(delete, parameters, ids[half:])
