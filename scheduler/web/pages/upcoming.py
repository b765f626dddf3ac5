"""What fires when in the next 24 hours? Reckoned once a minute, however many look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from scheduler.entry import Schedule
from scheduler.web.keys import ClockView

AHEAD = timedelta(hours=24)
OFTEN = 48
"""Fires in 24 hours; what fires more often is no point on a line, but always there."""
FRESH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """By entry."""

    fires: Mapping[str, Sequence[datetime]]
    """Within the next 24 hours."""
    often: Sequence[str]
    """The entries that fire all the time."""


class Almanac:
    """The upcoming fires of the schedule in force."""

    def __init__(self) -> None:
        self._known: Upcoming | None = None
        self._at: datetime | None = None
        self._schedule: Schedule | None = None
        self._reckoning = asyncio.Lock()

    async def upcoming(self, clock: ClockView, now: datetime) -> Upcoming:
        async with self._reckoning:
            fresh = self._at is not None and timedelta(0) <= now - self._at < FRESH
            if self._known is None or not fresh or self._schedule is not clock.schedule:
                schedule = clock.schedule
                # Two hundred entries are a tenth of a second: not on the loop's thread.
                self._known = await asyncio.to_thread(_reckon, clock, schedule, now)
                self._at, self._schedule = now, schedule
        fires = {
            name: [moment for moment in moments if moment >= now]
            for name, moments in self._known.fires.items()
            if name not in clock.pauses
        }
        return Upcoming(fires, [name for name in self._known.often if name not in clock.pauses])


ALMANAC = web.AppKey("almanac", Almanac)


def _reckon(clock: ClockView, schedule: Schedule, now: datetime) -> Upcoming:
    fires: dict[str, list[datetime]] = {}
    often = []
    for name in schedule.entries:
        coming = clock.next_fires(name, OFTEN + 1)
        within = [moment for moment in coming if moment <= now + AHEAD]
        if len(within) > OFTEN:
            often.append(name)
        elif within:
            fires[name] = within
    return Upcoming(fires, often)
