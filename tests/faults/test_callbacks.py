"""Every part of the daemon's own work raises in turn: the clock goes on, and health says so."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic

import aiohttp
import pytest

import scheduler
from tests.faults.broken_daemon import FUNCTIONS, LISTENER
from tests.faults.conftest import FULL, Report
from tests.faults.daemons import ask, until
from tests.faults.invariants import Due, violations
from tests.faults.test_processes import fresh
from tests.support.daemon import DaemonProcess, daemon, seconds_before_the_minute
from tests.support.postgres import Postgres

pytestmark = pytest.mark.timeout(900 if FULL else 180)

HARMLESS = {
    # The timer only rings the bell; the tick does too.
    "scheduler.timing.clock:Clock._rung",
}
SLOW = {
    # They wait for the next minute, for a heartbeat, or for a lease to end.
    "scheduler.db.runs:RunStore.fire",
    "scheduler.db.runs:RunStore.heartbeat",
    "scheduler.running.attempt:Attempt.execute",
    "scheduler.running.runner:Runner._begin_attempt",
}
RETRY = {"attempts": 20, "backoff": "1s"}
NEVER = "0 0 1 1 *"
ROWS = "SELECT count(*) > 0 FROM lamplighter.runs WHERE job = 'minutely'"
ALL_ENDED = "SELECT count(*) = 0 FROM lamplighter.runs WHERE finished_at IS NULL"
OTHER = "other-"
others = count(1)


def schedule() -> str:
    """Another one each time, so that there is something to reload and to record."""
    return json.dumps(
        {
            "jobs": {
                "minutely": {
                    "job": "cleanup",
                    "cron": "* * * * *",
                    "catch_up": "all",
                    "retry": RETRY,
                },
                "cleanup": {"cron": NEVER, "retry": RETRY},
                f"{OTHER}{next(others)}": {"job": "cleanup", "cron": NEVER},
            }
        }
    )


class Bed:
    def __init__(self, one: DaemonProcess, home: Path) -> None:
        self.one = one
        self.home = home

    async def use(self) -> None:
        """Give every part something to do."""
        (self.home / "daemon.yaml").write_text(schedule())
        with suppress(aiohttp.ClientError):
            await self.one.call("/api/v1/workers/cleanup?wait=0", "POST")

    async def reasons(self) -> str:
        status, body = await self.one.call("/health")
        assert status == 200, body
        return "; ".join(body["reasons"])

    async def until_health(self, part: str, *, failing: bool) -> None:
        until = monotonic() + 60
        for turn in count():
            if ("has failed" in await self.reasons()) is failing:
                return
            # It lives and takes work all the while.
            assert (await self.one.call("/livez"))[0] == 200, part
            assert monotonic() < until, f"{part}: {await self.reasons()}"
            if turn % 10 == 0:
                # Not too often: a file that is still being written is not read.
                await self.use()
            await asyncio.sleep(0.2)

    async def break_and_mend(self, part: str) -> None:
        broken = self.home / "broken"
        broken.write_text(part)
        if part in HARMLESS:
            await asyncio.sleep(1)
            assert "has failed" not in await self.reasons()
        else:
            await self.until_health(part, failing=True)
            said = await self.reasons()
            assert "BrokenError" in said or "does not start" in said, said
            assert part in said or part in {*FUNCTIONS, LISTENER}, said
        broken.unlink()
        await self.until_health(part, failing=False)


async def check(dsn: str) -> None:
    """What was due while something was broken has its row."""
    await until(60, dsn, ALL_ENDED)
    since = await ask(dsn, "SELECT begun_at FROM lamplighter.entries WHERE job = 'minutely'")
    mark = await ask(dsn, "SELECT watermark FROM lamplighter.entries WHERE job = 'minutely'")
    assert await violations(dsn, {"minutely": Due("* * * * *", since, mark)}) == []
    bad = "SELECT string_agg(error_message, ';') FROM lamplighter.runs WHERE status <> 'succeeded'"
    bad += " AND status <> 'skipped'"
    assert await ask(dsn, bad) is None


async def parts_of(bed: Bed) -> list[str]:
    """All that a daemon comes by which is in use, in which a run ends and a fire comes."""
    await bed.use()
    await asyncio.sleep(3)
    seen = (bed.home / "seen").read_text().splitlines()
    return [*(part for part in seen if OTHER not in part), *FUNCTIONS, LISTENER]


async def test_every_part_raises_in_turn(
    postgres: Postgres, tmp_path: Path, report: Report
) -> None:
    numbers = count()

    @asynccontextmanager
    async def bed(before_the_minute: float) -> AsyncIterator[Bed]:
        dsn, home = await fresh(postgres), tmp_path / str(next(numbers))
        async with daemon(
            home,
            schedule(),
            module="tests.faults.broken_daemon",
            DATABASE_URL=dsn,
            LAMPLIGHTER_NOW_OFFSET=seconds_before_the_minute(before_the_minute),
        ) as one:
            await one.until_ready()
            yield Bed(one, home)
            # What was due while something was broken has its row.
            await until(100, dsn, ROWS)
            await check(dsn)

    async with bed(5) as whole:
        parts = await parts_of(whole)
        report.of(
            "exception in every callback of the clock, loop and listener, in settle itself",
            len(parts),
            "the clock goes on, every fire has its row, health says so until it is mended",
        )
        assert len(parts) > 20
        if not FULL:
            for part in parts:
                if part not in SLOW:
                    await whole.break_and_mend(part)

    async def while_a_fire_is_due(part: str) -> None:
        async with bed(8) as one:
            (one.home / "broken").write_text(part)
            await one.use()
            await asyncio.sleep(9)
            await one.break_and_mend(part)

    for some in batched(parts, 10) if FULL else ():
        async with asyncio.TaskGroup() as group:
            for part in some:
                group.create_task(while_a_fire_is_due(part))


def batched(parts: list[str], size: int) -> list[list[str]]:
    return [parts[n : n + size] for n in range(0, len(parts), size)]


def endless_loops(path: Path) -> list[str]:
    """Names of coroutines that loop without an end: no `return` or `break` inside."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AsyncFunctionDef):
            for loop in ast.walk(node):
                ends = (ast.Return, ast.Break)
                if (
                    isinstance(loop, ast.While)
                    and isinstance(loop.test, ast.Constant)
                    and not any(isinstance(inner, ends) for inner in ast.walk(loop))
                ):
                    found.append(f"{path.name}: {node.name}")
    return found


def test_no_loop_goes_on_by_itself() -> None:
    """A loop of the daemon's is a step that the upkeep repeats, so that it is broken above too."""
    root = Path(scheduler.__file__).parent
    files = [root / "app.py"]
    for package in ("timing", "running", "watching"):
        files += sorted((root / package).rglob("*.py"))
    assert [loop for path in files for loop in endless_loops(path)] == []


def test_an_endless_loop_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "loops.py"
    file.write_text(
        "async def ends():\n while True:\n  return\nasync def goes():\n while True: ...\n"
    )
    assert endless_loops(file) == ["loops.py: goes"]
