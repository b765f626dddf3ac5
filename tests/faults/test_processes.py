"""The daemon's processes killed, stopped and ended, and what the others make of it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.conftest import FULL, Report, trials
from tests.faults.daemons import ask, begin, lay_users, resets, until
from tests.faults.invariants import Due, violations
from tests.support import databases
from tests.support.daemon import daemon, offset_to
from tests.support.machine import connect
from tests.support.postgres import Postgres

pytestmark = pytest.mark.timeout(1800 if FULL else 120)

NEVER = "0 0 1 1 *"
LONG = {"attempts": 20, "backoff": "1s"}
RESET = json.dumps({"jobs": {"reset-credits": {"cron": NEVER, "retry": LONG, "timeout": "1h"}}})
ATTEMPTS = "SELECT count(*) >= $2 FROM lamplighter.attempts WHERE run_id = $1"
ENDED = "SELECT status FROM lamplighter.runs WHERE id = $1 AND finished_at IS NOT NULL"


async def fresh(postgres: Postgres) -> str:
    name = await postgres.create(await postgres.template("product_a", databases.product_a))
    return postgres.dsn(name)


@pytest.fixture(autouse=True)
async def _template(postgres: Postgres) -> None:
    """Made before trials that go side by side all ask for it."""
    await postgres.template("product_a", databases.product_a)


@pytest.mark.skipif(not FULL, reason="tests/e2e kills a reset once; this takes many minutes")
async def test_sigkill_during_a_reset(postgres: Postgres, tmp_path: Path, report: Report) -> None:
    rounds, kills, users = 5, 10, 1_000_000
    report.of(
        "SIGKILL at a random instant of a reset of 1,000,000 users",
        rounds * kills,
        "one ledger row each; the next attempt begins within 30 s of the restart",
    )
    begun: list[float] = []

    async def one_reset(number: int) -> None:
        dice = random.Random(number)
        dsn = await fresh(postgres)
        await lay_users(dsn, users)
        home = tmp_path / str(number)
        run = ""
        for kill in range(kills + 1):
            started = monotonic()
            async with daemon(home, RESET, name=str(kill), DATABASE_URL=dsn) as one:
                await one.until_ready()
                if not run:
                    run = await begin(one, "reset-credits")
                await until(60, dsn, ATTEMPTS, run, kill + 1)
                if kill:
                    begun.append(monotonic() - started)
                if kill < kills:
                    await asyncio.sleep(dice.uniform(0, 5))
                    await one.kill()
                else:
                    assert await until(900, dsn, ENDED, run) == "succeeded"
        assert await resets(dsn) == {"rows": users, "users": users, "wrong": 0}
        assert await violations(dsn) == []

    async with asyncio.TaskGroup() as group:
        for number in range(rounds):
            group.create_task(one_reset(number))
    report.seconds("from the restart to the next attempt", begun)
    assert max(begun) < 30


async def test_sigstop_of_the_owner(postgres: Postgres, tmp_path: Path, report: Report) -> None:
    """It neither ends nor answers: its runs go to another, and what it writes later is refused."""
    count = trials(20, 1)
    report.of(
        "SIGSTOP of the owner for 30 s, then SIGCONT",
        count,
        "taken over within 20 s; what the stopped one writes then is refused",
    )
    users = trials(60_000, 20_000)
    taken: list[float] = []

    async def one_stop(number: int) -> None:
        dsn = await fresh(postgres)
        await lay_users(dsn, users)
        home = tmp_path / str(number)
        async with (
            daemon(home, RESET, name="owner", DATABASE_URL=dsn) as owner,
            connect(dsn) as product,
        ):
            await owner.until_ready()
            # The product keeps one user's row, so that the reset is still going when it is stopped.
            lock = product.transaction()
            await lock.start()
            await product.execute("SELECT FROM app_users ORDER BY id DESC LIMIT 1 FOR UPDATE")
            run = await begin(owner, "reset-credits")
            await until(40, dsn, "SELECT count(*) > 0 FROM credit_transactions")
            async with daemon(home, RESET, name="heir", DATABASE_URL=dsn) as heir:
                await heir.until_ready()
                os.kill(owner.process.pid, signal.SIGSTOP)
                stopped = monotonic()
                await until(40, dsn, ATTEMPTS, run, 2)
                taken.append(monotonic() - stopped)
                if FULL:
                    await asyncio.sleep(max(30 - (monotonic() - stopped), 0))
                os.kill(owner.process.pid, signal.SIGCONT)
                await asyncio.sleep(1)
                await lock.rollback()
                assert await until(60, dsn, ENDED, run) == "succeeded"
                await owner.until_ready()
                assert not await ask(dsn, ATTEMPTS, run, 3)
        assert await resets(dsn) == {"rows": users, "users": users, "wrong": 0}
        assert await violations(dsn) == []

    for batch in range(0, count, 5):
        async with asyncio.TaskGroup() as group:
            for number in range(batch, min(batch + 5, count)):
                group.create_task(one_stop(number))
    report.seconds("until another had it", taken)
    assert max(taken) < (20 if FULL else 60)


async def test_sigterm_at_a_random_instant(
    postgres: Postgres, tmp_path: Path, report: Report
) -> None:
    count, drain = trials(100, 3), 2
    report.of(
        "SIGTERM at a random instant",
        count,
        "exit 0 within DRAIN_SECONDS + 2 s, every run recorded",
    )
    schedule = json.dumps(
        {
            "jobs": {
                **{f"clean-{n}": {"job": "cleanup", "cron": NEVER} for n in range(5)},
                "reset-credits": {"cron": NEVER, "retry": LONG},
            }
        }
    )
    took: list[float] = []

    async def one_end(number: int) -> None:
        dice = random.Random(number)
        dsn = await fresh(postgres)
        await lay_users(dsn, 20_000)
        home = tmp_path / str(number)
        async with daemon(home, schedule, DATABASE_URL=dsn, DRAIN_SECONDS=str(drain)) as one:
            if dice.random() < 0.2:
                # While it still starts.
                await one.until("/livez", 200)
                await asyncio.sleep(dice.uniform(0, 0.3))
            else:
                await one.until_ready()
                for job in ("reset-credits", *(f"clean-{n}" for n in range(5))):
                    await begin(one, job)
                await asyncio.sleep(dice.uniform(0, 1.5))
            one.process.send_signal(signal.SIGTERM)
            sent = monotonic()
            assert await asyncio.wait_for(one.process.wait(), 40) == 0, one.log.read_text()
            took.append(monotonic() - sent)
        assert await ask(dsn, "SELECT count(*) FROM lamplighter.runs WHERE status = 'running'") == 0
        assert await violations(dsn) == []
        await postgres.drop(dsn.rpartition("/")[2].partition("?")[0])

    for batch in range(0, count, 4):
        async with asyncio.TaskGroup() as group:
            for number in range(batch, min(batch + 4, count)):
                group.create_task(one_end(number))
    report.seconds("until it had ended", took)
    if FULL:
        assert max(took) < drain + 2


async def test_replicas_that_come_and_go(
    postgres: Postgres, tmp_path: Path, report: Report
) -> None:
    """Each new process is a minute ahead of the one before, as if time went ten times as fast.

    So the replicas do not agree on the time either.
    """
    rounds, minutes = trials(10, 1), trials(10, 2)
    report.of(
        "two and three replicas, restarted every 7 s by SIGKILL or SIGTERM; 200 fires a round",
        rounds,
        "0 lost, 0 doubled",
    )
    entries = {
        f"clean-{n}": {"job": "cleanup", "cron": "* * * * *", "catch_up": "all"} for n in range(20)
    }
    schedule = json.dumps({"jobs": entries, "max_concurrent_runs": 20})

    async def one_round(number: int) -> None:
        dice = random.Random(number)
        dsn = await fresh(postgres)
        home = tmp_path / str(number)
        begin_at = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1)
        replicas = 2 + number % 2

        async def one_life(life: int) -> None:
            """It sees the full minute that is `life` minutes after the begin come."""
            await asyncio.sleep(life * 7 / replicas)
            wanted = begin_at + timedelta(minutes=life, seconds=-4)
            async with daemon(
                home,
                schedule,
                name=str(life),
                DRAIN_SECONDS="3",
                DATABASE_URL=dsn,
                LAMPLIGHTER_NOW_OFFSET=offset_to(wanted),
            ) as one:
                await asyncio.sleep(7)
                if dice.random() < 0.5:
                    one.process.send_signal(signal.SIGTERM)
                    # Killed by it where a busy machine has not let it come so far as to listen.
                    assert await asyncio.wait_for(one.process.wait(), 40) in {0, -signal.SIGTERM}

        async with asyncio.TaskGroup() as group:
            for life in range(minutes + 1):
                group.create_task(one_life(life))
        since, until_then = await _accounted_for(dsn)
        due = {name: Due("* * * * *", since, until_then) for name in entries}
        assert (until_then - since) >= timedelta(minutes=minutes - 1)
        # What was left behind is rescued by one more, which ends by itself.
        last = offset_to(until_then + timedelta(seconds=1))
        async with daemon(
            home, schedule, name="last", DATABASE_URL=dsn, LAMPLIGHTER_NOW_OFFSET=last
        ) as one:
            await one.until_ready()
            waiting = "SELECT count(*) = 0 FROM lamplighter.runs WHERE finished_at IS NULL"
            await until(60, dsn, waiting)
            await one.stop()
        assert await violations(dsn, due) == []

    for batch in range(0, rounds, 2):
        async with asyncio.TaskGroup() as group:
            for number in range(batch, min(batch + 2, rounds)):
                group.create_task(one_round(number))


async def _accounted_for(dsn: str) -> tuple[datetime, datetime]:
    """From when to when every entry has its rows: its begin, and the watermark."""
    async with connect(dsn) as connection:
        row = await connection.fetchrow(
            "SELECT max(begun_at) AS since, min(watermark) AS until FROM lamplighter.entries"
        )
    assert row is not None
    return row["since"], row["until"]
