"""The composition root: opens everything in order, watches over it, and closes it in reverse."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING

import asyncpg
import structlog

import agents as agents_package
import jobs as jobs_package
from agents.github.tokens import token_kinds
from agents.kit.registry import find_agents
from scheduler.db.activity import ActivityStore
from scheduler.db.catalog import Catalog
from scheduler.db.conditions import ConditionStore
from scheduler.db.database import Database
from scheduler.db.embedded import EmbeddedError
from scheduler.db.entries import EntryStore
from scheduler.db.fenced import BoundedDatabase
from scheduler.db.glance import GlanceStore
from scheduler.db.product.demo import DemoError
from scheduler.db.runs import RunStore
from scheduler.db.sessions import SessionStore
from scheduler.endpoint import Desk
from scheduler.entry import Schedule
from scheduler.errors import DatabaseAwayError, LamplighterError
from scheduler.job import ParamProblem, Params
from scheduler.now import clock_with
from scheduler.outbound.ping import Pinger
from scheduler.running.registry import JobType, find_endpoints, find_jobs
from scheduler.running.runner import Runner
from scheduler.services import Services
from scheduler.settings import Settings, check_exposure
from scheduler.timing.clock import Clock
from scheduler.timing.reload import ReloadResult
from scheduler.timing.reloader import Reloader, fingerprint
from scheduler.timing.schedule import load_schedule
from scheduler.watching.counts import Counts
from scheduler.watching.events import Events
from scheduler.watching.health import Conditions, Health
from scheduler.watching.lag import LoopLag
from scheduler.watching.logging import Logs
from scheduler.watching.metrics import Metrics
from scheduler.watching.pings import Pings
from scheduler.web.app import make_app
from scheduler.web.keys import Daemon
from scheduler.web.server import serving

if TYPE_CHECKING:
    from scheduler.watching.alerts.keeper import Keeper

log = structlog.stdlib.get_logger("lamplighter")

ONLY_HERE = (
    "only requests from this machine to localhost are answered, none that a proxy forwards, and "
    "the published dev-admin-secret opens everything: set CRON_SECRET to be reached by others"
)
SHUT = (
    "PUBLIC_URL is set, so the published secret opens nothing: set CRON_SECRET, or no route but "
    "health can be called"
)
MOST_RUNS = 100
"""Connections that jobs may have: as many as `max_concurrent_runs` may ever be. They are opened
when they are needed, so the runs that there are bound them."""
ON_WITH_DEMO = frozenset({"process-email-queue", "cleanup-email-logs"})
DATABASE_CHECK = 1.0
"""Seconds between looks whether the database is there."""
LAST_WORDS = 3.0
"""Seconds that pings and alerts have left once all runs are recorded."""
PUBLIC_CALL = 5.0
"""Seconds that the database work of one call from outside may take."""


def replica_name() -> str:
    """This process, told apart from every other: host, pid, and a part that no restart repeats."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def all_jobs() -> Mapping[str, JobType]:
    return find_jobs(jobs_package)


def read_schedule_file(
    settings: Settings, jobs: Mapping[str, JobType], *, strictly: bool = False
) -> Schedule:
    """Raises `ScheduleError` with every problem of the file.

    What is wrong only with the settings, such as a variable that is not set, fails the runs of that
    entry, and no others: `strictly` it is a problem too.
    """
    params: dict[str, type[Params]] = {name: kind.job.params for name, kind in jobs.items()}
    services = settings.services
    checks = {
        name: partial(_checked, kind.job.check, services)
        for name, kind in jobs.items()
        if strictly and kind.job.check is not None
    }
    return load_schedule(settings.config, params, settings.ping_hosts, checks)


def _checked(
    look: Callable[[Params, Services], Iterable[ParamProblem]], services: Services, params: Params
) -> Iterable[ParamProblem]:
    return look(params, services)


