"""PostgreSQL restarted, its connections cut, its tables locked, its connections used up by others.

Each time a reset of users is going on and a fire is due meanwhile; with a server of somebody else's
and with the daemon's own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import asyncpg
import pytest

from scheduler.db.embedded import owner
from tests.faults.conftest import FULL, Report, trials
from tests.faults.daemons import ask, begin, lay_users, resets, until
from tests.faults.invariants import Due, violations
from tests.faults.test_processes import ENDED, NEVER, fresh
from tests.support import databases
from tests.support.daemon import DaemonProcess, daemon, seconds_before_the_minute
from tests.support.embedded import postmaster, serving
from tests.support.machine import connect
from tests.support.postgres import FAST, Postgres

pytestmark = pytest.mark.timeout(1800 if FULL else 150)

USERS = 20_000
READY = 5.0
SCHEDULE = json.dumps(
    {
        "jobs": {
            "minutely": {"job": "cleanup", "cron": "* * * * *", "catch_up": "all"},
            "reset-credits": {
                "cron": NEVER,
                "timeout": "1h",
                "retry": {"attempts": 20, "backoff": "2s", "max_backoff": "3s"},
            },
        }
    }
)
ALL_ENDED = "SELECT count(*) = 0 FROM lamplighter.runs WHERE finished_at IS NULL"
ENTRY = "SELECT begun_at, watermark FROM lamplighter.entries WHERE job = 'minutely'"
FIRED = "SELECT count(*) > 0 FROM lamplighter.runs WHERE job = 'minutely'"
CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = $1 AND pid <> pg_backend_pid() AND application_name LIKE 'lamplighter%'
"""
LOCKS = {
    "app_users": "LOCK TABLE app_users IN ACCESS EXCLUSIVE MODE",
    "runs": "LOCK TABLE lamplighter.runs, lamplighter.entries IN ACCESS EXCLUSIVE MODE",
}


@dataclass
class Bed:
    one: DaemonProcess
    dsn: str
    data_dir: Path
    minute_at: float
    """When, on the monotonic clock, the next fire is due."""
    run: str = ""

    async def begin(self) -> None:
        """Have the reset at work."""
        self.run = await begin(self.one, "reset-credits")
        await until(40, self.dsn, "SELECT count(*) > 0 FROM credit_transactions")

    async def is_ready(self) -> bool:
        status, _ = await self.one.call("/readyz")
        return status == 200

    async def until_ready(self, since: float) -> float:
        """Seconds from `since` until it was ready; it may not have noticed yet that it was not."""
        while not await self.is_ready():
            assert self.one.process.returncode is None, self.one.log.read_text()
            assert monotonic() - since < 60, self.one.log.read_text()
            await asyncio.sleep(0.05)
        return monotonic() - since

    async def all_is_well(self) -> None:
        """The reset ended, the fire has its row, nothing is stuck, health has nothing to say."""
        assert self.one.process.returncode is None, self.one.log.read_text()
        assert await until(90, self.dsn, ENDED, self.run) == "succeeded"
        await until(90, self.dsn, FIRED)
        await until(90, self.dsn, ALL_ENDED)
        assert await resets(self.dsn) == {"rows": USERS, "users": USERS, "wrong": 0}
        async with connect(self.dsn) as connection:
            entry = await connection.fetchrow(ENTRY)
        assert entry is not None
        due = {"minutely": Due("* * * * *", entry["begun_at"], entry["watermark"])}
        assert await violations(self.dsn, due) == []
        async with asyncio.timeout(30):
            while (body := (await self.one.call("/health"))[1])["reasons"]:
                await asyncio.sleep(0.2)
        assert body["status"] == "healthy"


@asynccontextmanager
async def bed(
    home: Path, postgres: Postgres | None, *, minute_in: float = 8, name: str = "0"
) -> AsyncIterator[Bed]:
    """A daemon with users to reset; on a database of `postgres`, or on its own server."""
    home = home / name
    values = {"LAMPLIGHTER_NOW_OFFSET": seconds_before_the_minute(minute_in)}
    minute_at = monotonic() + minute_in
    data_dir = home / "data"
    if postgres is not None:
        values["DATABASE_URL"] = await fresh(postgres)
    else:
        values["LAMPLIGHTER_DATA_DIR"] = str(data_dir)
    async with daemon(
        home, SCHEDULE, name="daemon", demo=False, module="scheduler", **values
    ) as one:
        await one.until_ready()
        if postgres is not None:
            dsn = values["DATABASE_URL"]
        else:
            known = owner.read(data_dir)
            assert known is not None
            dsn = known.dsn
        await lay_users(dsn, USERS)
        yield Bed(one, dsn, data_dir, minute_at)
        assert await one.stop() == 0
    if postgres is not None:
        await postgres.drop(dsn.rpartition("/")[2])


