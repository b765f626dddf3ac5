"""Do daemons of two versions share a database during an update, and is the wrong one refused?

The newer version is one that is made up: this one's migrations, a column more in every table, other
functions. So this version is the older one, which must go on beside it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from scheduler.db.migrations import migrate, standing
from tests.support.daemon import (
    PATIENCE,
    DaemonProcess,
    command,
    daemon,
    seconds_before_the_minute,
)
from tests.support.machine import connect
from tests.support.versions import CONTRACT, LATER, WIDER, version

pytestmark = pytest.mark.timeout(120)

ENTRIES = 40
JITTER = 12
QUIET = 'jobs: {reset-credits: {cron: "0 0 1 1 *"}}\n'


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def trigger(one: DaemonProcess, key: str) -> str | None:
    """Its run's id; None where the daemon is ending, which a caller tries again elsewhere."""
    try:
        headers = {"Authorization": "Bearer dev-admin-secret", "Idempotency-Key": key}
        url = f"{one.url}/api/v1/workers/by-hand?wait=0"
        async with one.session.post(url, headers=headers) as answer:
            body: dict[str, Any] = await answer.json()
            return body.get("runId")
    except OSError:
        return None


async def test_a_rolling_update_loses_no_fire_and_doubles_none(
    database: str, tmp_path: Path
) -> None:
    """Fires fall into each second before, during and after the change, by the clock and by hand."""
    entries = {
        f"clean-{n}": {"job": "cleanup", "cron": "* * * * *", "jitter": f"{JITTER}s"}
        for n in range(ENTRIES)
    }
    schedule = json.dumps({"jobs": {**entries, "by-hand": {"job": "cleanup", "cron": "@yearly"}}})
    soon = seconds_before_the_minute(9)

    def started(name: str) -> AbstractAsyncContextManager[DaemonProcess]:
        return daemon(tmp_path / name, schedule, DATABASE_URL=database, LAMPLIGHTER_NOW_OFFSET=soon)

    by_hand: dict[str, str] = {}
    async with connect(database) as connection, started("old") as old:
        await old.until_ready()

        async def call(daemons: list[DaemonProcess], name: str) -> None:
            for one in daemons:
                run_id = await trigger(one, name)
                if run_id is not None:
                    by_hand[name] = run_id
                    return
            raise AssertionError(f"no daemon took {name}")

        async def fired() -> bool:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM lamplighter.runs WHERE trigger = 'schedule'"
            )
            return count >= ENTRIES

        for n in range(2):
            await call([old], f"before-{n}")
        (tmp_path / "versions").mkdir()
        later = version(tmp_path / "versions", LATER | {"9002_wide": WIDER}, functions=7001)
        assert len(await migrate(connection, later)) == len(LATER) + 2
        await call([old], "old-on-the-new-schema")

        async with started("new") as new:
            await new.until_ready()
            await until(fired)
            for n in range(4):
                await call([old, new], f"beside-{n}")
                await asyncio.sleep(1)
            ending = asyncio.create_task(old.stop())
            for n in range(4):
                await call([old, new], f"after-{n}")
                await asyncio.sleep(0.5)
            assert await ending == 0

            async def all_ended() -> bool:
                open_: int = await connection.fetchval(
                    "SELECT count(*) FROM lamplighter.runs WHERE finished_at IS NULL"
                )
                return open_ == 0

            await until(all_ended)
            assert await new.stop() == 0

        rows = await connection.fetch(
            "SELECT r.job, r.scheduled_for, r.status, r.id::text,"
            " (SELECT count(*) FROM lamplighter.attempts a WHERE a.run_id = r.id) AS attempts"
            " FROM lamplighter.runs r"
        )
        replicas = await connection.fetchval(
            "SELECT count(DISTINCT replica) FROM lamplighter.runs WHERE trigger = 'schedule'"
        )
    first = min(row["scheduled_for"] for row in rows if row["job"] != "by-hand")
    on_clock = [row for row in rows if row["job"] != "by-hand" and row["scheduled_for"] == first]
    assert Counter(row["job"] for row in on_clock) == dict.fromkeys(entries, 1)
    assert {row["status"] for row in on_clock} == {"succeeded"}
    assert {row["attempts"] for row in on_clock} == {1}
    assert replicas == 2, "both versions are to have had their share"
    made = {row["id"]: row["status"] for row in rows if row["job"] == "by-hand"}
    assert set(made) == set(by_hand.values())
    assert len(by_hand) == 11


async def test_migrate_check_tells_ci_how_the_schema_stands(
    empty_database: str, tmp_path: Path
) -> None:
    async def check(url: str = empty_database) -> tuple[int, dict[str, Any]]:
        said = await command("migrate", "--check", "--json", cwd=tmp_path, DATABASE_URL=url)
        return said.code, json.loads(said.out or "{}")

    code, said = await check()
    assert (code, said["pending"][0]) == (1, "0001_runs")
    (tmp_path / "versions").mkdir()
    async with connect(empty_database) as connection:
        await migrate(connection, version(tmp_path / "versions"))
        assert await check() == (0, {"pending": [], "newer": [], "refused": None})

        await migrate(connection, version(tmp_path / "versions", LATER))
        assert await check() == (0, {"pending": [], "newer": [*LATER], "refused": None})
        plain = await command("migrate", "--check", cwd=tmp_path, DATABASE_URL=empty_database)
        assert plain.out.splitlines() == [
            "up to date",
            "laid by a newer version: 9001_expand, 9002_more",
        ]

        await migrate(connection, version(tmp_path / "versions", LATER | CONTRACT))
        code, said = await check()
        assert code == 3
        assert "only versions that know 9001_expand" in said["refused"]
    assert (await check("postgresql://127.0.0.1:1/none"))[0] == 2


async def test_a_daemon_too_old_for_the_schema_does_not_start(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "versions").mkdir()
    async with connect(database) as connection:
        await migrate(connection, version(tmp_path / "versions", LATER | CONTRACT))
    async with daemon(tmp_path / "old", QUIET, DATABASE_URL=database) as old:
        assert await asyncio.wait_for(old.process.wait(), PATIENCE) == 1
        assert "only versions that know 9001_expand work with it" in old.log.read_text()


async def test_a_daemon_that_waits_for_a_locked_table_lives_and_is_not_ready(
    empty_database: str, tmp_path: Path
) -> None:
    """Kubernetes would restart it otherwise, and the old daemons go on meanwhile."""
    (tmp_path / "versions").mkdir()
    older = version(tmp_path / "versions")
    for path in older.glob("[0-9]*.sql"):
        # The first of these wants the table that is locked below.
        if path.name >= "0016_suppressions.sql":
            path.unlink()
    async with connect(empty_database) as connection, connect(empty_database) as job:
        await migrate(connection, older)
        holding = job.transaction()
        await holding.start()
        await job.execute("LOCK TABLE lamplighter.suppressions IN ROW EXCLUSIVE MODE")
        async with daemon(tmp_path / "new", QUIET, DATABASE_URL=empty_database) as new:
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            waits = 0
            while waits < 2:  # it has let go once, and come again
                while not await connection.fetchval(blocked):
                    await asyncio.sleep(0.02)
                waits += 1
                assert (await new.call("/livez"))[0] == 200
                status, body = await new.call("/readyz")
                assert (status, body["error"]) == (503, "starting")
                while await connection.fetchval(blocked):
                    await asyncio.sleep(0.02)
            await holding.rollback()
            await new.until_ready()
            assert (await standing(connection)).pending == []
            assert await new.stop() == 0
