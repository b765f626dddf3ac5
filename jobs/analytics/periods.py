"""Which days, ISO weeks or months of a time zone does a cohort look at, and what are they called?

Pure. A period is a whole number, one more for each that follows, whatever its length: a day with a
change of the clocks has 23 or 25 hours, a month 28 to 31 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from scheduler.days import day_start


class Granularity(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def period_of(day: date, granularity: Granularity) -> int:
    """The number of the period that `day` lies in."""
    match granularity:
        case Granularity.DAY:
            return day.toordinal()
        case Granularity.WEEK:
            return (day.toordinal() - 1) // 7  # the first day of year 1 was a Monday
        case Granularity.MONTH:
            return day.year * 12 + day.month - 1


def first_day(period: int, granularity: Granularity) -> date:
    match granularity:
        case Granularity.DAY:
            return date.fromordinal(period)
        case Granularity.WEEK:
            return date.fromordinal(period * 7 + 1)
        case Granularity.MONTH:
            return date(period // 12, period % 12 + 1, 1)


def key_of(period: int, granularity: Granularity) -> str:
    """`2026-01-31`, `2026-W05` (the ISO year, not always that of the date) or `2026-01`."""
    day = first_day(period, granularity)
    match granularity:
        case Granularity.DAY:
            return day.isoformat()
        case Granularity.WEEK:
            year, week, _ = day.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case Granularity.MONTH:
            return f"{day.year:04d}-{day.month:02d}"


@dataclass(frozen=True, slots=True)
class Window:
    """The periods that a cohort's matrix is made of; all bounds included."""

    granularity: Granularity
    zone: ZoneInfo
    first: int
    """The first cohort's own period."""
    last_cohort: int
    last: int
    """How far the cohorts are followed."""
    ended: int
    """The last period that is over."""

    @property
    def cohorts(self) -> range:
        return range(self.first, self.last_cohort + 1)

    @property
    def periods(self) -> range:
        return range(self.first, self.last + 1)

    def key(self, period: int) -> str:
        return key_of(period, self.granularity)

    def start(self, period: int) -> datetime:
        """The period's first instant, as UTC."""
        return day_start(first_day(period, self.granularity), self.zone)

    def starts(self) -> list[datetime]:
        """Where each of the periods begins, and at the end where the last one is over."""
        return [self.start(period) for period in range(self.first, self.last + 2)]
