"""Which parts of the daemon's own work keep failing? Each is tried again, and health names it.

A loop of the daemon is a step that is repeated here, so that none of them ends for an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

import structlog

from scheduler.errors import DatabaseAwayError

PAUSE = 1.0
"""Seconds until a step that failed is tried again."""
SAID_EVERY = 60.0
"""Seconds between the log's lines about a part that fails on and on."""

log = structlog.stdlib.get_logger("lamplighter.upkeep")


@dataclass(slots=True)
class _Failing:
    since: float = field(default_factory=monotonic)
    said_at: float = float("-inf")
    in_short: str = ""
    is_away: bool = False


class Upkeep:
    """A part's name is shown in health, which is open to all; of its error only the type is."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failing] = {}

    async def repeat(self, part: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do `step`, which has to wait for something, again and again until this is cancelled."""
        # Asked each time: a library may have swallowed the cancellation of this task.
        while not _is_cancelled():
            try:
                await step()
            except asyncio.CancelledError as error:
                if _is_cancelled():
                    raise
                # Nobody cancelled this task: a library let its own cancellation out.
                self.failed(part, error)
            except Exception as error:  # noqa: BLE001 - noted
                self.failed(part, error)
            else:
                self.went_well(part)
                continue
            await asyncio.sleep(PAUSE)

    def doing(self, part: str) -> Noting:
        """What fails within is noted, and no reason to stop."""
        return Noting(self, part, whole=True)

    def noting(self, part: str) -> Noting:
        """The same for what may go well while the part as a whole still fails."""
        return Noting(self, part, whole=False)

    def failed(self, part: str, error: BaseException) -> None:
        """Note and log it; called where `error` is being handled."""
        known = self._failing.setdefault(part, _Failing())
        known.is_away = isinstance(error, DatabaseAwayError)
        known.in_short = (
            error.in_short if isinstance(error, DatabaseAwayError) else type(error).__name__
        )
        if monotonic() - known.said_at >= SAID_EVERY:
            known.said_at = monotonic()
            if known.is_away:
                # Nothing is lost: the record says what is to be done once it can be reached.
                log.warning("part_waits", part=part, error=str(error))
            else:
                log.error("part_failed", part=part, exc_info=error)

    def went_well(self, part: str) -> None:
        if part in self._failing:
            seconds = monotonic() - self._failing.pop(part).since
            log.info("part_works_again", part=part, seconds=round(seconds, 1))

    def in_words(self, *, database_away: bool) -> Sequence[str]:
        """What keeps failing; with the database away, only what does not fail for that."""
        now = monotonic()
        return [
            f"{part} has failed for {now - known.since:.0f} s: {known.in_short}"
            for part, known in self._failing.items()
            if not (database_away and known.is_away)
        ]


class Noting:
    """A context that ends well whatever is raised in it."""

    __slots__ = ("_part", "_upkeep", "_whole")

    def __init__(self, upkeep: Upkeep, part: str, *, whole: bool) -> None:
        self._upkeep = upkeep
        self._part = part
        self._whole = whole

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, Exception):
            self._upkeep.failed(self._part, error)
            return True
        if self._whole and error is None:
            self._upkeep.went_well(self._part)
        return False


def _is_cancelled() -> bool:
    me = asyncio.current_task()
    return me is not None and me.cancelling() > 0
