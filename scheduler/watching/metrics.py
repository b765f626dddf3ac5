"""What does a scrape see? Counts of this process, and what the database knows, read at most every
two seconds; without a database, what there is without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Protocol

import asyncpg
import structlog

from scheduler.db.catalog import Catalog
from scheduler.db.entries import Pause
from scheduler.db.gauges import Gauges, GaugeStore
from scheduler.db.pools import Pools, PoolUse
from scheduler.db.product_pages.queue import Waiting
from scheduler.entry import Schedule
from scheduler.errors import DatabaseAwayError
from scheduler.meter import Ending, Meter, Service, Usage
from scheduler.watching.counts import Counts, Histogram, Taken
from scheduler.watching.health import Conditions, Health, JobState
from scheduler.watching.lag import LoopLag

FRESH = 2.0
"""Seconds for which a reading of the database is served again."""
LONGEST = 5.0
"""Seconds that a scrape waits for the database: Prometheus gives up after ten."""
SENDER = "process-email-queue"
"""The job that sends what is in the outbox."""

log = structlog.stdlib.get_logger("lamplighter.metrics")


class ClockView(Protocol):
    @property
    def schedule(self) -> Schedule: ...
    @property
    def silent_for(self) -> float: ...
    @property
    def pauses(self) -> Mapping[str, Pause]: ...


class ResultView(Protocol):
    @property
    def errors(self) -> Sequence[object]: ...


class ReloadedView(Protocol):
    @property
    def at(self) -> datetime: ...
    @property
    def result(self) -> ResultView: ...


class RunnerView(Protocol):
    @property
    def running(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """Of the database."""

    gauges: Gauges
    states: Mapping[str, JobState]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a scrape tells, copied: it is written out on another thread."""

    version: str
    now: datetime
    schedule: Schedule
    scheduled: Sequence[str]
    """The entries that are told apart."""
    counts: Taken
    reading: Reading | None
    """None while the database is away."""
    token_kinds: Mapping[str, str]
    paused: frozenset[str]
    requests: Mapping[tuple[Service, Ending], int]
    usage: Mapping[tuple[str, str], Usage]
    pools: Mapping[str, PoolUse]
    running_here: int
    clock_silence: float
    lag: Histogram
    reloaded_at: datetime
    reload_ok: bool


class Metrics:
    """The daemon's, for `/metrics`."""

    def __init__(
        self,
        *,
        version: str,
        counts: Counts,
        meter: Meter,
        lag: LoopLag,
        health: Health,
        conditions: Conditions,
        clock: ClockView,
        runner: RunnerView,
        pools: Pools,
        catalog: Catalog,
        last_reload: Callable[[], ReloadedView],
        now: Callable[[], datetime],
        token_kinds: Mapping[str, str],
    ) -> None:
        self._version = version
        self._counts = counts
        self._meter = meter
        self._lag = lag
        self._health = health
        self._conditions = conditions
        self._clock = clock
        self._runner = runner
        self._pools = pools
        self._store = GaugeStore(pools)
        self._catalog = catalog
        self._last_reload = last_reload
        self._now = now
        self._token_kinds = token_kinds
        """By the hash that stands for a GitHub token: what it is for."""
        self._reading: Reading | None = None
        self._read_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        self._outbox_failed = False

    async def snapshot(self) -> Snapshot:
        """Never raises for a database that is away."""
        reading = await self._read()
        reloaded = self._last_reload()
        return Snapshot(
            version=self._version,
            now=self._now(),
            schedule=self._clock.schedule,
            scheduled=self._counts.scheduled,
            counts=self._counts.take(),
            reading=reading,
            token_kinds=self._token_kinds,
            paused=frozenset(self._clock.pauses),
            requests=self._meter.requests.copy(),
            usage={key: replace(usage) for key, usage in self._meter.usage.items()},
            pools=self._pools.use,
            running_here=self._runner.running,
            clock_silence=self._clock.silent_for,
            lag=self._lag.seen.copy(),
            reloaded_at=reloaded.at,
            reload_ok=not reloaded.result.errors,
        )

    async def _read(self) -> Reading | None:
        async with self._one_at_a_time:
            away = self._conditions.database_away_since is not None or self._conditions.starting
            if away:
                self._reading = None
            elif monotonic() - self._read_at > FRESH:
                self._reading = None
                try:
                    async with asyncio.timeout(LONGEST):
                        self._reading = await self._ask()
                except (DatabaseAwayError, TimeoutError) as error:
                    log.debug("metrics_without_database", error=str(error))
                except asyncpg.PostgresError as error:
                    log.warning("metrics_not_read", error=str(error))
                self._read_at = monotonic()
            return self._reading

    async def _ask(self) -> Reading:
        now = self._now()
        gauges = await self._store.read(now)
        states = await self._health.job_states()
        return Reading(replace(gauges, outbox=await self._outbox(now)), states)

    async def _outbox(self, now: datetime) -> Mapping[str, Waiting]:
        """The product's table: what is wrong with it must not hide the rest."""
        entries = self._clock.schedule.entries.values()
        if not any(entry.enabled and entry.job == SENDER for entry in entries):
            return {}
        try:
            found = await self._store.outbox(await self._catalog.tables(), now)
            self._outbox_failed = False
            return found
        except asyncpg.PostgresError as error:
            if not self._outbox_failed:
                log.warning("outbox_not_counted", error=str(error))
            self._outbox_failed = True
            return {}
