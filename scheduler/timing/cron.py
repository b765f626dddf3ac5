"""When does a cron expression fire? Pure: an expression and a zone give instants.

Time changes follow Debian's cron. A fixed time that the clock jumps over fires once, at the
instant after the jump; one that comes twice fires the first time. Where minute or hour begins with
`*` the fires follow elapsed time: what the clock jumps over does not come, what comes twice fires
twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from scheduler.timing.cron_fields import CronError, Field, Fields, parse_fields

__all__ = ["Cron", "CronError"]

_DAY: Final = 24 * 60
_NEVER: Final = 100 * 366 * _DAY
"""Minutes: longer than any expression waits."""
_TWO_LEAP_DAYS: Final = 1525
"""Days from the first of January of a leap year to past the next leap day."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a zone; make it with `parse`."""

    expression: str
    """As written."""
    timezone: ZoneInfo
    fields: Fields = field(compare=False, repr=False)

    @classmethod
    def parse(cls, expression: str, timezone: ZoneInfo) -> Cron:
        """Read five Vixie fields or an `@` name.

        Raises `CronError`, which names the field, what is wrong with it and what is allowed.
        """
        return cls(expression, timezone, parse_fields(expression))

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the fires strictly after `moment` (aware), ascending, in UTC, without an end.

        It ends only where the calendar does, in the year 9999.
        """
        if moment.utcoffset() is None:
            raise ValueError("a moment needs its offset, such as datetime.now(UTC)")
        try:
            yield from self._fires(moment.astimezone(UTC))
        except OverflowError:
            return

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the fires in (start, end], ascending, in UTC.

        There may be very many of them: cap what you take.
        """
        for fire in self.after(start):
            if fire > end:
                return
            yield fire

    def next(self, moment: datetime) -> datetime:
        """Return the first fire strictly after `moment`, in UTC.

        Raises `CronError` where the calendar ends before it.
        """
        for fire in self.after(moment):
            return fire
        raise CronError(f"{self.expression!r} does not fire between {moment} and the year 9999")

    @property
    def words(self) -> str:
        """The expression in plain words, such as "At 06:00, every Monday"."""
        # Its library costs 90 ms to import, and a daemon may never be asked.
        from scheduler.timing.cron_words import describe

        return describe(self.fields)

    def shortest_period(self) -> timedelta:
        """Return the shortest time between two neighbouring fires, by the wall clock.

        Changes of the clock are left out.
        """
        fields = self.fields
        minutes = sorted(h * 60 + m for h in fields.hour.values for m in fields.minute.values)
        within = min((b - a for a, b in pairwise(minutes)), default=_NEVER)
        overnight = minutes[0] - minutes[-1]
        if overnight + _DAY < within:
            within = min(within, overnight + _nearest_days(*fields[2:]) * _DAY)
        return timedelta(minutes=within)

    def _fires(self, moment: datetime) -> Iterator[datetime]:
        # cronsim walks the wall clock, which knows no changes; each wall time is then placed on
        # the line of instants here. Left to walk a zone by itself it misses half an hour of
        # Lord Howe's autumn, and fires at 01:00 for hour 0 where the gap is at midnight.
        zone = self.timezone
        elapsed = self.fields.follows_elapsed_time
        local = moment.astimezone(zone)
        # In the first pass of a fold, wall times earlier than this one are still to come again.
        ahead = max(_offset(local) - _offset(local.replace(fold=1)), timedelta(0))
        again: deque[datetime] = deque()
        last = moment
        expression = " ".join(part.text for part in self.fields)
        for wall in CronSim(expression, local.replace(tzinfo=None) - ahead):
            earlier = _offset(wall.replace(tzinfo=zone))
            later = _offset(wall.replace(tzinfo=zone, fold=1))
            if earlier == later:
                fire = wall.replace(tzinfo=UTC) - earlier
            elif earlier > later:
                fire = wall.replace(tzinfo=UTC) - earlier
                if elapsed:
                    again.append(wall.replace(tzinfo=UTC) - later)
            elif elapsed:
                continue
            else:
                fire = _end_of_gap(wall.replace(tzinfo=UTC) - later, earlier - later, zone)
            while again and again[0] < fire:
                second = again.popleft()
                if second > last:
                    last = second
                    yield second
            if fire > last:
                last = fire
                yield fire


@lru_cache(maxsize=256)
def _nearest_days(day: Field, month: Field, weekday: Field) -> int:
    """Count the days between the two nearest days of firing."""
    both = day.starred or weekday.starred
    fires = []
    for number, date_ in enumerate(_calendar()):
        dated = date_.day in day.values
        named = date_.isoweekday() % 7 in weekday.values
        if date_.month in month.values and (dated and named if both else dated or named):
            fires.append(number)
    return min((b - a for a, b in pairwise(fires)), default=_NEVER // _DAY)


@cache
def _calendar() -> Sequence[date]:
    first = date(2024, 1, 1)
    return [first + timedelta(days=number) for number in range(_TWO_LEAP_DAYS)]


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _end_of_gap(before: datetime, width: timedelta, zone: ZoneInfo) -> datetime:
    """Find the instant of a jump, given one before it by no more than the jump's width."""
    low, high = before, before - width
    old = _offset(low.astimezone(zone))
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if _offset(middle.astimezone(zone)) == old:
            low = middle
        else:
            high = middle
    return high