async def prepare(postgres: Postgres) -> None:
    """The template is made once, before many want it at the same time."""
    await postgres.template("product_a", databases.product_a)


@asynccontextmanager
async def own_server(scratch: Path) -> AsyncIterator[tuple[Any, Postgres]]:
    async with serving(scratch / "server", "tests", settings=FAST) as server:
        yield server, Postgres((await server.acquire()).dsn)


async def side_by_side(most: int, count: int, trial: Callable[[int], Awaitable[None]]) -> None:
    """Try so often, so many at a time."""
    room = asyncio.Semaphore(most)

    async def one(number: int) -> None:
        async with room:
            await trial(number)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))


Fault: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]


async def all_at_once(
    scratch: Path, postgres: Postgres, daemons: int, turn: int, fault: Fault
) -> list[float]:
    """What a fault of the whole server does to daemons on it: seconds until each was ready.

    It lasts as long as its context, and past the next minute.
    """
    await prepare(postgres)
    waiting = asyncio.Barrier(daemons + 1)
    gone = asyncio.Event()
    back: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    minutes: list[float] = []
    took: list[float] = []

    async def one_daemon(number: int) -> None:
        async with bed(scratch, postgres, minute_in=10, name=f"{turn} {number}") as one:
            minutes.append(one.minute_at)
            await waiting.wait()
            await one.begin()
            await waiting.wait()
            await gone.wait()
            # It notices, and lives on without.
            await one.one.until("/readyz", 503)
            took.append(await one.until_ready(await back))
            await one.all_is_well()

    async with asyncio.TaskGroup() as group:
        for number in range(daemons):
            group.create_task(one_daemon(number))
        await waiting.wait()
        await waiting.wait()
        async with fault():
            gone.set()
            await asyncio.sleep(max(3.0, max(minutes) + 1 - monotonic()))
        back.set_result(monotonic())
    return took


async def test_an_immediate_restart(scratch: Path, report: Report) -> None:
    rounds, daemons = trials(4, 1), trials(5, 1)
    report.of(
        "PostgreSQL restart -m immediate, of a server of somebody else's",
        rounds * daemons,
        "the daemon lives, is ready within 5 s of the database, nothing is stuck",
    )
    took: list[float] = []
    async with own_server(scratch) as (server, postgres):

        @asynccontextmanager
        async def restart() -> AsyncIterator[None]:
            os.kill(postmaster(scratch / "server"), signal.SIGQUIT)
            yield
            await server.acquire()

        for turn in range(rounds):
            took += await all_at_once(scratch, postgres, daemons, turn, restart)
    report.seconds("until ready", took)
    assert max(took) < (READY if FULL else 40)


