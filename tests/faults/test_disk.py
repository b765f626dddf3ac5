"""The disk of the embedded database fills up under it, and has room again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import aiohttp
import pytest

from scheduler.db.embedded import owner
from tests.faults.conftest import FULL, Report, trials
from tests.faults.daemons import ask, lay_users, resets, until
from tests.faults.invariants import violations
from tests.faults.test_processes import NEVER
from tests.support.daemon import DaemonProcess, daemon
from tests.support.machine import connect

pytestmark = pytest.mark.timeout(1800 if FULL else 120)

USERS = 20_000
MESSAGES = 20
RETRY = {"attempts": 20, "backoff": "2s", "max_backoff": "3s"}
SCHEDULE = json.dumps(
    {
        "jobs": {
            "reset-credits": {"cron": NEVER, "retry": RETRY, "timeout": "1h"},
            "process-email-queue": {
                "cron": NEVER,
                "retry": RETRY,
                "params": {"send_backlog": True},
            },
        }
    }
)
QUEUE = """
    INSERT INTO email_queue (id, status, to_email, from_email, subject, html_body, created_at)
    SELECT gen_random_uuid(), 'pending', 'user' || n || '@example.com', 'us@example.com', 'News',
           repeat('All the news. ', 5000), clock_timestamp() - interval '1 hour'
    FROM generate_series(1, $1 ::int) AS n
"""
IS_RESET = "SELECT count(*) = $1 FROM app_users WHERE credits_remaining = 10"
ALL_SENT = "SELECT count(*) = $1 FROM email_queue WHERE status = 'sent'"
ALL_ENDED = "SELECT count(*) = 0 FROM lamplighter.runs WHERE finished_at IS NULL"
FULL_ATTEMPTS = """
    SELECT count(*) FROM lamplighter.attempts WHERE error_message LIKE '%No space left on device%'
"""
# Every page of every table and index is read, and held against each other and its checksum.
CHECK_HEAPS = """
    SELECT c.relname, v.msg FROM pg_class c CROSS JOIN LATERAL verify_heapam(c.oid) AS v
    WHERE c.relkind IN ('r', 't') AND c.relpersistence = 'p'
"""
CHECK_INDEXES = """
    SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
    WHERE c.relkind = 'i' AND a.amname = 'btree' AND c.relpersistence = 'p'
"""


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own; the test is skipped where that may not be made."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "lamplighter-test", place],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        # What still holds it lets go of it when it ends.
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path, leaving: int) -> None:
    status = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - leaving)


async def start_work(one: DaemonProcess) -> None:
    """As far as it can be started: a full disk takes no row of a run either."""
    for job in ("reset-credits", "process-email-queue"):
        with suppress(aiohttp.ClientError, TimeoutError):
            await one.call(f"/api/v1/workers/{job}?wait=0", "POST")


async def test_a_full_disk(scratch: Path, report: Report) -> None:
    count, seconds = trials(10, 1), trials(20, 6)
    report.of(
        f"the disk full under the embedded database for {seconds} s",
        count,
        "a clear error in health, log or run, nothing corrupt, goes on when there is room",
    )
    took: list[float] = []
    failed_attempts: list[int] = []
    ends: list[int] = []

    async def one_disk(number: int) -> None:
        dice = random.Random(number)
        disk, home = scratch / f"disk {number}", scratch / f"home {number}"
        with small_disk(disk, 160):
            data_dir = disk / "data"
            async with daemon(home, SCHEDULE, LAMPLIGHTER_DATA_DIR=str(data_dir)) as one:
                await one.until_ready()
                known = owner.read(data_dir)
                assert known is not None
                await lay_users(known.dsn, USERS)
                await ask(known.dsn, QUEUE, MESSAGES)
                # Less than a file of what is written ahead of the tables takes.
                fill(disk, dice.choice([0, 256 << 10, 1 << 20, 4 << 20, 8 << 20]))
                until_then = monotonic() + seconds
                await one.until("/health", 200, saying="its disk has")
                while monotonic() < until_then:
                    await start_work(one)
                    assert (await one.call("/livez"))[0] == 200
                    await asyncio.sleep(0.5)
                (disk / "ballast").unlink()
                room_at = monotonic()
                await one.until_ready()
                took.append(monotonic() - room_at)
                await all_is_well(one, known.dsn, data_dir / "mail")
                failed_attempts.append(await ask(known.dsn, FULL_ATTEMPTS))
                log = one.log.read_text()
                assert "No space left on device" in log, log
                ends.append(log.count("database_away"))
                assert await one.stop() == 0

    for batch in range(0, count, 5):
        async with asyncio.TaskGroup() as group:
            for number in range(batch, min(batch + 5, count)):
                group.create_task(one_disk(number))
    report.seconds("until ready, from when there was room", took)
    report.figures["attempts that say so"] = str(sum(failed_attempts))
    report.figures["times PostgreSQL ended"] = str(sum(ends))
    assert max(took) < (20 if FULL else 60)


async def all_is_well(one: DaemonProcess, dsn: str, mail: Path) -> None:
    await until(60, dsn, ALL_ENDED)
    # What was refused for want of room, and what was begun, ends when it is asked for again.
    await start_work(one)
    await until(60, dsn, IS_RESET, USERS)
    await until(60, dsn, ALL_SENT, MESSAGES)
    await until(60, dsn, ALL_ENDED)
    assert await resets(dsn) == {"rows": USERS, "users": USERS, "wrong": 0}
    assert await violations(dsn) == []
    # Each message is there once, and whole.
    files = sorted(mail.iterdir())
    assert [file.suffix for file in files] == [".eml"] * MESSAGES
    for file in files:
        assert file.read_bytes().count(b"All the news.") >= 5000, file
    async with connect(dsn) as connection:
        await connection.execute("CREATE EXTENSION amcheck")
        assert await connection.fetch(CHECK_HEAPS, timeout=60) == []
        await connection.execute(CHECK_INDEXES, timeout=60)
    async with asyncio.timeout(30):
        while (body := (await one.call("/health"))[1])["reasons"]:
            assert "disk" not in str(body), body
            await asyncio.sleep(0.2)
