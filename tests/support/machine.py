"""A runner and a clock on a real database, with jobs and a time that a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from scheduler.db.catalog import Catalog
from scheduler.db.entries import EntryStore
from scheduler.db.glance import GlanceStore
from scheduler.db.pools import Pools, prepare_connection
from scheduler.db.runs import Fired, Run, RunStore
from scheduler.entry import Entry, Schedule
from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.policy import AgentPolicy
from scheduler.run import Trigger
from scheduler.running.fires import fire_by_hand, fire_on_clock
from scheduler.running.registry import JobType
from scheduler.running.runner import Runner
from scheduler.services import Services
from scheduler.timing.clock import Clock
from scheduler.watching.events import Events
from scheduler.watching.upkeep import Upkeep

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class ManualTime:
    """A clock that stands still until a test moves it."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


class NoParams(Params):
    """A job without parameters."""


Work = Callable[[JobContext, NoParams], Awaitable[Outcome]]


class Stage:
    """A job that waits for the test: how often it began, and when it may end."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.starts: list[JobContext] = []
        self.outcome = outcome or Done({"worked": True})

    async def __call__(self, ctx: JobContext, _params: NoParams) -> Outcome:
        self.starts.append(ctx)
        self.began.set()
        await self.may_end.wait()
        return self.outcome

    async def begin(self, times: int = 1) -> None:
        """Wait until it has begun so often."""
        while len(self.starts) < times:
            self.began.clear()
            await self.began.wait()


async def at_once(_ctx: JobContext, _params: NoParams) -> Outcome:
    return Done({})


def job_type(name: str, work: Work, **declared: Any) -> JobType:
    declaration: Job[Any] = Job(run=work, params=NoParams, **declared)
    return JobType(name, f"The job {name}.", declaration)


def entry(name: str = "work", **values: Any) -> Entry:
    return Entry(**{"name": name, "job": name, "cron": "* * * * *", "params": NoParams(), **values})


class Machine:
    """One process's runner and clock; several on one database are several replicas."""

    def __init__(
        self,
        pools: Pools,
        jobs: Mapping[str, JobType],
        schedule: Schedule,
        now: Callable[[], datetime],
        replica: str,
        services: Services | None = None,
    ) -> None:
        self.pools = pools
        self.store = RunStore(pools, replica)
        self.entries = EntryStore(pools)
        self.catalog = Catalog(pools)
        self.now = now
        self.upkeep = Upkeep()
        self.events = Events(self.upkeep)
        self.runner = Runner(
            store=self.store,
            pools=pools,
            catalog=self.catalog,
            jobs=jobs,
            schedule=schedule,
            now=now,
            replica=replica,
            services=services,
            events=self.events,
            upkeep=self.upkeep,
        )
        self.clock = Clock(self.runner, self.entries, schedule, now, upkeep=self.upkeep)

    def entry(self, name: str) -> Entry:
        return self.runner.schedule.entries[name]

    async def by_hand(self, name: str = "work", **options: Any) -> Fired:
        [fired] = await self.runner.fire(
            [
                fire_by_hand(
                    self.entry(name),
                    self.entry(name).params,
                    trigger=Trigger.HTTP,
                    now=self.now(),
                    requested_by="a test",
                    **options,
                )
            ]
        )
        return fired

    async def on_clock(
        self, at: datetime, name: str = "work", trigger: Trigger = Trigger.SCHEDULE
    ) -> Fired:
        [fired] = await self.runner.fire([fire_on_clock(self.entry(name), at, trigger=trigger)])
        return fired

    async def ended(self, fired: Fired) -> Run:
        """The run's record once it has ended; the test's own timeout bounds it."""
        run = await self.runner.wait(fired.run_id, 50)
        assert run is not None
        assert run.status.is_final, f"still {run.status}"
        return run

    async def record(self) -> list[Run]:
        """All runs, oldest first."""
        found = await GlanceStore(self.pools).runs(most=1000)
        return list(reversed(found.items))


@asynccontextmanager
async def machine(
    dsn: str,
    work: Work | Mapping[str, Work] = at_once,
    *,
    entries: Sequence[Entry] | None = None,
    now: Callable[[], datetime] | None = None,
    replica: str = "one",
    claims: bool = True,
    max_concurrent_runs: int = 5,
    types: Mapping[str, JobType] | None = None,
    services: Services | None = None,
    agents: AgentPolicy | None = None,
) -> AsyncIterator[Machine]:
    """A running runner (its clock is not started). `work` is the job `work`, or several by name.

    `types` are jobs that there are in life, in its place.
    """
    works = work if isinstance(work, Mapping) else {"work": work}
    jobs = types or {name: job_type(name, one) for name, one in works.items()}
    chosen = entries if entries is not None else [entry(name) for name in jobs]
    schedule = Schedule(
        {one.name: one for one in chosen}, max_concurrent_runs, agents=agents or AgentPolicy()
    )
    pools = await Pools.open(lambda: dsn, job_connections=max_concurrent_runs)
    made = Machine(pools, jobs, schedule, now or ManualTime(), replica, services)
    made.runner.start(claims=claims)
    try:
        yield made
    finally:
        await made.clock.stop()
        await made.runner.drain(0)
        await pools.close()


@asynccontextmanager
async def connect(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        await prepare_connection(connection)
        yield connection
    finally:
        await connection.close()
