"""Looks at the right moments which fires are due, and hands them to the runner.

The only importer of APScheduler, which is the timer and nothing more: it says when to look. What is
due is told by each entry's watermark in the database, so that a look after a restart, a suspend, a
changed clock or a database that was away finds the same fires as one in time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from scheduler.db.entries import EntryStore, Pause, Remembered
from scheduler.db.runs import Fire, Mark
from scheduler.entry import CatchUp, Entry, Schedule
from scheduler.run import Trigger
from scheduler.running.fires import fire_on_clock
from scheduler.running.runner import Runner
from scheduler.timing.cron import Cron
from scheduler.timing.due import MOST_MISSED_ROWS, Owed, owed
from scheduler.timing.values import written
from scheduler.watching.upkeep import Upkeep

LAST_LOOK = 1.0
"""Seconds that a look has to end when the clock is stopped."""
TICK = 1.0
"""Seconds between ticks, which see changes of the machine's clock, suspends, and others' pauses."""
ABSENCE = timedelta(seconds=10)
"""Longer without a look than this, and what was due meanwhile counts as missed, to be caught up."""
ROWS_AT_ONCE = 500
LOOKING = "the clock's look"

log = structlog.stdlib.get_logger("lamplighter.clock")


class Clock:
    """The fires of one schedule. `start` it once the database answers."""

    def __init__(
        self,
        runner: Runner,
        entries: EntryStore,
        schedule: Schedule,
        now: Callable[[], datetime],
        *,
        offset: timedelta = timedelta(0),
        upkeep: Upkeep | None = None,
    ) -> None:
        self.schedule = schedule
        self._runner = runner
        self._entries = entries
        self._now = now
        self._offset = offset
        self._upkeep = upkeep or Upkeep()
        self._crons = _crons(schedule)
        self._remembered: dict[str, Remembered] = {}
        self._next: dict[str, datetime] = {}
        self._begun = False
        self._looked_at = self._present_since = now()
        self._beat = monotonic()
        self._ticking = False
        self._stood_at = (now(), self._beat)
        """What the wall clock and the steady one showed at the last tick."""
        self._ring = asyncio.Event()
        self._looking = asyncio.Lock()
        self._loops: list[asyncio.Task[None]] = []
        self._timer = AsyncIOScheduler(
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    async def start(self) -> None:
        """Catch up on what was due while no daemon ran, then go on with the clock."""
        self._looked_at = self._present_since = self._now()
        self._beat = monotonic()
        self._ticking = True
        self._stood_at = (self._now(), self._beat)
        self._timer.start()
        self._set_timers()
        self._loops = [
            asyncio.create_task(self._upkeep.repeat("the clock's tick", self._tick)),
            asyncio.create_task(self._upkeep.repeat(LOOKING, self._look_when_rung)),
        ]
        self._ring.set()

    async def stop(self) -> None:
        """Look no more. A look that is going on is finished first, where the database answers."""
        self._ticking = False
        if self._loops:
            self._timer.shutdown(wait=False)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._looking.acquire(), LAST_LOOK)
            self._looking.release()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    @property
    def silent_for(self) -> float:
        """Seconds since the clock last ticked; none as long as it is not to tick.

        A daemon that waits for its database, or for its last runs, is not to be restarted.
        """
        return monotonic() - self._beat if self._ticking else 0.0

    @property
    def pauses(self) -> Mapping[str, Pause]:
        """The pauses in force now, by entry."""
        now = self._now()
        return {
            job: row.pause
            for job, row in self._remembered.items()
            if row.pause is not None and row.pause.holds(now)
        }

    def expected_since(self, name: str, last_success_for: datetime | None) -> datetime | None:
        """When the entry should have succeeded next after its last success; None off the clock."""
        row = self._remembered.get(name)
        if row is None or name not in self._crons or row.pause is not None:
            return None
        since = max(last_success_for or row.begun_at, row.begun_at)
        with self._upkeep.noting(_fires_of(name)):
            return self._crons[name].next(since)
        return None

    def next_fires(self, name: str, n: int = 3) -> list[datetime]:
        """The next fires of an entry; none where it is disabled."""
        cron = self._crons.get(name)
        if cron is not None:
            with self._upkeep.noting(_fires_of(name)):
                return list(islice(cron.after(self._now()), n))
        return []

    def words(self, name: str) -> str:
        """The entry's expression in plain words."""
        entry = self.schedule.entries[name]
        cron = self._crons.get(name) or Cron.parse(entry.cron, entry.timezone)
        return cron.words

    async def apply(self, schedule: Schedule) -> None:
        """Go on by another schedule; entries that are new or changed begin now.

        Raises `DatabaseAwayError`; then the old schedule stays in force.
        """
        async with self._looking:
            crons = _crons(schedule)
            if self._loops:
                # What is due by the old schedule has its row before an entry begins anew.
                with self._upkeep.noting(LOOKING):
                    await self._look()
                await self._begin(schedule, crons)
            for name in self._crons.keys() - crons.keys():
                self._upkeep.went_well(_fires_of(name))
            self.schedule = self._runner.schedule = schedule
            self._crons = crons
            self._next.clear()
            if self._loops:
                self._set_timers()
                await self._remember()
        self._ring.set()

    async def look(self) -> None:
        """Give every fire that is due its row, and start those that are to run.

        Raises `DatabaseAwayError`; then the next look finds the same fires.
        """
        async with self._looking:
            await self._look()

    async def refresh(self) -> None:
        """Read pauses and watermarks anew, and look.

        Raises `DatabaseAwayError`.
        """
        async with self._looking:
            await self._remember()
        self._ring.set()

    async def _begin(self, schedule: Schedule, crons: Mapping[str, Cron]) -> None:
        fingerprints = {
            name: f"{schedule.entries[name].cron} {cron.timezone.key}"
            for name, cron in crons.items()
        }
        await self._entries.begin(fingerprints, self._now())
        self._begun = True

    async def _remember(self) -> None:
        if not self._begun:
            await self._begin(self.schedule, self._crons)
        known = self._remembered
        self._remembered = await self._entries.load(list(self.schedule.entries))
        for name, row in self._remembered.items():
            if name not in known or known[name].watermark != row.watermark:
                self._next.pop(name, None)
        self._looked_at = self._now()

    def _set_timers(self) -> None:
        self._timer.remove_all_jobs()
        for name, cron in self._crons.items():
            trigger = _CronTrigger(name, cron, self._offset, self._upkeep)
            self._timer.add_job(self._rung, trigger, id=name)

    async def _rung(self) -> None:
        self._ring.set()

    async def _look_when_rung(self) -> None:
        await self._ring.wait()
        self._ring.clear()
        # Where it fails nothing is lost: the watermarks stay where they are, and each tick that
        # finds something due rings again.
        await self.look()

    async def _tick(self) -> None:
        await asyncio.sleep(TICK)
        self._beat = monotonic()
        self._notice_step()
        self._notice_absence()
        async with self._looking:
            await self._remember()
        if self._is_due(self._now()):
            self._ring.set()

    def _notice_step(self) -> None:
        """Of the machine's clock, against the seconds that have passed since the last tick."""
        wall, steady = self._stood_at
        self._stood_at = (self._now(), self._beat)
        step = (self._stood_at[0] - wall).total_seconds() - (self._beat - steady)
        if abs(step) > TICK:
            log.warning("clock_stepped", seconds=round(step, 3))
            # The timer counts monotonic seconds: let it reckon anew from the wall clock.
            self._next.clear()
            self._timer.wakeup()

    def _notice_absence(self) -> None:
        now = self._now()
        if now - self._looked_at > ABSENCE:
            self._present_since = now

    def _is_due(self, now: datetime) -> bool:
        """Whether a look would find something; an entry that cannot be reckoned never is."""
        due = False
        for name, row in self._remembered.items():
            if name in self._crons and not due:
                with self._upkeep.noting(_fires_of(name)):
                    pause_over = row.pause is not None and not row.pause.holds(now)
                    due = pause_over or self._next_of(name) <= now
        return due

    def _next_of(self, name: str) -> datetime:
        """The first fire that is not accounted for, reckoned once for each watermark."""
        if name not in self._next:
            self._next[name] = self._crons[name].next(self._remembered[name].watermark)
        return self._next[name]

    async def _look(self) -> None:
        if not self._remembered:
            await self._remember()
        self._notice_absence()
        now = self._now()
        fires: list[Fire] = []
        marks: list[Mark] = []
        for name, row in self._remembered.items():
            if name not in self._crons or (row.pause is not None and row.pause.holds(now)):
                continue
            # One entry that cannot be reckoned must not keep the others from firing.
            with self._upkeep.doing(_fires_of(name)):
                if row.pause is not None or self._next_of(name) <= now:
                    fires.extend(await self._rows_of(self.schedule.entries[name], row, now))
                    marks.append(Mark(name, now, pause_ended=row.pause is not None))
        if marks:
            fires.sort(key=lambda fire: fire.scheduled_for)
            await self._hand_over(fires, marks)
        self._looked_at = self._now()

    async def _hand_over(self, fires: Sequence[Fire], marks: Sequence[Mark]) -> None:
        while len(fires) > ROWS_AT_ONCE:
            await self._runner.fire(fires[:ROWS_AT_ONCE])
            fires = fires[ROWS_AT_ONCE:]
        # With the last rows, in one transaction: then they are all accounted for.
        await self._runner.fire(fires, marks)
        for mark in marks:
            row = self._remembered[mark.job]
            self._remembered[mark.job] = replace(row, watermark=mark.watermark, pause=None)
            self._next.pop(mark.job, None)

    async def _rows_of(self, entry: Entry, row: Remembered, now: datetime) -> list[Fire]:
        rows: list[Fire] = []
        since = row.watermark
        if row.pause is not None:
            end = row.pause.until or now
            rows = await self._skipped_by_pause(entry, row.pause, since, end)
            since = max(since, end)
        due = await self._between(entry.name, since, now)
        return [*rows, *_rows(entry, owed(entry, due, now=now, present_since=self._present_since))]

    async def _skipped_by_pause(
        self, entry: Entry, pause: Pause, since: datetime, end: datetime
    ) -> list[Fire]:
        skipped = await self._between(entry.name, since, end)
        if not skipped:
            return []
        why = f"paused by {pause.by or 'someone'}" + (f": {pause.reason}" if pause.reason else "")
        return [_summary(entry, skipped, Trigger.SCHEDULE, "skipped", why)]

    async def _between(self, name: str, start: datetime, end: datetime) -> Sequence[datetime]:
        cron = self._crons[name]
        if end - start < timedelta(hours=1):
            return list(cron.between(start, end))
        # A year of minutes takes seconds to walk: not on the loop's thread.
        return await asyncio.to_thread(lambda: list(cron.between(start, end)))


