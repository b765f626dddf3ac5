"""Who changed what, when, from where and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.db.pools import Pools
from scheduler.job import Json
from scheduler.sql import load_sql

sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Activity:
    id: int
    at: datetime
    who: str
    source: str | None
    """The address or host it came from."""
    action: str
    """`trigger`, `pause`, `resume`, `cancel`, `reload`, ..."""
    target: str | None
    reason: str | None
    detail: Json


class ActivityStore:
    """Raises `DatabaseAwayError` where PostgreSQL cannot be reached."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def record(
        self,
        *,
        at: datetime,
        who: str,
        source: str | None,
        action: str,
        target: str | None = None,
        reason: str | None = None,
        detail: Json | None = None,
    ) -> None:
        async with self._pools.control() as connection:
            await sql.record(
                connection,
                at=at,
                who=who,
                source=source,
                action=action,
                target=target,
                reason=reason,
                detail=detail or {},
            )

    async def recent(self, *, before: int | None = None, most: int = 50) -> list[Activity]:
        """Newest first; `before` is the id of the last row of the page before."""
        async with self._pools.control() as connection:
            rows = sql.recent(connection, before=before, most=most)
            return [Activity(**row) async for row in rows]
