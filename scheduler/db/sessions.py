"""Which sessions of the pages did somebody end before their time, in whichever daemon?"""

from __future__ import annotations

from datetime import datetime

from scheduler.db.pools import Pools
from scheduler.sql import load_sql

sql = load_sql(__file__)


class SessionStore:
    """Raises `DatabaseAwayError` where PostgreSQL cannot be reached."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def end(self, session: str, until: datetime, now: datetime) -> None:
        """Its cookie opens nothing any more; `until` is when it would have ended by itself."""
        async with self._pools.control() as connection:
            await sql.end(connection, id=session, until=until, now=now)

    async def is_ended(self, session: str) -> bool:
        async with self._pools.control() as connection:
            return bool(await sql.is_ended(connection, id=session))
