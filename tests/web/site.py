"""How does a test call the web server: as any caller would, over TCP on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol, TypeAlias

import aiohttp
import structlog
from pydantic import Field, SecretStr
from yarl import URL

from scheduler.db.activity import ActivityStore
from scheduler.db.conditions import ConditionStore
from scheduler.db.fenced import BoundedDatabase
from scheduler.db.glance import GlanceStore
from scheduler.db.pools import Pools
from scheduler.db.sessions import SessionStore
from scheduler.endpoint import Desk, Endpoint
from scheduler.entry import Entry, Schedule
from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.meter import Meter
from scheduler.policy import AgentPolicy
from scheduler.running.registry import JobType
from scheduler.services import Services
from scheduler.settings import Settings
from scheduler.timing.document import Problem
from scheduler.timing.reload import Reloaded, ReloadResult
from scheduler.watching.counts import Counts
from scheduler.watching.health import Conditions, Health
from scheduler.watching.lag import LoopLag
from scheduler.watching.logging import Logs
from scheduler.watching.metrics import Metrics
from scheduler.watching.redaction import Redactor
from scheduler.web.app import make_app
from scheduler.web.keys import Daemon
from scheduler.web.server import Limits, serving
from tests.support.agents import AGENTS
from tests.support.machine import START, Machine, ManualTime, NoParams

CRON = "the-secret-of-the-crontab"
ADMIN = "the-secret-of-the-operators"

Works: TypeAlias = Mapping[str, Any]


class CountParams(Params):
    """Parameters of every kind that a query can carry."""

    days: int = Field(default=30, ge=1, le=3650)
    events_days: int = Field(default=90, ge=1, le=3650)
    dry_run: bool = False
    note: str = Field(default="", max_length=20)


async def count(ctx: JobContext, params: CountParams) -> Outcome:
    """A job that answers with its parameters."""
    ctx.log.info("counting", days=params.days)
    ctx.progress(1, 2)
    return Done(params.model_dump(by_alias=True))


COUNT: Job[Any] = Job(run=count, params=CountParams)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        """The error's sentence, of an answer in the form that every error has."""
        assert self.headers["Content-Type"] == "application/json; charset=utf-8"
        assert self.body["success"] is False
        assert set(self.body) <= {"success", "error", "fields", "runId", "data"}
        error: str = self.body["error"]
        assert error
        assert "Traceback" not in self.text
        return error


