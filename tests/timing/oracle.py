"""When would Vixie's cron have fired? An oracle that walks minutes; it shares no code with ours.

It does what cron(8) does each minute. A job whose minute or hour begins with `*` is held against
the wall clock as it is. Any other job is held against a virtual clock that passes every wall
minute once: after a jump forward it catches up at once, and after a jump back it stands still until
the wall clock has come back to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_DAYS = "sun mon tue wed thu fri sat".split()  # noqa: SIM905
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class Expression:
    """An expression that is known to be good, as bits that are set."""

    def __init__(self, text: str) -> None:
        self.texts = text.lower().split()
        self.minutes, self.hours, self.dates, self.months, self.weekdays = (
            self._bits(field, low, high)
            for field, (low, high) in zip(self.texts, _BOUNDS, strict=True)
        )
        if 7 in self.weekdays:
            self.weekdays.add(0)
        self.wild = self.texts[0][0] == "*" or self.texts[1][0] == "*"
        self.both = self.texts[2][0] == "*" or self.texts[4][0] == "*"

    def _bits(self, field: str, low: int, high: int) -> set[int]:
        bits = set()
        for part in field.split(","):
            span, _, step = part.partition("/")
            if span == "*":
                first, last = low, high
            elif "-" in span:
                first, last = map(self._number, span.split("-"))
            else:
                first = last = self._number(span)
            number = first
            while number <= last:
                bits.add(number)
                number += int(step or 1)
        return bits

    @staticmethod
    def _number(text: str) -> int:
        if text in _MONTHS:
            return _MONTHS.index(text) + 1
        return _DAYS.index(text) if text in _DAYS else int(text)

    def on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        dated = day.day in self.dates
        named = day.isoweekday() % 7 in self.weekdays
        return (dated and named) if self.both else (dated or named)

    def at(self, minute_of_day: int) -> bool:
        return minute_of_day // 60 in self.hours and minute_of_day % 60 in self.minutes


@dataclass(frozen=True)
class Stretch:
    """The minutes of a zone from `start` to `end` (UTC), and what its wall clocks show."""

    zone: ZoneInfo
    start: datetime
    end: datetime

    def fires(self, expression: Expression) -> list[datetime]:
        """Every fire in (start, end]."""
        clock = self._wild if expression.wild else self._virtual
        days = {day: expression.on(day) for day in {day for _, day, _ in clock}}
        times = [expression.at(minute) for minute in range(24 * 60)]
        found: list[datetime] = []
        for instant, day, minute in clock:
            if times[minute] and days[day] and (not found or found[-1] != instant):
                found.append(instant)
        return found

    @cached_property
    def _wild(self) -> Sequence[tuple[datetime, date, int]]:
        return [_tick(at, wall) for at, wall in self._minutes() if at > self.start]

    @cached_property
    def _virtual(self) -> Sequence[tuple[datetime, date, int]]:
        ticks: list[tuple[datetime, date, int]] = []
        virtual: datetime | None = None
        for at, wall in self._minutes():
            if virtual is None:
                virtual = wall - MINUTE
            while virtual < wall:
                virtual += MINUTE
                if at > self.start:
                    ticks.append(_tick(at, virtual))
        return ticks

    def _minutes(self) -> Iterator[tuple[datetime, datetime]]:
        # The virtual clock may be ahead at the start, by what the wall clock was put back before.
        at = self.start - timedelta(hours=26)
        while at <= self.end:
            yield at, at.astimezone(self.zone).replace(tzinfo=None)
            at += MINUTE


def _tick(at: datetime, wall: datetime) -> tuple[datetime, date, int]:
    return at, wall.date(), wall.hour * 60 + wall.minute


def changes(zone: ZoneInfo, first: date, last: date) -> list[datetime]:
    """Find the instants (to the minute) between two dates at which the zone's clocks change."""
    found = []
    at = datetime(first.year, first.month, first.day, tzinfo=UTC)
    while at.date() < last:
        step = timedelta(hours=6)
        if at.astimezone(zone).utcoffset() != (at + step).astimezone(zone).utcoffset():
            low, high = at, at + step
            while high - low > MINUTE:
                middle = low + (high - low) // 2
                middle = middle.replace(second=0, microsecond=0)
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        at += step
    return found