class App:
    """One daemon. `run` it; it returns when a signal has stopped it and all is recorded."""

    def __init__(self, settings: Settings, logs: Logs, *, demo: bool) -> None:
        self._settings = settings
        self._logs = logs
        self._demo = demo
        self._now = clock_with(settings.offset)
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failure: LamplighterError | None = None
        self._conditions = Conditions()
        self._began = False

    async def run(self) -> None:
        """Raises `LamplighterError` for whatever keeps the daemon from starting."""
        settings = self._settings
        check_exposure(settings)
        self._jobs = all_jobs()
        self._file = fingerprint(settings.config)
        schedule = self._read_schedule()
        replica = self._logs.replica = replica_name()
        log.info("starting", version=version("lamplighter"), replica=replica)
        if settings.cron_secret is None and settings.admin_secret is None:
            log.warning("no_secret_set", note=ONLY_HERE if not settings.public_url else SHUT)
        if settings.now_offset:
            log.warning("clock_offset", seconds=settings.now_offset, note="for tests only")

        self._database = Database.of(settings, replica)
        self._dead_owner = await self._database.open(job_connections=MOST_RUNS)
        try:
            self._compose(schedule, replica)
            async with serving(make_app(self._daemon), settings.host, settings.port) as port:
                log.info("listening", address=f"http://{settings.host}:{port}")
                await self._until_stopped()
        finally:
            await self._database.close()
        log.info("stopped")
        if self._failure is not None:
            raise self._failure

    def _read_schedule(self) -> Schedule:
        """The file's; with sample data, messages are written into files too, for a newcomer to see.

        Raises `ScheduleError`.
        """
        schedule = read_schedule_file(self._settings, self._jobs)
        settings = self._settings
        if not self._demo or settings.database_url or settings.smtp_url:
            return schedule
        entries = {
            name: replace(entry, enabled=True) if entry.job in ON_WITH_DEMO else entry
            for name, entry in schedule.entries.items()
        }
        return replace(schedule, entries=entries)

    def _compose(self, schedule: Schedule, replica: str) -> None:
        pools = self._database.pools
        store = RunStore(pools, replica)
        entries = EntryStore(pools)
        self._catalog = catalog = Catalog(pools)
        services = self._settings.services
        upkeep = self._conditions.upkeep
        self._events = Events(upkeep)
        self._runner = Runner(
            store=store,
            pools=pools,
            catalog=catalog,
            jobs=self._jobs,
            schedule=schedule,
            now=self._now,
            replica=replica,
            services=services,
            events=self._events,
            redactor=self._logs.redactor,
            upkeep=upkeep,
        )
        self._clock = Clock(
            self._runner,
            entries,
            schedule,
            self._now,
            offset=self._settings.offset,
            upkeep=upkeep,
        )
        self._pings = Pings(Pinger(self._settings.ping_hosts), lambda: self._clock.schedule)
        self._events.listen(self._pings.hear)
        self._activity = ActivityStore(pools)
        self._reloader = Reloader(
            self._settings.config,
            self._read_schedule,
            self._clock,
            self._now,
            self._record_reload,
            in_force=self._file,
            upkeep=upkeep,
        )
        health = Health(
            conditions=self._conditions,
            clock=self._clock,
            store=store,
            kept=ConditionStore(pools),
            catalog=catalog,
            jobs=self._jobs,
            now=self._now,
            rejected=lambda: self._reloader.rejected,
        )
        counts = Counts(self._jobs, lambda: self._clock.schedule)
        self._events.listen(counts.hear)
        self._lag = LoopLag()
        metrics = Metrics(
            version=version("lamplighter"),
            counts=counts,
            meter=services.meter,
            lag=self._lag,
            health=health,
            conditions=self._conditions,
            clock=self._clock,
            runner=self._runner,
            pools=pools,
            catalog=catalog,
            last_reload=lambda: self._reloader.last,
            now=self._now,
            token_kinds=token_kinds(services.github),
        )
        self._daemon = Daemon(
            settings=self._settings,
            jobs=self._jobs,
            agents=find_agents(agents_package),
            runner=self._runner,
            entries=entries,
            activity=self._activity,
            glance=GlanceStore(pools),
            sessions=SessionStore(pools),
            clock=self._clock,
            health=health,
            metrics=metrics,
            reload=self._reloader.reload,
            last_reload=lambda: self._reloader.last,
            logs=self._logs,
            endpoints=find_endpoints(jobs_package),
            desk=self._desk,
            now=self._now,
            version=version("lamplighter"),
        )

    async def _desk(self) -> Desk:
        """For one call of a public address."""
        return Desk(
            db=BoundedDatabase(self._database.pools.jobs, monotonic() + PUBLIC_CALL),
            tables=await self._catalog.tables(),
            services=self._settings.services,
            now=self._now,
            log=structlog.stdlib.get_logger("lamplighter.public"),
        )

    async def _until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        alerts = self._alerts()
        upkeep = self._conditions.upkeep
        keepers = [
            asyncio.create_task(upkeep.repeat("watching the database", self._keep_database)),
            asyncio.create_task(self._reloader.watch(), name="schedule file"),
            asyncio.create_task(upkeep.repeat("measuring the loop", self._lag.watch)),
            asyncio.create_task(
                upkeep.repeat("the daemon's ping", partial(self._pings.beat, self._is_well))
            ),
        ]
        if alerts is not None:
            keepers.append(asyncio.create_task(upkeep.repeat("alerts", alerts.turn)))
        await self._stopping.wait()

        log.info("draining", seconds=self._settings.drain_seconds, running=self._runner.running)
        self._conditions.draining = True
        self._runner.stop_claiming()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        # At the same time: what the clock still fires is queued, and need not be waited for.
        clock = asyncio.create_task(self._clock.stop())
        drain = asyncio.create_task(self._runner.drain(self._settings.drain_seconds))
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not drain.done():
            await self._runner.drain(0)
        await asyncio.gather(drain, clock)
        hurry.cancel()
        await asyncio.gather(
            self._pings.close(LAST_WORDS), *([alerts.close(LAST_WORDS)] if alerts else [])
        )

    def _alerts(self) -> Keeper | None:
        """What is not turned on is not even imported."""
        if not self._settings.alert_urls:
            return None
        from scheduler.db.alerts import AlertStore
        from scheduler.watching.alerts.keeper import Keeper
        from scheduler.watching.alerts.sending import channels_of

        return Keeper(
            store=AlertStore(self._database.pools),
            channels=channels_of([url.get_secret_value() for url in self._settings.alert_urls]),
            clock=self._clock,
            conditions=self._conditions,
            rejected=lambda: self._reloader.rejected,
            now=self._now,
            site=socket.gethostname(),
            public_url=self._settings.public_url,
        )

    def _is_well(self) -> bool:
        """The clock ticks and the database is there: what the daemon's dead man's switch hears."""
        health = self._daemon.health
        return health.live() is None and health.ready() is None

    def _on_stop(self) -> None:
        # The second time somebody means it: do not wait for what runs.
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    def _on_hangup(self) -> None:
        self._hangup = asyncio.create_task(self._reloader.reload_for("signal"))

    async def _record_reload(self, who: str, result: ReloadResult) -> None:
        if not result.errors:
            await self._activity.record(
                at=self._now(),
                who=who,
                source=socket.gethostname(),
                action="reload",
                target="schedule",
                detail=result.as_json(),
            )

    async def _keep_database(self) -> None:
        """Begin the work once the database answers, and know ever after whether it does."""
        try:
            async with self._database.pools.control() as connection:
                await connection.fetchval("SELECT 1")
            if not self._began:
                await self._begin()
            if self._conditions.database_away_since is not None:
                log.info("database_back")
            self._conditions.database_away_since = self._conditions.database_error = None
        except DatabaseAwayError as error:
            if self._conditions.database_away_since is None:
                log.warning("database_away", error=str(error))
                self._conditions.database_away_since = monotonic()
            await self._reacquire()
        except LamplighterError as error:
            self._failure = error
            self._stopping.set()
        self._conditions.database_room = await asyncio.to_thread(self._database.room)
        await asyncio.sleep(DATABASE_CHECK)

    async def _reacquire(self) -> None:
        """The embedded server's owner may have died: then this process becomes the owner."""
        try:
            dead = await self._database.acquire()
            if dead is not None and self._began:
                await self._runner.rescue([dead])
            elif dead is not None:
                self._dead_owner = dead
        except LamplighterError as error:
            if isinstance(error, EmbeddedError):
                self._conditions.database_error = error.in_short
            log.warning("database_not_reached", error=str(error))

    async def _begin(self) -> None:
        applied = await self._database.prepare()
        if applied:
            log.info("schema_laid", applied=applied)
        if self._demo:
            await self._lay_demo()
        await self._database.pools.warm_up()
        if self._dead_owner is not None:
            await self._runner.rescue([self._dead_owner])
        self._runner.start()
        await self._clock.start()
        self._began = True
        self._conditions.starting = False
        log.info("ready", jobs=len(self._clock.schedule.entries))

    async def _lay_demo(self) -> None:
        if not self._database.is_embedded:
            log.warning("demo_refused", note="sample data goes only into the embedded database")
            return
        started = monotonic()
        try:
            laid = await self._database.lay_demo(
                self._now(), lambda table, rows: log.info("sample_data", table=table, rows=rows)
            )
        except (asyncpg.PostgresError, DemoError):
            # All of it or nothing is laid; the daemon is of use without.
            log.exception("sample_data_failed")
            return
        if laid:
            log.info("sample_data_laid", seconds=round(monotonic() - started, 1))


async def serve(settings: Settings, logs: Logs, *, demo: bool) -> None:
    await App(settings, logs, demo=demo).run()
