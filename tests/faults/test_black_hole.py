"""A network that swallows everything between the daemon and PostgreSQL, and tells nobody."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scheduler.running.runner import LEASE
from scheduler.sql import load_sql
from tests.faults.conftest import FULL, Report, trials
from tests.faults.invariants import Due, violations
from tests.faults.proxy import Proxy, proxy_to
from tests.support import databases
from tests.support.daemon import DaemonProcess, daemon
from tests.support.machine import connect
from tests.support.postgres import Postgres

sql = load_sql(__file__)

USERS = 30_000
DRAIN = 1.0
SCHEDULE = (
    'jobs: {cleanup: {cron: "* * * * *", catch_up: all}, reset-credits: {cron: "0 0 1 1 *"}}\n'
)
HOLES = (300.0, 60.0, 10.0)
SHORT = 4.0
SLACK = 1.0 if FULL else 30.0
"""Seconds on top of each bound, for a machine that does other things too."""
ONE_TICK = 1.0
"""The daemon looks for its database once a second."""
AT_ONCE = 9
"""Daemons side by side, as far as the connections of the tests' server reach."""


@dataclass
class Tally:
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    attempts: list[int] = field(default_factory=list)
    trials: int = 0


@dataclass
class Trial:
    one: DaemonProcess
    proxy: Proxy
    past: asyncpg.Connection[Any]
    tally: Tally

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    async def begin_reset(self) -> str:
        status, body = await self.one.call("/api/v1/workers/reset-credits?wait=0", "POST")
        assert status == 202, body
        run: str = body["runId"]
        await until(lambda: sql.waits_for_a_lock(self.past))
        return run

    async def seconds_until(self, path: str, status: int, most: float) -> float:
        began = self.clock()
        while True:
            answered, body = await self.one.call(path)
            taken = self.clock() - began
            if answered == status:
                return taken
            assert taken < most, f"{path} says {answered} after {taken:.1f} s: {body}"
            await asyncio.sleep(0.05)

    async def alive_until(self, over: asyncio.Event) -> None:
        """Whoever asks `/livez` is answered at once, hole or not."""
        while not over.is_set():
            began = self.clock()
            status, body = await self.one.call("/livez")
            assert status == 200, body
            self.tally.figures["/livez"].append(self.clock() - began)
            await asyncio.sleep(0.3)

    async def refused(self) -> None:
        began = self.clock()
        status, body = await self.one.call("/api/v1/workers/cleanup", "POST")
        taken = self.clock() - began
        assert (status, body["success"]) == (503, False), body
        assert taken < 6 + SLACK, f"the control pool answered after {taken:.1f} s"
        self.tally.figures["error of the control pool"].append(taken)

    async def hole(self, seconds: float) -> None:
        began = self.clock()
        self.proxy.swallowing = True
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.alive_until(over))
            group.create_task(self.refused())
            away = await self.seconds_until("/readyz", 503, 6 + ONE_TICK + SLACK)
            self.tally.figures["/readyz says so after"].append(away)
            if seconds > LEASE + 6:
                await self.given_up(began)
            await asyncio.sleep(max(began + seconds - self.clock(), 0))
            status, report = await self.one.call("/health")
            assert report["status"] in {"degraded", "unhealthy"}, report
            assert "database: away" in str(report["reasons"]), (status, report)
            over.set()

    async def given_up(self, began: float) -> None:
        def said() -> bool:
            return "leases_given_up" in self.one.log.read_text("utf-8")

        while not said():
            assert self.clock() - began < LEASE + 6 + ONE_TICK + SLACK, "the run is not given up"
            await asyncio.sleep(0.1)
        self.tally.figures["run given up after"].append(self.clock() - began)

    async def come_back(self) -> None:
        self.proxy.swallowing = False
        back = await self.seconds_until("/readyz", 200, 5 + SLACK)
        self.tally.figures["ready again after"].append(back)
        status, body = await self.one.call("/api/v1/workers/cleanup", "POST")
        # The clock may be at work on that just now.
        assert status in {200, 202, 409}, body

    async def ended(self, run: str) -> None:
        async def over() -> Any:
            _, body = await self.one.call(f"/api/v1/runs/{run}")
            return body if body.get("finishedAt") else None

        body = await until(over)
        assert body["status"] == "succeeded", body
        self.tally.attempts.append(len(body["attempts"]))

    async def terminated(self) -> None:
        """SIGTERM while everything is swallowed."""
        self.proxy.swallowing = True
        await asyncio.sleep(2)
        began = self.clock()
        self.one.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.one.process.wait(), DRAIN + 2 + SLACK)
        assert code == 0, self.one.log.read_text("utf-8")[-2000:]
        self.tally.figures["SIGTERM to the end"].append(self.clock() - began)


