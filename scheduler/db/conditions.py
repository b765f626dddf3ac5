"""What jobs have said that keeps a part of the work from being done, as health reads it."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.condition import sql
from scheduler.db.pools import Pools


class ConditionStore:
    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def in_words(self) -> Sequence[str]:
        """Each as `name: reason`, the oldest first. Raises `DatabaseAwayError`."""
        async with self._pools.control() as connection:
            return [f"{row['name']}: {row['reason']}" async for row in sql.conditions(connection)]
