"""The machine's clock steps under a running daemon, and the clocks of two replicas differ."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.conftest import FULL, Report, trials
from tests.faults.daemons import ask, until
from tests.faults.invariants import Due, violations
from tests.faults.test_database import prepare, side_by_side
from tests.faults.test_processes import fresh
from tests.support.daemon import DaemonProcess, daemon
from tests.support.faketime import WallClock, library
from tests.support.machine import connect
from tests.support.postgres import Postgres

pytestmark = [
    pytest.mark.timeout(1800 if FULL else 120),
    pytest.mark.skipif(library() is None, reason="libfaketime is not here, or does not work here"),
]

HOUR, DAY = 3600.0, 86400.0
CRONS = {
    "last": ("* * * * *", "last"),
    "none": ("* * * * *", "none"),
    "all": ("*/30 * * * *", "all"),
}
SCHEDULE = json.dumps(
    {
        "jobs": {
            name: {"job": "cleanup", "cron": cron, "catch_up": policy, "catch_up_window": "30h"}
            for name, (cron, policy) in CRONS.items()
        }
    }
)
ALL_ENDED = "SELECT count(*) = 0 FROM lamplighter.runs WHERE finished_at IS NULL"
ENTRIES = "SELECT job, begun_at, watermark FROM lamplighter.entries"
PAST = "SELECT min(watermark) >= $1 FROM lamplighter.entries WHERE job IN ('last', 'none')"
ROWS = "SELECT count(*) FROM lamplighter.runs"
IN_TIME = """
    SELECT status = 'succeeded' FROM lamplighter.runs WHERE job = 'none' AND scheduled_for = $1
"""


def faked(
    home: Path, clock: WallClock, dsn: str, name: str = "daemon"
) -> AbstractAsyncContextManager[DaemonProcess]:
    values = {"DATABASE_URL": dsn, **clock.environment}
    return daemon(home, SCHEDULE, name=name, demo=False, module="scheduler", **values)


def minute(clock: WallClock) -> datetime:
    """The full minute that comes next, as the daemon sees it."""
    return datetime.fromtimestamp((clock.now() // 60 + 1) * 60).astimezone()


async def check(dsn: str) -> None:
    """Everything up to the watermarks has exactly one row, by itself or in a row for many."""
    await until(90, dsn, ALL_ENDED)
    async with connect(dsn) as connection:
        rows = await connection.fetch(ENTRIES)
    due = {row["job"]: Due(CRONS[row["job"]][0], row["begun_at"], row["watermark"]) for row in rows}
    assert len(due) == len(CRONS)
    assert await violations(dsn, due) == []


@pytest.mark.parametrize(
    ("words", "step"), [("1 h", HOUR), ("1 day", DAY)] if FULL else [("1 day", DAY)]
)
async def test_steps_of_the_clock(
    postgres: Postgres, tmp_path: Path, report: Report, words: str, step: float
) -> None:
    """Once forth and once back, in either order; each time a minute comes right afterwards."""
    count = trials(20, 1)
    report.of(
        f"steps of the machine's clock by +{words} and -{words} under a running daemon",
        count,
        "0 lost, 0 doubled; what comes after a step forward comes in time",
    )
    await prepare(postgres)

    async def pass_a_minute(one: DaemonProcess, clock: WallClock, dsn: str) -> None:
        at = minute(clock)
        await until(60, dsn, PAST, at)
        await until(60, dsn, IN_TIME, at)
        assert one.process.returncode is None

    async def pass_a_known_minute(one: DaemonProcess, clock: WallClock, dsn: str) -> None:
        """All of it has its rows already."""
        await until(60, dsn, ALL_ENDED)
        rows = await ask(dsn, ROWS)
        at = minute(clock).timestamp()
        while clock.now() < at + 2:
            await asyncio.sleep(0.1)
        assert await ask(dsn, ROWS) == rows
        assert (await one.call("/livez"))[0] == 200
        await one.until_ready()

    async def one_clock(number: int) -> None:
        dice = random.Random(number)
        dsn = await fresh(postgres)
        home = tmp_path / str(number)
        home.mkdir()
        clock = WallClock(home / "clock")
        clock.set(dice.uniform(0, DAY))
        async with faked(home, clock, dsn) as one:
            await one.until_ready()
            clock.step(0, before_the_minute=3)
            await pass_a_minute(one, clock, dsn)
            if number % 2:
                clock.step(step, before_the_minute=3)
                await pass_a_minute(one, clock, dsn)
                clock.step(-step, before_the_minute=2)
                await pass_a_known_minute(one, clock, dsn)
                clock.step(step + 60, before_the_minute=3)
            else:
                clock.step(-step, before_the_minute=2)
                await pass_a_known_minute(one, clock, dsn)
                clock.step(step, before_the_minute=3)
            await pass_a_minute(one, clock, dsn)
            assert await one.stop() == 0
        await check(dsn)
        assert one.log.read_text().count("clock_stepped") >= 2

    await side_by_side(8, count, one_clock)


@pytest.mark.skipif(not FULL, reason="replicas that come and go differ by a minute, and do it too")
async def test_replicas_whose_clocks_differ(
    postgres: Postgres, tmp_path: Path, report: Report
) -> None:
    count, apart = 20, 30
    report.of(
        f"{apart} s of drift between two replicas, one of which is killed half way",
        count,
        "0 lost, 0 doubled",
    )
    await prepare(postgres)

    async def one_pair(number: int) -> None:
        dice = random.Random(number)
        dsn = await fresh(postgres)
        clocks = []
        for name in ("ahead", "behind"):
            (tmp_path / f"{number}").mkdir(exist_ok=True)
            clocks.append(WallClock(tmp_path / f"{number}" / f"{name}.clock"))
        ahead, behind = clocks
        # The minute comes for the one, then for the other; then one is killed, and another comes.
        behind.step(0, before_the_minute=apart + 6)
        ahead.set(behind.ahead + apart)
        home = tmp_path / str(number)
        async with (
            faked(home, ahead, dsn, "ahead") as first,
            faked(home, behind, dsn, "behind") as second,
        ):
            await first.until_ready()
            await second.until_ready()
            at = minute(ahead)
            await until(60, dsn, PAST, at)
            while behind.now() < at.timestamp() + dice.uniform(1, 3):
                await asyncio.sleep(0.1)
            left, clock = (first, ahead) if dice.random() < 0.5 else (second, behind)
            await (second if left is first else first).kill()
            await until(90, dsn, PAST, minute(clock))
            assert await left.stop() == 0
        await check(dsn)

    await side_by_side(7, count, one_pair)