async def until(condition: Callable[[], Awaitable[Any]], most: float = 60) -> Any:
    async with asyncio.timeout(most):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found


async def template_of(postgres: Postgres) -> str:
    async def build(connection: asyncpg.Connection[Any]) -> None:
        await databases.product_a(connection)
        await sql.stock(connection, users=USERS)

    return await postgres.template("black_hole", build)


@asynccontextmanager
async def trial(postgres: Postgres, home: Path, tally: Tally) -> AsyncIterator[tuple[Trial, str]]:
    name = await postgres.create(await template_of(postgres))
    dsn = postgres.dsn(name)
    try:
        async with (
            connect(dsn) as past,
            proxy_to(dsn) as (proxy, through),
            daemon(home, SCHEDULE, DATABASE_URL=through, DRAIN_SECONDS=str(DRAIN)) as one,
        ):
            await one.until_ready()
            yield Trial(one, proxy, past, tally), dsn
    finally:
        await postgres.drop(name)


async def one_trial(postgres: Postgres, home: Path, seconds: float, tally: Tally) -> None:
    async with trial(postgres, home, tally) as (made, dsn):
        # A user's row that somebody holds: the reset waits for it when the hole opens.
        async with connect(dsn) as other, other.transaction():
            await sql.hold_last_user(other)
            run = await made.begin_reset()
            await made.hole(seconds)
        await made.come_back()
        await made.ended(run)
        await until(lambda: sql.nobody_idles_in_a_transaction(made.past))
        assert dict(await sql.resets(made.past)) == {"users": USERS, "rows": USERS, "wrong": 0}
        assert await violations(dsn, await fires_of(made.past)) == []
        await made.terminated()
        made.proxy.swallowing = False
        await asyncio.sleep(LEASE if FULL else 0)
        assert [one for one in await violations(dsn) if "running" not in one] == []
        tally.trials += 1


async def fires_of(past: asyncpg.Connection[Any]) -> dict[str, Due]:
    """The fires of each minute since the daemon began, but for the minute that has just begun."""
    begun = await sql.begun(past)
    until_now = datetime.now(UTC) - timedelta(seconds=8)
    return {"cleanup": Due("* * * * *", begun, max(begun, until_now))}


@pytest.mark.timeout(1200 if FULL else 120)
async def test_a_black_hole_is_noticed_survived_and_left_behind(
    postgres: Postgres, tmp_path: Path, report: Report
) -> None:
    lengths = HOLES if FULL else (SHORT,)
    report.of(
        "a black hole (no RST) between the daemon and PostgreSQL, for 10 s, 60 s and 5 min",
        trials(5, 1) * len(lengths),
        "the control pool answers (with an error) within 6 s, `/livez` all the time; runs are given"
        " up with their lease; ready within 5 s of its end; SIGTERM in it ends within"
        " `DRAIN_SECONDS` + 2 s; nothing is lost, doubled or stuck",
    )
    tally = Tally()
    await template_of(postgres)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(seconds: float, number: int) -> None:
        async with room:
            await one_trial(postgres, tmp_path / f"{seconds:.0f}-{number}", seconds, tally)

    async with asyncio.TaskGroup() as group:
        for seconds in lengths:
            for number in range(trials(5, 1)):
                group.create_task(one(seconds, number))
    for name, values in sorted(tally.figures.items()):
        report.seconds(name, values)
    report.figures["attempts of the run that was going on"] = json.dumps(
        {f"{n}": tally.attempts.count(n) for n in sorted(set(tally.attempts))}
    ).replace('"', "")