class _CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Tells APScheduler when to ring; what is due then is not its business."""

    def __init__(self, name: str, cron: Cron, offset: timedelta, upkeep: Upkeep) -> None:
        self._name = name
        self._cron = cron
        self._offset = offset
        self._upkeep = upkeep

    def get_next_fire_time(self, _previous: Any, now: datetime) -> datetime:
        """On the machine's clock, which `now` is too."""
        with self._upkeep.noting(_fires_of(self._name)):
            return self._cron.next(now + self._offset) - self._offset
        # APScheduler would stop every job for the exception of one; the tick looks meanwhile.
        return now + timedelta(minutes=1)


def _fires_of(name: str) -> str:
    """The part of the upkeep that reckons when an entry fires."""
    return f"the fires of {name}"


def _crons(schedule: Schedule) -> dict[str, Cron]:
    return {
        name: Cron.parse(entry.cron, entry.timezone)
        for name, entry in schedule.entries.items()
        if entry.enabled
    }


def _rows(entry: Entry, split: Owed) -> list[Fire]:
    rows = [
        fire_on_clock(entry, fire, trigger=trigger, dice=random.random())  # noqa: S311 - jitter
        for trigger, fires in (
            (Trigger.CATCH_UP, split.caught_up),
            (Trigger.SCHEDULE, split.on_time),
        )
        for fire in fires
    ]
    why = f"no daemon was there to run it (catch_up: {entry.catch_up}"
    if entry.catch_up is not CatchUp.NONE:
        why += f", within {written(entry.catch_up_window)}"
    why += ")"
    if len(split.missed) > MOST_MISSED_ROWS:
        return [_summary(entry, split.missed, Trigger.CATCH_UP, "missed", why), *rows]
    missed = [_summary(entry, [fire], Trigger.CATCH_UP, "missed", why) for fire in split.missed]
    return [*missed, *rows]


def _summary(
    entry: Entry, fires: Sequence[datetime], trigger: Trigger, status: str, why: str
) -> Fire:
    """One row that says of all these fires why they did not run."""
    return replace(
        fire_on_clock(entry, fires[-1], trigger=trigger),
        final_status=status,
        not_before=None,
        data={
            "reason": why,
            "count": len(fires),
            "first": fires[0].isoformat(),
            "last": fires[-1].isoformat(),
        },
    )