@dataclass
class Site:
    """A running server and what stands behind it."""

    machine: Machine
    time: ManualTime
    conditions: Conditions
    daemon: Daemon
    port: int
    session: aiohttp.ClientSession
    seconds: list[float] = field(default_factory=lambda: [0.0])
    """What counts the seconds between wrong secrets; a test sets the first."""

    async def call(
        self,
        path: str,
        method: str = "GET",
        *,
        secret: str | None = CRON,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """Call `path` as it is written, with the crontab's secret if no other is given."""
        own = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.session.request(
            method, url, headers={**own, **(headers or {})}, **options
        ) as response:
            return Answer(response.status, response.headers, await response.text())

    async def admin(self, path: str, method: str = "GET", **options: Any) -> Answer:
        return await self.call(path, method, secret=ADMIN, **options)

    async def work(self, name: str, method: str = "POST", **options: Any) -> Answer:
        return await self.call(f"/api/v1/workers/{name}", method, **options)

    async def raw(self, data: bytes) -> bytes:
        """Everything that the server says to `data`, until it closes the connection."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            return await reader.read()
        finally:
            writer.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


class OpenSite(Protocol):
    """Open a site with these jobs beside `count`, and with the options of `open_site`."""

    async def __call__(self, works: Works | None = None, **options: Any) -> Site: ...


def settings(**values: Any) -> Settings:
    """The settings as the daemon would have them, from nothing but `values`."""
    secrets: dict[str, Any] = {
        name: SecretStr(value) if isinstance(value, str) and "secret" in name else value
        for name, value in values.items()
    }
    return Settings.model_construct(**secrets)


async def no_reload() -> ReloadResult:
    return ReloadResult()


PROBLEM = Problem("config.yaml", 7, "jobs.count.cron", "must be five fields")


@asynccontextmanager
async def open_site(
    dsn: str,
    session: aiohttp.ClientSession,
    works: Works,
    *,
    entries: Sequence[Entry] | None = None,
    reload: Callable[[], Any] = no_reload,
    last_reload: Callable[[], Reloaded] = lambda: Reloaded(START, ReloadResult()),
    limits: Limits | None = None,
    now: ManualTime | None = None,
    max_concurrent_runs: int = 5,
    claims: bool = True,
    endpoints: Sequence[Endpoint] = (),
    public_call: float = 5,
    policy: AgentPolicy | None = None,
    **values: Any,
) -> AsyncIterator[Site]:
    """`works` are jobs by name, declared or only their function; `count` is always there."""
    jobs = {"count": JobType("count", "Counts.", COUNT)}
    for name, work in works.items():
        declared = work if isinstance(work, Job) else Job(run=work, params=NoParams)
        jobs[name] = JobType(name, f"The job {name}.", declared)
    chosen = entries if entries is not None else [scheduled(name, jobs) for name in jobs]
    schedule = Schedule(
        {entry.name: entry for entry in chosen}, max_concurrent_runs, agents=policy or AgentPolicy()
    )
    time = now or ManualTime()
    pools = await Pools.open(lambda: dsn, job_connections=max_concurrent_runs)
    machine = Machine(pools, jobs, schedule, time, "one")
    conditions = Conditions(starting=False)
    secrets = {"cron_secret": CRON, "admin_secret": ADMIN}

    async def desk() -> Desk:
        return Desk(
            db=BoundedDatabase(pools.jobs, monotonic() + public_call),
            tables=await machine.catalog.tables(),
            services=Services(),
            now=time,
            log=structlog.stdlib.get_logger("tests"),
        )

    health = Health(
        conditions=conditions,
        clock=machine.clock,
        store=machine.store,
        kept=ConditionStore(pools),
        catalog=machine.catalog,
        jobs=jobs,
        now=time,
        rejected=lambda: None,
    )
    counts = Counts(jobs, lambda: machine.clock.schedule)
    machine.events.listen(counts.hear)
    metrics = Metrics(
        version="1.2.3",
        counts=counts,
        meter=Meter(),
        lag=LoopLag(),
        health=health,
        conditions=conditions,
        clock=machine.clock,
        runner=machine.runner,
        pools=pools,
        catalog=machine.catalog,
        last_reload=last_reload,
        now=time,
        token_kinds={},
    )
    daemon = Daemon(
        settings=settings(**{**secrets, **values}),
        jobs=jobs,
        agents=AGENTS,
        runner=machine.runner,
        entries=machine.entries,
        activity=ActivityStore(pools),
        glance=GlanceStore(pools),
        sessions=SessionStore(pools),
        clock=machine.clock,
        health=health,
        metrics=metrics,
        reload=reload,
        last_reload=last_reload,
        logs=Logs("info", Redactor()),
        endpoints=endpoints,
        desk=desk,
        now=time,
        version="1.2.3",
    )
    machine.runner.start(claims=claims)
    seconds = [0.0]
    app = make_app(daemon, steady=lambda: seconds[0])
    try:
        async with serving(app, "127.0.0.1", 0, limits or Limits()) as port:
            yield Site(machine, time, conditions, daemon, port, session, seconds)
    finally:
        daemon.logs.end()
        await machine.runner.drain(0)
        await pools.close()


def scheduled(name: str, jobs: Mapping[str, JobType] | None = None, **values: Any) -> Entry:
    """An entry of the schedule, every minute."""
    model = jobs[name].job.params if jobs else NoParams
    return Entry(**{"name": name, "job": name, "cron": "* * * * *", "params": model(), **values})
