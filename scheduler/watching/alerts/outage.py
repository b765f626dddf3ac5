"""When are people told that the database is away, and back? Kept in this process: nowhere else is.

Each replica tells for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.alerting import AlertPolicy, Kind
from scheduler.incident import Notice

CALM = timedelta(minutes=15)
"""A database that comes and goes is told of so often at most."""


@dataclass(slots=True)
class Outage:
    _since: datetime | None = None
    _told_at: datetime | None = None
    """Of the outage that goes on."""
    _last_told_at: datetime | None = None

    def look(self, *, is_away: bool, now: datetime, policy: AlertPolicy) -> Notice | None:
        """What there is to tell now."""
        if not is_away:
            return self._end(now, policy)
        self._since = self._since or now
        if (
            self._told_at is not None
            or now - self._since < policy.database_grace
            or (self._last_told_at is not None and now - self._last_told_at < CALM)
            or not policy.tells(Kind.DATABASE, None, now)
        ):
            return None
        self._told_at = self._last_told_at = now
        return Notice(Kind.DATABASE, "database", None, now, self._since)

    def _end(self, now: datetime, policy: AlertPolicy) -> Notice | None:
        since, told_at = self._since, self._told_at
        self._since = self._told_at = None
        if since is None or told_at is None or not policy.tells(Kind.RECOVERED, None, now):
            return None
        return Notice(Kind.RECOVERED, "database", None, now, since, was=Kind.DATABASE)
