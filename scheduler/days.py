"""When does a day begin in a time zone? Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The date that the calendar in `zone` shows at `moment` (aware)."""
    return moment.astimezone(zone).date()


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of `day` in `zone`, as UTC.

    Where the clock skips midnight, the day begins with the skip; where midnight comes twice, with
    the first one.
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)
