"""Puts the schedule file in force again: when somebody asks, and by itself when the file changes.

The file is looked at twice a second rather than watched through the kernel: that also sees what
arrives by a network file system, a bind mount, or a symlink that is swapped, as Kubernetes does it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import structlog

from scheduler.entry import Schedule
from scheduler.errors import DatabaseAwayError
from scheduler.timing.clock import Clock
from scheduler.timing.reload import Reloaded, ReloadResult, difference
from scheduler.timing.schedule import ScheduleError
from scheduler.watching.upkeep import Upkeep

LOOK = 0.5
"""Seconds between looks at the file. What differs is read once two looks in a row see the same, so
that a file is not read while somebody writes it."""

READING = "putting the schedule file in force"

Fingerprint: TypeAlias = tuple[int, ...] | None

log = structlog.stdlib.get_logger("lamplighter.schedule")


class Reloader:
    """The schedule file's way into the clock.

    `read` raises `ScheduleError`; `in_force` is the file that the clock's schedule was read from,
    and `record` keeps what a reload changed, and in whose name.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[], Schedule],
        clock: Clock,
        now: Callable[[], datetime],
        record: Callable[[str, ReloadResult], Awaitable[None]],
        in_force: Fingerprint,
        upkeep: Upkeep | None = None,
    ) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._now = now
        self._record = record
        self._seen = self._in_force = in_force
        self._upkeep = upkeep or Upkeep()
        self._one_at_a_time = asyncio.Lock()
        self.last = Reloaded(now(), ReloadResult())

    @property
    def rejected(self) -> str | None:
        """The file that was refused, in words: `config.yaml: rejected at 12:03, 2 errors`."""
        if not (errors := self.last.result.errors):
            return None
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        return f"{self._path.name}: rejected at {self.last.at:%H:%M}, {count}"

    async def reload(self) -> ReloadResult:
        """Put the file in force; a bad one changes nothing.

        Raises `DatabaseAwayError`; then nothing changed either.
        """
        async with self._one_at_a_time:
            try:
                schedule = self._read()
            except ScheduleError as error:
                result = ReloadResult(errors=error.problems)
                for problem in error.problems:
                    log.warning("schedule_rejected", problem=str(problem))
            else:
                result = difference(self._clock.schedule, schedule)
                await self._clock.apply(schedule)
                log.info("schedule_reloaded", **result.as_json())
            self.last = Reloaded(self._now(), result)
            return result

    async def reload_for(self, who: str) -> bool:
        """Reload and record it in the name of `who`; False where it is to be tried again.

        Raises nothing.
        """
        try:
            result = await self.reload()
        except DatabaseAwayError as error:
            log.warning("reload_postponed", error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - noted
            # Not tried again before somebody does something: health says so until then.
            self._upkeep.failed(READING, error)
            return True
        self._upkeep.went_well(READING)
        if not result.is_nothing:
            with self._upkeep.doing("recording reloads"):
                await self._record(who, result)
        return True

    async def watch(self) -> None:
        """Reload whenever the file changes, for as long as nobody cancels this."""
        await self._upkeep.repeat("watching the schedule file", self._look)

    async def _look(self) -> None:
        await asyncio.sleep(LOOK)
        before, self._seen = self._seen, await asyncio.to_thread(fingerprint, self._path)
        seen = self._seen
        if seen != self._in_force and seen == before and await self.reload_for("file"):
            self._in_force = seen


def fingerprint(path: Path) -> Fingerprint:
    """Differs whenever the file that `path` leads to was written or replaced; None: not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - follows the links of the whole path, as open does
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
