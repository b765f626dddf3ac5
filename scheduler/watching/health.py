"""Is the daemon well, may it be sent work, how does each job stand: in words, without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from time import monotonic
from typing import Protocol

import structlog

from scheduler.db.catalog import Catalog, missing
from scheduler.db.conditions import ConditionStore
from scheduler.db.runs import EntryState, RunStore
from scheduler.entry import Entry, Schedule
from scheduler.errors import DatabaseAwayError
from scheduler.job import Job, Params
from scheduler.run import Status
from scheduler.watching.upkeep import Upkeep

CLOCK_SILENCE = 30.0
"""Seconds without a tick of the clock after which the process is not alive."""
DATABASE_AWAY = 30.0
"""Seconds without a database after which the daemon is unhealthy, and not just degraded."""
LITTLE_ROOM = 64 << 20
"""Bytes: what PostgreSQL writes before it writes tables takes 16 MB at a time."""
OVERDUE_GRACE = timedelta(minutes=5)
"""How long after its fire a job may still be on its way to success."""
FRESH = 2.0
"""Seconds for which a reading of all jobs is served again: health is open to all."""

log = structlog.stdlib.get_logger("lamplighter.health")


class ClockView(Protocol):
    """What health asks the clock."""

    @property
    def schedule(self) -> Schedule: ...
    @property
    def silent_for(self) -> float: ...
    def expected_since(self, name: str, last_success_for: datetime | None) -> datetime | None: ...


class JobTypeView(Protocol):
    @property
    def job(self) -> Job[Params]: ...


class State(StrEnum):
    OK = "ok"
    FAILING = "failing"
    OVERDUE = "overdue"
    RUNNING = "running"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class JobState:
    state: State
    last_success_at: datetime | None
    reason: str | None = None
    """Why it is failing, overdue or unavailable."""
    past: State = State.OK
    """How it is when what runs now is left aside: never `running`."""
    running: bool = False
    failures: int = 0
    """Runs that have failed since the last success."""


@dataclass(frozen=True, slots=True)
class Report:
    status: str
    """`healthy`, `degraded` or `unhealthy`."""
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Conditions:
    """What other parts tell health; the composition root sets it."""

    starting: bool = True
    draining: bool = False
    database_away_since: float | None = None
    """On the monotonic clock."""
    database_error: str | None = None
    """Why the embedded server cannot be had, in short; without secrets."""
    database_room: int | None = None
    """Bytes free on the embedded server's disk."""
    alerts: Sequence[str] = ()
    """Channels of alerts that are out: `alerts: channel 2 (mailto) takes nothing since 12:03`."""
    upkeep: Upkeep = field(default_factory=Upkeep)


class Health:
    """Answers from memory where the database is away."""

    def __init__(
        self,
        *,
        conditions: Conditions,
        clock: ClockView,
        store: RunStore,
        kept: ConditionStore,
        catalog: Catalog,
        jobs: Mapping[str, JobTypeView],
        now: Callable[[], datetime],
        rejected: Callable[[], str | None],
    ) -> None:
        """`rejected` says in words which schedule file was refused, or None."""
        self._conditions = conditions
        self._clock = clock
        self._store = store
        self._kept = kept
        self._catalog = catalog
        self._jobs = jobs
        self._now = now
        self._rejected = rejected
        self._states: Mapping[str, JobState] = {}
        self._standing: Sequence[str] = ()
        """What jobs have said that keeps a part of the work from being done."""
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    def live(self) -> str | None:
        """None, or why this process should be restarted."""
        silent = self._clock.silent_for
        if silent > CLOCK_SILENCE:
            return f"the clock has not ticked for {silent:.0f} s"
        return None

    def ready(self) -> str | None:
        """None, or why this process should not be sent work now."""
        if self._conditions.draining:
            return "draining"
        if self._conditions.database_away_since is not None:
            return "the database is away"
        if self._conditions.starting:
            return "starting"
        return None

    async def report(self) -> Report:
        """The whole, in words. Never raises for a database that is away."""
        broken: list[str] = []
        weak: list[str] = []
        if reason := self.live():
            broken.append(reason)
        away_since = self._conditions.database_away_since
        if away_since is not None:
            away = monotonic() - away_since
            words = f"database: away for {away:.0f} s"
            if self._conditions.database_error:
                words += f", {self._conditions.database_error}"
            (broken if away >= DATABASE_AWAY else weak).append(words)
        elif self._conditions.starting:
            weak.append("starting")
        room = self._conditions.database_room
        if room is not None and room < LITTLE_ROOM:
            weak.append(f"database: its disk has {room >> 20} MB left")
        if rejected := self._rejected():
            weak.append(rejected)
        weak.extend(self._conditions.alerts)
        weak.extend(self._conditions.upkeep.in_words(database_away=away_since is not None))
        try:
            states = await self.job_states()
        except DatabaseAwayError:
            if away_since is None:
                weak.append("database: away")
        except Exception as error:
            # Whoever asks wants to know what is broken.
            weak.append(f"the jobs' states cannot be read: {type(error).__name__}")
            log.exception("states_not_read")
        else:
            weak.extend(self._standing)
            weak.extend(
                f"{name}: {state.reason}"
                for name, state in states.items()
                if state.reason is not None
            )
        status = "unhealthy" if broken else "degraded" if weak else "healthy"
        return Report(status, tuple(broken + weak))

    async def job_states(self) -> Mapping[str, JobState]:
        """The state of every entry of the schedule, at most two seconds old.

        Raises `DatabaseAwayError`.
        """
        if self._conditions.database_away_since is not None:
            raise DatabaseAwayError("the database is away")
        async with self._reading:
            entries = self._clock.schedule.entries
            if monotonic() - self._read_at > FRESH or self._states.keys() != entries.keys():
                tables = await self._catalog.tables()
                states = await self._store.states(list(entries))
                self._standing = await self._kept.in_words()
                self._states = {
                    name: self._state_of(entry, states[name], tables)
                    for name, entry in entries.items()
                }
                self._read_at = monotonic()
            return self._states

    def _state_of(
        self, entry: Entry, known: EntryState, tables: Mapping[str, frozenset[str]]
    ) -> JobState:
        lacking = missing(self._jobs[entry.job].job.needs, tables)
        if lacking and entry.enabled:
            state = JobState(
                State.UNAVAILABLE,
                known.last_success_at,
                f"unavailable, the database lacks {', '.join(lacking)}",
            )
        else:
            state = self._past_of(entry, known)
        state = replace(state, past=state.state, running=known.running, failures=known.failures)
        # Why it was unwell stays true until the run that is going on has ended well.
        if known.running and state.past is not State.UNAVAILABLE:
            return replace(state, state=State.RUNNING)
        return state

    def _past_of(self, entry: Entry, known: EntryState) -> JobState:
        if is_failing(known):
            runs = "run" if known.failures == 1 else f"{known.failures} runs"
            return JobState(State.FAILING, known.last_success_at, f"last {runs} failed")
        expected = self._clock.expected_since(entry.name, known.last_success_for)
        if expected is not None:
            late = self._now() - expected
            if late > OVERDUE_GRACE + entry.jitter:
                return JobState(
                    State.OVERDUE, known.last_success_at, f"overdue by {_in_words(late)}"
                )
        return JobState(State.OK, known.last_success_at)


def is_failing(known: EntryState) -> bool:
    """Whether the last run that says how the job is ended badly."""
    failing = {Status.FAILED, Status.TIMED_OUT, Status.ABANDONED}
    return known.last_status in failing and known.failures > 0


def _in_words(duration: timedelta) -> str:
    minutes = int(duration.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
