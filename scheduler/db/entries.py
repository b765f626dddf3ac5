"""What is remembered of the schedule's entries: how far they are accounted for, and pauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler.db.pools import Pools
from scheduler.sql import load_sql

sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Pause:
    at: datetime
    until: datetime | None
    by: str | None
    reason: str | None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Remembered:
    """One entry's row; every fire up to and including `watermark` has its run."""

    job: str
    watermark: datetime
    begun_at: datetime
    pause: Pause | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Remembered:
        pause = None
        if row["paused_at"] is not None:
            pause = Pause(
                row["paused_at"], row["paused_until"], row["paused_by"], row["paused_reason"]
            )
        return cls(row["job"], row["watermark"], row["begun_at"], pause)


class EntryStore:
    """Raises `DatabaseAwayError` where PostgreSQL cannot be reached."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def begin(self, fingerprints: Mapping[str, str], clock: datetime) -> None:
        """Start the account of entries that are new or changed, end that of those not named."""
        async with self._pools.control() as connection:
            await sql.end(connection, jobs=list(fingerprints))
            await sql.begin(
                connection,
                entries=[{"job": job, "fingerprint": text} for job, text in fingerprints.items()],
                clock=clock,
            )

    async def load(self, jobs: Sequence[str]) -> dict[str, Remembered]:
        async with self._pools.control() as connection:
            rows = sql.load(connection, jobs=list(jobs))
            return {row["job"]: Remembered.of(row) async for row in rows}

    async def pause(
        self, job: str, *, clock: datetime, until: datetime | None, who: str, reason: str | None
    ) -> None:
        async with self._pools.control() as connection:
            await sql.pause(connection, job=job, clock=clock, until=until, who=who, reason=reason)

    async def resume(self, job: str, clock: datetime) -> bool:
        """End the pause now; False where there was none."""
        async with self._pools.control() as connection:
            return await sql.resume(connection, job=job, clock=clock) is not None