async def test_the_end_of_the_own_server(scratch: Path, report: Report) -> None:
    """By an immediate stop, by SIGKILL, and by the SIGKILL of one that serves a connection."""
    count = trials(20, 1)
    report.of(
        "the embedded PostgreSQL stopped at once, killed, or crashed",
        count,
        "the daemon starts it again by itself, is ready within 5 s, nothing is stuck",
    )
    took: list[float] = []

    async def one_end(number: int) -> None:
        async with bed(scratch, None, name=str(number)) as one:
            await one.begin()
            await asyncio.sleep(random.Random(number).uniform(0, 1))
            pid = postmaster(one.data_dir)
            match number % 3:
                case 0:
                    os.kill(pid, signal.SIGQUIT)
                case 1:
                    os.kill(pid, signal.SIGKILL)
                case _:
                    connection = await asyncpg.connect(one.dsn)
                    os.kill(await connection.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
                    connection.terminate()
            ended = monotonic()
            await asyncio.sleep(0.5)
            async with asyncio.timeout(60):
                while not await answers(one.dsn):
                    await asyncio.sleep(0.05)
            took.append(await one.until_ready(ended))
            await one.all_is_well()

    await side_by_side(4, count, one_end)
    report.seconds("until ready, from its end", took)
    assert max(took) < (READY if FULL else 40)


async def answers(dsn: str) -> bool:
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return bool(await ask(dsn, "SELECT true"))
    return False


@pytest.mark.skipif(not FULL, reason="tests/running cuts every connection of a runner")
async def test_a_storm_of_cut_connections(
    postgres: Postgres, scratch: Path, report: Report
) -> None:
    count, seconds = trials(20, 1), trials(20, 4)
    report.of(
        f"every connection terminated, again and again for {seconds} s",
        count,
        "the daemon lives, is ready within 5 s of the end, nothing is stuck",
    )
    took: list[float] = []
    cuts: list[int] = []
    await prepare(postgres)

    async def one_storm(number: int) -> None:
        dice = random.Random(number)
        embedded = FULL and number % 5 == 0
        async with bed(scratch, None if embedded else postgres, name=str(number)) as one:
            await one.begin()
            cut = 0
            async with connect(one.dsn) as connection:
                name = await connection.fetchval("SELECT current_database()")
                ends = monotonic() + seconds
                while monotonic() < ends:
                    cut += await connection.fetchval(CUT, name)
                    await asyncio.sleep(dice.uniform(0, 0.3))
            cuts.append(cut)
            took.append(await one.until_ready(monotonic()))
            await one.all_is_well()

    await side_by_side(5, count, one_storm)
    report.seconds("until ready", took)
    report.figures["connections cut"] = f"{sum(cuts):,}"
    assert sum(cuts) > 3
    assert max(took) < (READY if FULL else 40)


@pytest.mark.parametrize("what", LOCKS if FULL else ["runs"])
async def test_a_lock_that_is_held(
    postgres: Postgres, scratch: Path, report: Report, what: str
) -> None:
    count, seconds = trials(20, 1), trials(60, 8)
    report.of(
        f"a lock on {'app_users' if what == 'app_users' else 'lamplighter.runs and entries'} "
        f"held for {seconds} s",
        count,
        "the daemon lives, is ready within 5 s of its release, nothing is stuck",
    )
    took: list[float] = []
    await prepare(postgres)

    async def one_lock(number: int) -> None:
        embedded = FULL and number % 5 == 0
        async with bed(scratch, None if embedded else postgres, name=f"{what} {number}") as one:
            await one.begin()
            async with connect(one.dsn) as product, product.transaction():
                await product.execute(LOCKS[what], timeout=40)
                ends = monotonic() + seconds
                while monotonic() < ends:
                    assert (await one.one.call("/livez"))[0] == 200
                    if what == "app_users":
                        # Only what needs that table waits for it.
                        assert await one.is_ready()
                    await asyncio.sleep(0.5)
                if what == "app_users" and monotonic() > one.minute_at + 5:
                    assert await ask(one.dsn, FIRED)
            took.append(await one.until_ready(monotonic()))
            await one.all_is_well()

    await side_by_side(10, count, one_lock)
    report.seconds("until ready", took)
    assert max(took) < (READY if FULL else 40)


async def test_connections_used_up_by_others(scratch: Path, report: Report) -> None:
    rounds, daemons = trials(4, 1), trials(5, 1)
    report.of(
        "max_connections used up by others",
        rounds * daemons,
        "the daemon lives, is ready within 5 s of room, nothing is stuck",
    )
    took: list[float] = []
    async with own_server(scratch) as (_, postgres):
        for turn in range(rounds):
            took += await all_at_once(
                scratch, postgres, daemons, turn, lambda: all_connections(postgres)
            )
    report.seconds("until ready", took)
    assert max(took) < (READY if FULL else 40)


@asynccontextmanager
async def all_connections(postgres: Postgres) -> AsyncIterator[None]:
    """Have them all, those of the daemons too."""
    admin = await postgres.connect("template1")
    held: list[asyncpg.Connection[Any]] = []
    others = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lamplighter%'"
    try:
        while True:
            try:
                held.append(await postgres.connect("template1"))
            except asyncpg.TooManyConnectionsError:
                if not await admin.fetchval(others):
                    break
                await admin.execute(CUT.replace("datname = $1 AND", ""))
        yield
    finally:
        for connection in held:
            connection.terminate()
        await admin.close()
